//! The rules: types and pure functions.
pub mod client;
