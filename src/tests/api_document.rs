//! The OpenAPI document and the pages made from it.

use portero::urls::Urls;
use serde_json::Value;

use crate::harness::Server;

/// A changed document is a change for everybody who was made a client from it: it is looked at, and then
/// `PORTERO_ACCEPT_DOCUMENT=1 cargo test --test flows document` writes it anew.
#[test]
fn the_document_is_the_one_that_was_agreed_on() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let document = portero::router::document(&Urls::new("https://id.example.org"));
    let text = format!("{}\n", serde_json::to_string_pretty(&document).expect("JSON"));
    if std::env::var_os("PORTERO_ACCEPT_DOCUMENT").is_some() {
        std::fs::write(path, &text).expect("it can be written");
    }
    let agreed = std::fs::read_to_string(path).unwrap_or_default();
    if agreed != text {
        let (agreed, text): (Vec<_>, Vec<_>) = (agreed.lines().collect(), text.lines().collect());
        let at = agreed.iter().zip(&text).position(|(a, b)| a != b).unwrap_or(agreed.len().min(text.len()));
        let near = |lines: &[&str]| lines.iter().skip(at.saturating_sub(3)).take(8).map(|line| format!("  {line}\n")).collect::<String>();
        panic!("the document differs from docs/openapi.json at line {}: agreed\n{}now\n{}", at + 1, near(&agreed), near(&text));
    }
}

#[tokio::test]
async fn every_operation_has_a_name_words_and_its_errors() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "https://id.example");
    let mut names = std::collections::BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let what = format!("{method} {path}");
            assert!(names.insert(operation["operationId"].as_str().unwrap_or_else(|| panic!("{what} has no name")).to_owned()), "{what}");
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{what} has no words");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{what}");
            assert!(operation["responses"].as_object().is_some_and(|responses| responses.len() > 1), "{what}");
        }
    }
    assert!(names.len() > 15, "{names:?}");
}

/// AD-01: there is no route that the document does not have.
#[tokio::test]
async fn ad_01_the_document_has_every_route_below_v1() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.expect(200).json();
    let paths = document["paths"].as_object().expect("paths");
    for (path, item) in paths.iter().filter(|(path, _)| path.starts_with("/v1/")) {
        let concrete = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = server.call(method, &concrete, "", None).await;
            let documented = item.get(method.to_lowercase()).is_some();
            assert_eq!(answer.status != 405, documented, "{method} {path}: {}", answer.status);
        }
    }
}

#[tokio::test]
async fn the_pages_show_every_operation_and_every_error() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await.expect(200).json();
    let overview = server.get("/docs").await.expect(200);
    for tag in document["tags"].as_array().expect("tags") {
        let name = tag["name"].as_str().expect("one");
        let operations: Vec<(&String, &String, &Value)> = document["paths"]
            .as_object()
            .expect("paths")
            .iter()
            .flat_map(|(path, item)| item.as_object().expect("operations").iter().map(move |(method, operation)| (path, method, operation)))
            .filter(|(_, _, operation)| operation["tags"][0] == name)
            .collect();
        if operations.is_empty() {
            continue;
        }
        let page = server.get(&format!("/docs/{name}")).await.expect(200);
        assert!(page.body.len() < 100 * 1024, "{name}: {} bytes", page.body.len());
        for (path, method, operation) in operations {
            let id = operation["operationId"].as_str().expect("one");
            assert!(page.body.contains(&format!("id=\"{id}\"")), "{name}: {id}");
            assert!(page.body.contains(&format!("{} {path}", method.to_uppercase())), "{name}: {path}");
            assert!(overview.body.contains(&format!("#{id}\"")), "{id}");
        }
        assert!(page.body.contains("curl "), "{name}");
    }
    server.get("/docs/nothing").await.expect(404);
    let errors = server.get("/docs/errors").await.expect(200);
    for code in portero::api::problem::Code::ALL {
        assert!(errors.body.contains(&format!("id=\"{}\"", code.as_str())), "{code:?}");
    }
    assert_eq!(server.get("/redoc").await.location(), "/docs");
}

#[tokio::test]
async fn where_it_is_switched_off_only_the_errors_are_there() {
    let server = Server::with(|config| config.docs = false).await;
    for path in ["/openapi.json", "/docs", "/docs/clients", "/redoc"] {
        server.get(path).await.expect(404);
    }
    server.get("/docs/errors").await.expect(200);
}
