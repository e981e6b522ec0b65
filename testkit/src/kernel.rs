//! A kernel for virtual machines: Debian's for clouds, unpacked and not installed, so that the host keeps the kernels it
//! has. Fetched once per checkout, by apt.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package that names the newest one.
const PACKAGE: &str = "linux-image-cloud-amd64";

/// Parts of the kernel's drivers that a machine's image needs.
const DRIVERS: &[&str] = &["virtio", "failover"];

/// Puts the kernel and its drivers into the root file system `root`, where an image has them.
pub fn add_kernel(root: &Path) {
    let unpacked = unpacked();
    copy_some(&unpacked.join("boot"), &root.join("boot"), &|name| {
        name.starts_with("vmlinuz-")
    });
    copy_some(
        &unpacked.join("lib/modules"),
        &root.join("lib/modules"),
        &|name| DRIVERS.iter().any(|part| name.contains(part)),
    );
}

/// The package's files.
fn unpacked() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target");
    let ready = target.join("cloud-kernel");
    if ready.join("boot").is_dir() {
        return ready;
    }
    fs::create_dir_all(&target).expect("the target directory");
    let lock = File::create(target.join("cloud-kernel.lock")).expect("a lock file");
    lock.lock().expect("locked");
    if !ready.join("boot").is_dir() {
        fetch(&target, &ready);
    }
    ready
}

fn fetch(target: &Path, ready: &Path) {
    let scratch = tempfile::tempdir_in(target).expect("a directory");
    let package = newest().or_else(|| {
        run(Command::new("apt-get").args(["update", "-q"]));
        newest()
    });
    let package = package.expect("apt knows the package linux-image-cloud-amd64");
    run(Command::new("apt-get")
        .args(["download", "-q", &package])
        .current_dir(&scratch));
    let file = fs::read_dir(&scratch)
        .expect("listed")
        .next()
        .expect("apt-get downloaded a package")
        .expect("listed")
        .path();
    let files = scratch.path().join("files");
    run(Command::new("dpkg").arg("-x").arg(file).arg(&files));
    if ready.exists() {
        fs::remove_dir_all(ready).expect("removed");
    }
    fs::rename(files, ready).expect("moved");
}

/// The package that holds the files.
fn newest() -> Option<String> {
    let output = Command::new("apt-cache")
        .args(["depends", PACKAGE])
        .output()
        .expect("apt-cache runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut words = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "));
    words.next().map(str::to_owned)
}

fn run(command: &mut Command) {
    let output = command.output().expect("the program runs");
    assert!(
        output.status.success(),
        "{command:?} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn copy_some(from: &Path, to: &Path, wanted: &dyn Fn(&str) -> bool) {
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("listed");
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            copy_some(&path, &to.join(&name), wanted);
        } else if path.is_file() && wanted(&name) {
            fs::create_dir_all(to).expect("made");
            fs::copy(&path, to.join(&name)).expect("copied");
        }
    }
}
