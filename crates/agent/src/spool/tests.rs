use proptest::prelude::*;

use super::*;

fn disk(limit: u64) -> (tempfile::TempDir, Arc<SpoolDisk>) {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = SpoolDisk::new(dir.path(), limit);
    (dir, disk)
}

fn pattern(from: u64, count: usize) -> Vec<u8> {
    (from..).take(count).map(|n| (n % 251) as u8).collect()
}

#[derive(Debug, Clone)]
enum Action {
    Append(usize),
    Note(usize),
    Release(f64),
    Read(f64, usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0..700_000_usize).prop_map(Action::Append),
        1 => (0..80_usize).prop_map(Action::Note),
        3 => (0.0..=1.0).prop_map(Action::Release),
        3 => ((0.0..=1.0), 0..200_000_usize).prop_map(|(at, max)| Action::Read(at, max)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the order of writing, reading and acknowledging, in memory or on disk: every byte is at its offset.
    #[test]
    fn bytes_stay_at_their_offsets(actions in prop::collection::vec(action(), 1..40)) {
        let (_dir, disk) = disk(u64::MAX);
        let spool = Spool::new(Arc::clone(&disk));
        for action in actions {
            let level = spool.level();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
                reason = "any offset in between will do")]
            let place = |part: f64| level.base + ((level.end - level.base) as f64 * part) as u64;
            match action {
                Action::Append(count) => spool.append(&pattern(level.end, count)),
                Action::Note(count) => {
                    let text = "n".repeat(count);
                    spool.append_note(&text);
                    let at = spool.level();
                    prop_assert_eq!(at.end, level.end + count as u64);
                    prop_assert_eq!(spool.read(level.end, count).expect("read"), text.as_bytes());
                    // Notes break the pattern, so they are acknowledged at once.
                    spool.release(at.end);
                }
                Action::Release(part) => spool.release(place(part)),
                Action::Read(part, max) => {
                    let from = place(part);
                    let bytes = spool.read(from, max).expect("read");
                    let expected = usize::try_from(level.end - from).expect("fits").min(max);
                    prop_assert_eq!(&bytes[..], &pattern(from, expected)[..]);
                }
            }
        }
        drop(spool);
        prop_assert_eq!(*lock(&disk.used), 0, "the disk budget is given back");
    }
}

#[test]
fn a_writer_without_room_waits_for_an_acknowledgement() {
    let size = limits::SPOOL_MEMORY_BYTES;
    let (_dir, disk) = disk(2 * size as u64);
    let spool = Spool::new(disk);
    spool.append(&pattern(0, size));
    spool.append(&pattern(size as u64, size));
    let writer = std::thread::spawn({
        let spool = Arc::clone(&spool);
        move || spool.append(b"last")
    });
    std::thread::yield_now();
    assert_eq!(spool.level().end, 2 * size as u64, "the budget holds");
    spool.release(2);
    std::thread::yield_now();
    assert_eq!(
        spool.level().end,
        2 * size as u64,
        "two bytes are no room for four"
    );
    spool.release(4);
    writer.join().expect("wrote");
    assert_eq!(spool.read(2 * size as u64, 99).expect("read"), &b"last"[..]);
}

#[test]
fn an_abandoned_spool_lets_its_writers_go() {
    let (_dir, disk) = disk(0);
    let spool = Spool::new(disk);
    let writer = std::thread::spawn({
        let spool = Arc::clone(&spool);
        move || spool.append(&pattern(0, limits::SPOOL_MEMORY_BYTES + 1))
    });
    spool.abandon();
    writer.join().expect("came back");
    assert_eq!(spool.level().base, spool.level().end);
}
