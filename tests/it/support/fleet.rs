//! Three simulated upstreams, and the configuration that names them.

use xrouter::simulator::{Profile, Simulator};

/// One simulated upstream per tier.
pub(crate) struct Fleet {
    pub(crate) cheap: Simulator,
    pub(crate) medium: Simulator,
    pub(crate) frontier: Simulator,
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        Fleet { cheap: simulator("small").await, medium: simulator("middle").await, frontier: simulator("large").await }
    }

    /// `[tiers]` for this fleet, and more TOML before it.
    pub(crate) fn toml(&self, more: &str) -> String {
        format!(
            r#"{more}
[tiers.cheap]
base_url = "{}"
model = "small"
name = "c"
price = {{ input = 0.0, output = 0.0 , cache_read = 0.0 }}
[tiers.medium]
base_url = "{}"
model = "middle"
name = "m"
local = false
price = {{ input = 1.0, output = 2.0, cache_read = 0.5 }}
[tiers.frontier]
base_url = "{}"
model = "large"
name = "f"
local = false
price = {{ input = 10.0, output = 20.0, cache_read = 5.0 }}
"#,
            self.cheap.base_url(),
            self.medium.base_url(),
            self.frontier.base_url()
        )
    }

    pub(crate) fn all(&self) -> [&Simulator; 3] {
        [&self.cheap, &self.medium, &self.frontier]
    }
}

pub(crate) async fn simulator(model: &str) -> Simulator {
    let profile = Profile { model: model.to_owned(), reasoning_percent: 25, ..Profile::default() };
    Simulator::start(profile).await.expect("a simulated upstream starts")
}
