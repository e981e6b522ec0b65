//! `airlock run`: the whole way from a folder to green or red, in real sandboxes, with real git over SSH.

use airlock_testkit::{DataDir, Finished, Run};
use anyhow::Context as _;

use crate::support::{self, Checkout};

#[test]
fn the_example_is_green_and_its_artifact_is_the_file() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let secrets = data.write("secrets", "GREETING_TOKEN=canary-4711-secret\n")?;
    let saved = data.join("saved");
    let done = support::airlock_run(&data)?
        .arg(support::example("hello"))
        .args(["--branch", "main"])
        .arg("--secrets")
        .arg(&secrets)
        .arg("--artifacts")
        .arg(&saved)
        .finish()?
        .success()?;
    for line in ["✔ workflow hello  success", "GREETING_TOKEN is set", "Hello"] {
        assert!(done.stdout.contains(line), "no {line:?} in:\n{}", done.stdout);
    }
    let deploy = done
        .stdout
        .lines()
        .find(|line| line.contains("deploy") && line.contains("not_run"));
    assert!(
        deploy.is_some_and(|line| line.contains("branches")),
        "{}",
        done.stdout
    );
    let archive = saved.join("package/0/packages/hello.tar.gz");
    let listed = Run::new("tar")
        .arg("-tzf")
        .arg(&archive)
        .directory(data.path())
        .finish()?
        .success()?;
    assert_eq!(listed.stdout.trim(), "hello");
    Ok(())
}

#[test]
fn a_matrix_with_an_approval_runs_when_it_is_given_and_stops_when_it_is_not() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let example = support::example("approval");
    let done = support::airlock_run(&data)?
        .arg(&example)
        .args(["--approve", "hold"])
        .finish()?
        .success()?;
    assert!(done.stdout.contains("approved by"), "{}", done.stdout);
    let done = support::airlock_run(&data)?.arg(&example).finish()?.failure(1)?;
    assert!(done.stderr.contains("--approve 'hold'"), "{}", done.stderr);
    assert!(done.stdout.contains("canceled"), "{}", done.stdout);
    Ok(())
}

#[test]
fn a_red_job_shows_its_failing_line_and_why() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let done = one_job(
        &data,
        "- run: {name: Compile, command: \"echo line-before; false_command_x; echo never\"}",
    )?;
    let done = done.failure(1)?;
    assert!(done.stdout.contains("line-before"), "{}", done.stdout);
    assert!(
        done.stdout.contains("false_command_x: command not found"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains("'Compile' exited with code 127"),
        "{}",
        done.stdout
    );
    assert!(!done.stdout.contains("never"), "{}", done.stdout);
    Ok(())
}

#[test]
fn steps_keep_circleci_s_order_after_a_failure() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let steps = "
      - run: {name: one, command: 'echo \"export SEEN=from-one\" >> \"$BASH_ENV\"'}
      - run: {name: server, command: 'while true; do echo tick >> /tmp/ticks; sleep 0.05; done', background: true}
      - run: {name: two, command: 'echo \"two sees $SEEN\"; until test -s /tmp/ticks; do sleep 0.01; done; exit 3'}
      - run: {name: three, command: echo three-ran}
      - run: {name: four, command: 'echo four-ran', when: on_fail}
      - run: {name: five, command: 'echo five-ran', when: always}";
    let done = one_job(&data, steps)?.failure(1)?;
    for (line, there) in [
        ("two sees from-one", true),
        ("three-ran", false),
        ("four-ran", true),
        ("five-ran", true),
    ] {
        assert_eq!(done.stdout.contains(line), there, "{line}:\n{}", done.stdout);
    }
    assert!(
        done.stdout.contains("'two' exited with code 3"),
        "{}",
        done.stdout
    );
    Ok(())
}

#[test]
fn two_hundred_steps_run_in_order() -> anyhow::Result<()> {
    use std::fmt::Write as _;
    let data = DataDir::new()?;
    let mut steps = String::new();
    for number in 0..200 {
        write!(
            steps,
            "\n      - run: {{name: s{number}, command: 'test $(cat n 2>/dev/null || echo 0) = {number} && echo $(({number} + 1)) > n'}}"
        )?;
    }
    steps.push_str("\n      - run: 'echo counted $(cat n)'");
    let done = one_job(&data, &steps)?.success()?;
    assert!(done.stdout.contains("counted 200"), "{}", done.stdout);
    Ok(())
}

#[test]
fn habits_of_real_projects_work() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let steps = r#"
      - checkout
      - run: git log -1 --format=%H | grep -qx "$CIRCLE_SHA1"
      - run: mkdir -p node_modules/a/b && for i in $(seq 500); do echo $i > node_modules/a/b/$i; done
      - run: rm -rf node_modules && test ! -e node_modules
      - run: nohup sh -c 'while true; do echo up > /tmp/served; sleep 0.05; done' > /dev/null 2>&1 &
      - run: until test -s /tmp/served; do sleep 0.01; done; echo server-survived
      - run: "test -t 1 && echo has-a-terminal"
      - run: "id -u; test \"$HOME\" = /root && test \"$PWD\" = /root/project && echo at-home""#;
    let done = one_job(&data, steps)?.success()?;
    for line in ["server-survived", "has-a-terminal", "at-home"] {
        assert!(done.stdout.contains(line), "no {line}:\n{}", done.stdout);
    }
    Ok(())
}

#[test]
fn secrets_are_masked_in_what_people_see() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let secrets = data.write("secrets", "TOKEN=canary-4711-secret\n")?;
    let checkout = Checkout::with_steps(&data, "- run: 'echo \"plain $TOKEN end\"; echo ${#TOKEN}'")?;
    let masked = support::airlock_run(&data)?
        .arg(&checkout.folder)
        .arg("--secrets")
        .arg(&secrets)
        .finish()?
        .success()?;
    assert!(masked.stdout.contains("plain **** end"), "{}", masked.stdout);
    assert!(
        masked.stdout.contains("│ 18"),
        "the step itself must see the value:\n{}",
        masked.stdout
    );
    assert!(!masked.stdout.contains("canary-4711"), "{}", masked.stdout);
    // Positive control: a value that nobody declared secret is shown.
    let open = one_job(
        &data,
        "- run: {command: 'echo \"plain $TOKEN end\"', environment: {TOKEN: canary-4711-secret}}",
    )?;
    assert!(open.success()?.stdout.contains("plain canary-4711-secret end"));
    Ok(())
}

#[test]
fn a_fork_bomb_and_a_memory_hog_end_with_their_reason_and_the_next_job_runs() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let config = r#"
version: 2.1
jobs:
  bomb:
    docker: [{image: airlock/base}]
    resource_class: small
    steps:
      - run:
          name: bomb
          command: |
            perl -e 'for (1..99999) { my $p = fork; if (!defined $p) { print "refused\n"; exit 1 } if (!$p) { sleep 1000; exit } }'
  hog:
    docker: [{image: airlock/base}]
    resource_class: small
    steps:
      - run:
          name: hog
          command: x=$(head -c 3G /dev/zero | tr "\0" x); echo ${#x}
  next:
    docker: [{image: airlock/base}]
    steps: [{run: echo the-next-job-runs}]
workflows:
  ci:
    jobs:
      - bomb
      - hog: {requires: [{bomb: [success, failed]}]}
      - next: {requires: [{hog: [success, failed]}]}
"#;
    let checkout = Checkout::new(&data, config)?;
    let done = support::airlock_run(&data)?
        .arg(&checkout.folder)
        .finish()?
        .failure(1)?;
    assert!(done.stdout.contains("memory limit"), "{}", done.stdout);
    assert!(done.stdout.contains("process"), "{}", done.stdout);
    assert!(done.stdout.contains("the-next-job-runs"), "{}", done.stdout);
    Ok(())
}

#[test]
fn two_jobs_at_once_cannot_see_each_other() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    // Each leaves marks and looks for the other's, many times; the times prove that both were there at once.
    let look = "
      - run: |
          me=$CIRCLE_NODE_INDEX; other=$((1 - me))
          echo mine > /tmp/mark-$me; echo mine > /dev/shm/mark-$me
          sleep 987$me &
          pgrep -f \"sleep 987$me\" > /dev/null && test -e /dev/shm/mark-$me && echo sees-itself
          echo from $(date +%s%N)
          for look in $(seq 200); do
            for trace in /tmp/mark-$other /dev/shm/mark-$other; do test ! -e $trace || echo SEES-THE-OTHER $trace; done
            if pgrep -f \"sleep 987$other\"; then echo SEES-THE-OTHER process; fi
          done
          echo until $(date +%s%N)";
    let config = format!(
        "
version: 2.1
jobs:
  build:
    docker: [{{image: airlock/base}}]
    parallelism: 2
    steps:{look}
"
    );
    let checkout = Checkout::new(&data, &config)?;
    let done = support::airlock_run(&data)?
        .arg(&checkout.folder)
        .finish()?
        .success()?;
    assert_eq!(done.stdout.matches("sees-itself").count(), 2, "{}", done.stdout);
    assert!(!done.stdout.contains("SEES-THE-OTHER"), "{}", done.stdout);
    let times = |word: &str| -> Vec<u128> {
        let after = done.stdout.lines().filter_map(|line| line.split(word).nth(1));
        after.filter_map(|time| time.trim().parse().ok()).collect()
    };
    let (from, until) = (times("│ from "), times("│ until "));
    assert_eq!((from.len(), until.len()), (2, 2), "{}", done.stdout);
    assert!(
        from.iter().max() < until.iter().min(),
        "the slices did not run at once:\n{}",
        done.stdout
    );
    Ok(())
}

#[test]
fn wrong_configs_are_told_with_their_place() -> anyhow::Result<()> {
    for (config, words) in [
        ("version: 2.1\njobs:\n  build: [", vec!["config.yml", "3"]),
        (
            "version: 2.1\nworkflows: {ci: {jobs: [nope]}}\n",
            vec!["nope", ":2:"],
        ),
        (
            "version: 2.1\njobs:\n  build:\n    docker: [{image: airlock/base}]\n    steps:\n      - run:\n          comand: make\n",
            vec!["comand", "command", ":7:"],
        ),
        (
            "version: 2.1\njobs:\n  build:\n    docker: [{image: airlock/base}]\n    steps: [{save_cache: {key: a, paths: [b]}}]\n",
            vec!["caches", "not", ":5:"],
        ),
    ] {
        let data = DataDir::new()?;
        let checkout = Checkout::new(&data, config)?;
        let done = support::airlock_run(&data)?
            .arg(&checkout.folder)
            .finish()?
            .failure(1)?;
        for word in words {
            assert!(
                done.stdout.contains(word),
                "no {word:?} in:\n{}{}",
                done.stdout,
                done.stderr
            );
        }
    }
    Ok(())
}

#[test]
fn an_unknown_image_says_what_to_do_and_a_folder_without_config_too() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let config = "version: 2.1\njobs: {build: {docker: [{image: '127.0.0.1:1/cimg/base:2024.01'}], steps: [{run: x}]}}\n";
    let checkout = Checkout::new(&data, config)?;
    let done = support::airlock_run(&data)?
        .arg(&checkout.folder)
        .finish()?
        .failure(1)?;
    assert!(
        done.stdout.contains("the registry 127.0.0.1:1 cannot be reached")
            && done.stdout.contains("build-base"),
        "{}",
        done.stdout
    );
    let empty = data.join("empty");
    std::fs::create_dir(&empty).context("making an empty folder")?;
    let done = support::airlock_run(&data)?.arg(&empty).finish()?.failure(1)?;
    assert!(done.stderr.contains(".circleci/config.yml"), "{}", done.stderr);
    Ok(())
}

#[test]
fn json_is_one_event_a_line_with_a_start_and_an_end_for_every_step() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    let checkout = Checkout::with_steps(&data, "- run: {name: say, command: echo hello-json}")?;
    let done = support::airlock_run(&data)?
        .arg(&checkout.folder)
        .arg("--json")
        .finish()?
        .success()?;
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with('{') && line.ends_with('}')),
        "{}",
        done.stdout
    );
    let count = |words: &[&str]| {
        lines
            .iter()
            .filter(|line| words.iter().all(|word| line.contains(word)))
            .count()
    };
    assert_eq!(
        count(&["\"type\":\"step_start\"", "\"step\":\"say\""]),
        1,
        "{}",
        done.stdout
    );
    assert_eq!(
        count(&["\"type\":\"step_end\"", "\"step\":\"say\"", "\"exit_code\":0"]),
        1,
        "{}",
        done.stdout
    );
    assert_eq!(
        count(&["\"type\":\"output\"", "hello-json"]),
        1,
        "{}",
        done.stdout
    );
    assert_eq!(
        count(&["\"type\":\"workflow\"", "\"status\":\"success\""]),
        1,
        "{}",
        done.stdout
    );
    Ok(())
}

fn one_job(data: &DataDir, steps: &str) -> anyhow::Result<Finished> {
    let checkout = Checkout::with_steps(data, steps)?;
    support::airlock_run(data)?.arg(&checkout.folder).finish()
}

#[test]
fn nothing_is_left_when_a_run_has_ended() -> anyhow::Result<()> {
    let data = DataDir::new()?;
    one_job(
        &data,
        "- run: 'sleep 7654321 & setsid sleep 7654321 & echo left-behind'",
    )?
    .success()?;
    let left = Run::new("pgrep")
        .args(["-f", "sleep 7654321"])
        .directory(data.path())
        .finish()?;
    assert_eq!(left.stdout, "", "processes outlived their sandbox");
    // The lock that runs take in turn may stay; a folder may not.
    let runs = std::fs::read_dir(data.join("airlock/runs")).context("reading the runs folder")?;
    let folders = runs.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_dir()));
    assert_eq!(folders.count(), 0, "a run left its folder");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").context("reading mounts")?;
    let folder = data.path().display().to_string();
    assert!(
        !mounts.lines().any(|line| line.contains(&folder)),
        "a mount outlived its sandbox"
    );
    Ok(())
}
