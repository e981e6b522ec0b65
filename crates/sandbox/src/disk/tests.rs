//! Disks on real loop devices: bounded, seen when full, and gone without anybody taking them apart.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::{Disk, IMAGE, Pool, in_use};
use crate::spec::DiskLimit;

const SIZE: DiskLimit = DiskLimit {
    bytes: 24 << 20,
    // A multiple of what fits a block, which is what the file system makes of any number.
    inodes: 112,
};

fn attached(directory: &Path) -> usize {
    let found = in_use().expect("loop devices");
    let ours = found.iter().filter(|(_, file)| file.starts_with(directory));
    ours.count()
}

fn fill(path: &Path) -> std::io::Error {
    let mut file = File::create(path).expect("a file");
    let block = vec![1; 1 << 20];
    loop {
        if let Err(error) = file.write_all(&block).and_then(|()| file.sync_data()) {
            return error;
        }
    }
}

#[test]
fn a_disk_ends_where_it_was_told_to_and_remembers_it() {
    let directory = tempfile::tempdir_in("/var/tmp").expect("a temporary directory");
    let pool = Pool::open(&directory.path().join("pool")).expect("a pool");
    let image = directory.path().join(IMAGE);
    pool.take(SIZE, &image).expect("an image");
    let disk = Disk::open(&image).expect("a disk");
    let before = disk.look();
    assert!(
        before.full == 0 && before.out_of_inodes == 0 && before.bytes < 1 << 20,
        "{before:?}"
    );

    let filled = disk.path().join("filled");
    assert_eq!(fill(&filled).raw_os_error(), Some(libc::ENOSPC));
    assert!(disk.look().full > 0, "{:?}", disk.look());
    fs::remove_file(&filled).expect("removed");
    // Blocks are freed once the kernel's own writer has let go of the file.
    let after = loop {
        let now = disk.look();
        if now.bytes < now.peak_bytes {
            break now;
        }
        crate::sys::pause();
    };
    assert!(after.peak_bytes > 16 << 20, "{after:?}");
    assert_eq!(after.out_of_inodes, 0);

    let error = (0..=SIZE.inodes).find_map(|number| File::create(disk.path().join(number.to_string())).err());
    assert_eq!(error.expect("an end").raw_os_error(), Some(libc::ENOSPC));
    let last = disk.look();
    assert!(last.out_of_inodes > 0 && last.full == after.full, "{last:?}");
}

#[test]
fn two_mounts_show_the_same_and_the_device_goes_with_the_last() {
    let directory = tempfile::tempdir_in("/var/tmp").expect("a temporary directory");
    let pool = Pool::open(&directory.path().join("pool")).expect("a pool");
    let image = directory.path().join(IMAGE);
    pool.take(SIZE, &image).expect("an image");
    let disk = Disk::open(&image).expect("a disk");
    fs::write(disk.path().join("file"), "content").expect("written");
    let again = disk.mount_again().expect("another mount");
    assert_eq!(attached(directory.path()), 1);
    let table = fs::read_to_string("/proc/self/mountinfo").expect("the mount table");
    assert!(!table.contains(directory.path().to_str().expect("text")));

    let file = rustix::fs::openat(
        &again,
        "file",
        rustix::fs::OFlags::RDONLY,
        rustix::fs::Mode::empty(),
    );
    let text = std::io::read_to_string(File::from(file.expect("the file"))).expect("text");
    assert_eq!(text, "content");
    disk.discard();
    assert_eq!(attached(directory.path()), 1, "somebody still has it");
    drop(again);
    while attached(directory.path()) > 0 {
        // The kernel clears the device once nobody has it; a test that hangs here has found that it does not.
        crate::sys::pause();
    }
}

#[test]
fn images_are_made_ahead_and_half_made_ones_removed() {
    let directory = tempfile::tempdir_in("/var/tmp").expect("a temporary directory");
    let place = directory.path().join("pool");
    let pool = Pool::open(&place).expect("a pool");
    pool.take(SIZE, &directory.path().join("one")).expect("an image");
    // Its end waits for what was begun.
    drop(pool);
    let made = fs::read_dir(&place).expect("the pool").count();
    assert!(made > 0, "nothing was made ahead");
    fs::write(place.join("making"), "half").expect("written");
    let pool = Pool::open(&place).expect("a pool");
    assert!(!place.join("making").exists());
    assert_eq!(fs::read_dir(&place).expect("the pool").count(), made);
    pool.take(SIZE, &directory.path().join("two")).expect("an image");
    drop(pool);
    Disk::open(&directory.path().join("two")).expect("an image made ahead is whole");
}
