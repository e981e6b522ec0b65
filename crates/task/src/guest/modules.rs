//! The drivers that the kernel lacks: files that it takes as they are, in whatever order they need each other.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// `MODULE_INIT_COMPRESSED_FILE`: the kernel unpacks it.
const COMPRESSED: i32 = 4;

/// Loads every file of the directory. One that needs another one fails until that is there, so rounds are made as long
/// as they bring something.
pub(super) fn load_all(directory: &Path) -> io::Result<()> {
    let mut waiting: Vec<PathBuf> = fs::read_dir(directory)?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    waiting.sort();
    loop {
        let before = waiting.len();
        let mut refused = None;
        waiting.retain(|path| match load(path) {
            Ok(()) => false,
            Err(error) => {
                refused = Some(io::Error::new(
                    error.kind(),
                    format!("loading the driver {}: {error}", path.display()),
                ));
                true
            }
        });
        match refused {
            None => return Ok(()),
            Some(error) if waiting.len() == before => return Err(error),
            Some(_) => {}
        }
    }
}

fn load(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let plain = path.extension().is_some_and(|extension| extension == "ko");
    let flags = if plain { 0 } else { COMPRESSED };
    match rustix::system::finit_module(&file, c"", flags) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
