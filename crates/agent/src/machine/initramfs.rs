//! The initial file system of a guest, in the format that the kernel unpacks (`newc`). Pure.

/// An entry.
pub(super) enum Entry<'a> {
    /// A directory.
    Directory(&'a str),
    /// A file with its permissions.
    File(&'a str, u32, &'a [u8]),
    /// A character device with its numbers.
    Device(&'a str, u32, u32),
}

/// The archive of these entries, in their order.
pub(super) fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, entry) in (1..).zip(entries) {
        match entry {
            Entry::Directory(name) => put(&mut out, number, name, 0o040_755, &[], (0, 0)),
            Entry::File(name, mode, bytes) => put(&mut out, number, name, 0o100_000 | mode, bytes, (0, 0)),
            Entry::Device(name, major, minor) => {
                put(&mut out, number, name, 0o020_600, &[], (*major, *minor));
            }
        }
    }
    put(&mut out, 0, "TRAILER!!!", 0, &[], (0, 0));
    out
}

fn put(out: &mut Vec<u8>, number: u32, name: &str, mode: u32, bytes: &[u8], device: (u32, u32)) {
    let size = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let fields = [
        number,
        mode,
        0,
        0,
        1,
        0,
        size(bytes.len()),
        0,
        0,
        device.0,
        device.1,
        size(name.len() + 1),
        0,
    ];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    align(out);
    out.extend_from_slice(bytes);
    align(out);
}

fn align(out: &mut Vec<u8>) {
    while !out.len().is_multiple_of(4) {
        out.push(0);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn another_program_reads_it() {
        let archive = archive(&[
            Entry::Directory("dev"),
            Entry::Device("dev/console", 5, 1),
            Entry::File("init", 0o755, b"program"),
        ]);
        let mut reader = Command::new("busybox")
            .args(["cpio", "-t", "-v"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("busybox");
        reader
            .stdin
            .take()
            .expect("a pipe")
            .write_all(&archive)
            .expect("written");
        let output = reader.wait_with_output().expect("ended");
        let list = String::from_utf8_lossy(&output.stdout).into_owned();
        let lines: Vec<&str> = list.lines().collect();
        assert!(
            lines[0].starts_with("drwxr-xr-x") && lines[0].ends_with("dev"),
            "{list}"
        );
        assert!(
            lines[1].starts_with("crw-------") && lines[1].ends_with("console"),
            "{list}"
        );
        assert!(
            lines[2].starts_with("-rwxr-xr-x") && lines[2].contains(" 7 "),
            "{list}"
        );
    }
}
