//! The crate `openidconnect` as a relying party: discovery, keys, the whole flow, and what it must refuse.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::Request;
use openidconnect::core::CoreGenderClaim;
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyAdditionalClaims, HttpRequest, HttpResponse, IssuerUrl,
    Nonce, OAuth2TokenResponse, PkceCodeChallenge, RedirectUrl, RefreshToken, Scope, TokenResponse, UserInfoClaims,
};
use serde_json::json;

use crate::harness::{Browser, CALLBACK, Server};

async fn call(server: &Server, request: HttpRequest) -> Result<HttpResponse, Infallible> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().expect("a path").as_str().to_owned();
    let mut builder = Request::builder().method(parts.method).uri(path);
    for (name, value) in &parts.headers {
        builder = builder.header(name, value);
    }
    let answer = server.send(builder.body(Body::from(body)).expect("a request")).await;
    let mut response = HttpResponse::new(answer.body.into_bytes());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

#[tokio::test]
async fn a_whole_sign_in() {
    let server = Server::start().await;
    let registered = server.client(json!({})).await;
    let user = server.user("ana").await;
    let http = |request| call(&server, request);

    let issuer = IssuerUrl::new("https://id.example".to_owned()).expect("a URL");
    let metadata = CoreProviderMetadata::discover_async(issuer, &http).await.expect("discovery");
    let secret = registered.secret.clone().map(ClientSecret::new);
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new(registered.id.clone()), secret)
        .set_redirect_uri(RedirectUrl::new(CALLBACK.to_owned()).expect("a URL"));
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("email".to_owned()))
        .set_pkce_challenge(challenge)
        .url();

    let mut browser = Browser::new(&server);
    let page = browser.get(url.as_str()).await;
    let page = browser.follow(page).await;
    let page = browser.sign_in(&page, "ana").await;
    let parameters = browser.allow(&page).await.redirected();
    assert_eq!(&parameters["state"], state.secret());

    let tokens = client
        .exchange_code(AuthorizationCode::new(parameters["code"].clone()))
        .expect("a token endpoint")
        .set_pkce_verifier(verifier)
        .request_async(&http)
        .await
        .expect("tokens");
    let now = || server.app.clock.now();
    let verifier = client.id_token_verifier().set_time_fn(now);
    let id_token = tokens.id_token().expect("an ID token");
    let claims = id_token.claims(&verifier, &nonce).expect("a valid ID token");
    assert_eq!(claims.subject().as_str(), user);
    assert_eq!(claims.email().map(|email| email.as_str()), Some("ana@example.org"));
    let hash = AccessTokenHash::from_token(
        tokens.access_token(),
        id_token.signing_alg().expect("an algorithm"),
        id_token.signing_key(&verifier).expect("a key"),
    );
    assert_eq!(claims.access_token_hash(), Some(&hash.expect("a hash")));

    let userinfo: CoreUserInfoClaims = client
        .user_info(tokens.access_token().clone(), Some(claims.subject().clone()))
        .expect("a userinfo endpoint")
        .request_async(&http)
        .await
        .expect("userinfo");
    let userinfo: UserInfoClaims<EmptyAdditionalClaims, CoreGenderClaim> = userinfo;
    assert_eq!(userinfo.subject().as_str(), user);

    let refreshed = client
        .exchange_refresh_token(&RefreshToken::new(tokens.refresh_token().expect("one").secret().clone()))
        .expect("a token endpoint")
        .request_async(&http)
        .await
        .expect("new tokens");
    assert!(refreshed.id_token().is_some());

    // What it must refuse: another nonce, another moment, another client.
    assert!(id_token.claims(&verifier, &Nonce::new("other".to_owned())).is_err());
    let late = client.id_token_verifier().set_time_fn(|| server.app.clock.now() + chrono::Duration::hours(2));
    assert!(id_token.claims(&late, &nonce).is_err());
}
