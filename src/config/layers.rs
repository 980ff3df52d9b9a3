//! The layers, and how they are laid over one another.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Tag, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::check::{ConfigError, Problem};
use super::{dotenv, env, toml_file, upstreams_json};

/// The lowest layer.
const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Everything that the configuration is made from, as values.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The TOML file in use.
    pub config_file: Option<PathBuf>,
    /// Its text.
    pub config_text: Option<String>,
    /// The `.env` file and its text.
    pub dotenv: Option<(PathBuf, String)>,
    /// An `upstreams.json` of the earlier router that was found; `UPSTREAMS_FILE` names another.
    pub upstreams_file: Option<PathBuf>,
    /// The process environment.
    pub environment: Vec<(String, String)>,
    /// The working directory.
    pub working_folder: PathBuf,
    /// Where this user's programs keep their data.
    pub data_folder: Option<PathBuf>,
}

impl Sources {
    /// Finds the files: the TOML file (`explicit`, else `./xrouter.toml`, else the one in the user's
    /// configuration folder) and `.env` (beside that file, else in the working directory).
    ///
    /// # Errors
    /// A file that was named or found cannot be read.
    pub fn discover(explicit: Option<&Path>) -> Result<Self, ConfigError> {
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let working_folder = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
        let variable = |name: &str| {
            environment
                .iter()
                .find(|(key, value)| key == name && !value.is_empty())
                .map(|(_, value)| PathBuf::from(value))
        };
        let user_folder = |name: &str, fallback: &str| {
            variable(name).or_else(|| Some(variable("HOME")?.join(fallback))).map(|folder| folder.join("xrouter"))
        };
        let candidates = [
            Some(working_folder.join("xrouter.toml")),
            user_folder("XDG_CONFIG_HOME", ".config").map(|folder| folder.join("xrouter.toml")),
        ];
        let config_file = match explicit {
            Some(path) => Some(working_folder.join(path)),
            None => candidates.into_iter().flatten().find(|path| path.is_file()),
        };
        let config_text = config_file.as_deref().map(read).transpose()?;
        let dotenv_file = config_file
            .as_deref()
            .and_then(Path::parent)
            .into_iter()
            .chain([working_folder.as_path()])
            .map(|folder| folder.join(".env"))
            .find(|path| path.is_file());
        let dotenv = dotenv_file.map(|path| read(&path).map(|text| (path, text))).transpose()?;
        let data_folder = user_folder("XDG_DATA_HOME", ".local/share");
        let beside = config_file.as_deref().and_then(Path::parent).unwrap_or(&working_folder);
        let upstreams_file = Some(beside.join("upstreams.json")).filter(|path| path.is_file());
        Ok(Sources { config_file, config_text, dotenv, upstreams_file, environment, working_folder, data_folder })
    }

    /// Sources made of one TOML text, for programs that bring their own configuration.
    #[must_use]
    pub fn from_toml(text: impl Into<String>) -> Self {
        Sources {
            config_file: Some(PathBuf::from("xrouter.toml")),
            config_text: Some(text.into()),
            ..Sources::default()
        }
    }

    /// All variables by name: those of the process, and those of `.env` that they do not set.
    #[must_use]
    pub fn variables(&self) -> Vec<(String, String)> {
        env::Variables::new(self).all().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Whether anything configures anything: a file, or one of our variables.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let dotenv = self.dotenv.as_ref().map(|(path, text)| dotenv::parse(path, text)).unwrap_or_default();
        self.config_text.is_none()
            && self.upstreams_file.is_none()
            && !dotenv.iter().any(|entry| env::configures_upstreams(&entry.name))
            && !self.environment.iter().any(|(name, value)| !value.is_empty() && env::configures_upstreams(name))
    }

    /// The folder against which relative paths are resolved.
    pub(super) fn folder(&self) -> &Path {
        self.config_file.as_deref().and_then(Path::parent).unwrap_or(&self.working_folder)
    }
}

pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The built-in defaults.
    Default,
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the process environment.
    Variable(String),
    /// A variable of the `.env` file.
    Dotenv {
        /// The file.
        path: PathBuf,
        /// The variable.
        name: String,
    },
    /// The `upstreams.json` of the earlier router, as a file or in a variable.
    UpstreamsJson(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Dotenv { path, name } => write!(f, "{name} in {}", path.display()),
            Origin::UpstreamsJson(place) => f.write_str(place),
        }
    }
}

/// One value on its way into the merge: its key as path segments, and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) path: Vec<String>,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

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
