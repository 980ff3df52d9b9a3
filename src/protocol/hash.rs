//! Hashes: small ones for what need not withstand anybody, and one of fields that does.

use sha2::{Digest, Sha256};

/// FNV-1a in 64 bits. Not for keys that a client could forge: those are a [`FieldHash`].
///
/// Source: Fowler, Noll, Vo, "The FNV Non-Cryptographic Hash Algorithm", IETF draft-eastlake-fnv (read 2026-11-30).
#[must_use]
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The first 32 bits of SHA-256 as eight hexadecimal digits: enough to tell whether two texts of one's own are the same.
#[must_use]
pub fn short_hash(text: &str) -> String {
    hex::encode(&Sha256::digest(text)[..4])
}

/// A hash of fields, each told apart from its neighbours by its length: BLAKE3, so that nobody can make two that are alike, and
/// routers that share a Redis make the same.
#[derive(Debug, Default)]
pub struct FieldHash(blake3::Hasher);

impl FieldHash {
    /// Another field.
    pub fn add(&mut self, field: impl AsRef<[u8]>) {
        let field = field.as_ref();
        self.0.update(&(field.len() as u64).to_le_bytes());
        self.0.update(field);
    }

    /// The first 128 bits.
    #[must_use]
    pub fn finish(&self) -> [u8; 16] {
        let mut hash = [0; 16];
        self.0.finalize_xof().fill(&mut hash);
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_examples_come_out() {
        assert_eq!(fnv1a(b""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_F739_67E8);
    }
}
