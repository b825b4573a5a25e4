//! Whole flows over HTTP through the real router, named after what they hold to.

mod account_pages;
mod api;
mod api_accounts;
mod api_clients;
mod api_document;
mod api_organizations;
mod authorization_code;
mod bodies;
mod claims;
mod command_line;
mod configuration;
mod deleted;
mod discovery;
mod faults;
mod harness;
mod import;
mod imports;
mod legacy;
mod logout;
mod openidconnect_client;
mod program;
mod refresh_token;
mod refused;
mod replicas;
mod sign_in;
mod token_endpoint;
