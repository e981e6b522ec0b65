//! `airlock up`: a project, a push, a pipeline, its artifact; and what happens when processes are killed.

use airlock_testkit::{DataDir, Git, PATIENCE, Remote, Run, SshKey, Watched, wait_for};
use anyhow::Context as _;

use crate::support::{self, Instance};

#[test]
fn a_push_becomes_a_green_pipeline_and_its_artifact_is_the_file() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    let pushed = instance.push_example("demo/hello", "hello")?;
    assert!(
        pushed
            .stderr
            .contains("Pipeline #1 for branch main: https://localhost:"),
        "{}",
        pushed.stderr
    );
    instance
        .airlock()?
        .args(["secret", "set", "demo/hello", "GREETING_TOKEN"])
        .input("canary-4711\n")
        .finish()?
        .success()?;

    let watched = instance
        .airlock()?
        .args(["pipeline", "watch", "demo/hello"])
        .finish()?
        .success()?;
    assert!(
        watched.stdout.contains("✔ workflow hello  success"),
        "{}",
        watched.stdout
    );

    let events = instance
        .airlock()?
        .args(["pipeline", "watch", "demo/hello", "--json"])
        .finish()?
        .success()?;
    let job = support::job_id(&events.stdout, "package").context("no job 'package' in the events")?;
    let saved = data.join("saved");
    instance
        .airlock()?
        .args(["job", "artifacts", &job, "--save"])
        .arg(&saved)
        .finish()?
        .success()?;
    let listed = Run::new("tar")
        .arg("-tzf")
        .arg(saved.join("0/packages/hello.tar.gz"))
        .directory(data.path())
        .finish()?;
    assert_eq!(listed.success()?.stdout.trim(), "hello");

    let logs = instance
        .airlock()?
        .args(["job", "logs", &job])
        .finish()?
        .success()?;
    assert!(logs.stdout.contains("GREETING_TOKEN"), "{}", logs.stdout);
    let audit = instance.airlock()?.args(["admin", "audit"]).finish()?.success()?;
    for action in ["project.create", "pipeline.start", "secret.set"] {
        assert!(audit.stdout.contains(action), "no {action} in:\n{}", audit.stdout);
    }
    Ok(())
}

#[test]
fn secrets_reach_jobs_and_nothing_else() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    instance.create_project("demo/secret")?;
    instance
        .airlock()?
        .args(["secret", "set", "demo/secret", "TOKEN"])
        .input("canary-4711-x9\n")
        .finish()?
        .success()?;
    let listed = instance
        .airlock()?
        .args(["secret", "list", "demo/secret"])
        .finish()?
        .success()?;
    assert_eq!(listed.stdout, "TOKEN\n");
    instance.push_config(
        "demo/secret",
        &support::one_job("- run: 'echo \"value $TOKEN\"; echo length ${#TOKEN}'"),
    )?;
    let watched = instance
        .airlock()?
        .args(["pipeline", "watch", "demo/secret"])
        .finish()?
        .success()?;
    assert!(
        watched.stdout.contains("value ****") && watched.stdout.contains("length 14"),
        "{}",
        watched.stdout
    );
    // Nothing on disk holds the value, in the clear or as base64. Positive control: the name is there. Disks that wait for
    // a job are gigabytes of nothing, which would take minutes to read; the job's own went with its sandbox.
    let search = |what: &str| {
        Run::new("grep")
            .args(["-rla", "--exclude=*.img", "--exclude-dir=disks", what])
            .arg(data.join("airlock"))
            .directory(data.path())
            .finish()
    };
    assert_eq!(search("canary-4711-x9")?.stdout, "");
    assert_eq!(search("Y2FuYXJ5LTQ3MTEteD")?.stdout, "");
    assert!(search("TOKEN")?.stdout.contains("airlock.db"));
    Ok(())
}

#[test]
fn a_server_that_is_killed_while_a_job_prints_loses_no_line_and_doubles_none() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    instance.create_project("demo/lines")?;
    let config = support::one_job(
        "- run: {name: count, command: 'for i in $(seq 3000); do echo line-$i; sleep 0.002; done'}",
    );
    instance.push_config("demo/lines", &config)?;
    for milestone in [100, 600, 1200] {
        let mut watch =
            Watched::start(
                &instance
                    .airlock()?
                    .args(["pipeline", "watch", "demo/lines", "--json"]),
            )?;
        watch.wait_for_line("the milestone", PATIENCE, |line| {
            let numbers = line
                .text
                .split("line-")
                .skip(1)
                .filter_map(|rest| rest.split('\\').next()?.parse().ok());
            numbers.max().is_some_and(|number: u32| number >= milestone)
        })?;
        instance.kill("server")?;
    }
    wait_for("the pipeline's end", PATIENCE, || {
        let done = instance
            .airlock()
            .ok()?
            .args(["pipeline", "watch", "demo/lines"])
            .finish()
            .ok()?;
        done.status.success().then_some(())
    })?;
    let job = instance.newest_job("demo/lines")?.context("no job")?;
    let log = instance
        .airlock()?
        .args(["job", "logs", &job])
        .finish()?
        .success()?;
    let lines: Vec<&str> = log
        .stdout
        .lines()
        .filter(|line| line.starts_with("line-"))
        .collect();
    let wanted: Vec<String> = (1..=3000).map(|number| format!("line-{number}")).collect();
    assert_eq!(lines, wanted);
    Ok(())
}

#[test]
fn a_second_start_on_the_same_directory_resumes() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let first = Instance::start(&data)?;
    first.push_example("demo/hello", "hello")?;
    first
        .airlock()?
        .args(["pipeline", "watch", "demo/hello"])
        .finish()?
        .success()?;
    let again = support::airlock(&data)?
        .args([
            "up",
            "--https",
            "127.0.0.1:0",
            "--ssh",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(data.join("airlock"))
        .finish()?
        .failure(1)?;
    assert!(
        again.stderr.contains("runs on") && again.stderr.contains("already"),
        "{}",
        again.stderr
    );
    first.stop()?;
    let second = Instance::start(&data)?;
    let listed = second
        .airlock()?
        .args(["pipeline", "list", "demo/hello"])
        .finish()?
        .success()?;
    assert!(listed.stdout.contains("#1"), "{}", listed.stdout);
    second
        .airlock()?
        .args(["pipeline", "trigger", "demo/hello"])
        .finish()?
        .success()?;
    let watched = second
        .airlock()?
        .args(["pipeline", "watch", "demo/hello"])
        .finish()?
        .success()?;
    assert!(watched.stdout.contains("success"), "{}", watched.stdout);
    Ok(())
}

#[test]
fn what_cannot_start_says_why_in_one_error() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    let taken = instance.https_address()?;
    let up = |folder: &std::path::Path| -> anyhow::Result<Run> {
        Ok(support::airlock(&data)?
            .arg("up")
            .arg("--data-dir")
            .arg(folder)
            .args(["--ssh", "127.0.0.1:0"]))
    };
    let busy = up(&data.join("other"))?
        .args(["--https", &taken])
        .finish()?
        .failure(1)?;
    assert!(
        busy.stderr.contains(&taken) && busy.stderr.contains("--https"),
        "{}",
        busy.stderr
    );
    assert_eq!(
        busy.stderr.matches("error:").count(),
        1,
        "one error, not several:\n{}",
        busy.stderr
    );
    let file = data.write("a-file", "x")?;
    let unwritable = up(&file)?.args(["--https", "127.0.0.1:0"]).finish()?.failure(1)?;
    assert!(unwritable.stderr.contains("--data-dir"), "{}", unwritable.stderr);
    instance.stop()?;
    Ok(())
}

#[test]
fn a_stranger_s_key_and_a_repository_without_config_are_told_so() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    instance.create_project("demo/bare")?;
    let pushed = instance.push_files("demo/bare", &[("README", "nothing to build")])?;
    assert!(pushed.stderr.contains("Pipeline #1"), "{}", pushed.stderr);
    let watched = instance
        .airlock()?
        .args(["pipeline", "watch", "demo/bare"])
        .finish()?
        .failure(1)?;
    assert!(
        watched
            .stdout
            .contains("There is no .circleci/config.yml at commit"),
        "{}",
        watched.stdout
    );

    let stranger = SshKey::generate(data.path(), "stranger")?;
    let known_hosts = instance.known_hosts()?;
    let git = Git::init(data.join("stranger-checkout"))?.with_remote(&Remote {
        key: &stranger,
        known_hosts: &known_hosts,
    });
    std::fs::write(git.directory().join("x"), "x").context("writing a file")?;
    git.commit_all("x")?;
    let refused = git
        .command(["push", &instance.git_url("demo/bare")?, "main"])
        .finish()?;
    assert!(
        !refused.status.success() && refused.stderr.contains("Permission denied"),
        "{}",
        refused.stderr
    );
    Ok(())
}

#[test]
fn a_wrong_config_is_told_to_its_pusher() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    instance.create_project("demo/wrong")?;
    let config = "version: 2.1\njobs:\n  build:\n    docker: [{image: airlock/base}]\n    steps:\n      - run:\n          comand: make\n";
    let pushed = instance.push_config("demo/wrong", config)?;
    for words in ["Nothing runs, because", "comand", "config.yml:7"] {
        assert!(
            pushed.stderr.contains(words),
            "no {words:?} in:\n{}",
            pushed.stderr
        );
    }
    Ok(())
}

#[test]
fn a_push_that_git_took_and_nobody_heard_is_built_after_a_restart() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let first = Instance::start(&data)?;
    first.create_project("demo/late")?;
    first.push_config("demo/late", &support::one_job("- run: echo first"))?;
    first
        .airlock()?
        .args(["pipeline", "watch", "demo/late"])
        .finish()?
        .success()?;
    first.stop()?;
    // What a crash between git and the pipeline's row leaves: the ref has moved, no row knows it.
    let checkout = Git::open(data.join("demo-late"));
    checkout.run(["commit", "--quiet", "--allow-empty", "--message", "late"])?;
    let bare = data.join("airlock/repositories/demo/late.git");
    checkout.run(["push", "--quiet", &bare.display().to_string(), "main"])?;
    let second = Instance::start(&data)?;
    let watched = second
        .airlock()?
        .args(["pipeline", "watch", "demo/late"])
        .finish()?
        .success()?;
    assert!(
        watched.stdout.contains("HEAD is now at") || watched.stdout.contains("first"),
        "{}",
        watched.stdout
    );
    let listed = second
        .airlock()?
        .args(["pipeline", "list", "demo/late"])
        .finish()?
        .success()?;
    assert!(
        listed.stdout.contains("#2") && !listed.stdout.contains("#3"),
        "{}",
        listed.stdout
    );
    Ok(())
}

#[test]
fn whatever_process_dies_is_started_again_and_the_next_pipeline_runs() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    instance.push_example("demo/hello", "hello")?;
    instance
        .airlock()?
        .args(["pipeline", "watch", "demo/hello"])
        .finish()?
        .success()?;
    for service in ["vault", "agent", "server"] {
        instance.kill(service)?;
        wait_for("the instance to take a trigger", PATIENCE, || {
            let trigger = instance
                .airlock()
                .ok()?
                .args(["pipeline", "trigger", "demo/hello"])
                .finish()
                .ok()?;
            trigger.status.success().then_some(())
        })?;
        let watched = instance
            .airlock()?
            .args(["pipeline", "watch", "demo/hello"])
            .finish()?;
        assert!(
            watched.status.success(),
            "after the death of {service}:\n{}{}",
            watched.stdout,
            watched.stderr
        );
    }
    Ok(())
}

#[test]
fn an_agent_that_dies_with_a_job_leaves_nothing_and_the_job_says_so() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let instance = Instance::start(&data)?;
    instance.create_project("demo/lost")?;
    instance.push_config(
        "demo/lost",
        &support::one_job("- run: 'echo it-runs; sleep 918273645'"),
    )?;
    let mut watch = Watched::start(
        &instance
            .airlock()?
            .args(["pipeline", "watch", "demo/lost", "--json"]),
    )?;
    watch.wait_for_line("the job's output", PATIENCE, |line| line.text.contains("it-runs"))?;
    instance.kill("agent")?;
    watch.wait_for_line("the job's end", PATIENCE, |line| {
        line.text.contains("\"type\":\"job\"") && line.text.contains("infrastructure_fail")
    })?;
    let left = Run::new("pgrep")
        .args(["-f", "sleep 918273645"])
        .directory(data.path())
        .finish()?;
    assert_eq!(left.stdout, "", "a process outlived its agent");
    Ok(())
}
