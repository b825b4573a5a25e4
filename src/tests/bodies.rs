//! Bodies that do not come, are announced too large or break off: each is answered in the form of whoever sent it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{Request, header};
use hyper::body::{Frame, SizeHint};

use crate::harness::{Answer, Server};
use crate::legacy::dialect;

#[derive(Clone, Copy, PartialEq)]
enum Coming {
    /// So many bytes, for which nobody asks.
    Announced(u64),
    Stopped(io::ErrorKind),
}

impl hyper::body::Body for Coming {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match *self {
            Self::Announced(_) => panic!("it was asked for"),
            Self::Stopped(kind) => Poll::Ready(Some(Err(kind.into()))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match *self {
            Self::Announced(length) => SizeHint::with_exact(length),
            Self::Stopped(_) => SizeHint::default(),
        }
    }
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

async fn post(server: &Server, path: &str, kind: &str, token: &str, body: Coming) -> Answer {
    let request = Request::post(path).header(header::CONTENT_TYPE, kind).header(header::AUTHORIZATION, format!("Bearer {token}"));
    server.send(request.body(Body::new(body)).expect("a request")).await
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_told_of_in_its_callers_form() {
    let server = Server::with(dialect("flask-jwt")).await;
    let (_, token) = server.machine("organizations:write").await;
    let late = Coming::Stopped(io::ErrorKind::TimedOut);
    let broken = Coming::Stopped(io::ErrorKind::Other);
    for (body, status, page, problem) in [
        (Coming::Announced(65_537), 413, "content_too_large", "too_large"),
        (late, 408, "request_timeout", "request_timeout"),
        (broken, 400, "invalid_request", "invalid_request"),
    ] {
        for path in ["/sign-in", "/oauth2/authorize", "/oauth2/logout"] {
            post(&server, path, FORM, "", body).await.expect_page(status, page);
        }
        for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"] {
            post(&server, path, FORM, "", body).await.expect_error(status, "invalid_request");
        }
        post(&server, "/v1/organizations", JSON, &token, body).await.expect_problem(status, problem);
        let old = post(&server, "/auth/sign-in", JSON, "", body).await.expect(status);
        assert!(old.json()["msg"].is_string(), "{}", old.body);
    }
}
