//! The limits that the benchmark holds Portero against, with the same crates and nothing of Portero: what cryptography costs on one
//! core, and what the smallest useful answer of an axum server costs. Called by `conformance/bench/run`, pinned to the server's core.
//!
//! `bench-limits measure SECONDS NAME…` prints one JSON object: operations per CPU second, each measured for that long.
//! `bench-limits serve PORT` answers a form posted to `/` with JSON on the loopback address until it is ended.
#![allow(clippy::disallowed_methods, reason = "a stand-alone measurement has no clock or randomness of its own to seed")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use axum::extract::{DefaultBodyLimit, Form, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::{ES256, EdDSA, JwsSigner, JwsVerifier, RS256};
use serde::{Deserialize, Serialize};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["measure", seconds, ref names @ ..] => measure(Duration::from_secs_f64(seconds.parse()?), names),
        ["serve", port] => {
            // As the server does: as many workers as there are cores for this process.
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(port.parse()?))
        }
        _ => Err("bench-limits measure SECONDS NAME… | serve PORT".into()),
    }
}

// --- cryptography -------------------------------------------------------------------------------------------------

fn measure(each: Duration, names: &[&str]) -> Outcome<()> {
    let mut rates = BTreeMap::new();
    for name in names {
        let rate = match *name {
            "argon2id" => hashes(each)?,
            "rs256_sign" | "rs256_verify" => {
                let jwk = RsaKeyPair::generate(2048)?.to_jwk_key_pair();
                signatures(&RS256.signer_from_jwk(&jwk)?, &RS256.verifier_from_jwk(&jwk)?, name.ends_with("sign"), each)?
            }
            "es256_sign" | "es256_verify" => {
                let jwk = EcKeyPair::generate(EcCurve::P256)?.to_jwk_key_pair();
                signatures(&ES256.signer_from_jwk(&jwk)?, &ES256.verifier_from_jwk(&jwk)?, name.ends_with("sign"), each)?
            }
            "eddsa_sign" | "eddsa_verify" => {
                let jwk = EdKeyPair::generate(EdCurve::Ed25519)?.to_jwk_key_pair();
                signatures(&EdDSA.signer_from_jwk(&jwk)?, &EdDSA.verifier_from_jwk(&jwk)?, name.ends_with("sign"), each)?
            }
            other => return Err(format!("nothing is called {other}").into()),
        };
        rates.insert(*name, rate);
    }
    println!("{}", serde_json::to_string(&rates)?);
    Ok(())
}

/// Signer and verifier kept, as a server keeps them; a message as long as a JWT access token is before it is signed.
fn signatures(signer: &dyn JwsSigner, verifier: &dyn JwsVerifier, sign: bool, each: Duration) -> Outcome<f64> {
    let message = [b'm'; 420];
    let signature = signer.sign(&message)?;
    if sign { rate(each, || signer.sign(&message).is_ok()) } else { rate(each, || verifier.verify(&message, &signature).is_ok()) }
}

/// Argon2id at OWASP's first choice (m=19456, t=2, p=1), into memory that is kept from one hash to the next.
fn hashes(each: Duration) -> Outcome<f64> {
    let params = Params::new(19456, 2, 1, Some(32))?;
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0; 32];
    rate(each, || argon2.hash_password_into_with_memory(b"correct horse battery staple", &[7; 16], &mut output, &mut memory).is_ok())
}

fn rate(each: Duration, mut operation: impl FnMut() -> bool) -> Outcome<f64> {
    // The first calls fill caches and touch memory.
    for _ in 0..2 {
        operation();
    }
    let (began, before, mut done) = (Instant::now(), cpu_seconds(), 0_u32);
    while began.elapsed() < each {
        if !operation() {
            return Err("an operation failed".into());
        }
        done += 1;
    }
    let seconds = match (before, cpu_seconds()) {
        (Some(before), Some(after)) if after > before => after - before,
        _ => began.elapsed().as_secs_f64(),
    };
    Ok(f64::from(done) / seconds)
}

/// What this thread has had of the processor, so that a busy machine does not lower a limit.
fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse::<f64>().ok().map(|nanoseconds| nanoseconds / 1e9)
}

// --- the bare answer ----------------------------------------------------------------------------------------------

#[derive(Deserialize)]
struct Asked {
    grant_type: String,
    client_id: String,
    client_secret: String,
    scope: Option<String>,
}

#[derive(Serialize)]
struct Answered {
    access_token: &'static str,
    token_type: &'static str,
    expires_in: u32,
    scope: String,
}

/// As long as a signed JWT, so that the answer has the size of a token answer.
const TOKEN: &str = match std::str::from_utf8(&[b't'; 760]) {
    Ok(text) => text,
    Err(_) => "",
};

async fn serve(port: u16) -> Outcome<()> {
    let routes = Router::new().route("/", post(answer)).layer(DefaultBodyLimit::max(64 * 1024)).layer(middleware::from_fn(around));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn answer(Form(asked): Form<Asked>) -> Response {
    if asked.grant_type.is_empty() || asked.client_id.is_empty() || asked.client_secret.is_empty() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let answered = Answered { access_token: TOKEN, token_type: "Bearer", expires_in: 600, scope: asked.scope.unwrap_or_default() };
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(answered)).into_response()
}

/// The usual layers: a deadline, a random request id, the headers that harden every answer.
async fn around(request: Request, next: Next) -> Response {
    let mut id = [0; 16];
    if getrandom::fill(&mut id).is_err() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let Ok(mut response) = tokio::time::timeout(Duration::from_secs(30), next.run(request)).await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    if let Ok(value) = HeaderValue::from_str(&uuid::Builder::from_random_bytes(id).into_uuid().simple().to_string()) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}
