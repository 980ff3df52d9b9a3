//! What is known of models: prices and limits, from the list that ships in the binary.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Price, Provider};

/// The embedded price list, with the day on which it was read.
const EMBEDDED: &str = include_str!("../../config/catalog.toml");

/// Facts of one model at one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelFacts {
    /// Prices; parts that the list does not have are unknown.
    pub price: Price,
    /// Tokens that input and output may have together, if known.
    pub context_window: Option<u64>,
    /// What it can do, as far as that is known.
    pub capabilities: Capabilities,
}

/// What a model can do; `None` is unknown, and keeps nobody from asking it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// Tokens that input and output may have together.
    pub context_window: Option<u64>,
    /// Whether it calls tools.
    pub tools: Option<bool>,
    /// Whether it sees images.
    pub images: Option<bool>,
    /// Whether it hears audio.
    pub audio: Option<bool>,
    /// Whether it keeps to a JSON schema.
    pub json_schema: Option<bool>,
    /// Whether it can be told to think before it answers.
    pub reasoning: Option<bool>,
}

impl Capabilities {
    /// These, and where they are unknown the others.
    #[must_use]
    pub fn or(self, other: Capabilities) -> Capabilities {
        Capabilities {
            context_window: self.context_window.or(other.context_window),
            tools: self.tools.or(other.tools),
            images: self.images.or(other.images),
            audio: self.audio.or(other.audio),
            json_schema: self.json_schema.or(other.json_schema),
            reasoning: self.reasoning.or(other.reasoning),
        }
    }
}

/// The price list, by provider and model name.
#[derive(Debug)]
pub struct Catalog {
    read_on: String,
    models: HashMap<(String, String), ModelFacts>,
}

#[derive(Deserialize)]
struct File {
    read_on: String,
    models: HashMap<String, HashMap<String, Row>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    input: Option<f64>,
    output: Option<f64>,
    cache_read: Option<f64>,
    cache_write: Option<f64>,
    cache_write_1h: Option<f64>,
    context_window: Option<u64>,
    /// What it is listed as unable to do.
    #[serde(default)]
    lacks: Vec<Lack>,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Lack {
    Tools,
    Images,
    Audio,
    Reasoning,
}

impl Catalog {
    /// Parses the list that is compiled into the binary.
    ///
    /// # Panics
    /// Never in a released binary: a test parses the same bytes.
    #[must_use]
    pub fn embedded() -> Self {
        Self::parse(EMBEDDED).expect("config/catalog.toml parses: a test reads the same bytes")
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: File = toml::from_str(text)?;
        let price = |usd: Option<f64>| usd.and_then(|usd| Price::per_million(usd).ok());
        let models = file
            .models
            .into_iter()
            .flat_map(|(provider, rows)| rows.into_iter().map(move |(model, row)| ((provider.clone(), model), row)))
            .map(|(key, row)| {
                let facts = ModelFacts {
                    price: Price {
                        input: price(row.input),
                        output: price(row.output),
                        cache_read: price(row.cache_read),
                        cache_write: price(row.cache_write),
                        cache_write_1h: price(row.cache_write_1h),
                    },
                    context_window: row.context_window,
                    capabilities: Capabilities {
                        context_window: row.context_window,
                        tools: row.lacks.contains(&Lack::Tools).then_some(false),
                        images: row.lacks.contains(&Lack::Images).then_some(false),
                        audio: row.lacks.contains(&Lack::Audio).then_some(false),
                        json_schema: None,
                        reasoning: row.lacks.contains(&Lack::Reasoning).then_some(false),
                    },
                };
                (key, facts)
            })
            .collect();
        Ok(Catalog { read_on: file.read_on, models })
    }

    /// The day (`YYYY-MM-DD`) on which the prices were read.
    #[must_use]
    pub fn read_on(&self) -> &str {
        &self.read_on
    }

    /// The models of a provider that are on the list, in the order of their names.
    #[must_use]
    pub fn of(&self, provider: Provider) -> Vec<(&str, &ModelFacts)> {
        let own = self.models.iter().filter(|((name, _), _)| name == provider.as_str());
        let mut models: Vec<(&str, &ModelFacts)> = own.map(|((_, model), facts)| (model.as_str(), facts)).collect();
        models.sort_unstable_by_key(|(model, _)| *model);
        models
    }

    /// The facts of a model at a provider, by its exact name.
    #[must_use]
    pub fn find(&self, provider: Provider, model: &str) -> Option<&ModelFacts> {
        self.models.get(&(provider.as_str().to_owned(), model.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_list_parses_and_says_how_old_it_is() {
        let catalog = Catalog::parse(EMBEDDED).unwrap();
        assert_eq!(catalog.read_on().len(), 10);
        assert!(catalog.models.len() > 50);
        assert!(catalog.find(Provider::Openai, "no such model").is_none());
    }
}
