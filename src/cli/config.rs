//! `xrouter config check | show | schema`.

use clap::Subcommand;
use console::style;

use super::{ConfigFile, Failure, load};
use crate::catalog::Tier;
use crate::config;

/// Check, show or describe the configuration.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Report everything that is wrong with it
    Check {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// List every key with its value and where that was written; secrets are masked
    Show {
        #[command(flatten)]
        file: ConfigFile,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print its JSON Schema
    Schema,
    /// Print xrouter.toml.example
    #[command(hide = true)]
    Example,
}

impl ConfigCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Check { file } => check(&file),
            Action::Show { file, json } => show(&file, json),
            Action::Schema => {
                println!("{:#}", config::json_schema());
                Ok(())
            }
            Action::Example => {
                print!("{}", config::example());
                Ok(())
            }
        }
    }
}

fn check(file: &ConfigFile) -> Result<(), Failure> {
    let sources = file.sources()?;
    let loaded = load(&sources)?;
    for warning in &loaded.warnings {
        println!("{} {warning}", style("warning:").yellow().bold());
    }
    let from = sources.config_file.map_or("the environment".to_owned(), |file| file.display().to_string());
    println!("{} {from}", style("✓").green().bold());
    for tier in Tier::ALL {
        for upstream in loaded.upstreams.of(tier) {
            println!("  {:<8}  {} at {}", tier.as_str(), upstream.name, upstream.endpoint.root());
        }
    }
    Ok(())
}

fn show(file: &ConfigFile, json: bool) -> Result<(), Failure> {
    let rows = config::show(&file.sources()?)?;
    if json {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| serde_json::json!({ "key": row.key, "value": row.value, "origin": row.origin.to_string() }))
            .collect();
        println!("{:#}", serde_json::Value::from(rows));
        return Ok(());
    }
    let width = rows.iter().map(|row| row.key.len()).max().unwrap_or(0);
    for row in rows {
        let value = console::truncate_str(&row.value, 60, "…").into_owned();
        println!("{:<width$} = {value}  {}", row.key, style(format!("# {}", row.origin)).dim());
    }
    Ok(())
}
