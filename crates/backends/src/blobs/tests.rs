//! What only this driver promises: nothing readable on disk, crashes and damage told apart, one owner.

use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use airlock_domain::{ArtifactId, JobId};
use airlock_driver_interfaces::conformance::blobs::pattern;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::limits::{FRAME_BYTES, SYNC_BYTES};

const CANARY: &[u8] = b"canary-77c1-nobody-may-read-this";

fn key() -> BlobKeyMaterial {
    BlobKeyMaterial::generate().expect("randomness")
}

fn open(dir: &TempDir, key: &BlobKeyMaterial) -> FileBlobs {
    FileBlobs::open(dir.path(), key.clone(), Vec::new()).expect("opened")
}

fn log() -> BlobKey {
    BlobKey::step_log(JobId::new(Uuid::from_u128(1)), 0, 3)
}

fn artifact(number: u128) -> BlobKey {
    BlobKey::artifact(
        JobId::new(Uuid::from_u128(1)),
        ArtifactId::new(Uuid::from_u128(number)),
    )
}

async fn append(blobs: &FileBlobs, offset: u64, bytes: &[u8]) -> u64 {
    blobs
        .append(&log(), offset, Bytes::copy_from_slice(bytes))
        .await
        .expect("appended")
}

async fn write(blobs: &FileBlobs, key: &BlobKey, bytes: &[u8]) {
    let mut writer = blobs.create(key).await.expect("begun");
    writer
        .write(Bytes::copy_from_slice(bytes))
        .await
        .expect("written");
    writer.finish().await.expect("finished");
}

async fn read(blobs: &FileBlobs, key: &BlobKey) -> Result<Bytes, BlobError> {
    blobs.read(key, 0, usize::MAX).await
}

/// Files below a folder that hold the bytes, or whose path does.
fn holding(dir: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).expect("listed") {
        let path = entry.expect("listed").path();
        if path.is_dir() {
            found.extend(holding(&path, needle));
        } else if fs::read(&path)
            .expect("read")
            .windows(needle.len())
            .any(|window| window == needle)
        {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn nothing_readable_is_on_disk() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let blobs = open(&dir, &key);
    let content = CANARY.repeat(10_000);
    append(&blobs, 0, CANARY).await;
    append(&blobs, CANARY.len() as u64, &content).await;
    write(&blobs, &artifact(1), &content).await;
    let mut unfinished = blobs.create(&artifact(2)).await.expect("begun");
    unfinished
        .write(Bytes::from(content.repeat(5)))
        .await
        .expect("written");
    assert_eq!(holding(dir.path(), CANARY), Vec::<PathBuf>::new());
    assert_eq!(
        holding(dir.path(), key.to_secret().expose()),
        Vec::<PathBuf>::new(),
        "the key is on disk"
    );
    // The same search finds what is written without encryption, and there is much to search.
    fs::write(dir.path().join("tmp/plain"), &content).expect("written");
    assert_eq!(holding(dir.path(), CANARY), [dir.path().join("tmp/plain")]);
    assert_eq!(holding(dir.path(), b"ALBLOB1\n").len(), 3);
}

#[tokio::test]
async fn files_are_for_this_user_only() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let blobs_dir = dir.path().join("blobs");
    let blobs = FileBlobs::open(&blobs_dir, key(), Vec::new()).expect("opened");
    append(&blobs, 0, b"x").await;
    write(&blobs, &artifact(1), b"x").await;
    let mut open = vec![blobs_dir];
    while let Some(path) = open.pop() {
        let mode = fs::metadata(&path).expect("there").mode() & 0o7777;
        assert_eq!(
            mode,
            if path.is_dir() { 0o700 } else { 0o600 },
            "{}",
            path.display()
        );
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .expect("listed")
                    .map(|entry| entry.expect("listed").path()),
            );
        }
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let content = pattern(1, 300_000);
    let blobs = open(&dir, &key);
    append(&blobs, 0, &content[..100_000]).await;
    append(&blobs, 100_000, &content[100_000..]).await;
    write(&blobs, &artifact(1), &content).await;
    drop(blobs);
    let blobs = open(&dir, &key);
    assert_eq!(blobs.len(&log()).await.expect("measured"), 300_000);
    assert!(read(&blobs, &log()).await.expect("read") == content);
    assert!(read(&blobs, &artifact(1)).await.expect("read") == content);
    assert_eq!(append(&blobs, 300_000, b"more").await, 300_004);
}

#[tokio::test]
async fn a_write_cut_off_at_any_byte_is_dropped_and_what_was_told_stays() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let content = pattern(1, 600);
    let blobs = open(&dir, &key);
    append(&blobs, 0, &content[..100]).await;
    let path = dir.path().join(log().as_str());
    let told = fs::metadata(&path).expect("there").len();
    append(&blobs, 100, &content[100..]).await;
    let whole = fs::read(&path).expect("read");
    drop(blobs);
    for length in 0..=whole.len() {
        let mut torn = vec![whole[..length].to_vec()];
        // The file may have got its length before its bytes, of which the disk takes 512 at a time.
        if length % 512 == 0 {
            torn.push([&whole[..length], &vec![0; whole.len() - length]].concat());
        }
        for torn in torn {
            fs::write(&path, &torn).expect("written");
            let blobs = open(&dir, &key);
            let found = blobs.len(&log()).await.expect("measured");
            let expected = match length as u64 {
                complete if complete == whole.len() as u64 => 600,
                after if after >= told => 100,
                _ => 0,
            };
            assert_eq!(found, expected, "cut at {length} of {}", torn.len());
            let from = usize::try_from(found).expect("small");
            assert_eq!(append(&blobs, found, &content[from..]).await, 600);
            assert!(read(&blobs, &log()).await.expect("read") == content);
        }
    }
}

#[tokio::test]
async fn a_page_that_never_reached_the_disk_costs_only_the_unfinished_write() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let content = pattern(1, FRAME_BYTES * 5);
    let blobs = open(&dir, &key);
    append(&blobs, 0, &content[..1000]).await;
    append(&blobs, 1000, &content[1000..]).await;
    drop(blobs);
    let path = dir.path().join(log().as_str());
    let file = OpenOptions::new().write(true).open(&path).expect("opened");
    // In the third frame of the second write.
    file.write_all_at(&[0; 4096], 1000 + FRAME_BYTES as u64 * 2 + 8192)
        .expect("written");
    let blobs = open(&dir, &key);
    let kept = blobs.len(&log()).await.expect("measured");
    assert_eq!(
        kept,
        1000 + FRAME_BYTES as u64 * 2,
        "the frames before it authenticate"
    );
    let from = usize::try_from(kept).expect("small");
    append(&blobs, kept, &content[from..]).await;
    assert!(read(&blobs, &log()).await.expect("read") == content);
}

#[tokio::test]
async fn damage_is_told_and_never_read() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let blobs = open(&dir, &key);
    let content = pattern(1, SYNC_BYTES * 3);
    append(&blobs, 0, &content).await;
    write(&blobs, &artifact(1), &content).await;
    drop(blobs);
    let damage = |key: &BlobKey, position: u64| {
        let path = dir.path().join(key.as_str());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .expect("opened");
        let mut byte = [0];
        file.read_exact_at(&mut byte, position).expect("read");
        file.write_all_at(&[byte[0] ^ 1], position).expect("written");
    };
    for key in [log(), artifact(1)] {
        damage(&key, 50_000);
    }
    let blobs = open(&dir, &key);
    for key in [log(), artifact(1)] {
        let error = read(&blobs, &key).await.expect_err("damaged").to_string();
        assert!(
            error.starts_with(&format!("reading the blob {key}: damaged at byte ")),
            "{error}"
        );
        let far = blobs
            .read(&key, 1_000_000, 1000)
            .await
            .expect("the rest is readable");
        assert!(far == content[1_000_000..1_001_000]);
    }
    drop(blobs);
    // In the header of the second frame, too far from the end to be an unfinished write.
    for key in [log(), artifact(1)] {
        damage(&key, 50_000);
        damage(&key, 49 + FRAME_BYTES as u64 + 41 + 7);
    }
    let blobs = open(&dir, &key);
    for key in [log(), artifact(1)] {
        let error = blobs.len(&key).await.expect_err("damaged").to_string();
        assert!(error.contains("damaged at byte 65626 of the file"), "{error}");
    }
}

#[tokio::test]
async fn a_shortened_artifact_is_noticed() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let blobs = open(&dir, &key);
    write(&blobs, &artifact(1), &pattern(1, FRAME_BYTES * 3)).await;
    drop(blobs);
    let path = dir.path().join(artifact(1).as_str());
    let whole = fs::read(&path).expect("read");
    let frame = FRAME_BYTES + 41;
    for length in [0, 48, 49, 50, 49 + frame, 49 + 3 * frame, whole.len() - 1] {
        fs::write(&path, &whole[..length]).expect("written");
        let blobs = open(&dir, &key);
        let read = read(&blobs, &artifact(1)).await;
        // A file without even a header is taken for the beginning of a log: empty, never half an artifact.
        assert!(
            read.as_ref().is_err() || read.is_ok_and(|bytes| length < 49 && bytes.is_empty()),
            "{length} bytes"
        );
    }
    fs::write(&path, &whole).expect("written");
    assert_eq!(
        read(&open(&dir, &key), &artifact(1))
            .await
            .expect("the positive control")
            .len(),
        FRAME_BYTES * 3
    );
}

#[tokio::test]
async fn files_cannot_change_places() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let blobs = open(&dir, &key);
    write(&blobs, &artifact(1), b"mine").await;
    write(&blobs, &artifact(2), b"yours").await;
    fs::copy(
        dir.path().join(artifact(1).as_str()),
        dir.path().join(artifact(2).as_str()),
    )
    .expect("copied");
    let error = read(&blobs, &artifact(2)).await.expect_err("refused").to_string();
    assert!(error.contains("does not open"), "{error}");
    assert_eq!(read(&blobs, &artifact(1)).await.expect("its own"), "mine");
}

#[tokio::test]
async fn an_older_key_opens_what_was_written_under_it() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (older, newer) = (key(), key());
    write(&open(&dir, &older), &artifact(1), b"old").await;
    let without = read(&open(&dir, &newer), &artifact(1))
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        without.contains("encrypted with a key this instance does not have"),
        "{without}"
    );
    let both = FileBlobs::open(dir.path(), newer.clone(), vec![older]).expect("opened");
    assert_eq!(read(&both, &artifact(1)).await.expect("read"), "old");
    write(&both, &artifact(2), b"new").await;
    drop(both);
    assert_eq!(
        read(&open(&dir, &newer), &artifact(2)).await.expect("read"),
        "new"
    );
}

#[tokio::test]
async fn one_process_owns_the_folder_and_drafts_of_a_dead_one_go() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let blobs = open(&dir, &key);
    let second = FileBlobs::open(dir.path(), key.clone(), Vec::new());
    assert!(matches!(second, Err(OpenBlobsError::InUse { .. })));
    let mut writer = blobs.create(&artifact(1)).await.expect("begun");
    writer.write(Bytes::from_static(b"x")).await.expect("written");
    let drafts = || fs::read_dir(dir.path().join("tmp")).expect("listed").count();
    assert_eq!(drafts(), 1);
    drop(writer);
    assert_eq!(drafts(), 0, "a dropped writer left its draft");
    fs::write(dir.path().join("tmp/left-behind"), "x").expect("written");
    drop(blobs);
    drop(open(&dir, &key));
    assert_eq!(drafts(), 0);
}

#[tokio::test]
async fn a_removed_blob_takes_its_empty_folders_along() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let blobs = open(&dir, &key);
    append(&blobs, 0, b"x").await;
    blobs.remove(&log()).await.expect("removed");
    assert!(!dir.path().join("logs").exists());
    assert!(dir.path().join("tmp").exists());
}

#[tokio::test]
async fn many_more_blobs_than_may_be_open_at_once() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let blobs = open(&dir, &key);
    let step = |step| BlobKey::step_log(JobId::new(Uuid::from_u128(1)), 0, step);
    let count = u32::try_from(OPEN_FILES + 50).expect("small");
    for round in 0..2 {
        for n in 0..count {
            let piece = Bytes::from(format!("{n:05}"));
            assert_eq!(
                blobs.append(&step(n), round * 5, piece).await.expect("appended"),
                round * 5 + 5
            );
        }
    }
    for n in 0..count {
        assert_eq!(
            read(&blobs, &step(n)).await.expect("read"),
            format!("{n:05}{n:05}")
        );
    }
    assert!(blobs.shared.entries.lock().expect("unpoisoned").len() <= OPEN_FILES);
}

#[tokio::test]
async fn a_finished_blob_does_not_grow() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let blobs = open(&dir, &key);
    write(&blobs, &log(), b"whole").await;
    let error = blobs
        .append(&log(), 5, Bytes::from_static(b"x"))
        .await
        .expect_err("refused")
        .to_string();
    assert!(error.contains("cannot grow"), "{error}");
    assert_eq!(read(&blobs, &log()).await.expect("read"), "whole");
}

#[tokio::test]
async fn a_failed_write_is_told_and_can_be_repeated() {
    let (dir, key) = (tempfile::tempdir().expect("temporary folder"), key());
    let blobs = open(&dir, &key);
    // A file stands where the folder of logs should be.
    fs::write(dir.path().join("logs"), "in the way").expect("written");
    let error = blobs
        .append(&log(), 0, Bytes::from_static(b"x"))
        .await
        .expect_err("failed")
        .to_string();
    assert!(
        error.starts_with(&format!("appending to the blob {}: ", log())),
        "{error}"
    );
    fs::remove_file(dir.path().join("logs")).expect("removed");
    assert_eq!(append(&blobs, 0, b"x").await, 1);
}
