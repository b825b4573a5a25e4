//! Whole flows over HTTP through the real router, named after what they hold to.

mod authorization_code;
mod harness;
mod imports;
