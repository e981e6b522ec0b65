//! What pages show, to whom, and under which policy.

use std::time::Duration;

use airlock_agent_protocol::StepReport;
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_domain::{PipelineId, Timestamp};

use super::stage::Stage;
use super::visitor::{HOST, Page, Visitor};

const CONFIG: &str = "
version: 2.1
jobs:
  build: {docker: [{image: airlock/base}], parallelism: 2, steps: [{run: make}]}
  ship: {docker: [{image: airlock/base}], steps: [{run: make}]}
workflows:
  ci:
    jobs: [build, {hold: {type: approval, requires: [build]}}, {ship: {requires: [hold]}}]
  nightly:
    when: false
    jobs: [ship]
";

/// An instance with a pipeline whose second slice failed.
pub(super) async fn filled() -> (Stage, PipelineId) {
    let stage = Stage::new(Duration::from_hours(1)).await;
    stage.at("https://ci.example:8443");
    let project = stage.project("demo/hello").await;
    let pipeline = stage.pipeline(&project, "main", "Say hello", CONFIG).await;
    for slice in 0..2 {
        let work = stage.claim().await;
        stage
            .whole_step(&work, (0, "Spin up"), "ready\n", (StepStatus::Success, 4))
            .await;
        let (end, output) = if slice == 1 {
            (StepStatus::Failed, "one\n\u{1b}[31merror: two\u{1b}[0m\nthree")
        } else {
            (StepStatus::Success, "fine\n")
        };
        stage
            .whole_step(&work, (1, "make all"), output, (end, 1_500))
            .await;
        if slice == 1 {
            stage.artifact(&work, "out/report.txt", "12345").await;
            stage
                .finish(
                    &work,
                    SliceStatus::Failed,
                    Some("step 'make all' exited with code 101"),
                )
                .await;
        } else {
            stage.finish(&work, SliceStatus::Success, None).await;
        }
    }
    stage.catch_up(Duration::ZERO);
    (stage, pipeline)
}

/// Every page there is, of a filled instance.
pub(super) async fn every_page(stage: &Stage, pipeline: PipelineId) -> Vec<String> {
    let jobs = stage.jobs(pipeline).await;
    let mut pages: Vec<String> = [
        "/",
        "/?show=failed",
        "/projects",
        "/projects/new",
        "/projects/demo/hello",
        "/projects/demo/hello/settings",
    ]
    .map(str::to_owned)
    .into();
    pages.push(format!("/pipelines/{pipeline}"));
    pages.push(format!("/workflows/{}", jobs[0].workflow));
    pages.extend(jobs.iter().map(|job| format!("/jobs/{}", job.id)));
    pages
}

/// Every tag of a page, as `name rest`.
fn tags(text: &str) -> Vec<&str> {
    let pieces = text.split('<').skip(1);
    pieces
        .filter_map(|piece| piece.split_once('>').map(|(tag, _)| tag))
        .collect()
}

#[track_caller]
fn keeps_its_policy(path: &str, page: &Page) {
    let policy = page.header("content-security-policy");
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "style-src 'self';",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ] {
        assert!(policy.contains(part), "{path}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
    for tag in tags(&page.text) {
        let words = tag.to_ascii_lowercase();
        if words.starts_with("script") {
            assert!(
                words.contains("src=\"/assets/"),
                "{path}: a script in the page: {tag}"
            );
        }
        assert!(!words.starts_with("style"), "{path}: {tag}");
        let handler = |word: &str| word.starts_with("on") && word.contains('=');
        assert!(
            !words
                .split_ascii_whitespace()
                .any(|word| handler(word) || word.starts_with("style=")),
            "{path}: {tag}"
        );
        assert!(
            !words.contains("src=\"http") && !words.contains("href=\"http"),
            "{path}: {tag}"
        );
    }
}

#[tokio::test]
async fn every_page_loads_only_its_own_files() {
    let (stage, pipeline) = filled().await;
    let visitor = Visitor::signed_in(&stage).await;
    for path in every_page(&stage, pipeline).await {
        let page = visitor.get(&path).await.expect(200);
        keeps_its_policy(&path, &page);
        let policy = page.header("content-security-policy");
        assert!(
            policy.contains(&format!("connect-src 'self' wss://{HOST};")),
            "{path}: {policy}"
        );
        assert!(
            policy.contains("require-trusted-types-for 'script'"),
            "{path}: {policy}"
        );
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        for asset in page.text.split('"').filter(|text| text.starts_with("/assets/")) {
            let file = visitor.get(asset).await.expect(200);
            assert!(file.header("cache-control").contains("immutable"), "{asset}");
        }
    }
    for path in ["/sign-in", "/sign-in?token=als_1", "/nowhere"] {
        keeps_its_policy(path, &Visitor::stranger(&stage).get(path).await);
    }
}

#[tokio::test]
async fn a_host_that_is_none_does_not_get_into_the_policy() {
    let (stage, _) = filled().await;
    let visitor = Visitor::signed_in(&stage)
        .await
        .with("host", "x; script-src 'unsafe-inline'");
    let page = visitor.get("/").await;
    assert!(!page.header("content-security-policy").contains("unsafe"));
}

#[tokio::test]
async fn who_is_not_signed_in_sees_how_to_and_nothing_else() {
    let (stage, pipeline) = filled().await;
    let stranger = Visitor::stranger(&stage);
    let liar = stranger.with("cookie", "__Host-airlock=alb_0000");
    for path in every_page(&stage, pipeline).await {
        for visitor in [&stranger, &liar] {
            let page = visitor.get(&path).await;
            assert_eq!(page.leads_to(), "/sign-in", "{path}");
            assert!(
                !page.text.contains("Say hello") && !page.text.contains("demo"),
                "{path}"
            );
        }
    }
    let log = format!("/jobs/{}/log?slice=1&step=1", stage.jobs(pipeline).await[0].id);
    assert_eq!(stranger.get(&log).await.leads_to(), "/sign-in");
    stranger
        .get("/sign-in")
        .await
        .expect(200)
        .says("airlock admin sign-in-link");
}

#[tokio::test]
async fn a_page_opened_from_elsewhere_is_shown() {
    let (stage, pipeline) = filled().await;
    let visitor = Visitor::signed_in(&stage)
        .await
        .with("sec-fetch-site", "cross-site");
    visitor
        .get(&format!("/pipelines/{pipeline}"))
        .await
        .expect(200)
        .says("Say hello");
}

#[tokio::test]
async fn the_list_says_what_failed_and_can_be_narrowed() {
    let (stage, pipeline) = filled().await;
    let visitor = Visitor::signed_in(&stage).await;
    let link = format!("/pipelines/{pipeline}");
    for path in ["/", "/projects/demo/hello", "/?show=failed"] {
        let page = visitor
            .get(path)
            .await
            .expect(200)
            .says(&link)
            .says("build failed");
        assert!(
            page.text.contains("Failed</span>") && page.text.contains("Say hello"),
            "{path}"
        );
    }
    for path in ["/?show=running", "/?show=hold"] {
        let page = visitor
            .get(path)
            .await
            .expect(200)
            .says("No pipeline is like that");
        assert!(!page.text.contains(&link), "{path}");
    }
    visitor.get("/projects/demo/other").await.expect(404);
}

#[tokio::test]
async fn a_long_list_goes_on_where_it_ended() {
    let stage = Stage::new(Duration::ZERO).await;
    stage.at("https://ci.example:8443");
    let project = stage.project("demo/hello").await;
    for number in 0..35 {
        stage
            .pipeline(&project, "main", &format!("Commit <{number:02}>"), "")
            .await;
    }
    let visitor = Visitor::signed_in(&stage).await;
    let mut path = "/".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = visitor.get(&path).await.expect(200);
        let subjects = page.text.split("Commit &#60;").skip(1);
        seen.extend(subjects.map(|rest| rest[..2].parse::<u32>().expect("a number")));
        let next = page.text.split('"').find(|text| text.starts_with("/?before="));
        let Some(next) = next else { break };
        path = next.to_owned();
    }
    assert_eq!(seen, (0..35).rev().collect::<Vec<_>>());
}

#[tokio::test]
async fn the_first_five_minutes_name_this_very_instance() {
    let stage = Stage::new(Duration::ZERO).await;
    stage.at("https://ci.example:8443");
    let visitor = Visitor::signed_in(&stage).await;
    let page = visitor.get("/").await.expect(200);
    let page = page
        .says("airlock project create demo/hello")
        .says("ssh://git@localhost:8022/demo/hello.git");
    let _page = page.says("[localhost]:8022 ssh-ed25519 ");
    stage.project("shop/api").await;
    let page = visitor
        .get("/")
        .await
        .expect(200)
        .says("ssh://git@localhost:8022/shop/api.git");
    assert!(!page.text.contains("airlock project create"));
}

#[tokio::test]
async fn a_pipeline_shows_its_jobs_and_why_they_wait() {
    let (stage, pipeline) = filled().await;
    let visitor = Visitor::signed_in(&stage).await;
    let page = visitor.get(&format!("/pipelines/{pipeline}")).await.expect(200);
    let page = page
        .says("step &#39;make all&#39; exited with code 101")
        .says("2 slices")
        .says("after build");
    let _page = page
        .says("nightly")
        .says("Not run: ")
        .says("(.circleci/config.yml:")
        .says("Which rules decided")
        .says("Run this commit again");
}

#[tokio::test]
async fn what_does_not_run_says_which_rule_decided_and_what_it_saw() {
    let stage = Stage::new(Duration::ZERO).await;
    stage.at("https://ci.example:8443");
    let project = stage.project("demo/hello").await;
    let config = "\
version: 2.1
jobs:
  build: {docker: [{image: airlock/base}], steps: [run: make]}
workflows:
  ci:
    jobs:
      - build
      - build: {name: other, filters: {branches: {only: \"<b>\"}}}
  nightly:
    when: {equal: [nightly, << pipeline.git.branch >>]}
    jobs: [build]
";
    let pipeline = stage.pipeline(&project, "main", "A change", config).await;
    let visitor = Visitor::signed_in(&stage).await;
    let page = visitor.get(&format!("/pipelines/{pipeline}")).await.expect(200);
    let page = page
        .says("it has no filters, so it runs on every branch")
        .says("filters.branches.only does not match &#39;main&#39;</p><p class=\"muted mono wrap\">.circleci/<wbr>config.yml:8:")
        .says("(.circleci/config.yml:10:5)")
        .says("10 |     when: {equal: [nightly, &#60;&#60; pipeline.git.branch &#62;&#62;]}")
        .says("&#60;&#60; pipeline.git.branch &#62;&#62; is &#34;main&#34;");
    assert!(!page.text.contains("<b>\""));
    let workflow = stage.jobs(pipeline).await[0].workflow;
    let page = visitor.get(&format!("/workflows/{workflow}")).await.expect(200);
    let _page = page.says("Which rules decided").says(".circleci/config.yml:8:");
}

#[tokio::test]
async fn an_errored_pipeline_says_what_the_compiler_said() {
    let stage = Stage::new(Duration::ZERO).await;
    stage.at("https://ci.example:8443");
    let project = stage.project("demo/hello").await;
    let config = "version: 2.1\njobs: {\"<b>\": {}}\nworkflows: {ci: {jobs: [\"<i>nope\"]}}\n";
    let pipeline = stage.pipeline(&project, "main", "Break it", config).await;
    let visitor = Visitor::signed_in(&stage).await;
    let page = visitor.get(&format!("/pipelines/{pipeline}")).await.expect(200);
    let page = page
        .says("The config cannot be used")
        .says("<pre class=\"compiler\">")
        .says("&#60;i&#62;nope");
    assert!(!page.text.contains("<i>nope"));
}

#[tokio::test]
async fn a_failed_step_stands_open_at_what_went_wrong() {
    let (stage, pipeline) = filled().await;
    let visitor = Visitor::signed_in(&stage).await;
    let job = stage.jobs(pipeline).await[0].id;
    // Without a slice in the address, the one that failed.
    let page = visitor.get(&format!("/jobs/{job}")).await.expect(200);
    let page = page
        .says("id=\"s1\" data-step=\"1\" open>")
        .says("id=\"s0\" data-step=\"0\">");
    let page = page.says("<p id=\"s1-L2\" class=\"hit\"><a href=\"#s1-L2\">2</a><span><b class=\"f1\">error: two</b></span></p>");
    let page = page
        .says("<p id=\"s1-L3\" data-unfinished>")
        .says("href=\"#s1-L2\">Line 2 of “make all”</a>");
    let page = page
        .says("step &#39;make all&#39; exited with code 101")
        .says("registry.example.com (203.0.113.9:443) tcp")
        .says("3 × · 12 kB sent · 67 MB received")
        .says("169.254.169.254:80 tcp")
        .says("refused, 3 ×")
        .says("Memory <span class=\"muted\">1.3 GB of 4.2 GB at most")
        .says("aria-label=\"Processor over time, up to 2.0\"><polyline points=\"0.0,")
        .says("2 more connections to other places are not listed.")
        .says("out/report.txt")
        .says("5 B");
    assert!(!page.text.contains("fine</span>"));
    let page = visitor
        .get(&format!("/jobs/{job}?slice=0"))
        .await
        .expect(200)
        .says(">fine</span>");
    assert!(!page.text.contains(" open>"));
    visitor.get(&format!("/jobs/{job}?slice=2")).await.expect(404);
    visitor.get("/jobs/none").await.expect(404);
}

#[tokio::test]
async fn the_whole_log_is_a_download_that_no_browser_opens() {
    let (stage, pipeline) = filled().await;
    let visitor = Visitor::signed_in(&stage).await;
    let job = stage.jobs(pipeline).await[0].id;
    let log = visitor
        .get(&format!("/jobs/{job}/log?slice=1&step=1"))
        .await
        .expect(200);
    assert_eq!(log.text, "one\n\u{1b}[31merror: two\u{1b}[0m\nthree");
    assert_eq!(log.header("content-type"), "text/plain; charset=utf-8");
    assert!(log.header("content-disposition").starts_with("attachment; "));
    assert!(log.header("content-security-policy").contains("sandbox"));
    visitor
        .get(&format!("/jobs/{job}/log?slice=1&step=9"))
        .await
        .expect(404);
    visitor.get(&format!("/jobs/{job}/log?slice=1")).await.expect(400);
}

#[tokio::test]
async fn the_end_of_a_long_log_is_shown_with_its_own_numbers() {
    let stage = Stage::new(Duration::ZERO).await;
    stage.at("https://ci.example:8443");
    let project = stage.project("demo/hello").await;
    let config = "{version: 2.1, jobs: {build: {docker: [{image: airlock/base}], steps: [{run: x}]}}}";
    stage.pipeline(&project, "main", "Write much", config).await;
    let work = stage.claim().await;
    let lines: Vec<String> = (1..=100_000).map(|number| format!("line {number}\n")).collect();
    let output = lines.concat();
    stage
        .whole_step(&work, (0, "write"), &output, (StepStatus::Success, 1))
        .await;
    let visitor = Visitor::signed_in(&stage).await;
    let page = visitor
        .get(&format!("/jobs/{}", work.lease.job))
        .await
        .expect(200);
    assert!(page.text.len() < 2_000_000, "{}", page.text.len());
    let page = page
        .says(">100000</a><span>line 100000</span>")
        .says("are not shown")
        .says("Get the whole log");
    assert!(!page.text.contains("<span>line 1</span>"));
    let last = format!("data-next=\"{}\" data-number=\"100001\"", output.len());
    let _page = page.says(&last);
}

#[tokio::test]
async fn a_script_may_ask_for_the_living_part_alone() {
    let (stage, pipeline) = filled().await;
    let visitor = Visitor::signed_in(&stage).await;
    let job = stage.jobs(pipeline).await[0].id;
    for path in [
        "/".to_owned(),
        format!("/pipelines/{pipeline}"),
        format!("/jobs/{job}"),
    ] {
        let whole = visitor.get(&path).await.expect(200);
        assert!(
            whole.text.contains("<html") && whole.text.contains("airlock-live"),
            "{path}"
        );
        let part = visitor
            .with("airlock-fragment", "live")
            .get(&path)
            .await
            .expect(200);
        assert!(
            !part.text.contains("<html") && part.text.contains("Failed"),
            "{path}: {}",
            part.text
        );
        assert_eq!(part.header("vary"), "airlock-fragment");
        // What is above the logs says the same in both.
        assert_eq!(
            part.text.contains("Line 2 of"),
            whole.text.contains("Line 2 of"),
            "{path}"
        );
        // Logs stay in the page that has them.
        assert!(!part.text.contains("error: two"), "{path}");
    }
}

#[tokio::test]
async fn an_error_is_a_page_for_browsers_only() {
    let (stage, _) = filled().await;
    let visitor = Visitor::signed_in(&stage).await;
    let page = visitor
        .get("/pipelines/0198c2f4-0000-7000-8000-000000000001")
        .await
        .expect(404);
    assert!(page.header("content-type").starts_with("text/html"));
    let _page = page
        .says("Nothing is here")
        .says("was not found")
        .says("Request <span");
    let plain = visitor.with("accept", "*/*").get("/nowhere").await.expect(404);
    assert!(plain.header("content-type").starts_with("text/plain"));
    let data = visitor.get("/api/v2/nowhere").await.expect(404);
    assert!(
        data.header("content-type").starts_with("application/json") || data.text.starts_with('{'),
        "{}",
        data.text
    );
}

#[tokio::test]
async fn static_files_are_kept_for_good_under_their_hash_only() {
    let (stage, _) = filled().await;
    let visitor = Visitor::stranger(&stage);
    let sign_in = visitor.get("/sign-in").await.text;
    let sheet = sign_in
        .split('"')
        .find(|text| text.contains("airlock.css"))
        .expect("the sheet");
    let file = visitor.get(sheet).await.expect(200);
    assert_eq!(file.header("content-type"), "text/css; charset=utf-8");
    assert_eq!(
        file.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    let known = visitor.with("if-none-match", file.header("etag"));
    assert!(known.get(sheet).await.expect(304).text.is_empty());
    let old = visitor
        .get("/assets/0000000000000000/airlock.css")
        .await
        .expect(200);
    assert_eq!(old.header("cache-control"), "no-cache");
    for path in [
        "/assets/0/nothing.css",
        "/assets/0/..%2f..%2fCargo.toml",
        "/assets/0/../Cargo.toml",
    ] {
        visitor.get(path).await.expect(404);
    }
}

#[tokio::test]
async fn a_machine_job_says_what_it_runs_in() {
    let stage = Stage::new(Duration::from_hours(1)).await;
    stage.at("https://ci.example:8443");
    let project = stage.project("demo/hello").await;
    let config = "version: 2.1\njobs: {kernel: {machine: true, steps: [run: make]}}\nworkflows: {ci: {jobs: [kernel]}}";
    let pipeline = stage.pipeline(&project, "main", "Say hello", config).await;
    let work = stage.claim().await;
    assert!(work.spec.machine);
    let what = "a system container, as this agent has no virtual machine for the job: <why>";
    stage
        .plane
        .agent_step(&StepReport {
            lease: work.lease,
            step: 0,
            name: "Spin up environment".to_owned(),
            status: StepStatus::Success,
            exit_code: None,
            reason: Some(what.to_owned()),
            at: Timestamp::from_millis(1_800_000_000_000),
        })
        .await
        .expect("taken");
    let job = stage.jobs(pipeline).await.swap_remove(0);
    let visitor = Visitor::signed_in(&stage).await;
    let page = visitor.get(&format!("/jobs/{}", job.id)).await.expect(200);
    page.says("Runs in")
        .says("no virtual machine for the job: &#60;why&#62;");
}
