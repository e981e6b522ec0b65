//! Loop devices: a file as a block device. A device attached here clears itself when its last user is gone, so none has
//! to be given back.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::limits::LOOP_TRIES;
use crate::sys;

/// Attaches a file; the device lives as long as the returned descriptor or something mounted from it.
pub(super) fn attach(file: &File) -> io::Result<(PathBuf, File)> {
    let mut last = io::Error::from(io::ErrorKind::ResourceBusy);
    for _ in 0..LOOP_TRIES {
        let control = open(Path::new("/dev/loop-control"))?;
        let device = PathBuf::from(format!("/dev/loop{}", sys::free_loop_device(control.as_fd())?));
        let opened = open(&device)?;
        match sys::configure_loop_device(opened.as_fd(), file.as_fd()) {
            Ok(()) => return Ok((device, opened)),
            // Somebody else was told of the same free device.
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

fn open(path: &Path) -> io::Result<File> {
    let opened = File::options()
        .read(true)
        .write(true)
        .custom_flags(libc::O_CLOEXEC)
        .open(path);
    opened.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// Makes a device let go of its file, at the latest once nothing is mounted from it any more.
pub(crate) fn detach(device: &Path) -> io::Result<()> {
    sys::clear_loop_device(open(device)?.as_fd())
}

/// Loop devices and the files they are attached to. A deleted file's name ends in ` (deleted)`.
pub(crate) fn in_use() -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = Vec::new();
    let devices = match fs::read_dir("/sys/block") {
        // Nothing can be attached on a host without block devices.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        other => other?,
    };
    for entry in devices {
        let entry = entry?;
        let name = entry.file_name();
        // Absent while nothing is attached, which may change at any time.
        let Ok(file) = fs::read_to_string(entry.path().join("loop/backing_file")) else {
            continue;
        };
        found.push((Path::new("/dev").join(name), PathBuf::from(file.trim_end())));
    }
    Ok(found)
}
