//! A whole Portero in one process: the real router on an embedded store, with a frozen clock and a seeded generator.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration};
use portero::accounts::users::{self, NewAccount};
use portero::app::App;
use portero::clients;
use portero::clock::{Clock, Random};
use portero::config::Config;
use portero::mail::Mail;
use portero::protocol::client::{Client, ClientMetadata};
use portero::seal::{Seal, sha256};
use portero::storage::durable::{Act, Actor, Saved};
use portero::urls::encode;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub const PASSWORD: &str = "correct horse battery staple";
pub const CALLBACK: &str = "https://app.example/cb";

/// The server under test.
pub struct Server {
    pub app: Arc<App>,
    router: axum::Router,
    mails: Mutex<Vec<(String, Mail)>>,
}

/// A registered client with its secret.
#[derive(Clone)]
pub struct TestClient {
    pub id: String,
    pub secret: Option<String>,
}

/// What came back.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    #[track_caller]
    pub fn location(&self) -> String {
        self.headers
            .get(header::LOCATION)
            .unwrap_or_else(|| panic!("no Location in {} {}", self.status, self.body))
            .to_str()
            .expect("ASCII")
            .to_owned()
    }

    /// The parameters of a redirect to the client.
    #[track_caller]
    pub fn redirected(&self) -> BTreeMap<String, String> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        let url = url::Url::parse(&self.location()).expect("an absolute redirect");
        url.query_pairs().into_owned().collect()
    }

    /// Where the link of that id leads.
    #[track_caller]
    pub fn link(&self, id: &str) -> String {
        let tags = self.body.split("<a ").skip(1).map(|part| format!(" {}", part.split('>').next().unwrap_or(part)));
        let tag = tags.into_iter().find(|tag| attribute(tag, "id").as_deref() == Some(id));
        tag.and_then(|tag| attribute(&tag, "href")).unwrap_or_else(|| panic!("no link {id} in {}", self.body))
    }

    /// The first hidden field of that name.
    #[track_caller]
    pub fn hidden(&self, name: &str) -> String {
        let inputs = self.body.split("<input").skip(1).map(|part| part.split('>').next().unwrap_or(part));
        let input = inputs.into_iter().find(|input| attribute(input, "name").as_deref() == Some(name));
        input.and_then(|input| attribute(input, "value")).unwrap_or_else(|| panic!("no field {name} in {}", self.body))
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self
    }

    #[track_caller]
    pub fn expect_error(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.json()["error"], code, "{}", self.body);
    }

    /// An error page: the code is in `#error-code`, and nothing leads to the client.
    #[track_caller]
    pub fn expect_page(&self, status: u16, code: &str) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert!(self.headers.get(header::LOCATION).is_none());
        let marker = self.body.split("id=\"error-code\"").nth(1).unwrap_or_else(|| panic!("no #error-code in {}", self.body));
        let text = marker.split('>').nth(1).and_then(|rest| rest.split('<').next()).unwrap_or("");
        assert_eq!(text.trim(), code);
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::seeded(1, change, |_| {}).await
    }

    /// The same with pieces of its own in the place of those that the settings make.
    pub async fn with_app(change: impl FnOnce(&mut Config), fit: impl FnOnce(&mut App)) -> Self {
        Self::seeded(1, change, fit).await
    }

    async fn seeded(seed: u64, change: impl FnOnce(&mut Config), fit: impl FnOnce(&mut App)) -> Self {
        let mut config = Config { issuer: "https://id.example".to_owned(), database_url: "sqlite::memory:".into(), ..Config::default() };
        change(&mut config);
        let clock = Clock::frozen(DateTime::from_timestamp(1_800_000_000, 0).expect("a moment"));
        let mut app = App::open(config, Seal::new(&[7; 32]), clock, Random::seeded(seed)).await.expect("the server opens");
        fit(&mut app);
        let app = Arc::new(app);
        let dialects = portero::legacy::Dialects::open(&app).await.expect("the dialects open");
        let router = portero::router::public(&app, &dialects);
        Self { app, router, mails: Mutex::default() }
    }

    pub fn advance(&self, seconds: i64) {
        self.advance_millis(seconds * 1000);
    }

    pub fn advance_millis(&self, millis: i64) {
        self.app.clock.advance(Duration::milliseconds(millis));
    }

    pub fn operator() -> Act {
        Act { actor: Actor::Operator, client_id: None, address: None, request_id: "test".to_owned() }
    }

    /// Registers a client from RFC 7591 members, as the command line does.
    pub async fn client(&self, metadata: Value) -> TestClient {
        let mut members = json!({ "redirect_uris": [CALLBACK] });
        for (name, value) in metadata.as_object().expect("members") {
            members[name] = value.clone();
        }
        let metadata: ClientMetadata = serde_json::from_value(members).expect("metadata");
        let (app, by) = (&self.app, Self::operator());
        let fresh = clients::Fresh { id: app.random.bytes(), secret: app.random.bytes() };
        let created = clients::create(app.storage.clients.as_ref(), &app.seal, None, metadata, fresh, app.clock.now(), &by);
        let created = created.await.expect("the client is valid");
        app.ensure_keys(&created.record.client, &by).await.expect("keys");
        TestClient { id: created.record.client.client_id.clone(), secret: created.secret.map(|secret| secret.reveal().to_owned()) }
    }

    /// Changes a client as an administrator would, beside whatever is under way.
    pub async fn alter(&self, client: &TestClient, change: impl FnOnce(&mut Client)) {
        let clients = &self.app.storage.clients;
        let mut record = (*clients.find(&client.id).await.expect("store").expect("there")).clone();
        change(Arc::make_mut(&mut record.client));
        assert_eq!(clients.update(&record, None, &Self::operator()).await.expect("stored"), Saved::Done);
    }

    /// A person with a password.
    pub async fn user(&self, name: &str) -> String {
        self.person(name, &[]).await
    }

    /// The same with roles.
    pub async fn person(&self, name: &str, roles: &[&str]) -> String {
        let app = &self.app;
        let email = format!("{name}@example.org");
        let account = NewAccount {
            email: &email,
            email_verified: true,
            username: Some(name),
            name: Some("A. Person"),
            locale: None,
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            claims: serde_json::Map::new(),
            password: Some(PASSWORD),
            ..NewAccount::default()
        };
        let fresh = users::Fresh { id: app.random.bytes(), salt: app.random.bytes() };
        let by = Self::operator();
        let created = users::create(app.storage.users.as_ref(), &app.hasher, account, fresh, app.clock.now(), &by);
        created.await.expect("the account is valid").id
    }

    /// Takes the mails that wait, as the sender would, and keeps them.
    async fn collect(&self) {
        let app = &self.app;
        let claimed = app.storage.outbox.claim(1000, std::time::Duration::from_secs(3600), app.clock.now()).await.expect("read");
        let opened = claimed.into_iter().map(|claimed| {
            let (mail, _) = portero::mail::open(&app.seal, &claimed.mail).expect("ours");
            (claimed.mail.to_address, mail)
        });
        self.mails.lock().expect("no test panics while it holds this").extend(opened);
    }

    /// The last mail to that address.
    pub async fn mail_to(&self, address: &str) -> Mail {
        self.collect().await;
        let mails = self.mails.lock().expect("no test panics while it holds this");
        mails.iter().rev().find(|(to, _)| to == address).unwrap_or_else(|| panic!("no mail to {address}")).1.clone()
    }

    /// The kinds of mail that an address got, in their order.
    pub async fn mail_kinds(&self, address: &str) -> Vec<String> {
        self.collect().await;
        let mails = self.mails.lock().expect("no test panics while it holds this");
        mails.iter().filter(|(to, _)| to == address).map(|(_, mail)| mail.kind().to_owned()).collect()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 40000))));
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
        // A picture is no text.
        let is_picture = parts.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"image/png"));
        let body = if is_picture { String::new() } else { String::from_utf8(bytes.to_vec()).expect("UTF-8") };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    pub async fn bearer(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    /// A form from a client, authenticated as registered.
    pub async fn form(&self, path: &str, client: &TestClient, fields: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let mut fields = fields.to_vec();
        match &client.secret {
            Some(secret) => {
                let basic = STANDARD.encode(format!("{}:{secret}", client.id));
                request = request.header(header::AUTHORIZATION, format!("Basic {basic}"));
            }
            None => fields.push(("client_id", &client.id)),
        }
        self.send(request.body(Body::from(form_encode(&fields))).expect("a request")).await
    }

    pub async fn token(&self, client: &TestClient, fields: &[(&str, &str)]) -> Answer {
        self.form("/oauth2/token", client, fields).await
    }

    pub async fn introspect(&self, client: &TestClient, token: &str) -> Value {
        self.form("/oauth2/introspect", client, &[("token", token)]).await.expect(200).json()
    }

    /// Redeems a code with the verifier of [`Flow`].
    pub async fn redeem(&self, client: &TestClient, code: &str) -> Answer {
        let fields = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
        self.token(client, &fields).await
    }

    pub async fn refresh(&self, client: &TestClient, token: &str) -> Answer {
        self.token(client, &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }
}

/// Two replicas on one Postgres and one Redis, in a schema of their own; none where the run is for the embedded stores alone.
///
/// # Panics
/// Where `PORTERO_TEST_BACKENDS=all` asks for them and they are not there: a backend that is missing is a failure, not a skip.
pub async fn replicas() -> Option<[Arc<Server>; 2]> {
    use sqlx::Connection as _;
    use std::hash::{BuildHasher as _, Hasher as _};
    let all = std::env::var("PORTERO_TEST_BACKENDS").is_ok_and(|backends| backends == "all");
    let (postgres, redis) = match (std::env::var("PORTERO_TEST_POSTGRES_URL"), std::env::var("PORTERO_TEST_REDIS_URL")) {
        (Ok(postgres), Ok(redis)) => (postgres, redis),
        _ if all => panic!("PORTERO_TEST_BACKENDS=all, but PORTERO_TEST_POSTGRES_URL and PORTERO_TEST_REDIS_URL are not both set"),
        _ => return None,
    };
    // A name of its own for each test and run: the seed keeps their values in Redis apart as well.
    let seed = std::hash::RandomState::new().build_hasher().finish();
    let schema = format!("flow_{seed:x}");
    let mut connection = sqlx::PgConnection::connect(&postgres).await.expect("Postgres answers");
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE SCHEMA {schema}"))).execute(&mut connection).await.expect("a schema");
    let separator = if postgres.contains('?') { '&' } else { '?' };
    let database_url = format!("{postgres}{separator}options=-csearch_path%3D{schema}");
    let mut servers = Vec::new();
    for replica in 0..2 {
        let (database_url, redis) = (database_url.clone(), redis.clone());
        let server = Server::seeded(
            seed.wrapping_add(replica << 32),
            |config| {
                config.database_url = database_url.into();
                config.redis_url = Some(redis.into());
                config.limits = false;
            },
            |_| {},
        )
        .await;
        servers.push(Arc::new(server));
    }
    servers.try_into().ok()
}

/// All at once; the answers in order.
pub async fn all<T>(work: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = work.into_iter().map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (work, done) in pending.iter_mut().filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(value) = work.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if pending.iter().all(|(_, done)| done.is_some()) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    pending.into_iter().filter_map(|(_, done)| done).collect()
}

pub fn form_encode(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

/// RFC 7636, Appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

pub fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()))
}

/// The claims of a JWT, unverified: tests that care about the signature verify it.
#[track_caller]
pub fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}

/// A browser: cookies, and the steps a person takes.
pub struct Browser<'a> {
    pub server: &'a Server,
    pub cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    pub fn new(server: &'a Server) -> Self {
        Self { server, cookies: BTreeMap::new() }
    }

    fn cookie_header(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub async fn request(&mut self, method: Method, path: &str, form: Option<&[(&str, &str)]>) -> Answer {
        let path = path.strip_prefix("https://id.example").unwrap_or(path);
        let mut request = Request::builder().method(method).uri(path).header(header::ACCEPT, "text/html");
        if !self.cookies.is_empty() {
            request = request.header(header::COOKIE, self.cookie_header());
        }
        let body = match form {
            Some(fields) => {
                request = request
                    .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .header(header::ORIGIN, "https://id.example")
                    .header("sec-fetch-site", "same-origin");
                Body::from(form_encode(fields))
            }
            None => Body::empty(),
        };
        let answer = self.server.send(request.body(body).expect("a request")).await;
        for cookie in answer.headers.get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("ASCII");
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').expect("a pair");
            if value.is_empty() || attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.request(Method::GET, path, None).await
    }

    /// Follows redirects that stay with the server; stops at a page, or at the redirect to the client.
    pub async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..8 {
            if answer.status != StatusCode::SEE_OTHER {
                return answer;
            }
            let to = answer.location();
            if !(to.starts_with('/') || to.starts_with("https://id.example/")) {
                return answer;
            }
            answer = self.get(&to).await;
            answer.headers.insert("x-test-path", to.parse().expect("a path"));
        }
        panic!("too many redirects");
    }

    /// Fills in the page's form and sends it; `button` is a submit button by id, whose name and value go along.
    pub async fn submit(&mut self, page: &Answer, fields: &[(&str, &str)], button: Option<&str>) -> Answer {
        let (action, mut all) = form_of(&page.body, button);
        for (name, value) in fields {
            all.retain(|(known, _)| known != name);
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        let pairs: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = self.request(Method::POST, &action, Some(&pairs)).await;
        self.follow(answer).await
    }

    /// Opens an authorization request and follows it to the first page or to the client.
    pub async fn authorize(&mut self, flow: &Flow) -> Answer {
        let first = self.get(&flow.path()).await;
        self.follow(first).await
    }

    pub async fn sign_in(&mut self, page: &Answer, user: &str) -> Answer {
        assert!(page.body.contains("id=\"sign-in-submit\""), "not the sign-in page: {}", page.body);
        self.submit(page, &[("username", user), ("password", PASSWORD)], Some("sign-in-submit")).await
    }

    pub async fn allow(&mut self, page: &Answer) -> Answer {
        assert!(page.body.contains("id=\"consent-allow\""), "not the consent page: {} {}", page.status, page.body);
        self.submit(page, &[], Some("consent-allow")).await
    }

    /// The whole way to a code, whatever pages lie on it.
    pub async fn code(&mut self, flow: &Flow, user: &str) -> String {
        let mut answer = self.authorize(flow).await;
        for _ in 0..3 {
            if answer.body.contains("id=\"sign-in-submit\"") {
                answer = self.sign_in(&answer, user).await;
            } else if answer.body.contains("id=\"consent-allow\"") {
                answer = self.allow(&answer).await;
            }
        }
        let parameters = answer.redirected();
        parameters.get("code").unwrap_or_else(|| panic!("no code in {parameters:?}")).clone()
    }

    /// Code and tokens.
    pub async fn tokens(&mut self, client: &TestClient, flow: &Flow, user: &str) -> Value {
        let code = self.code(flow, user).await;
        self.server.redeem(client, &code).await.expect(200).json()
    }
}

/// Action and fields of the form on a page that holds the button (or of the only one), with the button's own pair.
pub fn form_of(html: &str, button: Option<&str>) -> (String, Vec<(String, String)>) {
    let form = html
        .split("<form")
        .skip(1)
        .map(|part| part.split("</form>").next().unwrap_or(part))
        .find(|form| button.is_none_or(|id| form.contains(&format!("id=\"{id}\""))))
        .unwrap_or_else(|| panic!("no form with {button:?} in {html}"));
    let action = attribute(form.split('>').next().unwrap_or(""), "action").unwrap_or_default();
    let mut fields = Vec::new();
    for input in form.split("<input").skip(1).map(|part| part.split('>').next().unwrap_or("")) {
        let kind = attribute(input, "type").unwrap_or_default();
        let checked = input.contains(" checked");
        if matches!(kind.as_str(), "checkbox" | "radio") && !checked {
            continue;
        }
        if let Some(name) = attribute(input, "name") {
            fields.push((name, attribute(input, "value").unwrap_or_default()));
        }
    }
    for tag in form.split("<button").skip(1).map(|part| part.split('>').next().unwrap_or("")) {
        if button.is_some_and(|id| attribute(tag, "id").as_deref() == Some(id))
            && let Some(name) = attribute(tag, "name")
        {
            fields.push((name, attribute(tag, "value").unwrap_or_default()));
        }
    }
    (action, fields)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split(&format!(" {name}=\"")).nth(1)?;
    let value = rest.split('"').next()?;
    Some(
        value
            .replace("&#38;", "&")
            .replace("&amp;", "&")
            .replace("&#34;", "\"")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&#60;", "<")
            .replace("&#62;", ">"),
    )
}

/// An authorization request.
#[derive(Clone)]
pub struct Flow {
    fields: Vec<(String, String)>,
}

impl Flow {
    pub fn new(client: &TestClient) -> Self {
        let flow = Self { fields: Vec::new() };
        flow.with("client_id", &client.id)
            .with("response_type", "code")
            .with("redirect_uri", CALLBACK)
            .with("scope", "openid profile email")
            .with("state", "st4te")
            .with("nonce", "n0nce")
            .with("code_challenge", &challenge(VERIFIER))
            .with("code_challenge_method", "S256")
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    /// Adds a second value for a name that is there.
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn query(&self) -> String {
        let pairs: Vec<(&str, &str)> = self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        form_encode(&pairs)
    }

    pub fn path(&self) -> String {
        format!("/oauth2/authorize?{}", self.query())
    }
}
