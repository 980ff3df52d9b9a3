//! Labelled prompts: one JSON object a line, gzipped or not.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A prompt and what came of it.
#[derive(Debug, Deserialize)]
pub struct Row {
    /// Its name. Defaults to nothing.
    #[serde(default)]
    pub id: String,
    /// The data set that it is from.
    #[serde(default = "own")]
    pub source: String,
    /// `en`, `zh`, ….
    #[serde(default)]
    pub lang: String,
    /// `in` or `out`: whether its source was trained on.
    #[serde(default = "inside")]
    pub domain: String,
    /// What its label is: `measured`, `measured_single`, `constructed`, `graded`, `wrapped` or `unlabelled_everyday`.
    #[serde(default = "constructed")]
    pub label_kind: String,
    /// Rows of a pair have nearly the same words and other tiers: they are held out together.
    #[serde(default)]
    pub pair: Option<String>,
    /// The conversation, as OpenAI's API has it.
    #[serde(default)]
    pub messages: Option<Box<RawValue>>,
    /// The tools that the request offers, if it is known whole.
    #[serde(default)]
    pub tools: Option<Box<RawValue>>,
    /// Instead of `messages`: what a user says.
    #[serde(default)]
    pub text: Option<String>,
    /// Quality of a weak model's answer, 0 to 1.
    #[serde(default)]
    pub weak: Option<f64>,
    /// Quality of a medium model's answer, 0 to 1.
    #[serde(default)]
    pub mid: Option<f64>,
    /// Quality of a strong model's answer, 0 to 1.
    #[serde(default)]
    pub strong: Option<f64>,
    /// Share of many models that fail, 0 to 1.
    #[serde(default)]
    pub difficulty: Option<f64>,
    /// 0, 1 or 2: the weakest tier that does it; nothing if none does.
    #[serde(default)]
    pub tier: Option<u8>,
}

fn own() -> String {
    "own".to_owned()
}

fn inside() -> String {
    "in".to_owned()
}

fn constructed() -> String {
    "constructed".to_owned()
}

/// What a row's label is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The outcome of a weak and a strong model was measured.
    Measured,
    /// The outcome of one model was measured.
    MeasuredSingle,
    /// The tier was given by the kind of request; no model was run.
    Constructed,
    /// The tier was given by people who read the request.
    Graded,
    /// A copy of a row whose tier is known, in a wrapper.
    Wrapped,
    /// There is none.
    Unlabelled,
}

impl Row {
    /// What its label is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.label_kind.as_str() {
            "measured" => Kind::Measured,
            "measured_single" => Kind::MeasuredSingle,
            "constructed" => Kind::Constructed,
            "graded" => Kind::Graded,
            "wrapped" => Kind::Wrapped,
            _ => Kind::Unlabelled,
        }
    }

    /// By what a row is held out: its pair, else its text.
    #[must_use]
    pub fn held_by(&self) -> &str {
        self.pair.as_deref().or(self.text.as_deref()).unwrap_or(&self.id)
    }

    /// A copy of a row with its text in a wrapper. It is held out with the row.
    pub(super) fn wrapped(row: &Row, text: String) -> Self {
        Row {
            id: row.id.clone(),
            source: row.source.clone(),
            lang: row.lang.clone(),
            domain: row.domain.clone(),
            label_kind: "wrapped".to_owned(),
            pair: Some(row.held_by().to_owned()),
            messages: None,
            tools: None,
            text: Some(text),
            weak: None,
            mid: None,
            strong: None,
            difficulty: None,
            tier: row.tier,
        }
    }

    /// What a user says, if it is one message of text.
    pub(super) fn words(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Message {
            content: String,
        }
        match (&self.text, &self.messages) {
            (Some(text), _) => Some(text.clone()),
            (None, Some(messages)) => {
                let [Message { content }] = serde_json::from_str(messages.get()).ok()?;
                Some(content)
            }
            (None, None) => None,
        }
    }

    /// Whether its tier was given by the kind of request; no model was run.
    #[must_use]
    pub fn is_constructed(&self) -> bool {
        self.kind() == Kind::Constructed
    }

    /// Its conversation as the body of a request.
    #[must_use]
    pub fn body(&self) -> String {
        match (&self.messages, &self.text) {
            (Some(messages), _) => {
                let tools = self.tools.as_ref().map_or("[]", |tools| tools.get());
                format!("{{\"messages\":{messages},\"tools\":{tools}}}")
            }
            (None, text) => {
                let text = text.as_deref().unwrap_or_default();
                serde_json::json!({ "messages": [{ "role": "user", "content": text }] }).to_string()
            }
        }
    }
}

/// Rows that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is no row.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// Of which file.
        path: PathBuf,
        /// Which, from 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

/// Reads a file of rows. A name that ends in `.gz` is unpacked.
///
/// # Errors
/// It cannot be read, or a line is no row.
pub fn read(path: &Path) -> Result<Vec<Row>, RowsError> {
    lines(path, |text| {
        let row: Row = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if row.messages.is_none() && row.text.is_none() {
            return Err("it has neither `messages` nor `text`".to_owned());
        }
        if row.tier.is_some_and(|tier| tier > 2) {
            return Err("its `tier` is not 0, 1 or 2".to_owned());
        }
        Ok(row)
    })
}

/// The lines of a file, each read by itself; blank ones are left out.
pub(super) fn lines<T>(path: &Path, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, RowsError> {
    let failed = |source| RowsError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut all = Vec::new();
    for (line, text) in (1..).zip(BufReader::new(reader).lines()) {
        let text = text.map_err(failed)?;
        if text.trim().is_empty() {
            continue;
        }
        all.push(read(&text).map_err(|reason| RowsError::Line { path: path.to_owned(), line, reason })?);
    }
    Ok(all)
}
