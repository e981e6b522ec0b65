//! What precedes an entry and belongs to it: PAX records and GNU long names, bounded before they are read.

use std::io::Read;

use tar::{Entry, EntryType, PaxExtensions};

use super::UnpackError;
use crate::limits;

/// Attributes an image may bring: what programs may do, and what users set. Never the overlay's own, which decide what
/// lies below.
const KEPT_ATTRIBUTES: &[&str] = &["security.capability"];

/// What was said of the entry that follows.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<(i64, i64)>,
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Extensions {
    /// Reads the entry if it is one that belongs to the next.
    pub(super) fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<bool, UnpackError> {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the tar library's list, open at its end"
        )]
        match entry.header().entry_type() {
            EntryType::GNULongName => self.path = Some(name(&content(entry)?)),
            EntryType::GNULongLink => self.link = Some(name(&content(entry)?)),
            EntryType::XHeader => {
                let bytes = content(entry)?;
                self.records(&bytes)?;
            }
            // It says things about the whole archive, such as a commit, that no file needs.
            EntryType::XGlobalHeader => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn records(&mut self, bytes: &[u8]) -> Result<(), UnpackError> {
        for record in PaxExtensions::new(bytes) {
            let record = record.map_err(UnpackError::Archive)?;
            let (key, value) = (record.key().unwrap_or_default(), record.value_bytes());
            let text = || std::str::from_utf8(value).unwrap_or_default();
            match key {
                "path" => self.path = Some(value.to_vec()),
                "linkpath" => self.link = Some(value.to_vec()),
                "size" => self.size = text().parse().ok(),
                "uid" => self.uid = text().parse().ok(),
                "gid" => self.gid = text().parse().ok(),
                "mtime" => self.mtime = moment(text()),
                other => {
                    if let Some(attribute) = other.strip_prefix("SCHILY.xattr.")
                        && (KEPT_ATTRIBUTES.contains(&attribute)
                            || (attribute.starts_with("user.") && !attribute.starts_with("user.overlay.")))
                    {
                        self.attributes.push((attribute.into(), value.to_vec()));
                    }
                }
            }
        }
        Ok(())
    }
}

/// `1700000000.25`
fn moment(text: &str) -> Option<(i64, i64)> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some((seconds.parse().ok()?, nanos))
}

fn name(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    bytes[..end].to_vec()
}

fn content<R: Read>(entry: &mut Entry<'_, R>) -> Result<Vec<u8>, UnpackError> {
    let size = entry.size();
    if size > limits::LAYER_EXTENSION_BYTES {
        return Err(UnpackError::Limit(format!(
            "one of its file names or attributes takes {size} bytes; {} are possible",
            limits::LAYER_EXTENSION_BYTES
        )));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(UnpackError::Archive)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overlays_own_attributes_are_dropped() {
        let mut extensions = Extensions::default();
        let record = |key: &str, value: &str| {
            let rest = format!(" {key}={value}\n");
            let mut length = rest.len();
            while format!("{length}{rest}").len() != length {
                length = format!("{length}{rest}").len();
            }
            format!("{length}{rest}")
        };
        let text = [
            record("SCHILY.xattr.trusted.overlay.redirect", "/etc"),
            record("SCHILY.xattr.user.overlay.opaque", "y"),
            record("SCHILY.xattr.security.selinux", "x"),
            record("SCHILY.xattr.user.mine", "kept"),
            record("SCHILY.xattr.security.capability", "caps"),
            record("path", "a/b"),
            record("mtime", "12.5"),
        ]
        .concat();
        extensions.records(text.as_bytes()).expect("read");
        let names: Vec<_> = extensions
            .attributes
            .iter()
            .map(|(name, _)| String::from_utf8_lossy(name))
            .collect();
        assert_eq!(names, ["user.mine", "security.capability"]);
        assert_eq!(extensions.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(extensions.mtime, Some((12, 500_000_000)));
    }
}
