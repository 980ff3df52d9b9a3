//! `xrouter.toml`: its values, the line of each key, and `${NAME}` put in.

use std::collections::HashMap;
use std::path::Path;

use figment::value::Dict;
use toml::de::{DeTable, DeValue};

use super::env::Variables;
use super::origin::Origin;
use super::problem::{ConfigError, Problem};

/// A parsed file.
pub(super) struct TomlFile {
    pub(super) values: Dict,
    /// Dotted key → line, from 1. Elements of lists have their index as a segment.
    pub(super) lines: HashMap<String, usize>,
}

/// Parses the text and puts variables in.
pub(super) fn parse(
    path: &Path,
    text: &str,
    variables: &Variables,
    problems: &mut Vec<Problem>,
) -> Result<TomlFile, ConfigError> {
    let syntax = |error: toml::de::Error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        message: error.message().to_owned(),
    };
    let spanned = DeTable::parse(text).map_err(syntax)?;
    let mut lines = HashMap::new();
    walk_table(text, spanned.get_ref(), "", &mut lines);

    let mut table: toml::Table = toml::from_str(text).map_err(syntax)?;
    let mut expand = Expand { path, lines: &lines, variables, problems };
    expand.table(&mut table, "");
    let values = to_dict(&table).map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: 1,
        message: error.to_string(),
    })?;
    Ok(TomlFile { values, lines })
}

#[expect(clippy::result_large_err, reason = "figment's own error, handled by the only caller")]
fn to_dict(table: &toml::Table) -> Result<Dict, figment::Error> {
    table.iter().map(|(key, value)| Ok((key.clone(), figment::value::Value::serialize(value)?))).collect()
}

/// The line of a byte offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    memchr::memchr_iter(b'\n', &text.as_bytes()[..offset.min(text.len())]).count() + 1
}

fn join(prefix: &str, segment: &str) -> String {
    if prefix.is_empty() { segment.to_owned() } else { format!("{prefix}.{segment}") }
}

fn walk_table(text: &str, table: &DeTable<'_>, prefix: &str, lines: &mut HashMap<String, usize>) {
    for (key, value) in table {
        let path = join(prefix, key.get_ref());
        lines.insert(path.clone(), line_of(text, key.span().start));
        walk_value(text, value.get_ref(), &path, lines);
    }
}

fn walk_value(text: &str, value: &DeValue<'_>, path: &str, lines: &mut HashMap<String, usize>) {
    match value {
        DeValue::Table(table) => walk_table(text, table, path, lines),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = join(path, &index.to_string());
                lines.insert(path.clone(), line_of(text, item.span().start));
                walk_value(text, item.get_ref(), &path, lines);
            }
        }
        _ => {}
    }
}

/// Puts `${NAME}` into every string.
struct Expand<'a> {
    path: &'a Path,
    lines: &'a HashMap<String, usize>,
    variables: &'a Variables,
    problems: &'a mut Vec<Problem>,
}

impl Expand<'_> {
    fn table(&mut self, table: &mut toml::Table, prefix: &str) {
        for (key, value) in table.iter_mut() {
            self.value(value, &join(prefix, key));
        }
    }

    fn value(&mut self, value: &mut toml::Value, key: &str) {
        match value {
            toml::Value::String(text) if text.contains("${") => match self.variables.expand(text) {
                Ok(expanded) => *text = expanded,
                Err((message, hint)) => self.problems.push(Problem {
                    key: key.to_owned(),
                    origin: Some(Origin::File {
                        path: self.path.to_owned(),
                        line: self.lines.get(key).copied().unwrap_or(1),
                    }),
                    message,
                    hint,
                }),
            },
            toml::Value::Table(table) => self.table(table, key),
            toml::Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(item, &join(key, &index.to_string()));
                }
            }
            _ => {}
        }
    }
}
