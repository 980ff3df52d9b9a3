//! `upstreams.json` of the earlier router, as a file (`UPSTREAMS_FILE`, or `upstreams.json` beside
//! the configuration) or as a text (`UPSTREAMS_JSON`).

use figment::value::Value;
use serde_json::Value as Json;

use super::env::Variables;
use super::origin::{Entry, Origin};
use super::problem::Problem;
use super::sources::Sources;
use crate::protocol::nearest_word;

/// Its names, and the keys of a tier here.
const KEYS: &[(&str, &str)] = &[
    ("name", "name"),
    ("provider", "provider"),
    ("baseUrl", "base_url"),
    ("apiKey", "api_key"),
    ("model", "model"),
    ("apiVersion", "api_version"),
    ("deployment", "deployment"),
    ("headers", "headers"),
    ("timeoutMs", "timeout_ms"),
];

/// The values that the document gives to keys. `UPSTREAMS_JSON` lies over the file.
pub(super) fn entries(sources: &Sources, variables: &Variables, problems: &mut Vec<Problem>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let named = variables.get("UPSTREAMS_FILE").map(|(path, _)| sources.folder().join(path));
    if let Some(path) = named.or_else(|| sources.upstreams_file.clone()) {
        match std::fs::read_to_string(&path) {
            Ok(text) => read(&text, &path.display().to_string(), variables, problems, &mut entries),
            Err(error) => problems.push(Problem {
                key: "UPSTREAMS_FILE".to_owned(),
                origin: variables.get("UPSTREAMS_FILE").map(|(_, origin)| origin.clone()),
                message: format!("cannot read {}: {error}", path.display()),
                hint: "name an existing file, or unset it".to_owned(),
            }),
        }
    }
    if let Some((text, _)) = variables.get("UPSTREAMS_JSON") {
        read(text, "UPSTREAMS_JSON", variables, problems, &mut entries);
    }
    entries
}

fn read(text: &str, place: &str, variables: &Variables, problems: &mut Vec<Problem>, entries: &mut Vec<Entry>) {
    let origin = Origin::UpstreamsJson(place.to_owned());
    let mut problem = |key: &str, message: String, hint: &str| {
        problems.push(Problem { key: key.to_owned(), origin: Some(origin.clone()), message, hint: hint.to_owned() });
    };
    let tiers = match serde_json::from_str::<Json>(text) {
        Ok(Json::Object(tiers)) => tiers,
        Ok(_) => return problem("upstreams.json", "is no JSON object".to_owned(), "see the README's example"),
        Err(error) => return problem("upstreams.json", format!("is no JSON: {error}"), "fix it at that place"),
    };
    for (tier, fields) in tiers {
        if !["cheap", "medium", "frontier"].contains(&tier.as_str()) {
            problem(&tier, "names no tier".to_owned(), "the tiers are cheap, medium and frontier");
            continue;
        }
        let fields = match fields {
            Json::Null => continue,
            Json::Object(fields) => fields,
            _ => {
                problem(&tier, "is no object".to_owned(), "write an object, or null for a tier that is not used");
                continue;
            }
        };
        for (name, value) in fields {
            let Some((_, key)) = KEYS.iter().find(|(known, _)| *known == name) else {
                let hint = nearest_word(&name, KEYS.iter().map(|(known, _)| *known))
                    .map_or_else(|| "remove it".to_owned(), |known| format!("did you mean `{known}`?"));
                problem(&format!("{tier}.{name}"), "is no known key".to_owned(), &hint);
                continue;
            };
            let value = match value {
                Json::Null => continue,
                Json::String(text) if text.is_empty() => continue,
                Json::String(text) => match variables.expand(&text) {
                    Ok(text) => Json::String(text),
                    Err((message, hint)) => {
                        problem(&format!("{tier}.{name}"), message, &hint);
                        continue;
                    }
                },
                other => other,
            };
            let Ok(value) = Value::serialize(value) else { continue };
            let path = ["tiers", &tier, key].map(str::to_owned).to_vec();
            entries.push(Entry { path, value, origin: origin.clone() });
        }
    }
}
