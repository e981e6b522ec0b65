//! A process that appends is killed at any moment; everything it said was durable must be there afterwards.
//!
//! The process is this test binary again, running [`the_process_to_be_killed`] alone.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use airlock_backends::{BlobKeyMaterial, FileBlobs};
use airlock_domain::{JobId, Secret};
use airlock_driver_interfaces::conformance::blobs::pattern;
use airlock_driver_interfaces::{BlobKey, Blobs as _};
use bytes::Bytes;

const ROUNDS: usize = 12;
const KEY: [u8; 32] = [7; 32];
const DIR: &str = "AIRLOCK_KILL_TEST_DIR";
const LIAR: &str = "AIRLOCK_KILL_TEST_LIAR";
/// More than any round writes.
const CONTENT: usize = 64 * 1024 * 1024;

fn blobs(dir: &Path) -> FileBlobs {
    let key = BlobKeyMaterial::from_secret(&Secret::new(KEY)).expect("of the right length");
    FileBlobs::open(dir, key, Vec::new()).expect("opened")
}

fn log() -> BlobKey {
    BlobKey::step_log(JobId::new(uuid::Uuid::from_u128(9)), 0, 0)
}

#[tokio::test]
#[ignore = "run by the tests below in a process of its own, which they kill"]
async fn the_process_to_be_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let liar = std::env::var_os(LIAR).is_some();
    let blobs = blobs(Path::new(&dir));
    let content = Bytes::from(pattern(5, CONTENT));
    let mut told = blobs.len(&log()).await.expect("measured");
    for size in [1, 500, 70_000, 3, 900_000, 5_000_000].into_iter().cycle() {
        let from = usize::try_from(told).expect("small");
        let piece = content.slice(from..content.len().min(from + size));
        told = if liar {
            told + piece.len() as u64
        } else {
            blobs.append(&log(), told, piece).await.expect("appended")
        };
        writeln!(std::io::stdout(), "told {told}").expect("written");
        if liar {
            // Waits for the end of its input, which comes with its own.
            std::io::stdin().read_to_end(&mut Vec::new()).expect("read");
        }
    }
}

/// Starts the process, kills it after `answers` answers, and returns the last length it told.
fn kill_after(dir: &Path, answers: usize, liar: bool) -> u64 {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args([
        "--exact",
        "kill::the_process_to_be_killed",
        "--ignored",
        "--nocapture",
    ]);
    command.env(DIR, dir).stdin(Stdio::piped()).stdout(Stdio::piped());
    if liar {
        command.env(LIAR, "1");
    }
    let mut child = command.spawn().expect("started");
    let mut lines = BufReader::new(child.stdout.take().expect("piped"))
        .lines()
        .map(|line| line.expect("read"));
    let mut told = lines
        .by_ref()
        .filter_map(|line| Some(line.rsplit_once("told ")?.1.parse().expect("a length")));
    let at_kill: u64 = told.nth(answers).expect("enough answers");
    child.kill().expect("killed");
    // What was in the pipe already was told as well.
    let last = told.last().unwrap_or(at_kill);
    child.wait().expect("gone");
    last
}

/// Reopens after the kill: how many of the told bytes are lost, and whether the others are right.
async fn lost(dir: &Path, told: u64) -> u64 {
    let blobs = blobs(dir);
    let length = blobs.len(&log()).await.expect("measured");
    if length > 0 {
        let content = blobs.read(&log(), 0, usize::MAX).await.expect("read");
        assert_eq!(content.len() as u64, length);
        assert!(
            content == pattern(5, content.len()),
            "the bytes are not those that were written"
        );
    }
    told.saturating_sub(length)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_durable_survives_a_kill() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let mut before = 0;
    for round in 0..ROUNDS {
        let told = kill_after(dir.path(), round % 5, false);
        assert!(
            told > before,
            "round {round} did not go on where the last one ended"
        );
        assert_eq!(lost(dir.path(), told).await, 0, "round {round} lost bytes");
        before = told;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_answers_before_it_writes_is_caught() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let told = kill_after(dir.path(), 0, true);
    assert_eq!(lost(dir.path(), told).await, told);
}
