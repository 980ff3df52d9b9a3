//! Models that run locally, and chips: what `config/local-models.toml` says of them.

use std::sync::LazyLock;

use serde::Deserialize;

/// Models, the smallest first.
static LIST: LazyLock<File> = LazyLock::new(|| {
    toml::from_str(include_str!("../../config/local-models.toml")).expect("a test reads the list that is compiled in")
});

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    models: Vec<LocalModel>,
    chips: Vec<Chip>,
}

/// A model that runs locally.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalModel {
    /// Its name.
    pub name: String,
    /// Its tag for Ollama.
    pub ollama: String,
    /// Its repository and quantisation for llama.cpp.
    pub gguf: String,
    /// Its repository for vLLM and TensorRT-LLM.
    pub hf: String,
    /// The same in 8 bits, as NVIDIA publishes it.
    pub nvidia_fp8: Option<String>,
    /// Parameters, in billions.
    pub billions: f64,
    /// Those that are read for each token, where they are not all.
    pub active_billions: Option<f64>,
    /// Bits of a weight in its 4-bit file, all in all.
    pub bits: f64,
    /// Bits of a weight as it is published, where that is not 16.
    pub native_bits: Option<f64>,
    /// Layers.
    pub layers: u64,
    /// Heads of keys and values in each.
    pub kv_heads: u64,
    /// Figures in each head.
    pub head_size: u64,
    /// Whether it thinks before it answers: it says no digit at once.
    #[serde(default)]
    pub thinks: bool,
    /// Longest context that it was made for, in tokens.
    pub context: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Chip {
    named: String,
    bandwidth: u32,
}

impl LocalModel {
    /// All of them, the smallest first.
    #[must_use]
    pub fn all() -> &'static [LocalModel] {
        &LIST.models
    }

    /// Bytes of its weights at so many bits each.
    #[must_use]
    pub fn weights(&self, bits: f64) -> u64 {
        bytes(self.billions * 1e9 * bits / 8.0)
    }

    /// Bytes that are read for each token.
    #[must_use]
    pub fn read_per_token(&self, bits: f64) -> u64 {
        bytes(self.active_billions.unwrap_or(self.billions) * 1e9 * bits / 8.0)
    }

    /// Bytes of keys and values for so many tokens: two figures of 16 bits per layer, head and place in it.
    #[must_use]
    pub fn kv_cache(&self, tokens: u64) -> u64 {
        2 * self.layers * self.kv_heads * self.head_size * 2 * tokens
    }
}

/// Memory bandwidth of the chip with this name, in GB/s, if it is on the list.
#[must_use]
pub(super) fn bandwidth(name: &str) -> Option<u32> {
    let name = name.to_lowercase();
    LIST.chips.iter().find(|chip| name.contains(&chip.named.to_lowercase())).map(|chip| chip.bandwidth)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes of models are far below 2^53")]
fn bytes(figure: f64) -> u64 {
    figure.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_goes_from_small_to_large_and_every_chip_can_be_found() {
        assert!(LocalModel::all().is_sorted_by(|one, other| one.billions <= other.billions));
        for chip in &LIST.chips {
            assert_eq!(bandwidth(&format!("NVIDIA {} x", chip.named)), Some(chip.bandwidth), "{}", chip.named);
        }
        assert_eq!(bandwidth("Some new chip"), None);
    }

    #[test]
    fn memory_is_computed_as_the_documentation_shows_it() {
        // docs/hardware.md has these three.
        let of = |name: &str| LocalModel::all().iter().find(|model| model.name == name).unwrap();
        assert_eq!(of("Llama 3.1 8B").weights(4.9), 4_918_375_000);
        assert_eq!(of("Llama 3.1 8B").kv_cache(16_384), 2_147_483_648);
        assert_eq!(of("Qwen3 30B-A3B").kv_cache(16_384), 1_610_612_736);
    }
}
