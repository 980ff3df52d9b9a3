//! What to do next: the command that serves, and lines for those who will ask.

use std::path::{Path, PathBuf};

use super::Scene;
use super::plan::Plan;
use super::write::Written;

pub(super) fn print(
    out: &Path,
    plan: &Plan,
    scene: &Scene,
    written: &Written,
    kept: &[PathBuf],
    asks: bool,
) -> std::io::Result<()> {
    let mut told = vec![format!("wrote {}", out.display())];
    told.extend(kept.iter().map(|file| format!("what was there before is in {}", file.display())));
    let missing = written.missing.iter();
    told.extend(
        missing.map(|name| format!("set {name} in the environment, or in .env beside the file, before you start")),
    );
    let over = plan.laid_over(scene);
    if !over.is_empty() {
        told.push(format!(
            "{} in the environment or in .env: laid over what the file says; take them away to change it there",
            over.join(", ")
        ));
    }
    let next = format!("next: xrouter run -c {}", out.display());
    if asks {
        for line in &told {
            cliclack::log::success(line)?;
        }
        cliclack::outro(next)?;
        // Without a frame, so that it can be copied.
        println!("{}", clients(written));
    } else {
        for line in told {
            println!("{line}");
        }
        println!("{next}\n\n{}", clients(written));
    }
    Ok(())
}

/// Lines for those who will ask: curl, packages, an agent.
fn clients(written: &Written) -> String {
    let key = if written.wants_key { "THE-ROUTERS-KEY" } else { "none" };
    let port = written.port;
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
