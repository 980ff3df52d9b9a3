//! `xrouter init`: a first configuration, question by question or from flags.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::{Failure, load};
use crate::catalog::{Provider, Tier};
use crate::config::{Secret, Sources};

/// Write a configuration, question by question or from flags.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// File to write
    #[arg(long, value_name = "FILE", default_value = "xrouter.toml")]
    out: PathBuf,
    /// Cheap tier: PROVIDER:MODEL
    #[arg(long, value_name = "PROVIDER:MODEL")]
    cheap: Option<String>,
    /// Medium tier
    #[arg(long, value_name = "PROVIDER:MODEL")]
    medium: Option<String>,
    /// Frontier tier
    #[arg(long, value_name = "PROVIDER:MODEL")]
    frontier: Option<String>,
    /// Address of the cheap tier's API, where its provider has none of its own
    #[arg(long, value_name = "URL")]
    cheap_base_url: Option<String>,
    /// Address of the medium tier's API
    #[arg(long, value_name = "URL")]
    medium_base_url: Option<String>,
    /// Address of the frontier tier's API
    #[arg(long, value_name = "URL")]
    frontier_base_url: Option<String>,
    /// Variable that holds the cheap tier's key
    #[arg(long, value_name = "NAME")]
    cheap_key_env: Option<String>,
    /// Variable that holds the medium tier's key
    #[arg(long, value_name = "NAME")]
    medium_key_env: Option<String>,
    /// Variable that holds the frontier tier's key
    #[arg(long, value_name = "NAME")]
    frontier_key_env: Option<String>,
    /// Ask nothing; a flag that is missing is an error
    #[arg(long)]
    yes: bool,
}

/// One tier as answered.
struct Chosen {
    tier: Tier,
    provider: Provider,
    base_url: Option<String>,
    key_env: Option<String>,
    model: String,
}

impl Init {
    pub(super) fn run(self) -> Result<(), Failure> {
        let asks = !self.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        if asks {
            cliclack::intro("xrouter init").map_err(interrupted)?;
        }
        let mut chosen = Vec::new();
        for tier in Tier::ALL {
            chosen.push(self.tier(tier, asks)?);
        }
        if asks && self.out.exists() {
            let question = format!("{} exists. Replace it? The old one is kept as a back-up.", self.out.display());
            if !cliclack::confirm(question).initial_value(false).interact().map_err(interrupted)? {
                return Err(Failure::Interrupted);
            }
        }
        let text = render(&chosen);
        check(&text, &chosen)?;
        let backup = write(&self.out, &text).map_err(Failure::Running)?;
        println!("wrote {}", self.out.display());
        if let Some(backup) = backup {
            println!("the old file is {}", backup.display());
        }
        for name in chosen.iter().filter_map(|chosen| chosen.key_env.as_deref()) {
            if std::env::var_os(name).is_none() {
                println!("set {name} in the environment or in a .env beside the file before you start");
            }
        }
        println!("next: xrouter run -c {}", self.out.display());
        Ok(())
    }

    fn tier(&self, tier: Tier, asks: bool) -> Result<Chosen, Failure> {
        let (model, base_url, key_env) = match tier {
            Tier::Cheap => (&self.cheap, &self.cheap_base_url, &self.cheap_key_env),
            Tier::Medium => (&self.medium, &self.medium_base_url, &self.medium_key_env),
            Tier::Frontier => (&self.frontier, &self.frontier_base_url, &self.frontier_key_env),
        };
        let Some(model) = model else {
            if asks {
                return ask(tier).map_err(interrupted);
            }
            return Err(Failure::Usage(anyhow!(
                "--{tier} is missing: give it as PROVIDER:MODEL, like --{tier} groq:openai/gpt-oss-120b"
            )));
        };
        let (name, model) = model.split_once(':').ok_or_else(|| {
            Failure::Usage(anyhow!("--{tier} {model}: write PROVIDER:MODEL, split at the first colon"))
        })?;
        let provider = Provider::ALL.into_iter().find(|provider| provider.as_str() == name);
        let provider = provider.ok_or_else(|| {
            let known = Provider::ALL.map(Provider::as_str).join(", ");
            Failure::Usage(anyhow!("--{tier} {name}:…: the providers are {known}"))
        })?;
        if base_url.is_none() && provider.default_base_url().is_none() {
            return Err(Failure::Usage(anyhow!("--{tier}-base-url is missing: {provider} has no address of its own")));
        }
        Ok(Chosen {
            tier,
            provider,
            base_url: base_url.clone(),
            key_env: key_env.clone().or_else(|| usual_variable(provider).map(str::to_owned)),
            model: model.to_owned(),
        })
    }
}

/// The variable in which this provider's key usually is; none for those that want none.
fn usual_variable(provider: Provider) -> Option<&'static str> {
    Some(match provider {
        Provider::Openai => "OPENAI_API_KEY",
        Provider::Anthropic => "ANTHROPIC_API_KEY",
        Provider::Gemini => "GEMINI_API_KEY",
        Provider::Cohere => "COHERE_API_KEY",
        Provider::AzureOpenai => "AZURE_OPENAI_API_KEY",
        Provider::Groq => "GROQ_API_KEY",
        Provider::Together => "TOGETHER_API_KEY",
        Provider::Mistral => "MISTRAL_API_KEY",
        Provider::Perplexity => "PERPLEXITY_API_KEY",
        Provider::Openrouter => "OPENROUTER_API_KEY",
        _ => return None,
    })
}

fn ask(tier: Tier) -> std::io::Result<Chosen> {
    let mut select = cliclack::select(format!("Who serves the {tier} tier?"));
    for provider in Provider::ALL {
        let hint = provider.default_base_url().unwrap_or("asks for the address");
        select = select.item(provider, provider.as_str(), hint);
    }
    let provider = select.interact()?;
    let base_url = match provider.default_base_url() {
        Some(_) => None,
        None => {
            Some(cliclack::input("Address of its API").placeholder("http://localhost:8000/v1").interact::<String>()?)
        }
    };
    let model: String = cliclack::input("Which model?").interact()?;
    let suggestion = usual_variable(provider).unwrap_or_default();
    let key_env: String = cliclack::input("Variable that holds its key (empty: it wants none)")
        .default_input(suggestion)
        .required(false)
        .interact()?;
    let key_env = Some(key_env.trim().to_owned()).filter(|name| !name.is_empty());
    Ok(Chosen { tier, provider, base_url, key_env, model })
}

fn render(chosen: &[Chosen]) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut lines = vec!["# Written by `xrouter init`. xrouter.toml.example lists every key.".to_owned()];
    for one in chosen {
        lines.push(format!("\n[tiers.{}]\nprovider = {}", one.tier, quoted(one.provider.as_str())));
        lines.extend(one.base_url.as_ref().map(|base_url| format!("base_url = {}", quoted(base_url))));
        lines.extend(one.key_env.as_ref().map(|name| format!("api_key = \"${{{name}}}\"")));
        lines.push(format!("model = {}", quoted(&one.model)));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Reads what will be written as `run` will read it, with a stand-in for keys that are not set yet.
fn check(text: &str, chosen: &[Chosen]) -> Result<(), Failure> {
    let stand_in = Secret::new("not set yet");
    let mut sources = Sources::from_toml(text);
    sources.environment =
        chosen.iter().filter_map(|one| one.key_env.clone()).map(|name| (name, stand_in.expose().to_owned())).collect();
    load(&sources).map(|_| ())
}

/// Writes the file; what it replaces is kept beside it.
fn write(path: &Path, text: &str) -> anyhow::Result<Option<PathBuf>> {
    let mut backup = None;
    if path.exists() {
        let mut name = path.as_os_str().to_owned();
        name.push(".bak");
        let kept = PathBuf::from(name);
        std::fs::copy(path, &kept).with_context(|| format!("cannot write {}", kept.display()))?;
        backup = Some(kept);
    }
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(backup)
}

/// cliclack reports Ctrl-C as an interrupted read.
fn interrupted(error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::Interrupted { Failure::Interrupted } else { Failure::Running(error.into()) }
}
