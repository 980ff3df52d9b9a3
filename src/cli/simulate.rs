//! `xrouter simulate`: one provider's API without a key, to try a configuration or a client with.

use std::time::Duration;

use console::style;
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::signal::{self, Signal};
use crate::catalog::Provider;
use crate::simulator::{Profile, Simulator, Voice};

/// Serve a strict simulation of a provider's API on this machine; needs no key.
#[derive(Debug, clap::Args)]
pub(super) struct Simulate {
    /// A provider's name as in the configuration, or `cohere_v1`
    #[arg(value_parser = voice)]
    provider: Voice,
    /// Port to serve on [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// End after so many seconds
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

fn voice(name: &str) -> Result<Voice, String> {
    if name == "cohere_v1" {
        return Ok(Voice::CohereV1);
    }
    let known = Provider::ALL.into_iter().find(|provider| provider.as_str() == name);
    known.map(Voice::Of).ok_or_else(|| {
        let names = Provider::ALL.map(Provider::as_str);
        format!("known: {}, cohere_v1", names.join(", "))
    })
}

impl Simulate {
    pub(super) async fn run(self) -> Result<(), Failure> {
        // It answers as whatever model it is asked for.
        let profile = Profile { voice: self.provider, model: String::new(), ..Profile::default() };
        let simulator = Simulator::start_on(profile, self.port).await?;
        let stop = CancellationToken::new();
        let signalled = signal::wait(stop.clone());
        println!("{} simulates a provider; it refuses what the real API refuses", style("xrouter").bold());
        println!("  listening  {}", style(simulator.address_url()).bold());
        println!("  base_url   {}", simulator.base_url());
        if let Some(seconds) = self.seconds {
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                stop.cancel();
            });
        }
        let signal = signalled.await;
        if signal == Some(Signal::Interrupt) { Err(Failure::Interrupted) } else { Ok(()) }
    }
}
