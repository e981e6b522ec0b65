//! What every sandbox has of its own in its writable layer from the beginning, written straight into that layer before
//! an overlay is mounted on it: three files of `/etc`, the mount point `/run/airlock`, and `/tmp`, which hardly a step
//! leaves alone. Through the overlay each of these directories would first be copied up, half a millisecond each.
//!
//! A directory here must look like the image's: mode and owner are those of the topmost layer that has it. Where that is
//! not everything there is to copy (it is a link, it has attributes of its own, no layer has it), nothing is done, and
//! process 1 makes it through the overlay. Runs on the host's side, on paths below directories that no job writes to.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown, fchown};
use std::path::{Path, PathBuf};

use crate::failure::{Doing, Failure};
use crate::limits::IDS_PER_SANDBOX;
use crate::overlay::UPPER;
use crate::spec::Layer;
use crate::wire::StartRequest;

/// What overlayfs notes on directories of a layer; it means nothing in another one.
const OVERLAY_ATTRIBUTES: &str = "trusted.overlay.";

/// Longest list of attribute names that is looked at; a longer one is not only overlayfs's.
const ATTRIBUTE_NAMES: usize = 512;

/// Fills the fresh writable layer, which is on `disk` if there is one; returns whether the files of `/etc` are written.
pub(super) fn write(request: &StartRequest, disk: Option<BorrowedFd<'_>>) -> Result<bool, Failure> {
    // The disk has no place among the mounts, only a descriptor; an absolute path replaces what it is joined to.
    let top = disk.map_or_else(PathBuf::new, |disk| {
        PathBuf::from(format!("/proc/self/fd/{}", disk.as_raw_fd()))
    });
    let upper = top.join(&request.writable).join(UPPER);
    let make = |name: &str| {
        like_the_images(&request.layers, name, &upper, request.first_id)
            .doing(|| format!("making /{name} of the writable layer"))
    };
    make("tmp")?;
    if make("run")? {
        let path = upper.join("run/airlock");
        own_directory(&path, 0o755, request.first_id, request.first_id)
            .doing(|| "making /run/airlock of the writable layer")?;
    }
    if !make("etc")? {
        return Ok(false);
    }
    for (name, text) in super::files::etc(request) {
        own_file(&upper.join("etc").join(name), text.as_bytes(), request.first_id)
            .doing(|| format!("writing /etc/{name} of the writable layer"))?;
    }
    Ok(true)
}

/// Makes a directory as the topmost layer has it; false where that is not all there is to it.
fn like_the_images(layers: &[Layer], name: &str, upper: &Path, first_id: u32) -> io::Result<bool> {
    for Layer { path, .. } in layers {
        let path = path.join(name);
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let plain = found.is_dir() && found.uid() < IDS_PER_SANDBOX && found.gid() < IDS_PER_SANDBOX;
        if !plain || has_attributes(&path)? {
            return Ok(false);
        }
        let mode = found.permissions().mode() & 0o7777;
        own_directory(
            &upper.join(name),
            mode,
            first_id + found.uid(),
            first_id + found.gid(),
        )?;
        return Ok(true);
    }
    Ok(false)
}

fn has_attributes(path: &Path) -> io::Result<bool> {
    let mut names = [0_u8; ATTRIBUTE_NAMES];
    let length = match rustix::fs::llistxattr(path, &mut names) {
        Ok(length) => length,
        Err(rustix::io::Errno::RANGE) => return Ok(true),
        Err(rustix::io::Errno::NOTSUP) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let names = names.get(..length).unwrap_or_default();
    let mut names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.any(|name| !name.starts_with(OVERLAY_ATTRIBUTES.as_bytes())))
}

fn own_directory(path: &Path, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    chown(path, Some(uid), Some(gid))?;
    // Last: a change of owner takes special bits away.
    fs::set_permissions(path, Permissions::from_mode(mode))
}

fn own_file(path: &Path, text: &[u8], id: u32) -> io::Result<()> {
    let mut file: File = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    fchown(&file, Some(id), Some(id))?;
    file.set_permissions(Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::spec::LayerIds;

    /// Any id above those of the host will do.
    const FIRST: u32 = 0x7000_0000;

    fn made(prepare: impl FnOnce(&Path, &Path)) -> Option<(u32, u32, u32)> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [top, bottom, upper] = ["top", "bottom", "upper"].map(|name| directory.path().join(name));
        for path in [&top, &bottom, &upper] {
            fs::create_dir(path).expect("a directory");
        }
        prepare(&top, &bottom);
        let layers = [&top, &bottom].map(|path| Layer {
            path: path.clone(),
            ids: LayerIds::Image,
        });
        let done = like_the_images(&layers, "etc", &upper, FIRST).expect("an answer");
        let found = fs::symlink_metadata(upper.join("etc")).ok();
        assert_eq!(done, found.is_some());
        found.map(|found| (found.mode() & 0o7777, found.uid() - FIRST, found.gid() - FIRST))
    }

    fn directory(path: &Path, mode: u32, owner: u32) {
        own_directory(&path.join("etc"), mode, owner, owner + 1).expect("a directory");
    }

    #[test]
    fn a_directory_is_as_the_topmost_layer_has_it() {
        let both = made(|top, bottom| {
            directory(bottom, 0o755, 0);
            directory(top, 0o1750, 12);
        });
        assert_eq!(both, Some((0o1750, 12, 13)));
        assert_eq!(made(|_, bottom| directory(bottom, 0o711, 7)), Some((0o711, 7, 8)));
    }

    #[test]
    fn what_cannot_be_copied_by_mode_and_owner_is_left_to_the_overlay() {
        assert_eq!(made(|_, _| {}), None, "no layer has it");
        let link = made(|top, bottom| {
            directory(bottom, 0o755, 0);
            symlink("/elsewhere", top.join("etc")).expect("a link");
        });
        assert_eq!(link, None);
        assert_eq!(
            made(|top, _| fs::write(top.join("etc"), "").expect("a file")),
            None
        );
        assert_eq!(
            made(|top, _| directory(top, 0o755, 70_000)),
            None,
            "an id that no sandbox has"
        );
    }
}
