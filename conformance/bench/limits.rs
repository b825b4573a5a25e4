//! The limits that the benchmark holds Portero against, with the same crates and nothing of Portero: what cryptography costs on one
//! core, and what the smallest useful answer of an axum server costs. Called by `conformance/bench/run`, pinned to the server's core.
//!
//! `bench-limits measure SECONDS` prints one JSON object: operations per CPU second, each measured for that long.
//! `bench-limits serve PORT` answers a form posted to `/` with JSON on the loopback address until it is ended.
#![allow(clippy::disallowed_methods, reason = "a stand-alone measurement has no clock or randomness of its own to seed")]

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
        ["measure", seconds] => measure(Duration::from_secs_f64(seconds.parse()?)),
        ["serve", port] => {
            // As the server does: as many workers as there are cores for this process.
            tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(port.parse()?))
        }
        _ => Err("bench-limits measure SECONDS | serve PORT".into()),
    }
}

// --- cryptography -------------------------------------------------------------------------------------------------

/// Operations per second of CPU time on this thread.
#[derive(Serialize)]
struct Limits {
    argon2id: f64,
    rs256_sign: f64,
    rs256_verify: f64,
    es256_sign: f64,
    es256_verify: f64,
    eddsa_sign: f64,
    eddsa_verify: f64,
}

fn measure(each: Duration) -> Outcome<()> {
    // As long as a JWT access token is before it is signed.
    let message = [b'm'; 420];
    let rsa = RsaKeyPair::generate(2048)?.to_jwk_key_pair();
    let ec = EcKeyPair::generate(EcCurve::P256)?.to_jwk_key_pair();
    let ed = EdKeyPair::generate(EdCurve::Ed25519)?.to_jwk_key_pair();
    let (rs256_sign, rs256_verify) = signatures(&RS256.signer_from_jwk(&rsa)?, &RS256.verifier_from_jwk(&rsa)?, &message, each)?;
    let (es256_sign, es256_verify) = signatures(&ES256.signer_from_jwk(&ec)?, &ES256.verifier_from_jwk(&ec)?, &message, each)?;
    let (eddsa_sign, eddsa_verify) = signatures(&EdDSA.signer_from_jwk(&ed)?, &EdDSA.verifier_from_jwk(&ed)?, &message, each)?;
    let limits = Limits { argon2id: hashes(each * 2)?, rs256_sign, rs256_verify, es256_sign, es256_verify, eddsa_sign, eddsa_verify };
    println!("{}", serde_json::to_string(&limits)?);
    Ok(())
}

/// Signer and verifier kept, as a server keeps them.
fn signatures(signer: &dyn JwsSigner, verifier: &dyn JwsVerifier, message: &[u8], each: Duration) -> Outcome<(f64, f64)> {
    let signature = signer.sign(message)?;
    let sign = rate(each, || signer.sign(message).is_ok())?;
    let verify = rate(each / 2, || verifier.verify(message, &signature).is_ok())?;
    Ok((sign, verify))
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
    let (began, before) = (Instant::now(), cpu_seconds());
    let mut done = 0_u32;
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
    let routes = Router::new()
        .route("/", post(answer))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(middleware::from_fn(around));
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
