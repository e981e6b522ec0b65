//! QEMU as it is installed on this machine, copied with its libraries and firmware into a layer of its own, so that the
//! sandbox it runs in shows nothing else of the host.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::digest::{SHA256, digest};

use super::disk::{DISK, INITIAL, KERNEL};
use super::monitor::{Accelerator, Monitor, Shape};
use crate::limits;

const PROGRAM: &str = "qemu-system-x86_64";

/// Where distributions keep parts that QEMU loads at run time.
const PART_FOLDERS: &[&str] = &[
    "/usr/lib/x86_64-linux-gnu/qemu",
    "/usr/lib64/qemu",
    "/usr/lib/qemu",
];
const PARTS: &[&str] = &["accel-tcg-x86_64.so"];

/// Where distributions keep firmware.
const FIRMWARE_FOLDERS: &[&str] = &[
    "/usr/share/qemu",
    "/usr/share/seabios",
    "/usr/share/qemu-firmware",
];
const FIRMWARE: &[&str] = &[
    "bios.bin",
    "bios-256k.bin",
    "kvmvapic.bin",
    "linuxboot.bin",
    "linuxboot_dma.bin",
];

/// Directories that the program expects.
const DIRECTORIES: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("proc", 0o755),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/tmp", 0o1777),
];

/// QEMU of this machine.
#[derive(Debug)]
pub(super) struct Qemu {
    title: String,
    key: String,
    files: Vec<PathBuf>,
}

impl Qemu {
    /// Looks for it; an error text says what is missing.
    pub(super) fn find() -> Result<Self, String> {
        if std::env::consts::ARCH != "x86_64" {
            return Err(format!(
                "this agent makes machines on x86_64 only, and this is {}",
                std::env::consts::ARCH
            ));
        }
        let program = find_program(PROGRAM)
            .ok_or_else(|| format!("{PROGRAM} is not installed (Debian: apt-get install qemu-system-x86)"))?;
        Self::of(program).map_err(|error| format!("{PROGRAM} cannot be used: {error}"))
    }

    fn of(program: PathBuf) -> io::Result<Self> {
        let version = Command::new(&program)
            .arg("--version")
            .stdin(Stdio::null())
            .output()?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        let number = version.split_whitespace().nth(3).unwrap_or("of unknown version");
        let mut files = libraries(&program)?;
        files.push(program);
        for path in existing(PART_FOLDERS, PARTS) {
            files.extend(libraries(&path)?);
            files.push(path);
        }
        files.extend(existing(FIRMWARE_FOLDERS, FIRMWARE));
        files.sort();
        files.dedup();
        let mut names = String::new();
        for path in &files {
            let meta = fs::metadata(path)?;
            let changed = (meta.mtime(), meta.mtime_nsec());
            let _infallible = writeln!(names, "{} {} {changed:?}", path.display(), meta.len());
        }
        let hash = hex::encode(digest(&SHA256, names.as_bytes()));
        Ok(Self {
            title: format!("QEMU {number}"),
            key: format!("qemu-{}", hash.get(..16).unwrap_or(&hash)),
            files,
        })
    }
}

impl Monitor for Qemu {
    fn title(&self) -> &str {
        &self.title
    }

    fn key(&self) -> &str {
        &self.key
    }

    fn fill(&self, layer: &Path) -> io::Result<()> {
        fs::set_permissions(layer, fs::Permissions::from_mode(0o755))?;
        for (name, mode) in DIRECTORIES {
            let path = layer.join(name);
            fs::create_dir(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode))?;
        }
        for file in &self.files {
            let Ok(inner) = file.strip_prefix("/") else {
                continue;
            };
            let target = layer.join(inner);
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::copy(file, &target)?;
        }
        let program = layer.join("usr/bin");
        fs::create_dir_all(&program)?;
        if !program.join(PROGRAM).exists()
            && let Some(own) = self.files.iter().find(|file| file.ends_with(PROGRAM))
        {
            fs::copy(own, program.join(PROGRAM))?;
        }
        Ok(())
    }

    fn command(&self, shape: &Shape) -> Vec<String> {
        let Shape {
            cpus,
            memory_mib,
            network,
            hostname,
            accelerator,
            files,
            socket,
        } = shape;
        let (accel, cpu) = match accelerator {
            Accelerator::Kvm => ("kvm".to_owned(), "host"),
            Accelerator::Emulation { .. } => (
                format!("tcg,thread=multi,tb-size={}", limits::MACHINE_TRANSLATION_MIB),
                "max",
            ),
        };
        let kind = if *network { "user" } else { "none" };
        let append = format!(
            "console=ttyS0 quiet panic=-1 edd=off airlock.hostname={hostname} airlock.network={kind}"
        );
        let mut words: Vec<String> = [
            &format!("/usr/bin/{PROGRAM}"),
            "-nodefaults",
            "-no-user-config",
            "-no-reboot",
            "-display",
            "none",
            // A second fence within the sandbox's own.
            "-sandbox",
            "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
            "-name",
            "airlock",
            "-M",
            "pc",
            "-accel",
            &accel,
            "-cpu",
            cpu,
            "-smp",
            &cpus.to_string(),
            "-m",
            &memory_mib.to_string(),
            "-kernel",
            &format!("{files}/{KERNEL}"),
            "-initrd",
            &format!("{files}/{INITIAL}"),
            "-append",
            &append,
            "-chardev",
            "stdio,id=console,signal=off",
            "-serial",
            "chardev:console",
            "-device",
            "virtio-serial-pci",
            "-chardev",
            &format!("socket,id=agent,path={socket}"),
            "-device",
            &format!("virtserialport,chardev=agent,name={}", airlock_sandbox::machine::PORT),
            // What is written goes to an overlay whose file has no name and ends with the program.
            "-drive",
            &format!(
                "if=virtio,format=raw,file={files}/{DISK},snapshot=on,cache=unsafe,discard=unmap,werror=report,rerror=report"
            ),
            "-device",
            "virtio-rng-pci",
        ]
        .iter()
        .map(|word| (*word).to_owned())
        .collect();
        if *network {
            // No port is forwarded: nothing reaches the guest that it did not ask for.
            words.extend(
                [
                    "-netdev",
                    "user,id=outside,ipv6=off",
                    "-device",
                    "virtio-net-pci,netdev=outside,romfile=",
                ]
                .map(str::to_owned),
            );
        }
        words
    }
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin"));
    std::env::split_paths(&path)
        .chain(["/usr/bin".into(), "/usr/local/bin".into()])
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

fn existing<'a>(folders: &'a [&str], names: &'a [&str]) -> impl Iterator<Item = PathBuf> + 'a {
    let all = folders
        .iter()
        .flat_map(move |folder| names.iter().map(move |name| Path::new(folder).join(name)));
    all.filter(|path| path.is_file())
}

/// The libraries a program is started with, the loader included, by the loader's own word.
fn libraries(program: &Path) -> io::Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!(
            "ldd {} ended with {}",
            program.display(),
            output.status
        )));
    }
    Ok(paths_of(&String::from_utf8_lossy(&output.stdout)))
}

fn paths_of(ldd: &str) -> Vec<PathBuf> {
    ldd.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(network: bool) -> Shape {
        Shape {
            cpus: 2,
            memory_mib: 4096,
            network,
            hostname: "airlock-1".into(),
            accelerator: Accelerator::Emulation { why: "a test".into() },
            files: "/machine".into(),
            socket: "/run/airlock/git.sock".into(),
        }
    }

    fn qemu() -> Qemu {
        Qemu {
            title: "QEMU".into(),
            key: "qemu".into(),
            files: Vec::new(),
        }
    }

    #[test]
    fn nothing_of_the_guest_can_be_reached_from_outside() {
        let words = qemu().command(&shape(true));
        assert!(words.contains(&"user,id=outside,ipv6=off".to_owned()));
        assert!(
            !words
                .iter()
                .any(|word| word.contains("hostfwd") || word.contains("guestfwd"))
        );
        let without = qemu().command(&shape(false));
        assert!(!without.iter().any(|word| word.contains("netdev")));
        assert!(
            without
                .iter()
                .any(|word| word.ends_with("airlock.hostname=airlock-1 airlock.network=none"))
        );
    }

    #[test]
    fn the_job_writes_to_an_overlay_only() {
        let words = qemu().command(&shape(false));
        let drives: Vec<_> = words.iter().filter(|word| word.contains("file=")).collect();
        assert_eq!(drives.len(), 1);
        assert!(drives[0].contains("snapshot=on"), "{drives:?}");
    }

    #[test]
    fn the_loaders_list_is_read() {
        let list = "\tlinux-vdso.so.1 (0x1)\n\tlibz.so.1 => /lib/libz.so.1 (0x2)\n\t/lib64/ld.so (0x3)\n";
        assert_eq!(
            paths_of(list),
            [PathBuf::from("/lib/libz.so.1"), "/lib64/ld.so".into()]
        );
    }
}
