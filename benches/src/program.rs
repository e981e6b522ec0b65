//! The measured program itself: which one it is, how large, and whether its symbols are still in it. Reads the section
//! table of an ELF file and nothing else of it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::figure::{Figure, Unit};
use crate::limits;

/// The measured program.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// `None` when the file is no ELF file that we can read.
    pub(crate) stripped: Option<bool>,
}

impl Program {
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let content = std::fs::read(path).with_context(|| {
            format!(
                "reading {}: build it, or name one in AIRLOCK_BENCH_BINARY",
                path.display()
            )
        })?;
        Ok(Self {
            path: path.to_owned(),
            bytes: content.len() as u64,
            stripped: has_symbols(&content).map(|has| !has),
        })
    }

    /// The profile it was built with, as far as its folder tells.
    pub(crate) fn profile(&self) -> &'static str {
        let folder = self.path.parent().and_then(Path::file_name);
        match folder.and_then(|name| name.to_str()) {
            Some("release") => "release",
            Some("debug") => "debug",
            Some(_) | None => "unknown",
        }
    }

    pub(crate) fn symbols(&self) -> &'static str {
        match self.stripped {
            Some(true) => "stripped",
            Some(false) => "with symbols",
            None => "of an unknown format",
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a file of 2^53 bytes is not measured here"
    )]
    pub(crate) fn figure(&self) -> Figure {
        let title = format!("size of the binary, {}", self.symbols());
        let mut figure = Figure::new("size", title, Unit::Megabytes, Some(limits::SIZE_TARGET_MB));
        figure.add(self.bytes as f64 / 1e6, []);
        figure
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "path": self.path.display().to_string(),
            "profile": self.profile(),
            "bytes": self.bytes,
            "stripped": self.stripped,
        })
    }
}

/// `airlock` of the same build as this program.
pub(crate) fn beside_this_program() -> anyhow::Result<PathBuf> {
    let this = std::env::current_exe().context("finding this program")?;
    Ok(this.with_file_name("airlock"))
}

/// Whether a 64-bit little-endian ELF file has a section of type `SHT_SYMTAB`.
fn has_symbols(content: &[u8]) -> Option<bool> {
    const SYMBOL_TABLE: u32 = 2;
    if content.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let table = usize::try_from(u64::from_le_bytes(content.get(0x28..0x30)?.try_into().ok()?)).ok()?;
    let short = |at: usize| {
        Some(usize::from(u16::from_le_bytes(
            content.get(at..at + 2)?.try_into().ok()?,
        )))
    };
    let (size, count) = (short(0x3a)?, short(0x3c)?);
    for index in 0..count {
        let kind = table.checked_add(index * size)?.checked_add(4)?;
        let kind = content.get(kind..kind.checked_add(4)?)?;
        if u32::from_le_bytes(kind.try_into().ok()?) == SYMBOL_TABLE {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(kinds: &[u32]) -> Vec<u8> {
        let mut file = vec![0; 64];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x28..0x30].copy_from_slice(&64u64.to_le_bytes());
        file[0x3a..0x3c].copy_from_slice(&64u16.to_le_bytes());
        file[0x3c..0x3e].copy_from_slice(&u16::try_from(kinds.len()).expect("few").to_le_bytes());
        for kind in kinds {
            let mut section = [0; 64];
            section[4..8].copy_from_slice(&kind.to_le_bytes());
            file.extend_from_slice(&section);
        }
        file
    }

    #[test]
    fn symbols_are_found_in_the_section_table() {
        assert_eq!(has_symbols(&elf(&[0, 1, 2, 3])), Some(true));
        assert_eq!(has_symbols(&elf(&[0, 1, 3, 11])), Some(false));
        assert_eq!(has_symbols(b"#!/bin/sh\n"), None);
        let mut cut = elf(&[1, 3]);
        cut.truncate(100);
        assert_eq!(has_symbols(&cut), None);
    }

    #[test]
    fn a_test_is_not_stripped() {
        let this = std::fs::read("/proc/self/exe").expect("this test");
        assert_eq!(has_symbols(&this), Some(true));
    }
}
