//! What pages do: only for signed-in people, only from our own pages, and with errors at the field they are about.

use std::time::Duration;

use airlock_domain::EgressPolicy;
use airlock_domain::state::JobStatus;

use super::stage::Stage;
use super::visitor::Visitor;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 ada@machine";

async fn empty() -> (Stage, Visitor) {
    let stage = Stage::new(Duration::ZERO).await;
    stage.at("https://ci.example:8443");
    let visitor = Visitor::signed_in(&stage).await;
    (stage, visitor)
}

const APPROVAL: &str = "
version: 2.1
jobs: {ship: {docker: [{image: airlock/base}], steps: [{run: x}]}}
workflows: {ci: {jobs: [{hold: {type: approval}}, {ship: {requires: [hold]}}]}}
";

#[tokio::test]
async fn a_form_counts_only_from_our_own_pages() {
    let (stage, visitor) = empty().await;
    let project = stage.project("demo/hello").await;
    let pipeline = stage.pipeline(&project, "main", "Ship it", APPROVAL).await;
    let jobs = stage.jobs(pipeline).await;
    let forms: [(String, &[(&str, &str)]); 10] = [
        ("/projects/new".into(), &[("name", "evil/one"), ("key", KEY)]),
        ("/projects/demo/hello/run".into(), &[("branch", "main")]),
        ("/projects/demo/hello/keys".into(), &[("key", KEY)]),
        (
            "/projects/demo/hello/secrets".into(),
            &[("name", "A"), ("value", "b")],
        ),
        ("/projects/demo/hello/secrets/remove".into(), &[("name", "A")]),
        (format!("/pipelines/{pipeline}/cancel"), &[]),
        (format!("/pipelines/{pipeline}/again"), &[]),
        (format!("/workflows/{}/cancel", jobs[0].workflow), &[]),
        (format!("/jobs/{}/approve", jobs[0].id), &[]),
        ("/sign-out".into(), &[]),
    ];
    let before = stage.plane.audit_log(0, 100).await.expect("the log").len();
    for (path, fields) in &forms {
        for (header, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            // Browsers without either header are not taken for ours.
            ("x-nothing", "1"),
        ] {
            let page = visitor.with(header, value).post(path, fields).await.expect(403);
            let _page = page.says("own pages");
        }
        let stranger = Visitor::stranger(&stage);
        if path != "/sign-out" {
            assert_eq!(
                stranger.submit(path, fields).await.leads_to(),
                "/sign-in",
                "{path}"
            );
        }
    }
    assert_eq!(
        stage.plane.audit_log(0, 100).await.expect("the log").len(),
        before,
        "something was done"
    );
    // The same forms from our own pages are taken; the last one ends the session.
    for (path, fields) in &forms {
        let page = visitor.submit(path, fields).await;
        assert!(page.status < 400 || page.status == 409, "{path}: {}", page.text);
    }
    assert!(stage.plane.audit_log(0, 100).await.expect("the log").len() > before + 6);
    assert_eq!(visitor.get("/").await.leads_to(), "/sign-in");
}

#[tokio::test]
async fn a_project_is_made_and_errors_stand_at_their_field() {
    let (_stage, visitor) = empty().await;
    let page = visitor
        .submit("/projects/new", &[("name", "no slash <b>"), ("key", KEY)])
        .await
        .expect(422);
    let page = page
        .says("is not of the form")
        .says("value=\"no slash &#60;b&#62;\"")
        .says(KEY);
    assert!(!page.text.contains("<b>\""));
    let page = visitor
        .submit("/projects/new", &[("name", "demo/hello"), ("key", "rubbish")])
        .await
        .expect(422);
    let page = page.says("this is no public key").says("value=\"demo/hello\"");
    let (before_key, after_key) = page.text.split_once("id=\"key\"").expect("the field");
    assert!(after_key.contains("no public key") && !before_key.contains("no public key"));
    let made = visitor
        .submit("/projects/new", &[("name", "demo/hello"), ("key", KEY)])
        .await;
    assert_eq!(made.leads_to(), "/projects/demo/hello");
    let again = visitor
        .submit("/projects/new", &[("name", "demo/hello"), ("key", KEY)])
        .await
        .expect(422);
    let _page = again.says("is there already");
}

#[tokio::test]
async fn a_secret_goes_in_and_never_comes_out() {
    let (stage, visitor) = empty().await;
    let project = stage.project("demo/hello").await;
    let (settings, secrets) = ("/projects/demo/hello/settings", "/projects/demo/hello/secrets");
    let long = "canary-4711".repeat(3_000);
    for (name, value, error) in [
        ("1A", "canary-4711", "must begin with a letter"),
        ("", "canary-4711", "is empty"),
        ("TOKEN", "", "the value is empty"),
        ("TOKEN", &long, "more than the"),
    ] {
        let page = visitor
            .submit(secrets, &[("name", name), ("value", value)])
            .await
            .expect(422)
            .says(error);
        assert!(!page.text.contains("canary"), "a refused value was shown");
    }
    let set = visitor
        .submit(secrets, &[("name", "TOKEN"), ("value", "canary-4711\r\nsecond")])
        .await;
    assert_eq!(set.leads_to(), settings);
    let page = visitor.get(settings).await.expect(200).says("TOKEN");
    assert!(!page.text.contains("canary"));
    stage.pipeline(&project, "main", "Use it", APPROVAL).await;
    let hold = stage.plane.pipelines(None, None, 1).await.expect("one")[0]
        .pipeline
        .id;
    let hold = stage.jobs(hold).await[0].id;
    visitor
        .submit(&format!("/jobs/{hold}/approve"), &[])
        .await
        .expect(303);
    let work = stage.claim().await;
    assert_eq!(work.spec.secrets[0].1.secret().expose(), b"canary-4711\nsecond");
    let removed = visitor
        .submit(&format!("{secrets}/remove"), &[("name", "TOKEN")])
        .await;
    assert_eq!(removed.leads_to(), settings);
    assert!(
        stage
            .plane
            .secret_names(&project)
            .await
            .expect("names")
            .is_empty()
    );
    visitor
        .submit(&format!("{secrets}/remove"), &[("name", "TOKEN")])
        .await
        .expect(404);
}

#[tokio::test]
async fn what_jobs_may_reach_is_set_and_a_wrong_entry_has_its_place() {
    let (stage, visitor) = empty().await;
    let project = stage.project("demo/hello").await;
    let (settings, egress) = ("/projects/demo/hello/settings", "/projects/demo/hello/egress");
    let page = visitor.get(settings).await.expect(200);
    let _page = page.says("<option value=\"allow\" selected>");
    let wrong = "\r\nok.example\r\n  https://<b>.example/";
    let page = visitor
        .submit(egress, &[("egress", "list"), ("list", wrong)])
        .await
        .expect(422)
        .says("line 3, column 3: `https://&#60;b&#62;.example/`")
        .says("<option value=\"list\" selected>");
    assert!(
        page.text.contains("\nok.example"),
        "what was typed is still there"
    );
    for (choice, list, error) in [
        ("list", "", "the list is empty"),
        ("open", "", "choose what jobs"),
    ] {
        let page = visitor
            .submit(egress, &[("egress", choice), ("list", list)])
            .await;
        let _page = page.expect(422).says(error);
    }
    assert_eq!(
        stage.plane.egress_policy(&project).await.expect("reads"),
        EgressPolicy::Allow
    );
    let list = "ok.example # why\r\n192.0.2.0/24";
    let set = visitor
        .submit(egress, &[("egress", "list"), ("list", list)])
        .await;
    assert_eq!(set.leads_to(), settings);
    let page = visitor.get(settings).await.expect(200);
    let _page = page.says(">\nok.example\n192.0.2.0/24\n</textarea>");
    let wanted = EgressPolicy::parse_list(list).expect("a list");
    stage.pipeline(&project, "main", "Use it", APPROVAL).await;
    let hold = stage.plane.pipelines(None, None, 1).await.expect("one")[0]
        .pipeline
        .id;
    let hold = stage.jobs(hold).await[0].id;
    visitor
        .submit(&format!("/jobs/{hold}/approve"), &[])
        .await
        .expect(303);
    assert_eq!(stage.claim().await.spec.egress, wanted, "the job gets it");
    visitor
        .submit(egress, &[("egress", "deny"), ("list", list)])
        .await
        .expect(303);
    assert_eq!(
        stage.plane.egress_policy(&project).await.expect("reads"),
        EgressPolicy::Deny
    );
}

#[tokio::test]
async fn a_key_is_added_or_refused_at_its_field() {
    let (stage, visitor) = empty().await;
    let project = stage.project("demo/hello").await;
    let keys = "/projects/demo/hello/keys";
    let page = visitor.submit(keys, &[("key", "rubbish <i>")]).await.expect(422);
    let _page = page.says("this is no public key").says("rubbish &#60;i&#62;");
    assert_eq!(
        visitor.submit(keys, &[("key", KEY)]).await.leads_to(),
        "/projects/demo/hello/settings"
    );
    let grant = stage
        .plane
        .repository_grant(&format!("SHA256:{KEY}"), &project)
        .await
        .expect("read");
    assert!(grant.expect("granted").may_push);
}

#[tokio::test]
async fn an_approval_is_given_once_and_leads_back() {
    let (stage, visitor) = empty().await;
    let project = stage.project("demo/hello").await;
    let pipeline = stage.pipeline(&project, "main", "Ship it", APPROVAL).await;
    let hold = &stage.jobs(pipeline).await[0];
    let (page, approve) = (
        format!("/pipelines/{pipeline}"),
        format!("/jobs/{}/approve", hold.id),
    );
    visitor
        .get(&page)
        .await
        .expect(200)
        .says(&approve)
        .says("On hold");
    visitor
        .get(&format!("/jobs/{}", hold.id))
        .await
        .expect(200)
        .says(&approve);
    let back = visitor.submit(&approve, &[("from", "pipeline")]).await;
    assert_eq!(back.leads_to(), page);
    assert_eq!(stage.jobs(pipeline).await[0].status, JobStatus::Success);
    assert!(!visitor.get(&page).await.text.contains(&approve));
    // Nobody is led away by a form.
    let back = visitor
        .submit(
            &format!("/workflows/{}/cancel", hold.workflow),
            &[("from", "https://evil.example")],
        )
        .await;
    assert_eq!(back.leads_to(), format!("/workflows/{}", hold.workflow));
}

#[tokio::test]
async fn a_pipeline_is_stopped_and_its_commit_built_again() {
    let (stage, visitor) = empty().await;
    let project = stage.project("demo/hello").await;
    let pipeline = stage.pipeline(&project, "main", "Ship it", APPROVAL).await;
    let page = format!("/pipelines/{pipeline}");
    visitor.get(&page).await.says("Cancel pipeline");
    for _ in 0..2 {
        assert_eq!(
            visitor.submit(&format!("{page}/cancel"), &[]).await.leads_to(),
            page
        );
    }
    let stopped = visitor.get(&page).await.says("Canceled");
    assert!(!stopped.text.contains("Cancel pipeline"));
    let again = visitor.submit(&format!("{page}/again"), &[]).await.leads_to();
    assert_ne!(again, page);
    visitor.get(&again).await.expect(200).says("Ship it").says("#2");
}

#[tokio::test]
async fn a_branch_is_built_or_the_field_says_why_not() {
    let (stage, visitor) = empty().await;
    let project = stage.project("demo/hello").await;
    stage.pipeline(&project, "main", "Ship it", APPROVAL).await;
    let run = "/projects/demo/hello/run";
    for (branch, error) in [("-x <b>", "git refuses"), ("gone", "was not found")] {
        let page = visitor
            .submit(run, &[("branch", branch)])
            .await
            .expect(422)
            .says(error);
        assert!(page.text.contains("aria-invalid") && !page.text.contains("<b>\""));
    }
    let started = visitor.submit(run, &[("branch", "main")]).await.leads_to();
    visitor.get(&started).await.expect(200).says("Ship it");
}

#[tokio::test]
async fn what_is_no_form_is_refused() {
    let (_stage, visitor) = empty().await;
    let own = visitor.with("sec-fetch-site", "same-origin");
    let huge = "x".repeat(200_000);
    own.submit("/projects/new", &[("name", &huge)]).await.expect(413);
    let page = visitor.get("/projects/demo/hello/run").await;
    assert!(page.status == 405 || page.status == 404, "{}", page.status);
}
