//! Ids and sealed contents: who made them, and whether they can be found again.
//!
//! Nothing is remembered. An id says itself whether its response was stored, and a seal whether it is ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::super::turn::Refusal;
use super::super::Checked;

/// An id with this prefix, of a response that is stored or not.
pub(super) fn id(prefix: &str, stored: bool, number: u64, index: usize) -> String {
    let mark = if stored { 'a' } else { 'b' };
    format!("{prefix}_{mark}{number:023x}{index:08x}")
}

/// Whether an id is one of a response that was stored.
pub(super) fn is_kept(id: &str) -> bool {
    id.split_once('_').is_some_and(|(_, rest)| rest.len() == 32 && rest.starts_with('a'))
}

/// The refusal of an id that belongs to something else.
pub(super) fn misnamed(place: &str, id: &str, prefix: &str) -> Refusal {
    let message = format!("Invalid '{place}': '{id}'. Expected an ID that begins with '{prefix}'.");
    Refusal::at(400, place, message).coded("invalid_value")
}

/// The refusal of an item that is only named, and was not stored.
pub(super) fn lost(id: &str) -> Refusal {
    let message = format!(
        "Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with `store` \
         set to true, or remove this item from your input."
    );
    Refusal::at(404, "input", message)
}

/// Seals a text.
pub(super) fn seal(text: &str) -> String {
    let hash = blake3::hash(text.as_bytes());
    format!("gAAAA{}", STANDARD.encode([&hash.as_bytes()[..16], text.as_bytes()].concat()))
}

/// Refuses what was sealed by somebody else.
pub(super) fn check_seal(sealed: &str) -> Checked {
    let opened = sealed.strip_prefix("gAAAA").and_then(|sealed| STANDARD.decode(sealed).ok());
    let is_own = opened
        .as_deref()
        .and_then(|opened| opened.split_at_checked(16))
        .is_some_and(|(hash, text)| blake3::hash(text).as_bytes().starts_with(hash));
    if is_own {
        return Ok(());
    }
    let begin: String = sealed.chars().take(4).collect();
    let end: String = sealed.chars().skip(sealed.chars().count().saturating_sub(4)).collect();
    let message = format!(
        "The encrypted content {begin}...{end} could not be verified. Reason: Encrypted content could not be decrypted \
         or parsed."
    );
    Err(Refusal::new(400, message).coded("invalid_encrypted_content"))
}
