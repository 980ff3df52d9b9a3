//! What a configuration is made from: files and variables, as values.

use std::path::{Path, PathBuf};

use super::problem::ConfigError;

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

    /// The folder against which relative paths are resolved.
    pub(super) fn folder(&self) -> &Path {
        self.config_file.as_deref().and_then(Path::parent).unwrap_or(&self.working_folder)
    }
}

pub(super) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })
}
