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
    /// `measured`, `measured_single`, `constructed` or `unlabelled_everyday`.
    #[serde(default = "constructed")]
    pub label_kind: String,
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

impl Row {
    /// Whether its tier was given by the kind of request; no model was run.
    #[must_use]
    pub fn is_constructed(&self) -> bool {
        self.label_kind == "constructed"
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
    let failed = |source| RowsError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let packed = path.extension().is_some_and(|extension| extension == "gz");
    let reader: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut rows = Vec::new();
    for (line, text) in (1..).zip(BufReader::new(reader).lines()) {
        let text = text.map_err(failed)?;
        if text.trim().is_empty() {
            continue;
        }
        let invalid = |reason: String| RowsError::Line { path: path.to_owned(), line, reason };
        let row: Row = serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        if row.messages.is_none() && row.text.is_none() {
            return Err(invalid("it has neither `messages` nor `text`".to_owned()));
        }
        if row.tier.is_some_and(|tier| tier > 2) {
            return Err(invalid("its `tier` is not 0, 1 or 2".to_owned()));
        }
        rows.push(row);
    }
    Ok(rows)
}
