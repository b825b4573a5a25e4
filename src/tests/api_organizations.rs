//! `/v1/organizations`, and what apps learn of them.

use serde_json::json;

use crate::harness::{Browser, Flow, Server, claims};

#[tokio::test]
async fn an_organization_and_its_members() {
    let server = Server::start().await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let ana = server.user("ana").await;
    let made =
        server.call("POST", "/v1/organizations", &owner, Some(json!({ "slug": "acme", "name": "Acme S.A." }))).await.expect(201).json();
    let id = made["id"].as_str().expect("one").to_owned();
    for (body, wrong) in
        [(json!({ "slug": "acme", "name": "Other" }), "/slug taken"), (json!({ "slug": "other", "name": " ACME  s.a." }), "/name taken")]
    {
        let answer = server.call("POST", "/v1/organizations", &owner, Some(body)).await.expect_problem(409, "taken");
        assert_eq!(answer.wrong(), [wrong]);
    }
    for name in [&id, "acme"] {
        assert_eq!(server.call("GET", &format!("/v1/organizations/{name}"), &owner, None).await.expect(200).json(), made);
    }
    let member = format!("/v1/organizations/acme/members/{ana}");
    server.call("GET", &member, &owner, None).await.expect_problem(404, "not_found");
    let set = server.call("PUT", &member, &owner, Some(json!({ "roles": ["editor", "admin", "editor"] }))).await.expect(201).json();
    assert_eq!(set["roles"], json!(["admin", "editor"]));
    server.call("PUT", &member, &owner, Some(json!({ "roles": ["viewer"] }))).await.expect(200);
    let bad = server.call("PUT", &member, &owner, Some(json!({ "roles": ["No Role"] }))).await.expect_problem(400, "invalid_request");
    assert!(!bad.wrong().is_empty());
    server.call("PUT", "/v1/organizations/acme/members/usr_0", &owner, Some(json!({}))).await.expect_problem(404, "not_found");
    let members = server.call("GET", "/v1/organizations/acme/members", &owner, None).await.expect(200).json();
    assert_eq!((members["items"].as_array().map(Vec::len), &members["items"][0]["email"]), (Some(1), &json!("ana@example.org")));
    assert_eq!(server.call("DELETE", &member, &owner, None).await.status, 204);
    server.call("DELETE", &member, &owner, None).await.expect_problem(404, "not_found");
    assert_eq!(server.call("DELETE", "/v1/organizations/acme", &owner, None).await.status, 204);
    server.call("GET", &format!("/v1/organizations/{id}"), &owner, None).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn the_scope_org_tells_an_app_the_organizations_of_a_person() {
    let server = Server::start().await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let ana = server.user("ana").await;
    let made = server.call("POST", "/v1/organizations", &owner, Some(json!({ "slug": "acme", "name": "Acme" }))).await.expect(201).json();
    server.call("PUT", &format!("/v1/organizations/acme/members/{ana}"), &owner, Some(json!({ "roles": ["editor"] }))).await.expect(201);
    let client = server.client(json!({ "scope": "openid org" })).await;
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &Flow::new(&client).with("scope", "openid org"), "ana").await;
    let expected = json!([{ "id": made["id"], "slug": "acme", "name": "Acme", "roles": ["editor"] }]);
    assert_eq!(claims(tokens["id_token"].as_str().expect("one"))["org"], expected);
    let access = tokens["access_token"].as_str().expect("one");
    assert_eq!(server.bearer("/oauth2/userinfo", access).await.expect(200).json()["org"], expected);
    // Who did not ask is not told.
    let plain = Browser::new(&server).tokens(&client, &Flow::new(&client).with("scope", "openid"), "ana").await;
    assert!(claims(plain["id_token"].as_str().expect("one")).get("org").is_none());
    // A membership that ended is gone with the next answer.
    server.call("DELETE", &format!("/v1/organizations/acme/members/{ana}"), &owner, None).await;
    assert!(server.bearer("/oauth2/userinfo", access).await.expect(200).json().get("org").is_none());
}
