//! What every [`Blobs`] must do. Each case takes keys of its own, so one instance serves them all.

use airlock_domain::{ArtifactId, JobId};
use bytes::Bytes;
use uuid::Uuid;

use crate::{BlobError, BlobKey, Blobs};

/// Longer than any unit a driver may cut blobs into.
const LONG: usize = 5 * 1024 * 1024 + 321;

/// Runs every case against one instance.
pub async fn run(blobs: &dyn Blobs) {
    a_log_grows_and_is_read_by_range(blobs).await;
    a_repeated_append_changes_nothing(blobs).await;
    a_gap_is_refused(blobs).await;
    a_missing_blob_is_empty_and_unreadable(blobs).await;
    long_content_survives(blobs).await;
    a_finished_blob_appears_whole(blobs).await;
    a_dropped_writer_leaves_nothing(blobs).await;
    writing_again_replaces(blobs).await;
    removing_is_repeatable(blobs).await;
    keys_are_apart(blobs).await;
}

/// Bytes that differ from place to place, so that swapped or repeated parts show.
#[must_use]
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn log() -> BlobKey {
    BlobKey::step_log(JobId::new(Uuid::now_v7()), 0, 0)
}

fn artifact() -> BlobKey {
    BlobKey::artifact(JobId::new(Uuid::now_v7()), ArtifactId::new(Uuid::now_v7()))
}

async fn append(blobs: &dyn Blobs, key: &BlobKey, offset: u64, bytes: &[u8]) -> u64 {
    blobs
        .append(key, offset, Bytes::copy_from_slice(bytes))
        .await
        .expect("appended")
}

async fn read(blobs: &dyn Blobs, key: &BlobKey, offset: u64, max: usize) -> Bytes {
    blobs.read(key, offset, max).await.expect("read")
}

async fn write(blobs: &dyn Blobs, key: &BlobKey, pieces: &[&[u8]]) -> u64 {
    let mut writer = blobs.create(key).await.expect("begun");
    for piece in pieces {
        writer
            .write(Bytes::copy_from_slice(piece))
            .await
            .expect("written");
    }
    writer.finish().await.expect("finished")
}

async fn a_log_grows_and_is_read_by_range(blobs: &dyn Blobs) {
    let key = log();
    assert_eq!(append(blobs, &key, 0, b"hello ").await, 6);
    assert_eq!(append(blobs, &key, 6, b"cruel ").await, 12);
    assert_eq!(append(blobs, &key, 12, b"world").await, 17);
    assert_eq!(blobs.len(&key).await.expect("measured"), 17);
    for (offset, max, expected) in [
        (0, usize::MAX, "hello cruel world"),
        (0, 5, "hello"),
        (4, 4, "o cr"),
        (6, 6, "cruel "),
        (16, 100, "d"),
        (17, 100, ""),
        (1000, 100, ""),
        (3, 0, ""),
        (u64::MAX, usize::MAX, ""),
    ] {
        assert_eq!(
            read(blobs, &key, offset, max).await,
            expected,
            "{max} bytes from {offset}"
        );
    }
}

async fn a_repeated_append_changes_nothing(blobs: &dyn Blobs) {
    let key = log();
    append(blobs, &key, 0, b"0123456789").await;
    assert_eq!(append(blobs, &key, 0, b"0123456789").await, 10, "the same again");
    assert_eq!(append(blobs, &key, 2, b"XXX").await, 10, "inside");
    assert_eq!(append(blobs, &key, 10, b"").await, 10, "nothing");
    assert_eq!(append(blobs, &key, 8, b"YYab").await, 12, "the end of it is new");
    assert_eq!(
        read(blobs, &key, 0, 100).await,
        "0123456789ab",
        "what was there stayed"
    );
}

async fn a_gap_is_refused(blobs: &dyn Blobs) {
    let key = log();
    let refused = blobs.append(&key, 1, Bytes::from_static(b"x")).await;
    assert!(
        matches!(
            refused,
            Err(BlobError::Gap {
                len: 0,
                offset: 1,
                ..
            })
        ),
        "{refused:?}"
    );
    append(blobs, &key, 0, b"abc").await;
    for bytes in ["x", ""] {
        let refused = blobs.append(&key, 4, Bytes::from_static(bytes.as_bytes())).await;
        assert!(
            matches!(
                refused,
                Err(BlobError::Gap {
                    len: 3,
                    offset: 4,
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    assert_eq!(read(blobs, &key, 0, 100).await, "abc");
}

async fn a_missing_blob_is_empty_and_unreadable(blobs: &dyn Blobs) {
    for key in [log(), artifact()] {
        assert_eq!(blobs.len(&key).await.expect("measured"), 0);
        let missing = blobs.read(&key, 0, 10).await;
        assert!(
            matches!(&missing, Err(BlobError::Missing { key: named }) if named == key.as_str()),
            "{missing:?}"
        );
        assert_eq!(
            append(blobs, &log(), 0, b"").await,
            0,
            "appending nothing is possible anywhere"
        );
    }
}

async fn long_content_survives(blobs: &dyn Blobs) {
    let content = pattern(1, LONG);
    let (grown, whole) = (log(), artifact());
    let mut offset = 0;
    for piece in [0..1, 1..70_000, 70_000..LONG].map(|range| &content[range]) {
        offset = append(blobs, &grown, offset, piece).await;
    }
    assert_eq!(offset, LONG as u64);
    let written = write(
        blobs,
        &whole,
        &[&content[..10], &content[10..3_000_000], &content[3_000_000..]],
    )
    .await;
    assert_eq!(written, LONG as u64);
    for key in [&grown, &whole] {
        assert!(read(blobs, key, 0, LONG).await == content, "{key} differs");
        for (offset, len) in [
            (0, 1),
            (65_535, 2),
            (65_536, 65_536),
            (69_999, 100_000),
            (LONG - 10, 10),
        ] {
            let part = read(blobs, key, offset as u64, len).await;
            assert!(
                part == content[offset..offset + len],
                "{key} differs in {len} bytes from {offset}"
            );
        }
    }
}

async fn a_finished_blob_appears_whole(blobs: &dyn Blobs) {
    let key = artifact();
    let mut writer = blobs.create(&key).await.expect("begun");
    writer.write(Bytes::from_static(b"half")).await.expect("written");
    assert_eq!(
        blobs.len(&key).await.expect("measured"),
        0,
        "half a blob is to be seen"
    );
    assert!(
        matches!(blobs.read(&key, 0, 9).await, Err(BlobError::Missing { .. })),
        "half a blob can be read"
    );
    assert_eq!(writer.finish().await.expect("finished"), 4);
    assert_eq!(read(blobs, &key, 0, 100).await, "half");

    let empty = artifact();
    assert_eq!(write(blobs, &empty, &[]).await, 0);
    assert_eq!(
        read(blobs, &empty, 0, 100).await,
        "",
        "an empty blob is there all the same"
    );
}

async fn a_dropped_writer_leaves_nothing(blobs: &dyn Blobs) {
    let key = artifact();
    let mut writer = blobs.create(&key).await.expect("begun");
    writer
        .write(Bytes::from(pattern(2, LONG)))
        .await
        .expect("written");
    drop(writer);
    assert!(matches!(
        blobs.read(&key, 0, 9).await,
        Err(BlobError::Missing { .. })
    ));
}

async fn writing_again_replaces(blobs: &dyn Blobs) {
    let key = artifact();
    write(blobs, &key, &[b"the first, longer"]).await;
    assert_eq!(read(blobs, &key, 0, 100).await, "the first, longer");
    write(blobs, &key, &[b"the second"]).await;
    assert_eq!(read(blobs, &key, 0, 100).await, "the second");
}

async fn removing_is_repeatable(blobs: &dyn Blobs) {
    let (grown, whole) = (log(), artifact());
    append(blobs, &grown, 0, b"old").await;
    write(blobs, &whole, &[b"old"]).await;
    for key in [&grown, &whole] {
        for _ in 0..2 {
            blobs.remove(key).await.expect("removed");
            assert_eq!(blobs.len(key).await.expect("measured"), 0);
            assert!(matches!(
                blobs.read(key, 0, 9).await,
                Err(BlobError::Missing { .. })
            ));
        }
    }
    assert_eq!(
        append(blobs, &grown, 0, b"new").await,
        3,
        "a removed blob begins anew"
    );
    assert_eq!(read(blobs, &grown, 0, 9).await, "new");
}

async fn keys_are_apart(blobs: &dyn Blobs) {
    let job = JobId::new(Uuid::now_v7());
    let keys = [(0, 0), (0, 1), (1, 0), (0, 10)].map(|(slice, step)| BlobKey::step_log(job, slice, step));
    for key in &keys {
        append(blobs, key, 0, key.as_str().as_bytes()).await;
    }
    blobs.remove(&keys[0]).await.expect("removed");
    for key in &keys[1..] {
        assert_eq!(read(blobs, key, 0, 200).await, key.as_str());
    }
}
