//! Every page in every state, to look at: made-up projects on an instance in memory, behind the real HTTPS door on
//! <https://localhost:8444>. One job goes on writing, so that the live tail can be watched. For people who work on
//! pages; nothing of it ships.
//!
//! Run it with `cargo run -p airlock-gateway --example gallery` and open one of the addresses that it prints: `/enter`
//! signs the browser in, which no instance does. `AIRLOCK_GALLERY_PORT` takes another port.
//!
//! To see the tail survive lost connections, close the page's WebSockets themselves: the offline switch of a browser's
//! tools leaves those open that are open, and nothing is lost because nothing was interrupted.

#![expect(clippy::print_stdout, reason = "addresses to open are its output")]
#![expect(clippy::unwrap_used, reason = "a tool for developers")]

#[path = "../tests/pages/stage.rs"]
mod stage;

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use airlock_agent_protocol::{Assignment, Heartbeat};
use airlock_control_plane::Actor;
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_domain::{EnvName, PipelineId, ProjectSlug, Secret};
use airlock_gateway::http::router;
use airlock_transport::ca::{InstanceCa, ServerIdentity};
use airlock_transport::http_server::serve_http;
use airlock_transport::listener::{ListenerLimits, TlsListener};
use airlock_transport::tls::{ClientCertificates, server_config};
use axum::extract::Query;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::get;
use stage::Stage;

const MINUTE: Duration = Duration::from_mins(1);

const ONE_JOB: &str = "
version: 2.1
jobs: {build: {docker: [{image: airlock/base}], steps: [{run: make}]}}
";

const PIPELINE: &str = "
version: 2.1
jobs:
  job: &job {docker: [{image: airlock/base}], resource_class: medium, steps: [checkout, {run: make}]}
  slices: {<<: *job, parallelism: 3}
workflows:
  build-and-test:
    jobs:
      - job: {name: lint}
      - job: {name: build}
      - slices: {name: test, requires: [build]}
      - job: {name: browser tests, requires: [build]}
      - job: {name: package, requires: [test, browser tests, lint]}
  nightly:
    when: false
    jobs: [{job: {name: fuzz}}]
";

const RELEASE: &str = "
version: 2.1
jobs: {job: {docker: [{image: airlock/base}], steps: [{run: make}]}}
workflows:
  release:
    jobs:
      - job: {name: build}
      - approve-release: {type: approval, requires: [build]}
      - job: {name: deploy, requires: [approve-release]}
      - job: {name: only on tags, filters: {branches: {ignore: /.*/}}}
";

const LONG: &str = "
version: 2.1
jobs: {job: {docker: [{image: airlock/base}], steps: [{run: make}]}}
workflows:
  a-workflow-whose-name-goes-on-and-on-as-if-nobody-had-ever-to-read-it-on-a-telephone:
    jobs:
      - job: {name: an-integration-test-with-a-name-that-a-matrix-made-of-postgres-15-and-ruby-3.3-and-node-22}
      - job: {name: <script>alert(1)</script>}
";

const BROKEN: &str = "version: 2.1
jobs:
  build:
    docker:
      - image: airlock/base
    stepps:
      - checkout
workflows:
  main:
    jobs:
      - biuld
";

#[tokio::main]
async fn main() {
    let port = std::env::var("AIRLOCK_GALLERY_PORT").map_or(8444, |text| text.parse().unwrap());
    let stage = Stage::new(MINUTE * 60 * 5).await;
    let now = SystemTime::now();
    let ca = InstanceCa::open(stage.dir.path(), now).unwrap();
    let identity = ServerIdentity::open(stage.dir.path(), &ca, &[], now).unwrap();
    let tls = server_config(&identity, ca.certificate_pem(), ClientCertificates::Optional).unwrap();
    let address = ([127, 0, 0, 1], port).into();
    let listener = TlsListener::bind(address, "AIRLOCK_GALLERY_PORT", &tls, ListenerLimits::default())
        .await
        .unwrap();
    let base = format!("https://localhost:{}", listener.local_addr().port());
    stage.at(&base);

    let pages = fill(&stage).await;
    let cookie = stage.cookie().await;
    let enter = get(move |Query(query): Query<Vec<(String, String)>>| async move {
        let to = query
            .into_iter()
            .find(|(name, _)| name == "to")
            .map_or_else(|| "/".into(), |(_, to)| to);
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::try_from(to).unwrap());
        let cookie = format!("{cookie}; Path=/; HttpOnly; Secure; SameSite=Lax");
        headers.insert(SET_COOKIE, HeaderValue::try_from(cookie).unwrap());
        (StatusCode::SEE_OTHER, headers)
    });
    for (name, path) in pages {
        println!("{name:<22} {base}/enter?to={path}");
    }
    let service = router(stage.state()).merge(axum::Router::new().route("/enter", enter));
    let plane = stage.plane.clone();
    tokio::select! {
        () = plane.run(std::future::pending()) => {}
        () = serve_http(listener, service, std::future::pending()) => {}
        () = go_on_writing(&stage) => {}
    }
}

/// The pages with their names.
async fn fill(stage: &Stage) -> Vec<(&'static str, String)> {
    let mut pages = vec![
        ("pipelines", "/".to_owned()),
        ("projects", "/projects".to_owned()),
        ("new project", "/projects/new".to_owned()),
        (
            "nothing there",
            "/pipelines/0198c2f4-0000-7000-8000-000000000001".to_owned(),
        ),
    ];
    let hello = stage.project("demo/hello").await;
    let api = stage.project("shop/api").await;
    stage.project("demo/empty").await;
    for name in ["DEPLOY_TOKEN", "SENTRY_DSN"] {
        let name = EnvName::new(name).unwrap();
        stage
            .plane
            .set_secret(&api, &name, &Secret::new("x"), &Actor::new("ada"))
            .await
            .unwrap();
    }
    pages.push(("first five minutes", "/projects/demo/empty".to_owned()));
    pages.push(("settings", "/projects/shop/api/settings".to_owned()));
    succeed(stage, &hello).await;
    let errored = stage
        .pipeline(&api, "feat/yaml", "Use the new config keys", BROKEN)
        .await;
    pages.push(("errored", format!("/pipelines/{errored}")));
    stage.pass(MINUTE * 20);
    let held = hold(stage, &api).await;
    pages.push(("on hold", format!("/pipelines/{held}")));
    pages.push(("approval", format!("/jobs/{}", stage.jobs(held).await[1].id)));
    long_names(stage, &hello, &mut pages).await;
    fail(stage, &hello, &mut pages).await;
    other_ends(stage, &api, &mut pages).await;
    run(stage, &hello, &mut pages).await;
    let queued = stage.pipeline(&api, "main", "Nightly matrix", PIPELINE).await;
    pages.push(("queued job", format!("/jobs/{}", stage.jobs(queued).await[0].id)));
    pages
}

async fn succeed(stage: &Stage, project: &ProjectSlug) {
    for subject in ["Cache the toolchain", "Bump the renderer"] {
        stage.pipeline(project, "main", subject, ONE_JOB).await;
        let work = stage.claim().await;
        stage
            .whole_step(
                &work,
                (1, "make"),
                "cc -o hello hello.c\n",
                (StepStatus::Success, 58_000),
            )
            .await;
        stage.finish(&work, SliceStatus::Success, None).await;
        stage.pass(MINUTE * 35);
    }
}

async fn hold(stage: &Stage, project: &ProjectSlug) -> PipelineId {
    let id = stage.pipeline(project, "main", "Release 4.2.0", RELEASE).await;
    let work = stage.claim().await;
    stage
        .whole_step(&work, (1, "make"), "all done\n", (StepStatus::Success, 133_000))
        .await;
    stage.finish(&work, SliceStatus::Success, None).await;
    stage.pass(MINUTE * 14);
    id
}

async fn long_names(stage: &Stage, project: &ProjectSlug, pages: &mut Vec<(&'static str, String)>) {
    let branch =
        "dependabot/npm_and_yarn/frontend/typescript-eslint/eslint-plugin-and-parser-8.46.2-and-more";
    let subject = "<img src=x onerror=alert(1)> A subject that somebody wrote without ever pressing enter, because the window was wide enough";
    let id = stage.pipeline(project, branch, subject, LONG).await;
    pages.push(("long names", format!("/pipelines/{id}")));
    for _ in 0..2 {
        let work = stage.claim().await;
        stage
            .whole_step(&work, (1, "make"), "ok\n", (StepStatus::Success, 900))
            .await;
        stage.finish(&work, SliceStatus::Success, None).await;
    }
    stage.pass(MINUTE * 9);
}

async fn fail(stage: &Stage, project: &ProjectSlug, pages: &mut Vec<(&'static str, String)>) {
    let id = stage
        .pipeline(project, "main", "Parse the empty header", PIPELINE)
        .await;
    for slice in 0..6 {
        let work = stage.claim().await;
        stage
            .whole_step(
                &work,
                (0, "Spin up environment"),
                "image airlock/base, 4 ms\n",
                (StepStatus::Success, 4),
            )
            .await;
        stage
            .whole_step(
                &work,
                (1, "Checkout code"),
                "Cloning into '/root/project'...\n",
                (StepStatus::Success, 310),
            )
            .await;
        if work.spec.job_name == "test" && slice == 3 {
            stage
                .whole_step(
                    &work,
                    (2, "cargo test"),
                    &test_output(),
                    (StepStatus::Failed, 5_900),
                )
                .await;
            stage.step(&work, 3, "Save cache", StepStatus::Skipped).await;
            stage
                .whole_step(
                    &work,
                    (4, "Store artifacts"),
                    "2 files\n",
                    (StepStatus::Success, 40),
                )
                .await;
            stage
                .artifact(&work, "reports/junit.xml", &"x".repeat(48_123))
                .await;
            stage
                .artifact(
                    &work,
                    "a/folder/with/a/long/name/that/goes/on/coverage-of-everything.html",
                    "y",
                )
                .await;
            stage
                .finish(
                    &work,
                    SliceStatus::Failed,
                    Some("step 'cargo test' exited with code 101"),
                )
                .await;
        } else {
            stage
                .whole_step(&work, (2, "make"), "all good\n", (StepStatus::Success, 2_300))
                .await;
            stage.finish(&work, SliceStatus::Success, None).await;
        }
    }
    pages.push(("failed", format!("/pipelines/{id}")));
    let jobs = stage.jobs(id).await;
    let failed = jobs.iter().find(|job| job.name.as_str() == "test").unwrap();
    pages.push(("failed job", format!("/jobs/{}", failed.id)));
    pages.push(("workflow", format!("/workflows/{}", failed.workflow)));
    stage.pass(MINUTE * 6);
}

fn test_output() -> String {
    let mut text = String::from("\u{1b}[1m\u{1b}[32m   Compiling\u{1b}[0m hello v0.1.0 (/root/project)\n");
    for number in 0..60 {
        let _infallible = writeln!(text, "test header::case_{number} ... \u{1b}[32mok\u{1b}[0m");
    }
    text.push_str(
        "test header::empty ... \u{1b}[31mFAILED\u{1b}[0m\n\nfailures:\n\n---- header::empty stdout ----\n\nthread \
         'header::empty' panicked at src/header.rs:87:9:\nassertion failed: value.is_none()\nnote: run with \
         `RUST_BACKTRACE=1` environment variable to display a backtrace\n\n\nfailures:\n    header::empty\n\ntest \
         result: \u{1b}[31mFAILED\u{1b}[0m. 60 passed; 1 failed; finished in 0.92s\n\n\u{1b}[1m\u{1b}[31merror\
         \u{1b}[0m\u{1b}[1m:\u{1b}[0m test failed, to rerun pass `--lib`\n",
    );
    text
}

async fn other_ends(stage: &Stage, project: &ProjectSlug, pages: &mut Vec<(&'static str, String)>) {
    let id = stage
        .pipeline(project, "main", "Try the larger machine", ONE_JOB)
        .await;
    let work = stage.claim().await;
    stage
        .step(&work, 0, "Spin up environment", StepStatus::InfrastructureFail)
        .await;
    stage
        .finish(
            &work,
            SliceStatus::InfrastructureFail,
            Some("the image airlock/base could not be mounted: no space left on device"),
        )
        .await;
    pages.push(("infrastructure", format!("/jobs/{}", stage.jobs(id).await[0].id)));
    let id = stage
        .pipeline(project, "main", "Undo the larger machine", PIPELINE)
        .await;
    for workflow in stage.plane.pipeline(id).await.unwrap().workflows {
        let _not_all_run = stage.plane.cancel(workflow.id, &Actor::new("ada")).await;
    }
    pages.push(("canceled", format!("/pipelines/{id}")));
    stage.pass(MINUTE * 3);
}

async fn run(stage: &Stage, project: &ProjectSlug, pages: &mut Vec<(&'static str, String)>) {
    stage.catch_up(MINUTE);
    let id = stage
        .pipeline(project, "feat/retry", "Retry uploads on 5xx", PIPELINE)
        .await;
    let lint = stage.claim().await;
    stage
        .whole_step(&lint, (1, "make lint"), "clean\n", (StepStatus::Success, 8_000))
        .await;
    stage.finish(&lint, SliceStatus::Success, None).await;
    let work = stage.claim().await;
    stage
        .whole_step(
            &work,
            (0, "Spin up environment"),
            "image airlock/base, 4 ms\n",
            (StepStatus::Success, 4),
        )
        .await;
    stage
        .whole_step(
            &work,
            (1, "Checkout code"),
            "Cloning into '/root/project'...\n",
            (StepStatus::Success, 290),
        )
        .await;
    stage.step(&work, 2, "make build", StepStatus::Running).await;
    stage.log(&work, 2, 0, palette().as_bytes()).await;
    stage.catch_up(Duration::ZERO);
    // The clock has jumped further than a lease lasts.
    stage
        .plane
        .agent_heartbeat(&Heartbeat { lease: work.lease })
        .await
        .unwrap();
    pages.push(("running", format!("/pipelines/{id}")));
    pages.push(("running job", format!("/jobs/{}", work.lease.job)));
    LIVE.set(work).unwrap();
}

fn palette() -> String {
    let mut text = String::new();
    for (word, codes) in [("sixteen", 0..16), ("cube", 16..64), ("greys", 232..256)] {
        let _infallible = write!(text, "{word:<8}");
        for code in codes {
            let _infallible = write!(text, "\u{1b}[38;5;{code}m■\u{1b}[48;5;{code}m a \u{1b}[0m");
        }
        text.push('\n');
    }
    text.push_str("\u{1b}[1mbold\u{1b}[0m \u{1b}[2mdim\u{1b}[0m \u{1b}[3mitalic\u{1b}[0m \u{1b}[4munderline\u{1b}[0m \u{1b}[7mreverse\u{1b}[0m\n");
    text.push_str("a line far too long for its place: ");
    text.push_str(&"0123456789 ".repeat(40));
    text.push_str("\n\u{202e}turned around\u{202c} and <script>alert(1)</script>\n");
    text
}

static LIVE: std::sync::OnceLock<Assignment> = std::sync::OnceLock::new();

async fn go_on_writing(stage: &Stage) {
    let work = LIVE.get().unwrap();
    let mut offset = palette().len() as u64;
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    for number in 1_u64.. {
        ticks.tick().await;
        let text = format!("\u{1b}[32m[{number:>5}]\u{1b}[0m compiled src/part_{number}.rs\n");
        offset = stage.log(work, 2, offset, text.as_bytes()).await;
        if stage
            .plane
            .agent_heartbeat(&Heartbeat { lease: work.lease })
            .await
            .unwrap()
            .stop
        {
            stage.step(work, 2, "make build", StepStatus::Canceled).await;
            stage.finish(work, SliceStatus::Canceled, None).await;
            std::future::pending::<()>().await;
        }
    }
}
