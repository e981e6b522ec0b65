//! What store_artifacts keeps, and what it never reads.

use airlock_agent_protocol::{StepSpec, StepWork};
use airlock_domain::plan::StepWhen;
use airlock_domain::state::{SliceStatus, StepStatus};

use crate::support::{Machine, job, run};

fn store(path: &str, destination: Option<&str>) -> StepSpec {
    StepSpec {
        name: format!("store {path}"),
        when: StepWhen::OnSuccess,
        work: StepWork::StoreArtifacts {
            path: path.into(),
            destination: destination.map(Into::into),
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_and_folders_are_kept_even_after_a_failure() {
    let machine = Machine::start();
    let make = "mkdir -p out/deep; echo one > out/one.txt; head -c 3000000 /dev/zero > out/deep/big; \
                echo abs > /tmp/abs.txt; exit 1";
    let assignment = job(
        20,
        vec![
            run("make", make),
            store("out", Some("reports")),
            store("/tmp/abs.txt", None),
            store("missing", None),
        ],
    );
    machine.server.rows().refuse_artifacts = 2;
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::Failed);
    assert_eq!(finished.reason.as_deref(), Some("step 'make' exited with code 1"));
    let kept: Vec<_> = machine
        .server
        .rows()
        .artifacts
        .iter()
        .map(|(name, bytes)| (name.clone(), bytes.len()))
        .collect();
    assert_eq!(
        kept,
        [
            ("reports/deep/big".to_owned(), 3_000_000),
            ("reports/one.txt".to_owned(), 4),
            ("tmp/abs.txt".to_owned(), 4)
        ]
    );
    assert!(
        machine
            .server
            .log(4)
            .contains("Nothing is at /root/project/missing"),
        "{}",
        machine.server.log(4)
    );
    let statuses: Vec<_> = machine.server.ends().into_iter().map(|end| end.1).collect();
    assert_eq!(statuses[2..], [StepStatus::Success; 3]);
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_nowhere_outside_and_pipes_hang_nobody() {
    let machine = Machine::start();
    // On the host this file exists; in the sandbox it does not.
    let outside = machine.dir.path().join("outside");
    std::fs::write(&outside, "the machine's own").expect("written");
    let make = format!(
        "mkdir out; mkfifo out/pipe; ln -s {0} out/escape; ln -s ../../../../../../../..{0} out/climb; \
         ln -s /proc/1/environ out/kernel; echo in > out/in; ln -s in out/link; ln -s . out/loop; ln -s /etc out/folder",
        outside.display()
    );
    let finished = machine
        .server
        .run(job(21, vec![run("make", &make), store("out", Some("o"))]))
        .await;
    assert_eq!(finished.status, SliceStatus::Success, "{:?}", finished.reason);
    let kept: Vec<_> = machine.server.rows().artifacts.clone().into_iter().collect();
    assert_eq!(
        kept,
        [
            ("o/in".to_owned(), b"in\n".to_vec()),
            ("o/link".to_owned(), b"in\n".to_vec())
        ]
    );
    let log = machine.server.log(2);
    for note in [
        "out/pipe is a pipe",
        "out/escape is a link to nothing",
        "out/loop is a link to something",
    ] {
        assert!(log.contains(note), "{log}");
    }
    machine.stop().await;
}
