//! What is there already: keys, engines, an existing configuration, files of the earlier router.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::choice::{Choice, Key};
use crate::catalog::{Catalog, Provider, Tier};
use crate::cli::{Failure, reach};
use crate::config::{Loaded, Sources};
use crate::hardware::{Advice, LocalModel, Snapshot, advise};
use crate::providers::probe;

/// Engines and the ports on which they usually listen; `OLLAMA_HOST` may move the first.
const ENGINES: [(&str, Provider, &str); 4] = [
    ("Ollama", Provider::Ollama, "127.0.0.1:11434"),
    ("llama.cpp", Provider::OpenaiCompatible, "127.0.0.1:8080"),
    ("vLLM", Provider::OpenaiCompatible, "127.0.0.1:8000"),
    ("LM Studio", Provider::OpenaiCompatible, "127.0.0.1:1234"),
];
/// Longest wait for an engine on this machine.
const ENGINE_LIMIT: Duration = Duration::from_millis(800);

/// An engine that answers.
#[derive(Debug, Clone)]
pub(super) struct Engine {
    pub(super) name: &'static str,
    pub(super) provider: Provider,
    /// Its address; nothing where it is the provider's own.
    pub(super) base_url: Option<String>,
    pub(super) models: Vec<String>,
}

/// What was found.
pub(super) struct Found {
    pub(super) snapshot: Snapshot,
    pub(super) advice: Advice,
    /// The process environment, and what `.env` beside the file has.
    pub(super) environment: Vec<(String, String)>,
    pub(super) engines: Vec<Engine>,
    /// The file that will be written, if it is there.
    pub(super) text: Option<String>,
    /// A configuration of the earlier router, or what is wrong with it, and the files that it is in.
    pub(super) old: Option<Result<Box<Loaded>, String>>,
    pub(super) old_files: Vec<PathBuf>,
}

impl Found {
    pub(super) fn look(
        out: &Path,
        sources: &Sources,
        probes: bool,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<Self, Failure> {
        let snapshot = Snapshot::take();
        let advice = advise(&snapshot);
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let read = |path: &Path| -> Result<Option<String>, Failure> {
            match std::fs::read_to_string(path) {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => {
                    let error = anyhow::Error::from(error).context(format!("cannot read {}", path.display()));
                    Err(Failure::Usage(error))
                }
            }
        };
        let text = read(out)?;
        let dotenv_file = folder.join(".env");
        let dotenv = read(&dotenv_file)?.map(|text| (dotenv_file, text));
        let variables = |sources: &Sources| sources.variables();
        let beside = Sources { dotenv: dotenv.clone(), ..sources.clone() };
        let environment = variables(&beside);
        if let Some(text) = &text {
            // One that cannot be read as TOML is not replaced unseen; what it lacks is added.
            let read = text.parse::<toml_edit::DocumentMut>();
            read.context(format!("{} is there, and no TOML", out.display())).map_err(Failure::Usage)?;
        }
        let upstreams = Some(folder.join("upstreams.json")).filter(|file| file.is_file());
        let old_sources = Sources {
            dotenv: dotenv.clone(),
            upstreams_file: upstreams.clone(),
            environment: Vec::new(),
            working_folder: sources.working_folder.clone(),
            ..Sources::default()
        };
        let has_old = !old_sources.is_empty();
        let load = || crate::config::load(&old_sources).map(Box::new).map_err(|error| error.to_string());
        let old = has_old.then(load);
        let old_files = dotenv.iter().map(|(file, _)| file.clone()).chain(upstreams).collect();
        let engines = if probes { runtime.block_on(engines(&environment)) } else { Vec::new() };
        Ok(Found { snapshot, advice, environment, engines, text, old, old_files })
    }

    /// What the existing file has for this tier, in a few words.
    pub(super) fn written(&self, tier: Tier) -> Option<String> {
        let document = self.text.as_deref()?.parse::<toml_edit::DocumentMut>().ok()?;
        let table = document.get("tiers")?.get(tier.as_str())?;
        if let Some(list) = table.get("upstreams") {
            let count = list.as_array_of_tables().map_or(0, toml_edit::ArrayOfTables::len);
            return Some(format!("its {count} upstreams"));
        }
        let word = |name: &str| table.get(name).and_then(toml_edit::Item::as_str);
        let words: Vec<&str> = ["provider", "base_url", "deployment", "model"].into_iter().filter_map(word).collect();
        Some(if words.is_empty() { "what the file has".to_owned() } else { words.join(", ") })
    }

    /// Whether a variable is set.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.environment.iter().any(|(known, value)| known == name && !value.is_empty())
    }

    /// Providers whose key is in its usual variable.
    pub(super) fn keys(&self) -> Vec<(Provider, &'static str)> {
        let usual = Provider::ALL.into_iter().filter_map(|provider| Some((provider, provider.key_variable()?)));
        usual.filter(|(_, name)| self.is_set(name)).collect()
    }

    /// The cheap tier on an engine of this machine: the largest of its models that is known to be fast enough here, else
    /// its first.
    pub(super) fn local(&self) -> Option<Choice> {
        let engine = self.engines.iter().find(|engine| !engine.models.is_empty())?;
        let mut fit = self.advice.fits.iter().take(self.advice.recommended.map_or(0, |at| at + 1)).rev();
        let model = fit.find_map(|fit| engine.models.iter().find(|model| is_same(model, &fit.name)));
        Some(on(engine, model.unwrap_or(&engine.models[0])))
    }
}

/// A model on an engine.
pub(super) fn on(engine: &Engine, model: &str) -> Choice {
    // Families whose models think before they answer, where the list does not have the model itself.
    const THINKING: [&str; 4] = ["qwen3", "gpt-oss", "deepseek-r1", "qwq"];
    let known = LocalModel::all().iter().find(|local| is_same(model, &local.name));
    let thinks = known.map_or_else(|| THINKING.iter().any(|name| model.contains(name)), |local| local.thinks);
    Choice {
        base_url: engine.base_url.clone(),
        key: Key::None,
        model: Some(model.to_owned()),
        thinks,
        ..Choice::of(engine.provider)
    }
}

/// Values for the variables that a file names and that are not set yet, so that it can be read all the same.
pub(super) fn stand_ins(text: &str, environment: &[(String, String)]) -> Vec<(String, String)> {
    let named = text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name.trim());
    let is_set = |name: &str| environment.iter().any(|(known, value)| known == name && !value.is_empty());
    named.filter(|name| !is_set(name)).map(|name| (name.to_owned(), "not set yet".to_owned())).collect()
}

/// Whether an engine's name for a model is that of one on the list.
fn is_same(id: &str, name: &str) -> bool {
    let local = LocalModel::all().iter().find(|local| local.name == name);
    local.is_some_and(|local| {
        let bare = |text: &str| text.trim_end_matches(":latest").to_owned();
        let repository = local.gguf.split(':').next().unwrap_or_default();
        bare(id) == local.ollama || id == local.hf || id == local.gguf || id == repository
    })
}

/// The engines that answer on this machine, with their models.
async fn engines(environment: &[(String, String)]) -> Vec<Engine> {
    let catalog = Catalog::embedded();
    let host = environment.iter().find(|(name, value)| name == "OLLAMA_HOST" && !value.is_empty());
    let asking = ENGINES.into_iter().map(|(name, provider, usual)| {
        let moved = host.filter(|_| provider == Provider::Ollama).map(|(_, value)| value.as_str());
        let address = moved.map_or(usual.to_owned(), |value| {
            let bare = value.trim_start_matches("http://").trim_end_matches('/').replace("0.0.0.0", "127.0.0.1");
            if bare.contains(':') { bare } else { format!("{bare}:11434") }
        });
        let catalog = &catalog;
        async move {
            let base_url = format!("http://{address}");
            let keys = format!("provider = \"{provider}\"\nbase_url = \"{base_url}\"\n");
            let target = reach::target(&keys, Vec::new(), catalog).ok()?;
            let client = reach::client(std::iter::once(&target.upstream)).ok()?;
            let listed = probe::models(&client, &target, ENGINE_LIMIT).await.ok()?;
            let models = listed.into_iter().map(|listed| listed.id).collect();
            let is_usual = provider == Provider::Ollama && moved.is_none();
            Some(Engine { name, provider, base_url: (!is_usual).then_some(base_url), models })
        }
    });
    futures_util::future::join_all(asking).await.into_iter().flatten().collect()
}
