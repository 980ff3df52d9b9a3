//! Which engine suits a machine, which models fit, and how to start them: a function of a [`Snapshot`].
//!
//! What a model needs is its weights at their bits, keys and values for the context (layers × KV heads × head size × 2
//! figures of 16 bits × tokens) and the engine's own room. `docs/hardware.md` has worked examples.

use serde::Serialize;

use super::models::{LocalModel, bandwidth};
use super::snapshot::{Gpu, Kind, Snapshot, Vendor};

const GIB: u64 = 1 << 30;
/// Contexts that are tried, in tokens: an agent's prompt and tools alone take some thousands.
const CONTEXTS: [u64; 3] = [16_384, 8_192, 4_096];
/// Least memory of a data-centre card for TensorRT-LLM (40 GB cards tell a little less than 40 GiB).
const LARGE: u64 = 39 * GIB;
/// Least memory of a card that a server of its own is worth.
const SMALL: u64 = 6 * GIB;
/// Compute capability from which vLLM runs, and from which weights may have 8 bits.
const FROM_VOLTA: u32 = 70;
const FROM_AMPERE: u32 = 80;
const FROM_ADA: u32 = 89;
/// What a processor's memory moves, where its chip is not on the list, in GB/s: two channels of DDR4, and half of a
/// server's eight.
const ASSUMED_BANDWIDTH: u32 = 40;
const ASSUMED_OF_SERVER: u32 = 100;
/// Cores, and names, of servers.
const SERVER_CORES: usize = 16;
const SERVERS: [&str; 3] = ["EPYC", "Xeon", "Threadripper"];
/// What every token takes besides the reading of weights, in microseconds.
const PER_TOKEN_US: u64 = 2_000;
/// Share of the bandwidth that decoding gets, in percent.
const EFFICIENCY: u64 = 60;
/// Names of data-centre cards.
const DATA_CENTRE: [&str; 12] =
    ["A100", "A800", "H100", "H800", "H200", "H20", "B100", "B200", "B300", "GH200", "L40", "A40"];

/// A program that serves a model on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Engine {
    /// NVIDIA's own, for large cards.
    #[serde(rename = "tensorrt-llm")]
    TensorRtLlm,
    /// For other NVIDIA cards.
    #[serde(rename = "vllm")]
    Vllm,
    /// Apple's, through Ollama.
    #[serde(rename = "mlx")]
    Mlx,
    /// For processors, AMD, and whatever else.
    #[serde(rename = "llama.cpp")]
    LlamaCpp,
}

impl Engine {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Engine::TensorRtLlm => "tensorrt-llm",
            Engine::Vllm => "vllm",
            Engine::Mlx => "mlx",
            Engine::LlamaCpp => "llama.cpp",
        }
    }

    /// What it needs besides weights, keys and values.
    const fn overhead(self) -> u64 {
        match self {
            Engine::TensorRtLlm | Engine::Vllm => 3 * GIB / 2,
            Engine::Mlx | Engine::LlamaCpp => GIB / 2,
        }
    }
}

/// How fast a model is expected to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// Below 5 tokens a second.
    TooSlow,
    /// 5 to 15.
    Slow,
    /// 15 to 50.
    Fair,
    /// 50 and more.
    Fast,
}

impl Speed {
    fn of(tokens_per_second: u64) -> Self {
        match tokens_per_second {
            0..5 => Speed::TooSlow,
            5..15 => Speed::Slow,
            15..50 => Speed::Fair,
            _ => Speed::Fast,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Speed::TooSlow => "too slow",
            Speed::Slow => "slow",
            Speed::Fair => "fair",
            Speed::Fast => "fast",
        }
    }
}

/// A model that fits. Sizes are in bytes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fit {
    /// The model.
    pub name: String,
    /// What the engine calls it.
    pub id: String,
    /// Its tag for Ollama, which runs where llama.cpp does.
    pub ollama: String,
    /// Whether it thinks before it answers, so that it is no classifier.
    pub thinks: bool,
    /// The form of its weights: `4-bit`, `8-bit`, `bf16`.
    pub format: &'static str,
    /// Its weights.
    pub weights: u64,
    /// Keys and values for the context.
    pub kv_cache: u64,
    /// The engine's own room.
    pub overhead: u64,
    /// All three.
    pub needed: u64,
    /// Tokens a second for one answer at a time: an estimate from the memory's bandwidth.
    pub tokens_per_second: u64,
    /// What that amounts to.
    pub speed: Speed,
}

/// A command to type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// `install`, `pull` or `start`.
    pub what: &'static str,
    /// The command.
    pub command: String,
}

/// What suits a machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Advice {
    /// The engine.
    pub engine: Engine,
    /// Why.
    pub reason: String,
    /// Where the model would lie.
    pub place: String,
    /// Bytes that it may take there.
    pub budget: u64,
    /// Tokens of context that the models are computed for.
    pub context: u64,
    /// Models that fit, the smallest first.
    pub fits: Vec<Fit>,
    /// Which of them to begin with; none if none fits.
    pub recommended: Option<usize>,
    /// How to get it running.
    pub steps: Vec<Step>,
    /// Lines for `xrouter.toml`.
    pub toml: String,
    /// What else is good to know, a sentence each.
    pub notes: Vec<String>,
}

/// Where a model would lie.
struct Place {
    engine: Engine,
    reason: String,
    what: String,
    budget: u64,
    bandwidth: u32,
    /// Compute capability of an NVIDIA card.
    capability: u32,
    on_card: bool,
    notes: Vec<String>,
}

/// Which engine suits, which models fit, and how to start them.
#[must_use]
pub fn advise(snapshot: &Snapshot) -> Advice {
    let place = place(snapshot);
    let (context, fits) = CONTEXTS
        .into_iter()
        .map(|context| (context, fits(&place, context)))
        .find(|(_, fits)| !fits.is_empty())
        .unwrap_or((CONTEXTS[CONTEXTS.len() - 1], Vec::new()));
    // The strongest that is not slow; where all are, the fastest.
    let recommended = fits
        .iter()
        .rposition(|fit| fit.speed >= Speed::Fair)
        .or_else(|| (0..fits.len()).max_by_key(|at| (fits[*at].tokens_per_second, std::cmp::Reverse(*at))));
    let chosen = recommended.map(|at| &fits[at]);
    let mut notes = place.notes.clone();
    if chosen.is_none() {
        notes.push("no model of the list fits: use a cloud provider for the cheap tier, too".to_owned());
    }
    if chosen.is_some_and(|fit| fit.speed < Speed::Slow) {
        notes.push("even the fastest is too slow to talk to: a cloud provider suits the cheap tier better".to_owned());
    }
    if let Some(fit) = chosen.filter(|_| place.engine == Engine::LlamaCpp) {
        notes.push(format!("Ollama is llama.cpp with a keeper: `ollama pull {}`, on port 11434", fit.ollama));
    }
    let steps = chosen.map_or_else(Vec::new, |fit| steps(snapshot, &place, fit, context));
    let toml = chosen.map_or_else(String::new, |fit| lines(place.engine, fit, context));
    let Place { engine, reason, what, budget, .. } = place;
    Advice { engine, reason, place: what, budget, context, fits, recommended, steps, toml, notes }
}

fn place(snapshot: &Snapshot) -> Place {
    let apple = snapshot.gpus.iter().find(|gpu| gpu.vendor == Vendor::Apple);
    if let Some(gpu) = apple {
        return unified(snapshot, gpu);
    }
    let roomiest = |vendor: Vendor| {
        let own = snapshot.gpus.iter().filter(move |gpu| gpu.vendor == vendor && gpu.kind == Kind::Dedicated);
        own.max_by_key(|gpu| gpu.memory_total.unwrap_or(0))
    };
    if let Some(gpu) = roomiest(Vendor::Nvidia) {
        return nvidia(snapshot, gpu);
    }
    match roomiest(Vendor::Amd).or_else(|| roomiest(Vendor::Intel)) {
        Some(gpu) => card_of_others(snapshot, gpu),
        None => processor(snapshot, "there is no graphics card that a model could run on"),
    }
}

fn nvidia(snapshot: &Snapshot, gpu: &Gpu) -> Place {
    let Some(total) = gpu.memory_total else {
        return processor(snapshot, &format!("the memory of {} could not be read", gpu.name));
    };
    let capability = gpu.compute_capability.unwrap_or(FROM_VOLTA);
    let is_data_centre = DATA_CENTRE.iter().any(|name| gpu.name.contains(name));
    let (engine, reason) = if snapshot.os != "linux" {
        (
            Engine::LlamaCpp,
            "vLLM and TensorRT-LLM run on Linux (on Windows within WSL); llama.cpp runs everywhere".to_owned(),
        )
    } else if total < SMALL {
        (Engine::LlamaCpp, format!("{} GiB are too little for a server that keeps all on the card", gib(total)))
    } else if capability < FROM_VOLTA {
        let (major, minor) = (capability / 10, capability % 10);
        (Engine::LlamaCpp, format!("vLLM needs compute capability 7.0, and {} has {major}.{minor}", gpu.name))
    } else if is_data_centre && total >= LARGE {
        (Engine::TensorRtLlm, format!("{} is a data-centre card with {} GiB", gpu.name, gib(total)))
    } else {
        (Engine::Vllm, format!("{} is an NVIDIA card", gpu.name))
    };
    // Servers take nine tenths of a card by default; what others hold of it is not theirs.
    let budget = (total / 10 * 9).min(gpu.memory_free.unwrap_or(total));
    let mut notes = Vec::new();
    let alike = snapshot.gpus.iter().filter(|other| other.name == gpu.name).count() as u64;
    if alike > 1 {
        let parallel = match engine {
            Engine::TensorRtLlm => format!("--tp_size {alike}"),
            Engine::Vllm => format!("--tensor-parallel-size {alike}"),
            Engine::Mlx | Engine::LlamaCpp => format!("--split-mode layer over {alike} cards"),
        };
        let all = gib((total / 10 * 9).saturating_mul(alike));
        notes.push(format!("there are {alike} such cards, each with its own memory; the figures are for one of them"));
        notes.push(format!("split over all of them ({parallel}) a model may take up to {all} GiB in sum"));
    }
    if budget < total / 10 * 9 {
        notes.push(format!("something else holds a part of the card: {} GiB are free", gib(budget)));
    }
    let bandwidth = bandwidth(&gpu.name).unwrap_or(300);
    let what = format!("the memory of {}", gpu.name);
    Place { engine, reason, what, budget, bandwidth, capability, on_card: true, notes }
}

fn card_of_others(snapshot: &Snapshot, gpu: &Gpu) -> Place {
    let Some(total) = gpu.memory_total.filter(|total| *total >= 2 * GIB) else {
        let told = gpu.memory_total.map_or("an unknown amount of".to_owned(), |total| format!("{} GiB of", gib(total)));
        return processor(snapshot, &format!("{} has {told} memory", gpu.name));
    };
    let by = if gpu.vendor == Vendor::Amd { "ROCm or Vulkan" } else { "Vulkan or SYCL" };
    Place {
        engine: Engine::LlamaCpp,
        reason: format!("llama.cpp runs on {} with {by}", gpu.name),
        what: format!("the memory of {}", gpu.name),
        budget: (total / 20 * 19).min(gpu.memory_free.unwrap_or(total)),
        bandwidth: bandwidth(&gpu.name).unwrap_or(300),
        capability: 0,
        on_card: true,
        notes: Vec::new(),
    }
}

fn unified(snapshot: &Snapshot, gpu: &Gpu) -> Place {
    let total = snapshot.memory.usable().unwrap_or(0);
    // What macOS lets the graphics part take by default.
    let share = if total > 36 * GIB { total / 4 * 3 } else { total / 3 * 2 };
    Place {
        engine: Engine::Mlx,
        reason: format!(
            "{} shares the machine's memory with its graphics part, which MLX uses, through Ollama",
            gpu.name
        ),
        what: format!("the memory of {}, as far as macOS gives it to graphics", gpu.name),
        budget: share.saturating_sub(GIB),
        bandwidth: bandwidth(&gpu.name).unwrap_or(68),
        capability: 0,
        on_card: true,
        notes: Vec::new(),
    }
}

fn processor(snapshot: &Snapshot, reason: &str) -> Place {
    let memory = &snapshot.memory;
    let usable = memory.usable();
    let available = match (memory.available, usable) {
        (Some(available), Some(usable)) => available.min(usable),
        // Where nobody tells what is free, somewhat more than half of it is taken to be.
        (None, Some(usable)) => usable / 10 * 6,
        (available, None) => available.unwrap_or(0),
    };
    let mut notes = Vec::new();
    if memory.container_limit.is_some_and(|limit| memory.total.is_some_and(|total| limit < total)) {
        notes.push("this is a container with a limit: that is what counts, not the machine's memory".to_owned());
    }
    if snapshot.arch == "x86_64" && !snapshot.cpu.features.iter().any(|feature| feature == "avx2") {
        notes.push("the processor has no AVX2: expect much less speed".to_owned());
    }
    let name = snapshot.cpu.name.as_deref().unwrap_or_default();
    let is_server = SERVERS.iter().any(|server| name.contains(server))
        && snapshot.cpu.physical_cores.is_some_and(|cores| cores >= SERVER_CORES);
    let bandwidth = bandwidth(name).unwrap_or_else(|| {
        let assumed = if is_server { ASSUMED_OF_SERVER } else { ASSUMED_BANDWIDTH };
        notes.push(format!("speeds are guessed from {assumed} GB/s of memory bandwidth"));
        assumed
    });
    notes.push("a processor reads long prompts slowly: an agent's first answer may take a minute".to_owned());
    Place {
        engine: Engine::LlamaCpp,
        reason: format!("{reason}; llama.cpp runs on the processor"),
        what: "the machine's memory".to_owned(),
        // The system and its programs stay.
        budget: available.saturating_sub((available / 10).max(GIB / 2)),
        bandwidth,
        capability: 0,
        on_card: false,
        notes,
    }
}

fn fits(place: &Place, context: u64) -> Vec<Fit> {
    LocalModel::all().iter().filter_map(|model| fit(place, model, context)).collect()
}

/// A model in the finest form that fits.
fn fit(place: &Place, model: &LocalModel, context: u64) -> Option<Fit> {
    let tokens = context.min(model.context);
    let native = model.native_bits.unwrap_or(16.0);
    let published = (if native < 16.0 { "4-bit" } else { "bf16" }, native, model.hf.clone());
    let forms: Vec<(&'static str, f64, String)> = match place.engine {
        Engine::Mlx => vec![("4-bit", model.bits, model.ollama.clone())],
        Engine::LlamaCpp => vec![("4-bit", model.bits, model.gguf.clone())],
        Engine::Vllm if place.capability >= FROM_AMPERE && model.native_bits.is_none() => {
            vec![published, ("8-bit", 8.2, model.hf.clone())]
        }
        Engine::TensorRtLlm if place.capability >= FROM_ADA => {
            let fp8 = model.nvidia_fp8.clone().map(|repository| ("8-bit", 8.2, repository));
            std::iter::once(published).chain(fp8).collect()
        }
        Engine::Vllm | Engine::TensorRtLlm => vec![published],
    };
    forms.into_iter().find_map(|(format, bits, id)| {
        let (weights, kv_cache, overhead) = (model.weights(bits), model.kv_cache(tokens), place.engine.overhead());
        let needed = weights + kv_cache + overhead;
        let bytes_per_us = u64::from(place.bandwidth) * 1_000 * EFFICIENCY / 100;
        let tokens_per_second = 1_000_000 / (model.read_per_token(bits) / bytes_per_us + PER_TOKEN_US);
        (needed <= place.budget).then(|| Fit {
            name: model.name.clone(),
            ollama: model.ollama.clone(),
            thinks: model.thinks,
            id,
            format,
            weights,
            kv_cache,
            overhead,
            needed,
            tokens_per_second,
            speed: Speed::of(tokens_per_second),
        })
    })
}

fn steps(snapshot: &Snapshot, place: &Place, fit: &Fit, context: u64) -> Vec<Step> {
    let step = |what, command: String| Step { what, command };
    let is_mac = snapshot.os == "macos";
    let id = &fit.id;
    match place.engine {
        Engine::Mlx => vec![
            step(
                "install",
                if is_mac { "brew install ollama" } else { "curl -fsSL https://ollama.com/install.sh | sh" }.to_owned(),
            ),
            step("start", format!("OLLAMA_CONTEXT_LENGTH={context} ollama serve")),
            step("pull", format!("ollama pull {id}")),
        ],
        Engine::LlamaCpp => {
            let install = match snapshot.os.as_str() {
                "windows" => "winget install llama.cpp",
                _ => "brew install llama.cpp",
            };
            let layers = if place.on_card { " --n-gpu-layers 99" } else { "" };
            // It pulls what it does not have yet.
            vec![
                step("install", install.to_owned()),
                step("start", format!("llama-server -hf {id} --port 8080 --ctx-size {context} --jinja{layers}")),
            ]
        }
        Engine::Vllm => {
            let quantised = if fit.format == "8-bit" { " --quantization fp8" } else { "" };
            vec![
                step("install", "uv pip install vllm --torch-backend=auto".to_owned()),
                step(
                    "start",
                    format!(
                        "vllm serve {id} --dtype auto --api-key \"$LOCAL_API_KEY\" --port 8000 --max-model-len {context}{quantised}"
                    ),
                ),
            ]
        }
        Engine::TensorRtLlm => vec![
            step(
                "install",
                "docker run --rm -it --ipc host --gpus all -p 8000:8000 nvcr.io/nvidia/tensorrt-llm/release".to_owned(),
            ),
            step("start", format!("trtllm-serve {id} --host 0.0.0.0 --port 8000 --max_seq_len {context}")),
        ],
    }
}

/// The lines of `xrouter.toml`: classifier and cheap tier share the model, where it can be both.
fn lines(engine: Engine, fit: &Fit, context: u64) -> String {
    let id = &fit.id;
    let (provider, base_url, key) = match engine {
        Engine::Mlx => ("ollama", "http://localhost:11434", ""),
        Engine::LlamaCpp => ("openai_compatible", "http://localhost:8080", ""),
        Engine::Vllm => ("openai_compatible", "http://localhost:8000", "api_key = \"${LOCAL_API_KEY}\"\n"),
        Engine::TensorRtLlm => ("openai_compatible", "http://localhost:8000", ""),
    };
    let classifier = if fit.thinks {
        "# It thinks before it answers: the classifier that is compiled in decides.\n[classifier]\nkind = \"embedded\"\n".to_owned()
    } else {
        format!("[classifier]\nkind = \"cascade\"\nbase_url = \"{base_url}\"\n{key}model = \"{id}\"\n")
    };
    format!(
        "{classifier}\n[tiers.cheap]\nprovider = \"{provider}\"\nbase_url = \"{base_url}\"\n{key}model = \"{id}\"\n\
         context_window = {context}\nprice = {{ input = 0.0, output = 0.0 }}\n"
    )
}

/// Bytes as GiB with one decimal.
#[must_use]
pub fn gib(bytes: u64) -> String {
    let tenths = bytes / GIB * 10 + (bytes % GIB) * 10 / GIB;
    format!("{}.{}", tenths / 10, tenths % 10)
}
