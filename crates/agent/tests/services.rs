//! Containers beside a job's first one, what a container runs by itself, and who it runs as.

use std::fs;

use airlock_agent_protocol::Assignment;
use airlock_domain::ImageName;
use airlock_domain::plan::{Container, ContainerSettings, Place, StepWhen};
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_testkit::{OciLayout, Registry};

use crate::server::Rows;
use crate::support::{IMAGE, Machine, busybox_root, job, run, secret, when};

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

pub(crate) fn script(text: &str) -> ContainerSettings {
    ContainerSettings {
        command: Some(words(&["sh", "-c", text])),
        ..ContainerSettings::default()
    }
}

pub(crate) fn beside(mut assignment: Assignment, all: Vec<ContainerSettings>) -> Assignment {
    let containers = all.into_iter().map(|settings| Container {
        image: ImageName::new(IMAGE).expect("a name"),
        place: Place::default(),
        settings,
    });
    assignment.spec.services = containers.collect();
    assignment
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_reached_by_its_name_and_has_a_log_of_its_own() {
    let machine = Machine::start();
    let talk = "until echo | nc 127.0.0.1 5432 > /tmp/answer 2> /dev/null && [ -s /tmp/answer ]; do sleep 0.01; done; \
                cat /tmp/answer; grep -c 'db$' /etc/hosts; ps -o args | grep -c '[n]c -ll' || true; [ ! -e /tmp/mine ] && echo unseen";
    let service = ContainerSettings {
        name: Some("db".into()),
        user: Some("1234:55".into()),
        environment: vec![
            ("POSTGRES_USER".into(), "me".into()),
            ("discovery.type".into(), "single".into()),
        ],
        ..script(
            "touch /tmp/mine; id -u; id -g; hostname; echo $POSTGRES_USER ${CI:-nothing of the job}; tr '\\0' '\\n' < /proc/$$/environ | grep discovery; \
             exec nc -ll -p 5432 -e echo pong",
        )
    };
    let assignment = beside(job(60, vec![run("talk", talk)]), vec![service]);
    let finished = machine.server.run(assignment).await;
    assert_eq!(
        (finished.status, finished.reason),
        (SliceStatus::Success, None),
        "{}",
        machine.server.log(0)
    );
    let ends = machine.server.ends();
    let seen: Vec<_> = ends
        .iter()
        .map(|(name, status, ..)| (name.as_str(), *status))
        .collect();
    assert_eq!(
        seen,
        [
            ("Spin up environment", StepStatus::Success),
            ("Container test/busybox", StepStatus::Success),
            ("talk", StepStatus::Success)
        ]
    );
    let log = machine.server.log(1);
    assert!(
        log.starts_with("1234\n55\ndb\nme nothing of the job\ndiscovery.type=single\n"),
        "{log}"
    );
    assert_eq!(machine.server.log(2), "pong\n1\n0\nunseen\n");
    assert!(
        machine.server.log(0).contains("Service container test/busybox"),
        "{}",
        machine.server.log(0)
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_is_shown_and_does_not_end_the_job() {
    let machine = Machine::start();
    let assignment = beside(
        job(61, vec![run("long", "exec sleep 1000")]),
        vec![
            script("echo broken; exit 3"),
            ContainerSettings {
                entrypoint: Some(words(&["/no/such/program"])),
                ..ContainerSettings::default()
            },
            script("trap 'echo asked; exit 0' TERM; echo on; while :; do sleep 0.05; done"),
        ],
    );
    machine.server.offer(assignment);
    let reported = |rows: &Rows, step: u32, running: bool| {
        let mut reports = rows.steps.iter().filter(|report| report.step == step);
        reports.any(|report| (report.status == StepStatus::Running) == running)
    };
    let shown = |rows: &Rows| {
        let ended = reported(rows, 1, false) && reported(rows, 2, false);
        (ended && reported(rows, 4, true) && rows.log(3).contains("on\n")).then_some(())
    };
    machine.server.until(shown).await;
    assert!(!reported(&machine.server.rows(), 4, false), "the job goes on");
    machine.server.rows().stop = true;
    let finished = machine.server.until(|rows| rows.finished.clone()).await;
    assert_eq!(finished.status, SliceStatus::Canceled);
    let ends = machine.server.ends();
    assert_eq!((ends[1].1, ends[1].2), (StepStatus::Failed, Some(3)));
    assert_eq!(
        machine.server.log(1),
        "broken\n\nContainer test/busybox ended with exit code 3\n"
    );
    assert_eq!(ends[2].1, StepStatus::Failed);
    assert_eq!(
        machine.server.log(2),
        "\nContainer test/busybox could not start: `/no/such/program` does not exist in this image or cannot be executed\n"
    );
    assert_eq!(ends[3].1, StepStatus::Success);
    assert!(
        machine.server.log(3).ends_with("asked\n"),
        "{}",
        machine.server.log(3)
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_do_not_show_in_the_log_of_a_service() {
    let machine = Machine::start();
    let wait = "until echo | nc 127.0.0.1 99 2> /dev/null; do sleep 0.01; done";
    let says = || vec![script("echo it is canary-4711; exec nc -ll -p 99 -e true")];
    // The control: nobody said that it is a secret.
    machine
        .server
        .run(beside(job(62, vec![run("wait", wait)]), says()))
        .await;
    assert_eq!(machine.server.log(1), "it is canary-4711\n");
    machine.server.forget();
    let mut assignment = beside(job(63, vec![run("wait", wait)]), says());
    assignment.spec.masks = vec![secret("canary-4711")];
    machine.server.run(assignment).await;
    assert_eq!(machine.server.log(1), "it is ****\n");
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_lacks_is_one_clear_error() {
    let machine = Machine::start();
    let cases = [
        (
            ContainerSettings::default(),
            "does not say what to run; give the container a `command`",
        ),
        (
            ContainerSettings {
                user: Some("postgres".into()),
                ..script("true")
            },
            "the image has no user 'postgres' in its /etc/passwd",
        ),
    ];
    for (settings, expected) in cases {
        machine.server.forget();
        let finished = machine
            .server
            .run(beside(job(64, vec![run("x", "true")]), vec![settings]))
            .await;
        assert_eq!(finished.status, SliceStatus::InfrastructureFail);
        let reason = finished.reason.expect("a reason");
        assert!(reason.contains(expected), "{reason}");
    }
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_container_can_run_something_of_its_own_and_ends_the_job_with_it() {
    let machine = Machine::start();
    let mut assignment = job(
        65,
        vec![run(
            "look",
            "until ps -o args | grep -q '^sleep 1001'; do sleep 0.01; done; echo seen",
        )],
    );
    assignment.spec.primary = ContainerSettings {
        entrypoint: Some(words(&["sh", "-c"])),
        command: Some(words(&["echo own; (sleep 1001 &); exec sleep 1002"])),
        ..ContainerSettings::default()
    };
    let finished = machine.server.run(assignment).await;
    assert_eq!((finished.status, finished.reason), (SliceStatus::Success, None));
    assert_eq!(
        (machine.server.log(1), machine.server.log(2)),
        ("own\n".into(), "seen\n".into())
    );

    machine.server.forget();
    let mut assignment = job(
        66,
        vec![
            run("end", "touch /tmp/end; sleep 1000"),
            when(StepWhen::Always, run("after", "echo never")),
        ],
    );
    assignment.spec.primary = script("until [ -e /tmp/end ]; do sleep 0.01; done; exit 4");
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::Failed);
    let reason = finished.reason.expect("a reason");
    assert!(
        reason.contains("what the first container runs by its `entrypoint` and `command` ended"),
        "{reason}"
    );
    let ends = machine.server.ends();
    assert_eq!((ends[1].1, ends[1].2), (StepStatus::Failed, Some(4)));
    assert_eq!(ends[3].1, StepStatus::Skipped);
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_run_as_the_user_the_config_names_at_their_home() {
    let machine = Machine::with_image(IMAGE, |root| {
        busybox_root(root);
        let accounts = "root:x:0:0:root:/root:/bin/sh\ncircleci:x:3434:3434::/home/circleci:/bin/sh\n";
        fs::write(root.join("etc/passwd"), accounts).expect("written");
        fs::write(
            root.join("etc/group"),
            "circleci:x:3434:\ndocker:x:999:circleci\n",
        )
        .expect("written");
    });
    let look = "id -u; id -G; echo $HOME $USER; pwd; touch here; echo 'export A=1' >> $BASH_ENV; ! touch /etc/x 2> /dev/null";
    let mut assignment = job(67, vec![run("look", look), run("next", ". $BASH_ENV; echo $A")]);
    assignment.spec.primary.user = Some("circleci".into());
    let finished = machine.server.run(assignment).await;
    assert_eq!(
        (finished.status, finished.reason),
        (SliceStatus::Success, None),
        "{}",
        machine.server.log(1)
    );
    assert_eq!(
        machine.server.log(1),
        "3434\n3434 999\n/home/circleci circleci\n/home/circleci/project\n"
    );
    assert_eq!(machine.server.log(2), "1\n");
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_images_entrypoint_runs_beside_the_steps_where_its_label_asks_for_that() {
    let machine = Machine::start();
    let at = |name: &str| machine.dir.path().join(name);
    let (root, extra) = (at("root"), at("extra"));
    airlock_testkit::busybox_root(&root).expect("a root");
    fs::create_dir_all(root.join("srv")).expect("made");
    fs::create_dir_all(extra.join("etc")).expect("made");
    fs::write(root.join("etc/gone"), "x").expect("written");
    fs::write(extra.join("etc/added"), "added\n").expect("written");
    let registry = Registry::start(&at("registry")).expect("a registry");
    let script =
        "echo \"$FROM_IMAGE in $PWD\"; touch /tmp/up; until [ -e /tmp/end ]; do sleep 0.01; done; exit 4";
    for (tag, keep) in [("kept", "true"), ("plain", "false")] {
        let label = format!("com.circleci.preserve-entrypoint={keep}");
        let mut flags = vec!["--config.label", &label, "--config.workingdir", "/srv"];
        flags.extend(["--config.env", "FROM_IMAGE=image"]);
        for word in ["/bin/sh", "-c", script] {
            flags.extend(["--config.entrypoint", word]);
        }
        let layout = OciLayout::with_umoci(&at(tag), "1", &[&root, &extra], &flags).expect("an image");
        layout.delete_with_umoci("1", "/etc/gone").expect("deleted");
        registry
            .push(&layout, "1", &format!("test/{tag}:1"), &[])
            .expect("pushed");
    }
    let on = |number: u128, tag: &str, script: &str| {
        let mut assignment = job(number, vec![run("step", script)]);
        assignment.spec.image = registry.name(&format!("test/{tag}:1"));
        assignment
    };
    let wait =
        "until [ -e /tmp/up ]; do sleep 0.01; done; cat /etc/added; test ! -e /etc/gone; echo $FROM_IMAGE";
    let finished = machine.server.run(on(70, "kept", wait)).await;
    assert_eq!((finished.status, finished.reason), (SliceStatus::Success, None));
    assert_eq!(machine.server.log(1), "image in /srv\n");
    assert_eq!(machine.server.log(2), "added\nimage\n");

    // Its end is the end of the job.
    machine.server.forget();
    let finished = machine
        .server
        .run(on(71, "kept", "touch /tmp/end; sleep 1000"))
        .await;
    assert_eq!(finished.status, SliceStatus::Failed);
    let log = machine.server.log(1);
    assert!(log.contains("ended with exit code 4"), "{log}");

    // Without the label it does not run.
    machine.server.forget();
    let finished = machine
        .server
        .run(on(72, "plain", "test ! -e /tmp/up; echo alone"))
        .await;
    assert_eq!(finished.status, SliceStatus::Success);
    assert_eq!(machine.server.log(1), "alone\n");
    machine.stop().await;
}
