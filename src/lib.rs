//! Portero, an OAuth 2 and OpenID Connect authorization server.
//!
//! A reading order: `router` (which path leads where) → `endpoints::authorize` and `endpoints::token` (the protocol over HTTP) →
//! `protocol` (its rules) → `tokens` (what is issued) → `storage::durable` (what survives). `docs/architecture.md` walks through the flows.
//!
//! | room | what it is |
//! |---|---|
//! | `protocol` | the rules: types and pure functions, by RFC section |
//! | `endpoints` | the protocol over HTTP, one file per endpoint; the tables `GRANTS` and `METHODS` |
//! | `tokens` | from a grant to tokens, and from a token back |
//! | `keys` | signing keys: the ring, their stages, josekit |
//! | `accounts` | people: the one door for passwords, limits, sessions |
//! | `once` | what may be used once: links, codes, one-time tokens |
//! | `mail` | what is said by mail, and sending it |
//! | `clients` | clients as managed things |
//! | `legacy` | old services' requests, spoken by dialects: data, not code |
//! | `browser` | what every HTML answer needs: cookies, form tokens, language, layout |
//! | `api` | JSON under `/v1`, and its OpenAPI document |
//! | `web` | the pages, each beside its template |
//! | `storage` | contracts, SQL for both databases, the short-lived store |
//! | `app` `router` `layers` | everything put together; which path; under which layers |
//! | `jobs` `management` | what runs beside requests; health and metrics |
//! | `config` `cli` `telemetry` | settings, commands, logs and metrics |
//! | `demo` | the relying party inside a development server |
//! | `clock` `colour` `seal` `urls` `i18n` `request` `connections` `outgoing` | leaves |
//!
//! # Who may import whom
//!
//! `src/tests/imports.rs` reads these two tables and compares them with the sources. A name with `::` allows that path
//! and what is below it; `all` allows everything; `every` is a row that holds for every room.
//!
//! | room | imports |
//! |---|---|
//! | every | clock::Time |
//! | clock colour urls telemetry i18n seal request protocol | nothing |
//! | connections | telemetry::metrics |
//! | config | colour |
//! | outgoing | config |
//! | storage | protocol seal telemetry::metrics |
//! | keys | protocol storage seal outgoing |
//! | once | storage seal |
//! | mail | storage seal urls i18n telemetry::metrics |
//! | accounts | protocol::json storage once mail seal outgoing request::network request::device telemetry::metrics clock::Random i18n::Lang |
//! | clients | protocol storage seal outgoing request::network |
//! | tokens | protocol keys storage seal clock::Random telemetry::metrics |
//! | browser | storage seal i18n urls request colour protocol::error connections::body |
//! | app | config clock colour urls telemetry i18n seal outgoing request protocol storage keys once mail accounts clients tokens browser |
//! | endpoints | app protocol tokens keys storage accounts clients browser urls seal clock request telemetry::metrics i18n::Lang |
//! | web | app protocol accounts clients storage once mail browser urls i18n seal clock request::device config::SignUp telemetry::metrics |
//! | api | app protocol tokens accounts clients storage once mail keys seal urls i18n request telemetry::metrics connections::body |
//! | legacy | app config urls i18n protocol accounts clients tokens once storage clock request telemetry::metrics layers::Shared connections::body |
//! | jobs | app keys storage tokens mail clock telemetry::metrics |
//! | demo | app storage browser clients accounts mail outgoing urls i18n seal |
//! | layers | app config storage browser urls request telemetry::metrics |
//! | management | app storage keys telemetry |
//! | router cli | all |
//!
//! A crate that marks a boundary is named in one place (paths under `src/`, a folder or a file):
//!
//! | crate | named in |
//! |---|---|
//! | axum | app router layers management connections browser endpoints web api legacy demo tokens/bearer.rs |
//! | sqlx | storage/sql storage/mod.rs storage/durable |
//! | redis | storage/redis.rs |
//! | josekit | keys/jose.rs |
//! | argon2 | accounts/password |
//! | bcrypt pbkdf2 scrypt sha_crypt md5 aes ctr | accounts/foreign |
//! | sha1 | accounts/foreign accounts/breached.rs |
//! | zxcvbn | accounts/password_rules.rs |
//! | jsonschema | accounts/attributes.rs api/schema.rs |
//! | oxide_auth | protocol/machine.rs |
//! | reqwest | outgoing |
//! | lettre | mail |
//! | askama | browser web demo mail |

pub mod accounts;
pub mod api;
pub mod app;
pub mod browser;
pub mod cli;
pub mod clients;
pub mod clock;
pub mod colour;
pub mod config;
pub mod connections;
pub mod demo;
pub mod endpoints;
pub mod i18n;
pub mod jobs;
pub mod keys;
pub mod layers;
pub mod legacy;
pub mod mail;
pub mod management;
pub mod once;
pub mod outgoing;
pub mod protocol;
pub mod request;
pub mod router;
pub mod seal;
pub mod storage;
pub mod telemetry;
pub mod tokens;
pub mod urls;
pub mod web;
