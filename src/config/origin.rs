//! Where a value was written.

use std::fmt;
use std::path::PathBuf;

use figment::value::Value;

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
