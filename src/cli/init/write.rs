//! The files: prepared and read as `run` will read them, written only then, what they replace kept.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use toml_edit::{DocumentMut, Item, Table, Value};

use super::Scene;
use super::choice::Key;
use super::find::stand_ins;
use super::plan::{Judge, Plan};
use crate::catalog::{Provider, Tier};
use crate::cli::Failure;
use crate::config::Sources;

/// Files that are ready to be written.
pub(super) struct Written {
    files: Vec<File>,
    /// Where the router will listen, and whether it will ask for a key.
    pub(super) port: u16,
    pub(super) wants_key: bool,
    /// Variables that the configuration names and that are not set.
    pub(super) missing: Vec<String>,
}

struct File {
    path: PathBuf,
    /// What it was made from.
    before: Option<String>,
    text: String,
    is_secret: bool,
}

/// Makes the files' texts, and reads them as `run` will, with stand-ins for keys that are not set yet.
pub(super) fn prepare(out: &Path, plan: &Plan, scene: &Scene) -> Result<Written, Failure> {
    let text = toml(plan, scene)?;
    let mut environment = scene.found.environment.clone();
    let mut typed = Vec::new();
    for choice in Tier::ALL.iter().filter_map(|tier| plan.chosen(*tier)).chain(&plan.endpoint) {
        if let Key::Typed(name, secret) = &choice.key {
            typed.push((name.clone(), secret.expose().to_owned()));
        }
    }
    typed.dedup();
    environment.extend(typed.clone());
    let set = environment.clone();
    environment.extend(stand_ins(&text, &environment));
    let mut sources = Sources::from_toml(text.clone());
    sources.config_file = Some(out.to_owned());
    // Flat variables of the earlier router would be laid over the file: `run` will say the same.
    sources.environment = environment;
    let loaded = crate::config::load(&sources)?;
    let mut missing: Vec<String> = stand_ins(&text, &set).into_iter().map(|(name, _)| name).collect();
    missing.sort();
    missing.dedup();
    let mut files = vec![File { path: out.to_owned(), before: scene.found.text.clone(), text, is_secret: false }];
    if !typed.is_empty() {
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let path = folder.join(".env");
        let before = std::fs::read_to_string(&path).ok();
        let text = dotenv(before.as_deref().unwrap_or_default(), &typed).map_err(Failure::Usage)?;
        files.push(File { path, before, text, is_secret: true });
    }
    let server = &loaded.config.server;
    Ok(Written { files, port: server.port, wants_key: server.api_key.is_some(), missing })
}

impl Written {
    /// Writes the files, each at once; the back-ups that were kept.
    pub(super) fn commit(&self) -> anyhow::Result<Vec<PathBuf>> {
        for File { path, before, .. } in &self.files {
            if std::fs::read_to_string(path).ok() != *before {
                return Err(anyhow!("{} has changed meanwhile: nothing is written; run it again", path.display()));
            }
        }
        let mut kept = Vec::new();
        for File { path, before, text, is_secret } in &self.files {
            if before.as_ref() == Some(text) {
                continue;
            }
            // A link stays one: what it leads to is written.
            let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            let permissions = std::fs::metadata(&path).map(|meta| meta.permissions()).ok();
            if before.is_some() {
                let backup = unused(&path);
                std::fs::copy(&path, &backup).with_context(|| format!("cannot write {}", backup.display()))?;
                kept.push(backup);
            }
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
            let fresh = folder.join(format!(".xrouter-init-{}", std::process::id()));
            // Nobody else may read it before its permissions are those of the file that it replaces.
            let is_private = *is_secret || permissions.is_some();
            let written = write(&fresh, text, is_private).and_then(|()| match permissions.filter(|_| !is_secret) {
                Some(permissions) => std::fs::set_permissions(&fresh, permissions),
                None => Ok(()),
            });
            let written = written.and_then(|()| std::fs::rename(&fresh, &path));
            if written.is_err() {
                let _ = std::fs::remove_file(&fresh);
            }
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(kept)
    }
}

/// A file that is its owner's alone, if it holds secrets: from its first moment on.
fn write(path: &Path, text: &str, is_secret: bool) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if is_secret {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = is_secret;
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// `NAME.bak`, or with a number where that is taken: no back-up replaces another.
fn unused(path: &Path) -> PathBuf {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let numbered = (2..).map(|number| with(&format!(".bak{number}")));
    std::iter::once(with(".bak")).chain(numbered).find(|file| !file.exists()).unwrap_or_else(|| with(".bak"))
}

/// The existing file with what is new, or a new one.
fn toml(plan: &Plan, scene: &Scene) -> Result<String, Failure> {
    const HEAD: &str = "# Written by `xrouter init`: only what differs from the defaults. xrouter.toml.example lists every key,\n\
        # `xrouter config show` what is in force. Keys stand in the environment or in .env beside this file.\n";
    let fresh = scene.found.text.is_none();
    let text = scene.found.text.as_deref().unwrap_or_default();
    let mut document: DocumentMut =
        text.parse().map_err(|error: toml_edit::TomlError| Failure::Usage(anyhow!("the existing file: {error}")))?;
    if let Some(judge) = plan.judge {
        let table = table(document.as_table_mut(), "classifier");
        classifier(table, judge, plan);
    }
    for tier in Tier::ALL {
        let Some(choice) = plan.chosen(tier) else { continue };
        let tiers = table(document.as_table_mut(), "tiers");
        tiers.set_implicit(true);
        let mut new = Table::new();
        for (name, value) in choice.entries() {
            new.insert(name, Item::Value(value));
        }
        if choice.provider == Provider::Ollama {
            new.insert("price", price());
        }
        // What is there already keeps its place and the comment before it.
        match tiers.get(tier.as_str()).and_then(Item::as_table) {
            Some(old) => {
                *new.decor_mut() = old.decor().clone();
                new.set_position(old.position());
            }
            None => new.decor_mut().set_prefix(format!("\n# {}\n", about(tier))),
        }
        tiers.insert(tier.as_str(), Item::Table(new));
    }
    let body = document.to_string();
    Ok(if fresh { format!("{HEAD}{}{body}", if body.starts_with('\n') { "" } else { "\n" }) } else { body })
}

const fn about(tier: Tier) -> &'static str {
    match tier {
        Tier::Cheap => "Everyday requests",
        Tier::Medium => "Requests that need a solid general model",
        Tier::Frontier => "Requests that need the strongest model",
    }
}

/// A local engine costs nothing per token.
fn price() -> Item {
    let mut price = toml_edit::InlineTable::new();
    price.insert("input", Value::from(0.0));
    price.insert("output", Value::from(0.0));
    Item::Value(Value::InlineTable(price))
}

fn table<'t>(parent: &'t mut Table, name: &str) -> &'t mut Table {
    let item = parent.entry(name).or_insert_with(|| Item::Table(Table::new()));
    if !item.is_table() {
        *item = Item::Table(Table::new());
    }
    item.as_table_mut().expect("it was just made one")
}

fn classifier(table: &mut Table, judge: Judge, plan: &Plan) {
    table.insert("kind", Item::Value(judge.as_str().into()));
    let cheap = plan.endpoint.as_ref().or(plan.chosen(Tier::Cheap)).filter(|_| judge.asks_a_model());
    if let Some(cheap) = cheap {
        let base_url = cheap.base_url.as_deref().or(cheap.provider.default_base_url()).unwrap_or_default();
        table.insert("base_url", Item::Value(base_url.into()));
        for (name, value) in cheap.entries() {
            if ["api_key", "model"].contains(&name) {
                table.insert(name, Item::Value(value));
            }
        }
        if !cheap.entries().iter().any(|(name, _)| *name == "api_key") {
            table.remove("api_key");
        }
    } else if !judge.asks_a_model() {
        for name in ["base_url", "api_key", "model"] {
            table.remove(name);
        }
    }
}

/// A `.env` with these variables set; every other line as it was.
fn dotenv(before: &str, set: &[(String, String)]) -> anyhow::Result<String> {
    let end = if before.contains("\r\n") { "\r\n" } else { "\n" };
    let names = |line: &str| {
        let name = line.split('=').next().unwrap_or_default().trim();
        name.strip_prefix("export ").unwrap_or(name).trim().to_owned()
    };
    let mut lines: Vec<String> =
        before.lines().filter(|line| !set.iter().any(|(name, _)| names(line) == *name)).map(str::to_owned).collect();
    for (name, value) in set {
        lines.push(format!("{name}={}", quoted(name, value)?));
    }
    Ok(lines.iter().map(|line| format!("{line}{end}")).collect::<Vec<_>>().concat())
}

/// A value as it is read back: bare, or between marks that it does not hold.
fn quoted(name: &str, value: &str) -> anyhow::Result<String> {
    let is_plain = value.chars().all(|c| c.is_ascii_alphanumeric() || "-_./+=:".contains(c));
    if is_plain && !value.is_empty() {
        return Ok(value.to_owned());
    }
    // Between double marks, \n and \r would be line ends.
    let marks = ['\'', '`', '"'];
    let fits = |mark: &char| !value.contains(*mark) && (*mark != '"' || !value.contains('\\'));
    match marks.iter().find(|mark| fits(mark)) {
        Some(mark) if !value.contains(['\n', '\r']) => Ok(format!("{mark}{value}{mark}")),
        _ => Err(anyhow!(
            "the key cannot be kept in .env, as it holds all kinds of quotation marks or a line end: set {name} in the environment, and choose \"in another variable\""
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dotenv_keeps_its_other_lines() {
        let set = [("A_KEY".to_owned(), "new".to_owned()), ("B".to_owned(), "with blank".to_owned())];
        let text = dotenv("# mine\nexport A_KEY=old\nOTHER=1\n", &set).unwrap();
        assert_eq!(text, "# mine\nOTHER=1\nA_KEY=new\nB='with blank'\n");
    }

    #[test]
    fn a_key_is_read_back_as_it_was_typed() {
        for key in ["sk-plain", "a'b", "a'b\"c", "sk$HOME\"a#b c'd\\e${X}", "a`b'c", "with blank", "tab\there"] {
            let text = dotenv("", &[("KEY".to_owned(), key.to_owned())]).unwrap();
            let sources = Sources { dotenv: Some((PathBuf::from(".env"), text.clone())), ..Sources::default() };
            assert_eq!(sources.variables(), [("KEY".to_owned(), key.to_owned())], "{text}");
        }
        assert!(quoted("KEY", "a'b`c\"d").is_err() && quoted("KEY", "a\nb").is_err());
        assert_eq!(dotenv("A=1\r\n", &[("B".to_owned(), "2".to_owned())]).unwrap(), "A=1\r\nB=2\r\n");
    }

    #[test]
    fn no_back_up_replaces_another() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.toml");
        assert_eq!(unused(&file), folder.path().join("x.toml.bak"));
        std::fs::write(folder.path().join("x.toml.bak"), "").unwrap();
        assert_eq!(unused(&file), folder.path().join("x.toml.bak2"));
    }
}
