//! Builds Airlock's own kind of image with mmdebstrap: a minimal Debian of this machine's release with what steps and a
//! checkout need. The result appears under its name only when it is complete.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::build_progress::{self, Follower};
use super::{
    BASE_IMAGE, ImageDir, ImageError, ImageRecord, ImageStore, MACHINE_IMAGE, Progress, at, sources,
};
use crate::limits;

/// What a checkout, the in-job helper and most scripts need.
const PACKAGES: &[&str] = &[
    "bash",
    "git",
    "openssh-client",
    "curl",
    "ca-certificates",
    "tar",
    "gzip",
    "procps",
];

/// What a machine has besides: a kernel with the drivers of virtual machines, and what people expect of one.
const MACHINE_PACKAGES: &[&str] = &["linux-image-cloud-amd64", "sudo", "iproute2", "openssh-server"];

impl ImageStore {
    /// Builds an image with these packages besides the usual ones and names it. When somebody else builds it at this
    /// moment, waits and takes their result.
    pub fn build_base(
        &self,
        name: &str,
        packages: &[String],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImageRecord, ImageError> {
        for package in packages {
            check_package(package)?;
        }
        let lock = self.lock_name(name, progress)?;
        if lock.waited
            && let Ok(image) = self.resolve(name)
        {
            return Ok(image.record);
        }
        self.build(name, packages, &mut |step| {
            build_progress::write(&lock.told, &step);
            progress(step);
        })
    }

    /// The image `airlock/base`, built now if it is not here.
    pub fn ensure_base(&self, progress: &mut dyn FnMut(Progress)) -> Result<ImageDir, ImageError> {
        self.ensure_own(BASE_IMAGE, &[], progress)
    }

    /// The image `airlock/machine`, which has a kernel of its own, built now if it is not here.
    pub fn ensure_machine(&self, progress: &mut dyn FnMut(Progress)) -> Result<ImageDir, ImageError> {
        let packages: Vec<String> = MACHINE_PACKAGES.iter().map(|&name| name.to_owned()).collect();
        self.ensure_own(MACHINE_IMAGE, &packages, progress)
    }

    fn ensure_own(
        &self,
        name: &str,
        packages: &[String],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImageDir, ImageError> {
        match self.resolve(name) {
            Err(ImageError::Unknown { .. }) => {}
            found => return found,
        }
        let lock = self.lock_name(name, progress)?;
        match self.resolve(name) {
            Err(ImageError::Unknown { .. }) => {}
            found => return found,
        }
        self.build(name, packages, &mut |step| {
            build_progress::write(&lock.told, &step);
            progress(step);
        })?;
        self.resolve(name)
    }

    fn build(
        &self,
        name: &str,
        packages: &[String],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<ImageRecord, ImageError> {
        if !rustix::process::geteuid().is_root() {
            return Err(ImageError::NotRoot);
        }
        let scratch = self.scratch(name)?;
        let tree = scratch.path().join("root");
        let sources = sources::of_machine(Path::new("/"));
        let mut include: Vec<&str> = PACKAGES.to_vec();
        include.extend(packages.iter().map(String::as_str));
        let mut command = ending_with_us("mmdebstrap");
        command
            .args([
                "--verbose",
                "--mode=root",
                "--variant=minbase",
                "--format=directory",
            ])
            .arg(format!("--include={}", include.join(",")))
            .arg(&sources.suite)
            .arg(&tree)
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null());
        if let Some((text, extension)) = &sources.list {
            let list = scratch.path().join(format!("apt.{extension}"));
            fs::write(&list, text).map_err(at("writing", &list))?;
            command.arg(list);
        }
        run(command, name, progress)?;
        tidy(&tree)?;
        progress(Progress {
            percent: 99,
            phase: "storing the image".into(),
        });
        let origin = format!("built from {} with {}", sources.suite, include.join(" "));
        self.adopt(&tree, name, origin)
    }
}

/// A program that ends, with all it started and mounted, when the thread that waits for it does: a build takes a minute,
/// mounts `/proc` and `/sys` in the tree it makes, and whoever asked for it may be killed or lose patience. What stayed
/// mounted could never be removed, and the image never be built again. A program that is not there keeps its own name,
/// so that starting it says so.
fn ending_with_us(program: &str) -> Command {
    let folders: Vec<_> = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect())
        .unwrap_or_default();
    let here = |name: &str| folders.iter().any(|folder| folder.join(name).is_file());
    if !["setpriv", "unshare", program].into_iter().all(here) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "KILL",
            "--",
            "unshare",
            "--mount",
            "--pid",
            "--fork",
        ])
        .args(["--kill-child", "--mount-proc", "--", program]);
    command
}

fn check_package(name: &str) -> Result<(), ImageError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.');
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    if starts_well && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(ImageError::Package(name.to_owned()))
    }
}

fn run(mut command: Command, name: &str, progress: &mut dyn FnMut(Progress)) -> Result<(), ImageError> {
    let failed = |source| ImageError::Io {
        doing: "running",
        path: "mmdebstrap".into(),
        source,
    };
    let (output, input) = io::pipe().map_err(failed)?;
    command.stdout(input.try_clone().map_err(failed)?).stderr(input);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ImageError::NoBuilder),
        Err(error) => return Err(failed(error)),
    };
    // The command holds the writing end; without this the end of the output would never come.
    drop(command);
    let mut follower = Follower::default();
    let mut last_lines = std::collections::VecDeque::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = String::from_utf8_lossy(&line.map_err(failed)?).into_owned();
        if let Some(step) = follower.line(&line) {
            progress(step);
        }
        if last_lines.len() == limits::IMAGE_ERROR_LINES {
            last_lines.pop_front();
        }
        last_lines.push_back(line);
    }
    let status = child.wait().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    Err(ImageError::Build {
        name: name.to_owned(),
        status: status.to_string(),
        output: Vec::from(last_lines).join("\n"),
    })
}

/// Removes what belongs to this machine and what a sandbox brings along itself.
fn tidy(tree: &Path) -> Result<(), ImageError> {
    for file in ["etc/resolv.conf", "etc/hostname", "etc/machine-id"] {
        let path = tree.join(file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(at("removing", &path)(error));
            }
            _ => {}
        }
    }
    let devices = tree.join("dev");
    fs::remove_dir_all(&devices).map_err(at("removing", &devices))?;
    fs::create_dir(&devices).map_err(at("making the directory", &devices))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_ends_with_who_waits_for_it_and_leaves_no_mount() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "mount -t tmpfs airlock-test \"$1\" && touch \"$1/inside\" && { sleep 1000 & } && echo up && wait";
        let mut command = ending_with_us("sh");
        command.args(["-c", script, "sh"]).arg(folder.path());
        let waiting = std::thread::spawn(move || {
            let mut child = command.stdout(Stdio::piped()).spawn().expect("started");
            let mut output = BufReader::new(child.stdout.take().expect("piped"));
            let mut line = String::new();
            output.read_line(&mut line).expect("read");
            assert_eq!(line, "up\n");
            (child, output)
        });
        // The thread has ended, and nobody else sends a signal. The output ends when the last process that holds it does.
        let (mut child, mut output) = waiting.join().expect("a thread");
        io::Read::read_to_end(&mut output, &mut Vec::new()).expect("read");
        assert!(!child.wait().expect("waited for").success());
        assert!(!folder.path().join("inside").exists(), "the mount is still there");

        let missing = ending_with_us("no-such-program").spawn().expect_err("missing");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn package_names_cannot_become_options() {
        for bad in ["", "-x", "--include=x", "a b", "a,b", "A", "a;b", "a=1"] {
            assert!(check_package(bad).is_err(), "{bad:?} was taken");
        }
        for good in ["g++", "libc6", "python3.11", "7zip"] {
            assert!(check_package(good).is_ok(), "{good:?} was refused");
        }
    }

    #[test]
    fn a_missing_builder_names_its_package() {
        let error = run(Command::new("/no/such/mmdebstrap"), "x", &mut |_| {}).expect_err("missing");
        assert!(
            error.to_string().contains("apt-get install mmdebstrap"),
            "{error}"
        );
    }

    #[test]
    fn a_failed_build_shows_the_end_of_its_output() {
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "for n in $(seq 40); do echo line $n; done; echo E: no >&2; exit 3",
        ]);
        let text = run(command, "x", &mut |_| {}).expect_err("failed").to_string();
        assert!(
            text.ends_with("line 40\nE: no") && !text.contains("line 12\n"),
            "{text}"
        );
        assert!(text.contains("exit status: 3"), "{text}");
    }

    /// Builds for real; takes half a minute and the network. By hand:
    /// `AIRLOCK_IMAGE_CACHE=DIR cargo test -p airlock-agent -- --ignored real_base`
    #[test]
    #[ignore = "half a minute and the network"]
    fn a_real_base_image_is_built_once_and_found_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let cache = std::env::var_os("AIRLOCK_IMAGE_CACHE").map_or(dir.path().to_owned(), Into::into);
        let store = ImageStore::open(cache).expect("opened");
        let mut seen = Vec::new();
        let image = store.ensure_base(&mut |step| seen.push(step)).expect("built");
        assert!(image.layers[0].join("usr/bin/git").exists());
        assert!(
            fs::read_dir(image.layers[0].join("dev"))
                .expect("there")
                .next()
                .is_none()
        );
        let again = store
            .ensure_base(&mut |step| panic!("built again: {step:?}"))
            .expect("found");
        assert_eq!(again.record, image.record);
    }
}
