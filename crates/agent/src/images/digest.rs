//! The digest of a file tree: SHA-256 over names, kinds, modes, owners, link targets and contents in sorted order. Times
//! do not count, so that the same files are the same image.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};

use super::{ImageError, at};
use crate::limits;

/// A tree in short.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// In hexadecimal.
    pub(super) digest: String,
    /// Bytes of all files.
    pub(super) size: u64,
}

/// Reads the whole tree.
pub(super) fn of_tree(root: &Path) -> Result<Summary, ImageError> {
    let mut context = Context::new(&SHA256);
    let mut size = 0;
    let mut buffer = vec![0; 256 * 1024];
    walk(root, root, &mut context, &mut size, &mut buffer)?;
    Ok(Summary {
        digest: hex::encode(context.finish()),
        size,
    })
}

fn walk(
    root: &Path,
    path: &Path,
    context: &mut Context,
    size: &mut u64,
    buffer: &mut [u8],
) -> Result<(), ImageError> {
    let meta = fs::symlink_metadata(path).map_err(at("reading", path))?;
    if meta.uid() >= limits::IMAGE_IDS || meta.gid() >= limits::IMAGE_IDS {
        return Err(ImageError::Owner {
            path: path.to_owned(),
            uid: meta.uid(),
            gid: meta.gid(),
        });
    }
    let name = path.strip_prefix(root).unwrap_or(path).as_os_str().as_bytes();
    put(context, name);
    context.update(&meta.mode().to_be_bytes());
    context.update(&meta.uid().to_be_bytes());
    context.update(&meta.gid().to_be_bytes());
    if meta.is_symlink() {
        let target = fs::read_link(path).map_err(at("reading the link", path))?;
        put(context, target.as_os_str().as_bytes());
    } else if meta.is_file() {
        *size += meta.len();
        context.update(&meta.len().to_be_bytes());
        let mut file = File::open(path).map_err(at("reading", path))?;
        loop {
            let count = file.read(buffer).map_err(at("reading", path))?;
            if count == 0 {
                break;
            }
            context.update(&buffer[..count]);
        }
    } else if meta.is_dir() {
        let mut children = fs::read_dir(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(at("listing", path))?;
        children.sort_by_key(fs::DirEntry::file_name);
        context.update(&(children.len() as u64).to_be_bytes());
        for child in children {
            walk(root, &child.path(), context, size, buffer)?;
        }
    } else {
        context.update(&meta.rdev().to_be_bytes());
    }
    Ok(())
}

fn put(context: &mut Context, bytes: &[u8]) {
    context.update(&(bytes.len() as u64).to_be_bytes());
    context.update(bytes);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn tree(change: impl Fn(&Path)) -> String {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("etc")).expect("made");
        fs::write(dir.path().join("etc/passwd"), "root").expect("written");
        symlink("etc/passwd", dir.path().join("link")).expect("linked");
        change(dir.path());
        of_tree(dir.path()).expect("read").digest
    }

    #[test]
    fn it_sees_every_change_but_time() {
        let same = tree(|_| {});
        assert_eq!(same, tree(|_| {}));
        let others = [
            tree(|dir| fs::write(dir.join("etc/passwd"), "toor").expect("written")),
            tree(|dir| fs::rename(dir.join("etc/passwd"), dir.join("etc/passwe")).expect("moved")),
            tree(|dir| {
                let mode = fs::Permissions::from_mode(0o600);
                fs::set_permissions(dir.join("etc/passwd"), mode).expect("changed");
            }),
            tree(|dir| {
                fs::remove_file(dir.join("link")).expect("removed");
                symlink("etc/shadow", dir.join("link")).expect("linked");
            }),
            tree(|dir| fs::create_dir(dir.join("var")).expect("made")),
        ];
        for other in others {
            assert_ne!(same, other);
        }
    }
}
