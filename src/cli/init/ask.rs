//! The questions.

use cliclack::{confirm, input, log, note, password, select, spinner};

use super::choice::{Choice, Key};
use super::find::{Engine, on};
use super::plan::{Judge, Pick, Plan, attempt};
use super::{Init, Mode, Scene, interrupted, pull};
use crate::catalog::{Provider, Tier};
use crate::cli::{Failure, hardware, models, reach};
use crate::config::Secret;
use crate::hardware::Speed;

/// Rows of a long list that are shown at once.
const ROWS: usize = 12;

/// Models that are usual for the three tiers, where the provider lists them.
const SUGGESTED: [(Provider, [&str; 3]); 5] = [
    (Provider::Openai, ["gpt-5-nano", "gpt-5.6-terra", "gpt-5.6"]),
    (Provider::Anthropic, ["claude-haiku-4-5", "claude-sonnet-5-5", "claude-opus-4-5"]),
    (Provider::Gemini, ["gemini-2.5-flash-lite", "gemini-3.5-flash", "gemini-3.1-pro-preview"]),
    (Provider::Groq, ["openai/gpt-oss-20b", "openai/gpt-oss-120b", "openai/gpt-oss-120b"]),
    (Provider::Mistral, ["mistral-small-latest", "mistral-medium-latest", "mistral-large-latest"]),
];

/// Asks for everything that flags do not say.
pub(super) fn plan(init: &Init, scene: &Scene) -> Result<Plan, Failure> {
    welcome(scene).map_err(interrupted)?;
    let import = init.import || offers_import(scene).map_err(interrupted)?;
    let mut plan = Plan::of_existing(scene, import)?;
    let mode = match init.mode {
        Some(mode) => mode,
        None => mode(scene, &plan).map_err(interrupted)?,
    };
    if mode == Mode::Cloud {
        plan.judge = Some(init.classifier.unwrap_or(Judge::Off));
    }
    let tiers: &[Tier] = if mode == Mode::Cloud { &[Tier::Frontier] } else { &Tier::ALL };
    for tier in tiers {
        if let Some(choice) = init.chosen(*tier)? {
            plan.set(*tier, choice);
            continue;
        }
        if mode == Mode::Quick && *tier == Tier::Cheap {
            let choice = local(scene)?;
            plan.judge = Some(choice.judge());
            plan.set(*tier, choice);
            continue;
        }
        if let Some(told) = plan.get(*tier).map(label) {
            let keeps = confirm(format!("{tier} tier: keep {told}?")).initial_value(true).interact();
            if keeps.map_err(interrupted)? {
                continue;
            }
        }
        plan.set(*tier, upstream(*tier, scene)?);
    }
    if let Some(judge) = init.classifier {
        plan.judge = Some(judge);
    } else if mode == Mode::Full {
        plan.judge = judge(&plan, scene).map_err(interrupted)?;
    }
    Ok(plan)
}

fn label(pick: &Pick) -> String {
    match pick {
        Pick::Kept(names) => names.clone(),
        Pick::New(choice) => choice.label(),
    }
}

/// The machine, and what was found on it.
fn welcome(scene: &Scene) -> std::io::Result<()> {
    let lines = hardware::lines(&scene.found.snapshot);
    let mut text: Vec<String> = lines
        .iter()
        .filter(|(name, _)| ["processor", "memory", "container", "GPU", "note"].contains(name))
        .map(|(name, what)| format!("{name:<10} {what}"))
        .collect();
    let advice = &scene.found.advice;
    let fit = advice.recommended.map(|at| &advice.fits[at]);
    text.push(match fit {
        Some(fit) => format!("suits      {} with {} ({})", advice.engine.as_str(), fit.name, fit.speed.as_str()),
        None => "suits      no local model; cloud providers do".to_owned(),
    });
    note("this machine", text.join("\n"))?;
    let mut found: Vec<String> = Vec::new();
    if scene.found.text.is_some() {
        found.push("an existing configuration, from which this starts".to_owned());
    }
    for engine in &scene.found.engines {
        let at = engine.base_url.as_deref().unwrap_or("its usual port");
        found.push(format!("{} at {at}, with {}", engine.name, count(engine.models.len())));
    }
    found.extend(scene.found.keys().into_iter().map(|(provider, name)| format!("a key of {provider} in {name}")));
    if found.is_empty() {
        let looked =
            if scene.probes { "no engine on its usual port" } else { "engines were not looked for (--no-probe)" };
        found.push(format!("no keys in the environment, {looked}"));
    }
    note("found", found.join("\n"))
}

fn count(models: usize) -> String {
    if models == 1 { "1 model".to_owned() } else { format!("{models} models") }
}

fn offers_import(scene: &Scene) -> std::io::Result<bool> {
    if !matches!(scene.found.old, Some(Ok(_))) || scene.found.text.is_some() {
        return Ok(false);
    }
    let files: Vec<String> = scene.found.old_files.iter().map(|file| file.display().to_string()).collect();
    confirm(format!("{} of the earlier router: take its upstreams over?", files.join(" and ")))
        .initial_value(true)
        .interact()
}

fn mode(scene: &Scene, plan: &Plan) -> std::io::Result<Mode> {
    let advice = &scene.found.advice;
    let speed = advice.recommended.map(|at| advice.fits[at].speed);
    let can_local = !scene.found.engines.is_empty() || speed.is_some_and(|speed| speed >= Speed::Slow);
    let mut question = select("How much do you want to set up?");
    if can_local {
        question = question.item(Mode::Quick, "Quick start", "a local model classifies and serves the cheap tier");
    }
    question = question.item(Mode::Full, "Full set-up", "three tiers, each from any provider").item(
        Mode::Cloud,
        "Full cloud",
        "everything to one model; no classifier",
    );
    let first = if plan.has_all() || !can_local { Mode::Full } else { Mode::Quick };
    question.initial_value(first).interact()
}

/// The local model of a quick start: one that is there, or one that Ollama brings.
fn local(scene: &Scene) -> Result<Choice, Failure> {
    let engines = &scene.found.engines;
    let engine: Engine = match engines.len() {
        0 => {
            let advice = &scene.found.advice;
            let steps: Vec<String> =
                advice.steps.iter().map(|step| format!("{:<8} {}", step.what, step.command)).collect();
            note("no engine answers yet; start one like this, now or later", steps.join("\n")).map_err(interrupted)?;
            return upstream(Tier::Cheap, scene);
        }
        1 => engines[0].clone(),
        _ => {
            let mut question = select("Which engine?");
            for (at, engine) in engines.iter().enumerate() {
                question = question.item(at, engine.name, count(engine.models.len()));
            }
            engines[question.interact().map_err(interrupted)?].clone()
        }
    };
    let advice = &scene.found.advice;
    let recommended = advice.recommended.map(|at| &advice.fits[at]);
    let mut question = select(format!("Which model of {}?", engine.name)).max_rows(ROWS);
    for model in &engine.models {
        question = question.item((model.clone(), false), model, "installed");
    }
    // Only Ollama brings models by its API.
    if engine.provider == Provider::Ollama {
        let fits = advice.fits.iter().filter(|fit| fit.speed >= Speed::Slow || Some(*fit) == recommended);
        for local in
            fits.filter_map(|fit| crate::hardware::LocalModel::all().iter().find(|local| local.name == fit.name))
        {
            if !engine.models.contains(&local.ollama) {
                let size = crate::hardware::gib(local.weights(local.bits));
                let told =
                    if recommended.is_some_and(|fit| fit.name == local.name) { ", suits this machine" } else { "" };
                question = question.item(
                    (local.ollama.clone(), true),
                    format!("pull {} ({size} GiB{told})", local.ollama),
                    "",
                );
            }
        }
    }
    if let Some(model) = scene.found.local().and_then(|choice| choice.model) {
        question = question.initial_value((model, false));
    }
    let (model, is_missing) = question.interact().map_err(interrupted)?;
    if is_missing && let Err(error) = pull::pull(&engine, &model, scene) {
        log::warning(format!("{model} is not there ({error}); `ollama pull {model}` brings it later"))
            .map_err(interrupted)?;
    }
    let choice = on(&engine, &model);
    settled(Tier::Cheap, choice, scene)
}

/// One upstream, asked for from the provider on, until it answers or is kept as it is.
fn upstream(tier: Tier, scene: &Scene) -> Result<Choice, Failure> {
    let choice = questions(tier, scene)?;
    settled(tier, choice, scene)
}

/// Tries a choice; where it does not answer it may be changed.
fn settled(tier: Tier, mut choice: Choice, scene: &Scene) -> Result<Choice, Failure> {
    if !scene.probes {
        return Ok(choice);
    }
    loop {
        let wait = spinner();
        wait.start(format!("asking {}", choice.label()));
        match attempt(&choice, scene) {
            Ok(told) => {
                wait.stop(told);
                return Ok(choice);
            }
            Err((what, fix)) => {
                wait.error(format!("{what}\n{fix}"));
                let again = select(format!("The {tier} tier does not answer"))
                    .item(0, "Change it", "")
                    .item(1, "Try it again", "")
                    .item(2, "Keep it as it is", "it can be fixed later")
                    .interact();
                match again.map_err(interrupted)? {
                    0 => choice = questions(tier, scene)?,
                    1 => {}
                    _ => return Ok(choice),
                }
            }
        }
    }
}

fn questions(tier: Tier, scene: &Scene) -> Result<Choice, Failure> {
    let provider = provider(tier, scene).map_err(interrupted)?;
    let mut choice = Choice::of(provider);
    choice.base_url = base_url(provider, scene).map_err(interrupted)?;
    if provider == Provider::AzureOpenai {
        let deployment: String =
            input("Which deployment?").placeholder("gpt-5-mini").interact().map_err(interrupted)?;
        choice.deployment = Some(deployment.trim().to_owned());
        let version: String = input("Which API version?")
            .placeholder("2024-10-21")
            .default_input("2024-10-21")
            .interact()
            .map_err(interrupted)?;
        choice.api_version = Some(version.trim().to_owned());
    }
    choice.key = key(tier, provider, scene).map_err(interrupted)?;
    if provider != Provider::AzureOpenai {
        choice.model = model(tier, &choice, scene)?;
    }
    Ok(choice)
}

fn provider(tier: Tier, scene: &Scene) -> std::io::Result<Provider> {
    let mut question = select(format!("Who serves the {tier} tier?")).max_rows(Provider::ALL.len());
    let keys = scene.found.keys();
    // Those that are ready first.
    let is_ready = |provider: Provider| {
        keys.iter().any(|(known, _)| *known == provider)
            || scene.found.engines.iter().any(|engine| engine.provider == provider)
    };
    let mut providers = Provider::ALL.to_vec();
    providers.sort_by_key(|provider| !is_ready(*provider));
    for provider in providers {
        let hint = match keys.iter().find(|(known, _)| *known == provider) {
            Some((_, name)) => format!("key in {name}"),
            None if is_ready(provider) => "answers on this machine".to_owned(),
            None => provider.default_base_url().unwrap_or("asks for its address").to_owned(),
        };
        question = question.item(provider, provider.as_str(), hint);
    }
    question.interact()
}

fn base_url(provider: Provider, scene: &Scene) -> std::io::Result<Option<String>> {
    let engine = scene.found.engines.iter().find(|engine| engine.provider == provider);
    let found = engine.and_then(|engine| engine.base_url.clone());
    let is_url = |text: &String| {
        let url = text.trim().parse::<reqwest::Url>();
        if url.is_ok_and(|url| ["http", "https"].contains(&url.scheme())) {
            Ok(())
        } else {
            Err("an address begins with http:// or https://")
        }
    };
    let (prompt, placeholder) = match provider {
        Provider::AzureOpenai => ("Address of the Azure resource", "https://my-resource.openai.azure.com"),
        Provider::Xrouter => ("Address of the other router", "http://router:3000"),
        _ => ("Address of its API", "http://localhost:8000/v1"),
    };
    let usual = found.as_deref().or(provider.default_base_url());
    // What Enter takes is what is shown.
    let mut question = input(prompt).placeholder(usual.unwrap_or(placeholder)).validate(is_url);
    if let Some(usual) = usual {
        question = question.default_input(usual);
    }
    let answer: String = question.interact()?;
    let answer = answer.trim().to_owned();
    Ok((provider.default_base_url() != Some(answer.as_str())).then_some(answer))
}

#[derive(Clone, PartialEq, Eq)]
enum KeyAnswer {
    Variable(String),
    Type,
    Other,
    None,
}

fn key(tier: Tier, provider: Provider, scene: &Scene) -> std::io::Result<Key> {
    let usual = provider.key_variable();
    let mut question = select("Where is its key?");
    if let Some(name) = usual.filter(|name| scene.found.is_set(name)) {
        question = question.item(KeyAnswer::Variable(name.to_owned()), format!("in {name}"), "set already");
    }
    if usual.is_none() {
        question = question.item(KeyAnswer::None, "It wants none", "");
    }
    question = question.item(KeyAnswer::Type, "I type it", "kept in .env, for its owner alone").item(
        KeyAnswer::Other,
        "in another variable",
        "",
    );
    match question.interact()? {
        KeyAnswer::None => Ok(Key::None),
        KeyAnswer::Variable(name) => Ok(Key::Variable(name)),
        KeyAnswer::Type => {
            let key = password("The key").mask('▪').interact()?;
            let name = usual.map_or_else(|| format!("{}_API_KEY", tier.as_str().to_uppercase()), str::to_owned);
            Ok(Key::Typed(name, Secret::new(key.trim())))
        }
        KeyAnswer::Other => {
            let is_name = |text: &String| {
                let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if good { Ok(()) } else { Err("letters, digits and underscores") }
            };
            let name: String = input("Its name").placeholder(usual.unwrap_or("MY_KEY")).validate(is_name).interact()?;
            Ok(Key::Variable(name))
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
enum ModelAnswer {
    Listed(String),
    Type,
    Request,
}

/// A model of the provider's own list; where that does not come, of the catalogue, which is said.
fn model(tier: Tier, choice: &Choice, scene: &Scene) -> Result<Option<String>, Failure> {
    let mut names: Vec<(String, String)> = Vec::new();
    let offered =
        choice.target(&scene.found.environment, &scene.catalog).ok().filter(|_| scene.probes).and_then(|target| {
            let client = reach::client(std::iter::once(&target.upstream)).ok()?;
            let wait = spinner();
            wait.start("asking for its models");
            let offered = scene.runtime.block_on(models::offered(&client, &target, &scene.catalog));
            match &offered.failure {
                None => wait.stop(count(offered.models.len())),
                Some((what, _)) => wait.error(format!(
                    "{what}\n{} models of the catalogue, read on {}",
                    offered.models.len(),
                    scene.catalog.read_on()
                )),
            }
            Some(offered)
        });
    match offered {
        Some(offered) => names.extend(offered.models.into_iter().map(|model| {
            let context = model.context.map_or(String::new(), |tokens| format!("{tokens} tokens"));
            (model.id, context)
        })),
        None => {
            names.extend(scene.catalog.of(choice.provider).into_iter().map(|(id, _)| (id.to_owned(), String::new())));
        }
    }
    let mut question =
        select(format!("Which model for the {tier} tier? (type to search)")).filter_mode().max_rows(ROWS);
    let suggested = SUGGESTED.iter().find(|(provider, ..)| *provider == choice.provider);
    let suggested =
        suggested.map(|(_, models)| models[tier as usize]).filter(|model| names.iter().any(|(id, _)| id == model));
    if suggested.is_none() && names.len() > 1 {
        // The first of an alphabet is no suggestion.
        question = question.item(ModelAnswer::Type, "I type its name", "or choose one below");
    }
    for (id, hint) in &names {
        question = question.item(ModelAnswer::Listed(id.clone()), id, hint);
    }
    question = question.item(ModelAnswer::Type, "another one", "I type its name").item(
        ModelAnswer::Request,
        "the request's own",
        "the client names the model",
    );
    match question.interact().map_err(interrupted)? {
        ModelAnswer::Listed(id) => Ok(Some(id)),
        ModelAnswer::Request => Ok(None),
        ModelAnswer::Type => {
            let name: String = input("Its name").interact().map_err(interrupted)?;
            Ok(Some(name.trim().to_owned()))
        }
    }
}

fn judge(plan: &Plan, scene: &Scene) -> std::io::Result<Option<Judge>> {
    let mut question = select("What decides how strong a model a request needs?").item(
        Some(Judge::Embedded),
        "The classifier that is compiled in",
        "microseconds",
    );
    if plan.chosen(Tier::Cheap).is_some_and(|choice| choice.model.is_some()) {
        question = question
            .item(Some(Judge::Cascade), "That first, the cheap tier's model where it is unsure", "")
            .item(Some(Judge::Llm), "The cheap tier's model, always", "some 100 ms");
    }
    if scene.found.text.is_some() {
        question = question.item(None, "As it is in the existing file", "").initial_value(None);
    }
    question.interact()
}

/// The summary, and whether it is to be written.
pub(super) fn agrees(plan: &Plan, out: &std::path::Path, scene: &Scene) -> Result<bool, Failure> {
    let mut lines = Vec::new();
    if let Some(judge) = plan.judge {
        lines.push(format!("{:<10} {}", "decides", judge.as_str()));
    }
    for tier in Tier::ALL {
        if let Some(pick) = plan.get(tier) {
            let key = match plan.chosen(tier).map(|choice| &choice.key) {
                Some(Key::Variable(name)) => format!(", key in {name}"),
                Some(Key::Typed(name, _)) => format!(", key goes to .env as {name}"),
                _ => String::new(),
            };
            lines.push(format!("{:<10} {}{key}", tier.as_str(), label(pick)));
        }
    }
    note("what will be written", lines.join("\n")).map_err(interrupted)?;
    let told = if scene.found.text.is_some() { " (a back-up of the old one is kept)" } else { "" };
    confirm(format!("Write {}{told}?", out.display())).initial_value(true).interact().map_err(interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn what_is_suggested_is_in_the_catalogue() {
        let catalog = Catalog::embedded();
        for (provider, models) in SUGGESTED {
            for model in models {
                assert!(catalog.find(provider, model).is_some(), "{provider} {model}");
            }
        }
    }
}
