//! Random values: codes, cookies, ids of flows. 256 bits as base64url, whose alphabet needs no escaping anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::Random;

/// A fresh value nobody can guess: 43 characters of `[A-Za-z0-9_-]`.
#[must_use]
pub fn value(random: &Random) -> String {
    URL_SAFE_NO_PAD.encode(random.bytes::<32>())
}
