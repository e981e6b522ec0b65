//! One command in one sandbox, without a server.

use std::path::Path;

use airlock_agent::{ImageSettings, Network, RunRoot, SandboxRan, SandboxRun, SandboxRunError, sandbox_run};
use tokio::sync::mpsc;

use crate::support::{busybox_root, task_exe};

async fn in_sandbox(root: &Path, command: &[&str]) -> (Result<SandboxRan, SandboxRunError>, String) {
    with_disk(root, None, command).await
}

async fn with_disk(
    root: &Path,
    disk_bytes: Option<u64>,
    command: &[&str],
) -> (Result<SandboxRan, SandboxRunError>, String) {
    let data = tempfile::tempdir_in("/var/tmp").expect("a directory");
    let run = SandboxRun {
        data_dir: data.path().join("run"),
        image_cache: data.path().join("images"),
        task_exe: task_exe().to_owned(),
        root: RunRoot::Directory(root.to_owned()),
        network: Network::None,
        profile: airlock_agent::SeccompProfile::Default,
        resource_class: "small".into(),
        disk_bytes,
        command: command.iter().map(|&word| word.to_owned()).collect(),
        images: ImageSettings::default(),
    };
    let (output, mut pieces) = mpsc::channel::<Vec<u8>>(16);
    let collected = tokio::spawn(async move {
        let mut all = Vec::new();
        while let Some(piece) = pieces.recv().await {
            all.extend_from_slice(&piece);
        }
        all
    });
    let ran = sandbox_run(run, output, |_| {}).await;
    let text = String::from_utf8_lossy(&collected.await.expect("collected")).into_owned();
    (ran, text)
}

#[tokio::test(flavor = "multi_thread")]
async fn output_and_exit_code_are_the_commands() {
    let root = tempfile::tempdir_in("/var/tmp").expect("a directory");
    busybox_root(root.path());
    let (ran, text) = in_sandbox(
        root.path(),
        &[
            "sh",
            "-c",
            "echo \"$1\"; id -u; touch /new; exit 42",
            "x",
            "a  'b",
        ],
    )
    .await;
    let ran = ran.expect("ran");
    assert_eq!((ran.exit_code, ran.reason), (42, None));
    assert_eq!(text, "a  'b\n0\n");
    assert!(!root.path().join("new").exists(), "the root was written to");
    let (ran, _) = in_sandbox(root.path(), &["sh", "-c", "kill -9 $$"]).await;
    assert_eq!(ran.expect("ran").exit_code, 137);
    let (ran, text) = in_sandbox(root.path(), &["no-such-command"]).await;
    assert_eq!(ran.expect("ran").exit_code, 127, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_with_its_size() {
    let root = tempfile::tempdir_in("/var/tmp").expect("a directory");
    busybox_root(root.path());
    let fill = ["dd", "if=/dev/zero", "of=/filler", "bs=1M", "count=80"];
    let (ran, text) = in_sandbox(root.path(), &fill).await;
    assert_eq!(ran.expect("ran").exit_code, 0, "the control: {text}");
    let (ran, text) = with_disk(root.path(), Some(64 << 20), &fill).await;
    let ran = ran.expect("ran");
    assert!(ran.exit_code != 0 && text.contains("No space left"), "{text}");
    let reason = ran.reason.expect("a reason");
    assert!(
        reason.contains("; the job's disk of 64 MiB was full (peak "),
        "{reason}"
    );
    assert!(
        ran.usage.disk_peak > 32 << 20 && ran.usage.disk_peak <= 64 << 20,
        "{:?}",
        ran.usage
    );
}
