//! Packing: many small files become one config or one orb.
//!
//! A folder is a map: `jobs/build.yml` is `jobs.build`. A file at the top, or one whose name begins with `@`, is merged
//! where it lies instead. Folders below a section only sort its files and give no key of their own; below `orbs` each
//! folder is an orb written in place, with sections of its own. In an orb, `<< include(file) >>` stands for a file's
//! text. The output is sorted, so that it changes only where its sources do. Anchors may be used in other files than
//! the one that defines them.
//!
//! Pure: the caller hands in the files, and those that [`included_files`] names. Refused are two files for one key,
//! includes that lead out of the folder, and files that are no maps.

mod anchors;
mod detached;
mod folder;
mod include;
mod order;
mod reading;

use std::collections::{BTreeMap, BTreeSet};

use airlock_yaml_tree::{Data, Layout};

pub use self::include::Included;
use crate::diagnostic::Diagnostic;
use crate::inputs::Source;

/// What is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackKind {
    /// A config: text is left as it is.
    Config,
    /// An orb: includes are followed.
    Orb,
}

/// One file of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackFile {
    /// Its path below the folder that is packed, with `/`.
    pub path: String,
    /// Its name in diagnostics, and its bytes.
    pub source: Source,
}

/// Packs a tree. Files that are no YAML, and hidden ones, are passed over. The text is there when, and only when, no
/// diagnostic is an error.
pub fn pack(
    files: &[PackFile],
    kind: PackKind,
    includes: &BTreeMap<String, Included>,
) -> (Option<String>, Vec<Diagnostic>) {
    reading::read(files, |reading| {
        let pieces = reading.pieces(kind, includes);
        let text = folder::merge(&reading, pieces).to_yaml(Layout::PACKED);
        reading.check_size(&text);
        text
    })
}

/// The files an orb includes, by their path below its folder. Those that lead out of it are not named here; packing
/// says what is wrong with them.
pub fn included_files(files: &[PackFile]) -> BTreeSet<String> {
    files
        .iter()
        .filter(|file| folder::is_packed(&file.path))
        .flat_map(|file| include::named_in(&file.source.bytes))
        .collect()
}

/// A value with the file it came from.
struct Piece {
    data: Data,
    file: usize,
}
