//! The layers, and how they are laid over one another.

use std::collections::HashMap;

use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::origin::Origin;
use super::problem::{ConfigError, Problem};
use super::sources::Sources;
use super::{env, toml_file, upstreams_json};

/// The lowest layer.
const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The layers merged, with the origin of every value.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) figment: Figment,
    origins: Vec<Origin>,
    lines: HashMap<String, usize>,
}

/// A whole layer, or one value of it, as figment wants it. Its metadata's name is an index into
/// the origins.
struct Layer {
    origin: usize,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.to_string())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

impl Merged {
    fn lay(&mut self, origin: Origin, values: Dict) {
        let layer = Layer { origin: self.origins.len(), values };
        self.origins.push(origin);
        self.figment = std::mem::take(&mut self.figment).merge(layer);
    }

    /// Where a key's value was written, if it has one.
    pub(super) fn origin(&self, key: &str) -> Option<Origin> {
        self.origin_of(key, self.figment.find_value(key).ok()?.tag())
    }

    /// Where a value with this tag was written; `key` finds its line.
    pub(super) fn origin_of(&self, key: &str, tag: Tag) -> Option<Origin> {
        let index: usize = self.figment.get_metadata(tag)?.name.parse().ok()?;
        let origin = self.origins.get(index)?.clone();
        Some(match origin {
            Origin::File { path, .. } => Origin::File { path, line: self.line(key) },
            other => other,
        })
    }

    fn line(&self, key: &str) -> usize {
        let mut key = key;
        loop {
            if let Some(line) = self.lines.get(key) {
                return *line;
            }
            match key.rsplit_once('.') {
                Some((parent, _)) => key = parent,
                None => return 1,
            }
        }
    }

    /// A problem with a key, with the place where its value was written.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem { key: key.to_owned(), origin: self.origin(key), message: message.into(), hint: hint.into() }
    }
}

/// Reads every layer and lays them over one another.
pub(super) fn merge(sources: &Sources) -> Result<Merged, ConfigError> {
    let mut merged = Merged { figment: Figment::new(), origins: Vec::new(), lines: HashMap::new() };
    let defaults: Dict = toml::from_str(DEFAULTS).expect("config/default.toml parses: a test reads the same bytes");
    merged.lay(Origin::Default, defaults);

    let variables = env::Variables::new(sources);
    let mut problems = Vec::new();
    if let (Some(path), Some(text)) = (&sources.config_file, &sources.config_text) {
        let file = toml_file::parse(path, text, &variables, &mut problems)?;
        merged.lines = file.lines;
        merged.lay(Origin::File { path: path.clone(), line: 1 }, file.values);
    }
    let mut entries = upstreams_json::entries(sources, &variables, &mut problems);
    entries.extend(variables.entries(&mut problems));
    for entry in entries {
        let mut path = entry.path.into_iter().rev();
        let Some(last) = path.next() else { continue };
        let mut values = Dict::from([(last, entry.value)]);
        for segment in path {
            values = Dict::from([(segment, Value::from(values))]);
        }
        merged.lay(entry.origin, values);
    }
    if problems.is_empty() { Ok(merged) } else { Err(ConfigError::Invalid(problems)) }
}
