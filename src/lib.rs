//! Portero.
pub mod clock;
pub mod seal;
pub mod urls;
