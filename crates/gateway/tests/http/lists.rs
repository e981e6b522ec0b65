//! Lists and their pages.

use serde_json::{Value, json};

use super::client::Caller;
use super::schema;
use super::world::{PROJECT, World};

/// Reads a list page by page; the numbers of its items, page by page.
async fn pages(program: &Caller, path: &str, template: &str) -> Vec<Vec<u64>> {
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let joint = if path.contains('?') { '&' } else { '?' };
        let address = token.map_or_else(
            || path.to_owned(),
            |token| format!("{path}{joint}page-token={token}"),
        );
        let body = program.get(&address).await.expect(200).json();
        schema::check("GET", template, 200, &body);
        let items = body["items"].as_array().expect("items");
        pages.push(
            items
                .iter()
                .map(|item| item["number"].as_u64().expect("number"))
                .collect(),
        );
        token = body["next_page_token"].as_str().map(str::to_owned);
        if token.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn pipelines_come_newest_first_and_in_pages() {
    let world = World::new().await;
    let program = world.program().await;
    for number in 1..=41 {
        let branch = if number % 2 == 0 { "even" } else { "odd" };
        program
            .post(&format!("{PROJECT}/pipeline"), &json!({ "branch": branch }))
            .await
            .expect(201);
    }
    let template = "/project/{vcs}/{org}/{repo}/pipeline";
    let all = pages(&program, &format!("{PROJECT}/pipeline"), template).await;
    let sizes: Vec<usize> = all.iter().map(Vec::len).collect();
    assert_eq!(sizes, [20, 20, 1]);
    assert_eq!(all.concat(), (1..=41).rev().collect::<Vec<_>>());
    let even = pages(&program, &format!("{PROJECT}/pipeline?branch=even"), template).await;
    assert_eq!(even, [(1..=20).rev().map(|n| n * 2).collect::<Vec<_>>()]);
    let odd = pages(&program, &format!("{PROJECT}/pipeline?branch=odd"), template).await;
    assert_eq!(
        odd.concat(),
        (0..=20).rev().map(|n| n * 2 + 1).collect::<Vec<_>>()
    );
    let none = pages(&program, &format!("{PROJECT}/pipeline?branch=none"), template).await;
    assert_eq!(none, [[0_u64; 0]]);
    for query in ["", "?mine=true", "?org-slug=git/demo"] {
        let all = pages(&program, &format!("/api/v2/pipeline{query}"), "/pipeline").await;
        assert_eq!(all.concat().len(), 41, "{query}");
    }
    let others = pages(&program, "/api/v2/pipeline?org-slug=git/other", "/pipeline").await;
    assert_eq!(others, [[0_u64; 0]]);
}

#[tokio::test]
async fn a_rare_branch_is_found_however_far_back() {
    let world = World::new().await;
    let program = world.program().await;
    // More than one look into the store, and more than one call looks at.
    for number in 0..=1_000 {
        let branch = if number == 0 { "rare" } else { "common" };
        let body = json!({ "branch": branch });
        program
            .post(&format!("{PROJECT}/pipeline"), &body)
            .await
            .expect(201);
    }
    let template = "/project/{vcs}/{org}/{repo}/pipeline";
    let rare = pages(&program, &format!("{PROJECT}/pipeline?branch=rare"), template).await;
    assert_eq!(rare, [vec![], vec![1]]);
}

#[tokio::test]
async fn what_jobs_may_reach_is_set_and_shown() {
    let world = World::new().await;
    let program = world.program().await;
    let path = "/api/v2/airlock/project/git/demo/hello/egress";
    let template = "/airlock/project/{vcs}/{org}/{repo}/egress";
    let body = program.get(path).await.expect(200).json();
    schema::check("GET", template, 200, &body);
    assert_eq!(body, json!({ "egress": "allow", "list": [] }));
    let list = json!({ "egress": "list", "list": ["*.Example.com", "192.0.2.0/24"] });
    let set = program.post(path, &list).await.expect(200).json();
    schema::check("POST", template, 200, &set);
    let expected = json!({ "egress": "list", "list": ["*.example.com", "192.0.2.0/24"] });
    assert_eq!(set, expected);
    assert_eq!(program.get(path).await.expect(200).json(), expected);
    program.post(path, &json!({ "egress": "deny" })).await.expect(200);
    let audit = program.get("/api/v2/airlock/audit").await.expect(200).json();
    let said = audit["items"].as_array().expect("entries").iter();
    let said: Vec<&str> = said
        .filter(|entry| entry["action"] == "project.egress")
        .filter_map(|entry| entry["target"].as_str())
        .collect();
    assert_eq!(said, ["git/demo/hello a list of 2", "git/demo/hello deny"]);
}

#[tokio::test]
async fn variables_are_listed_masked_and_removed() {
    let world = World::new().await;
    let program = world.program().await;
    let path = format!("{PROJECT}/envvar");
    for name in ["B", "A"] {
        let answer = program
            .post(&path, &json!({ "name": name, "value": "canary-4711" }))
            .await
            .expect(201);
        schema::check("POST", "/project/{vcs}/{org}/{repo}/envvar", 201, &answer.json());
    }
    let body = program.get(&path).await.expect(200).json();
    schema::check("GET", "/project/{vcs}/{org}/{repo}/envvar", 200, &body);
    let expected = json!({
        "items": [{ "name": "A", "value": "xxxx" }, { "name": "B", "value": "xxxx" }], "next_page_token": null,
    });
    assert_eq!(body, expected);
    let one = program.get(&format!("{path}/A")).await.expect(200).json();
    assert_eq!(one, json!({ "name": "A", "value": "xxxx" }));
    program.delete(&format!("{path}/A")).await.expect(200);
    program.get(&format!("{path}/A")).await.expect(404);
}

#[tokio::test]
async fn projects_are_made_and_listed() {
    let world = World::new().await;
    let program = world.program().await;
    let wanted = json!({ "slug": "demo/second", "key": "ssh-ed25519 AAAA ada@laptop" });
    for _again in 0..2 {
        let body = program
            .post("/api/v2/airlock/project", &wanted)
            .await
            .expect(201)
            .json();
        let expected =
            json!({ "slug": "git/demo/second", "git_url": "ssh://git@localhost:8022/demo/second.git" });
        assert_eq!(body, expected);
    }
    let body = program.get("/api/v2/airlock/projects").await.expect(200).json();
    schema::check("GET", "/airlock/projects", 200, &body);
    let slugs: Vec<&Value> = body["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| &item["slug"])
        .collect();
    assert_eq!(slugs, ["git/demo/hello", "git/demo/second"]);
    let audit = pages(&program, "/api/v2/airlock/audit", "/airlock/audit")
        .await
        .concat();
    assert!(audit.is_sorted() && audit.len() >= 3, "{audit:?}");
}

#[tokio::test]
async fn a_long_audit_log_comes_in_pages() {
    let world = World::new().await;
    let program = world.program().await;
    for number in 0..205 {
        let body = json!({ "name": format!("A{number}"), "value": "x" });
        program
            .post(&format!("{PROJECT}/envvar"), &body)
            .await
            .expect(201);
    }
    let audit = pages(&program, "/api/v2/airlock/audit", "/airlock/audit").await;
    assert_eq!((audit.len(), audit[0].len()), (2, 200));
    assert!(
        audit.concat().is_sorted() && audit.concat().len() == 206,
        "{}",
        audit.concat().len()
    );
}

#[tokio::test]
async fn the_caller_is_told_who_it_is() {
    let world = World::new().await;
    let body = world.program().await.get("/api/v2/me").await.expect(200).json();
    schema::check("GET", "/me", 200, &body);
    assert_eq!(body["login"], "ada");
}
