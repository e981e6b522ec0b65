//! Reads the files that a person names on the command line, or standard input for `-`. Says what is wrong with a name in
//! the person's words, and never takes more bytes than the caller can use: a name may be that of a device that never ends.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

/// Whether standard input was read: it gives its bytes once.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The bytes of a file, at most so many and one more, by which the caller sees that there are too many.
pub(crate) fn read(path: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        anyhow::ensure!(
            !TAKEN.swap(true, Ordering::Relaxed),
            "`-` stands twice on the command line, and standard input can be read only once"
        );
        return bytes(std::io::stdin().lock(), most).context("reading standard input");
    }
    File::open(path)
        .and_then(|file| bytes(file, most))
        .map_err(|error| told(path, error))
}

fn bytes(from: impl Read, most: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why a file cannot be read.
pub(crate) fn told(path: &Path, error: std::io::Error) -> anyhow::Error {
    let name = path.display();
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the system's words serve for what a person rarely meets"
    )]
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => anyhow::anyhow!("there is no file {name}"),
        ErrorKind::IsADirectory => anyhow::anyhow!("{name} is a folder, and a file is needed"),
        ErrorKind::PermissionDenied => anyhow::anyhow!("{name} may not be read by this user"),
        _ => anyhow::Error::new(error).context(format!("reading {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("x");
        std::fs::write(&path, "12345")?;
        assert_eq!(read(&path, 5)?, b"12345");
        assert_eq!(read(&path, 3)?, b"1234");
        assert_eq!(read(Path::new("/dev/zero"), 9)?.len(), 10);
        Ok(())
    }

    #[test]
    fn a_wrong_name_is_told_in_words() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let said = |path: &Path| read(path, 5).err().map(|error| format!("{error:#}"));
        let name = folder.path().display();
        assert_eq!(
            said(folder.path()),
            Some(format!("{name} is a folder, and a file is needed"))
        );
        assert_eq!(
            said(&folder.path().join("x")),
            Some(format!("there is no file {name}/x"))
        );
        Ok(())
    }
}
