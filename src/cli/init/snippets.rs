//! What to do next: the command that serves, and lines for those who will ask.

use std::path::{Path, PathBuf};

use super::Scene;
use super::choice::Key;
use super::plan::Plan;
use crate::catalog::Tier;

pub(super) fn print(out: &Path, plan: &Plan, scene: &Scene, kept: &[PathBuf], asks: bool) -> std::io::Result<()> {
    let mut told = vec![format!("wrote {}", out.display())];
    told.extend(kept.iter().map(|file| format!("what was there before is in {}", file.display())));
    let missing = Tier::ALL.iter().filter_map(|tier| match plan.chosen(*tier).map(|choice| &choice.key) {
        Some(Key::Variable(name)) if !scene.found.is_set(name) => Some(name),
        _ => None,
    });
    let mut missing: Vec<&String> = missing.collect();
    missing.dedup();
    told.extend(
        missing
            .into_iter()
            .map(|name| format!("set {name} in the environment, or in .env beside the file, before you start")),
    );
    let next = format!("next: xrouter run -c {}", out.display());
    if asks {
        for line in &told {
            cliclack::log::success(line)?;
        }
        cliclack::outro(next)?;
        // Without a frame, so that it can be copied.
        println!("{}", clients(scene));
    } else {
        for line in told {
            println!("{line}");
        }
        println!("{next}\n\n{}", clients(scene));
    }
    Ok(())
}

/// Lines for those who will ask: curl, packages, an agent.
fn clients(scene: &Scene) -> String {
    let server = scene.found.existing.as_ref().map(|loaded| &loaded.config.server);
    let port = server.map_or(3_000, |server| server.port);
    let key = if server.is_some_and(|server| server.api_key.is_some()) { "THE-ROUTERS-KEY" } else { "none" };
    let url = format!("http://127.0.0.1:{port}/v1");
    format!(
        "curl\n  curl {url}/chat/completions -H 'Content-Type: application/json' \\\n    -H 'Authorization: Bearer {key}' -d '{{\"model\":\"auto\",\"messages\":[{{\"role\":\"user\",\"content\":\"hello\"}}]}}'\n\
         OpenAI for Python\n  OpenAI(base_url=\"{url}\", api_key=\"{key}\").chat.completions.create(model=\"auto\", …)\n\
         OpenAI for JavaScript\n  new OpenAI({{ baseURL: \"{url}\", apiKey: \"{key}\" }})\n\
         LangChain\n  ChatOpenAI(base_url=\"{url}\", api_key=\"{key}\", model=\"auto\")\n\
         OpenClaw, in openclaw.json\n  \"models\": {{ \"providers\": {{ \"xrouter\": {{ \"baseUrl\": \"{url}\", \"apiKey\": \"{key}\",\n    \
         \"api\": \"openai-completions\", \"models\": [{{ \"id\": \"auto\", \"name\": \"xrouter\" }}] }} }} }},\n  \
         \"agents\": {{ \"defaults\": {{ \"model\": {{ \"primary\": \"xrouter/auto\" }} }} }}"
    )
}
