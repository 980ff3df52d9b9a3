//! `xrouter init`: from nothing to a configuration, question by question or from flags.
//!
//! Everything is asked, found and tried first; files are written at the end, so that leaving at any point leaves
//! everything as it was.

mod ask;
mod choice;
mod find;
mod plan;
mod pull;
mod snippets;
mod write;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::ValueEnum;

use super::Failure;
use crate::catalog::{Catalog, Tier};
use crate::config::Sources;

use choice::Choice;
use find::Found;
use plan::{Judge, Plan};

/// Write a configuration, question by question or from flags
///
/// With --yes nothing is asked: flags count, then what an existing file has, then what is found on this machine.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// File to write
    #[arg(long, value_name = "FILE", default_value = "xrouter.toml")]
    out: PathBuf,
    /// quick: a local model classifies and serves the cheap tier; full: three tiers; cloud: everything to one model
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// What decides: embedded (compiled in), cascade (that first, the cheap tier's model where it is unsure), llm, off
    #[arg(long, value_enum)]
    classifier: Option<Judge>,
    /// Cheap tier, split at the first colon; an empty model means the request's own
    #[arg(long, value_name = "PROVIDER:MODEL")]
    cheap: Option<String>,
    /// Medium tier
    #[arg(long, value_name = "PROVIDER:MODEL")]
    medium: Option<String>,
    /// Frontier tier
    #[arg(long, value_name = "PROVIDER:MODEL")]
    frontier: Option<String>,
    #[command(flatten)]
    cheap_more: CheapFlags,
    #[command(flatten)]
    medium_more: MediumFlags,
    #[command(flatten)]
    frontier_more: FrontierFlags,
    /// Take over the `.env` or `upstreams.json` of the earlier router that lies beside the file
    #[arg(long)]
    import: bool,
    /// Call nobody: neither engines on this machine nor the providers
    #[arg(long)]
    no_probe: bool,
    /// Ask nothing; exit code 2 where something cannot be decided
    #[arg(long, short)]
    yes: bool,
}

/// How much is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Mode {
    /// A local model classifies and serves the cheap tier; medium and frontier are asked for.
    Quick,
    /// Three tiers.
    Full,
    /// Everything goes to one frontier model.
    Cloud,
}

/// What else a tier's flags say.
#[derive(Debug, Clone, Default)]
pub(super) struct More {
    base_url: Option<String>,
    key_env: Option<String>,
    deployment: Option<String>,
    api_version: Option<String>,
}

macro_rules! tier_flags {
    ($flags:ident, $base_url:ident, $key_env:ident, $deployment:ident, $api_version:ident) => {
        #[expect(clippy::struct_field_names, reason = "they are the flags' names")]
        #[derive(Debug, clap::Args)]
        struct $flags {
            /// Address of this tier's API, where it is not its provider's own
            #[arg(long, value_name = "URL")]
            $base_url: Option<String>,
            /// Variable that holds this tier's key
            #[arg(long, value_name = "NAME")]
            $key_env: Option<String>,
            /// Azure's deployment of this tier
            #[arg(long, value_name = "NAME")]
            $deployment: Option<String>,
            /// API version of this tier, for Azure
            #[arg(long, value_name = "DATE")]
            $api_version: Option<String>,
        }

        impl $flags {
            fn more(&self) -> More {
                More {
                    base_url: self.$base_url.clone(),
                    key_env: self.$key_env.clone(),
                    deployment: self.$deployment.clone(),
                    api_version: self.$api_version.clone(),
                }
            }
        }
    };
}

tier_flags!(CheapFlags, cheap_base_url, cheap_key_env, cheap_deployment, cheap_api_version);
tier_flags!(MediumFlags, medium_base_url, medium_key_env, medium_deployment, medium_api_version);
tier_flags!(FrontierFlags, frontier_base_url, frontier_key_env, frontier_deployment, frontier_api_version);

/// What every step needs.
struct Scene {
    catalog: Catalog,
    found: Found,
    probes: bool,
    runtime: tokio::runtime::Runtime,
}

impl Init {
    pub(super) fn run(self) -> Result<(), Failure> {
        let asks = !self.yes && std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let sources =
            Sources::discover(None).map(|sources| Sources { config_file: None, config_text: None, ..sources })?;
        if asks {
            cliclack::intro(console::style(" xrouter init ").reverse()).map_err(interrupted)?;
        }
        let found = Found::look(&self.out, &sources, !self.no_probe, &runtime)?;
        let scene = Scene { catalog: Catalog::embedded(), found, probes: !self.no_probe, runtime };
        let plan = if asks { ask::plan(&self, &scene)? } else { self.decide(&scene)? };
        let written = write::prepare(&self.out, &plan, &scene)?;
        if !asks {
            plan.try_all(&scene);
        } else if !ask::agrees(&plan, &self.out, &scene)? {
            return Err(Failure::Interrupted);
        }
        let kept = written.commit().map_err(Failure::Running)?;
        snippets::print(&self.out, &plan, &scene, &written, &kept, asks).map_err(interrupted)
    }

    /// What a tier's flags say.
    fn flags(&self, tier: Tier) -> (Option<&String>, More) {
        match tier {
            Tier::Cheap => (self.cheap.as_ref(), self.cheap_more.more()),
            Tier::Medium => (self.medium.as_ref(), self.medium_more.more()),
            Tier::Frontier => (self.frontier.as_ref(), self.frontier_more.more()),
        }
    }

    /// The tier as its flags give it, if they do.
    fn chosen(&self, tier: Tier) -> Result<Option<Choice>, Failure> {
        let (text, more) = self.flags(tier);
        text.map(|text| Choice::from_flags(tier, text, &more)).transpose()
    }

    /// A plan without questions.
    fn decide(&self, scene: &Scene) -> Result<Plan, Failure> {
        let mut plan = Plan::of_existing(scene, self.import)?;
        let is_full = plan.has_all() || self.cheap.is_some() || self.import;
        let mode = self.mode.unwrap_or(if is_full { Mode::Full } else { Mode::Quick });
        for tier in Tier::ALL {
            if let Some(choice) = self.chosen(tier)? {
                plan.set(tier, choice);
            }
        }
        match mode {
            Mode::Cloud => plan.judge = Some(Judge::Off),
            Mode::Quick if self.cheap.is_none() && !plan.has(Tier::Cheap) => {
                let choice = scene.found.local().ok_or_else(|| no_engine(scene))?;
                plan.judge = Some(choice.judge());
                plan.set(Tier::Cheap, choice);
            }
            Mode::Quick | Mode::Full => {}
        }
        plan.judge = self.classifier.or(plan.judge);
        let needed: &[Tier] = if plan.judge == Some(Judge::Off) { &[Tier::Frontier] } else { &Tier::ALL };
        if let Some(tier) = needed.iter().find(|tier| !plan.has(**tier)) {
            let why = if self.yes { "" } else { " (there is no terminal to ask on)" };
            return Err(Failure::Usage(anyhow!(
                "--{tier} is missing{why}: give it as PROVIDER:MODEL, like --{tier} groq:openai/gpt-oss-120b"
            )));
        }
        Ok(plan)
    }
}

fn no_engine(scene: &Scene) -> Failure {
    let looked = if scene.probes {
        "no local engine with a model was found (Ollama, llama.cpp, vLLM, LM Studio)"
    } else {
        "local engines were not looked for (--no-probe)"
    };
    Failure::Usage(anyhow!(
        "--cheap is missing: {looked}; give it as PROVIDER:MODEL, like --cheap ollama:llama3.2:3b, or choose --mode cloud"
    ))
}

/// cliclack reports Ctrl-C as an interrupted read.
pub(super) fn interrupted(error: std::io::Error) -> Failure {
    if error.kind() == std::io::ErrorKind::Interrupted { Failure::Interrupted } else { Failure::Running(error.into()) }
}
