//! Cache markers: where they may be, and in which order.

use serde_json::Value;

use super::Checked;
use super::shape::{list, object, only, refuse};

/// Checks each marker, their order and their number.
pub(super) fn check_markers(asked: &Value) -> Checked {
    let blocks = markable(asked);
    let marked = |block: &&'_ Value| !block["cache_control"].is_null();
    let mut markers: Vec<&Value> = blocks.iter().copied().filter(marked).map(|block| &block["cache_control"]).collect();
    let automatic = &asked["cache_control"];
    if !automatic.is_null() {
        check_marker(automatic)?;
        match blocks.last().map(|block| &block["cache_control"]).filter(|marker| !marker.is_null()) {
            Some(last) if time_to_live(last) != time_to_live(automatic) => {
                return refuse("cache_control: the last block already has a cache_control with another ttl");
            }
            Some(_) => {}
            None => markers.push(automatic),
        }
    }
    let mut short = false;
    for marker in &markers {
        check_marker(marker)?;
        let long = time_to_live(marker) == "1h";
        if long && short {
            return refuse(
                "cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control \
                 block. Note that blocks are processed in the following order: `tools`, `system`, `messages`.",
            );
        }
        short |= !long;
    }
    if markers.len() > 4 {
        let found = markers.len();
        return refuse(format!("A maximum of 4 blocks with cache_control may be provided. Found {found}."));
    }
    Ok(())
}

fn check_marker(marker: &Value) -> Checked {
    only(object(marker, "cache_control")?, &["type", "ttl"], "cache_control.ephemeral")?;
    if marker["type"] != "ephemeral" {
        return refuse("cache_control.type: Input should be 'ephemeral'");
    }
    match marker.get("ttl").map(|ttl| ttl.as_str().unwrap_or_default()) {
        None | Some("5m" | "1h") => Ok(()),
        Some(_) => refuse("cache_control.ephemeral.ttl: Input should be '5m' or '1h'"),
    }
}

/// How long a cache marker keeps the cache.
fn time_to_live(marker: &Value) -> &str {
    marker["ttl"].as_str().unwrap_or("5m")
}

/// The blocks of a request that can carry a cache marker, in the order in which the API reads them.
pub(super) fn markable(asked: &Value) -> Vec<&Value> {
    let mut blocks: Vec<&Value> = list(&asked["tools"]).iter().chain(list(&asked["system"])).collect();
    for block in list(&asked["messages"]).iter().flat_map(|message| list(&message["content"])) {
        if block["type"] == "tool_result" {
            blocks.extend(list(&block["content"]));
        }
        blocks.push(block);
    }
    blocks
}
