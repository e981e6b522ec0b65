//! `airlock config pack` and `airlock orb pack`: reads the folder and prints what the compiler's packer makes of it. No
//! file outside of the folder is read, not by `..` and not by a symbolic link.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use airlock_pipeline_config::limits::{MAX_PACKED_BYTES, MAX_PACKED_DEPTH, MAX_PACKED_FILES};
use airlock_pipeline_config::{Included, PackFile, PackKind, Source, included_files, pack, render};
use anyhow::Context as _;
use clap::Args;

use super::{exit, files};
use crate::terminal;

#[derive(Debug, Args)]
pub(crate) struct PackArguments {
    /// The folder, or a single file.
    path: PathBuf,
}

pub(crate) fn run(arguments: &PackArguments, kind: PackKind) -> anyhow::Result<ExitCode> {
    let tree = Tree::read(&arguments.path)?;
    let includes = match kind {
        PackKind::Config => BTreeMap::new(),
        PackKind::Orb => included_files(&tree.files)
            .into_iter()
            .map(|path| {
                let content = tree.included(&path);
                (path, content)
            })
            .collect(),
    };
    let (text, diagnostics) = pack(&tree.files, kind, &includes);
    if !diagnostics.is_empty() {
        let color = if terminal::colour(&std::io::stderr()) {
            render::Color::Always
        } else {
            render::Color::Never
        };
        let sources = tree.files.iter().map(|file| &file.source);
        terminal::note(render::text(&diagnostics, sources, color).trim_end());
    }
    let Some(text) = text else {
        return Ok(exit::FAILED);
    };
    terminal::raw(text.as_bytes());
    Ok(exit::OK)
}

/// The files of a folder.
struct Tree {
    /// The folder without links on the way to it.
    root: PathBuf,
    files: Vec<PackFile>,
    bytes: usize,
}

impl Tree {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let whole = std::fs::canonicalize(path).map_err(|error| files::told(path, error))?;
        let mut tree = Self {
            root: whole.clone(),
            files: Vec::new(),
            bytes: 0,
        };
        if whole.is_dir() {
            tree.folder(&whole, path, "", 0)?;
            anyhow::ensure!(
                !tree.files.is_empty(),
                "there is nothing to pack in {shown}: neither it nor a folder in it has a file .yml or .yaml"
            );
            return Ok(tree);
        }
        tree.root = whole.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        // Whatever the file is called, it is what is packed.
        tree.file(&whole, path, "@packed.yml".to_owned())?;
        Ok(tree)
    }

    /// `below` is the path from the root, with a slash at its end unless it is empty.
    fn folder(&mut self, folder: &Path, shown: &Path, below: &str, depth: usize) -> anyhow::Result<()> {
        if depth > MAX_PACKED_DEPTH {
            anyhow::bail!(
                "{} lies more than {MAX_PACKED_DEPTH} folders deep",
                shown.display()
            );
        }
        let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", shown.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("reading {}", shown.display()))?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with('.') {
                continue;
            }
            let (path, shown) = (entry.path(), shown.join(name));
            let kind = entry
                .file_type()
                .with_context(|| format!("reading {}", shown.display()))?;
            let is_yaml = path
                .extension()
                .is_some_and(|extension| extension == "yml" || extension == "yaml");
            if kind.is_dir() {
                self.folder(&path, &shown, &format!("{below}{name}/"), depth + 1)?;
            } else if kind.is_symlink() && is_yaml {
                self.link(&path, &shown, format!("{below}{name}"))?;
            } else if kind.is_symlink() && path.is_dir() {
                anyhow::bail!(
                    "{} is a symbolic link to a folder; packing follows none",
                    shown.display()
                );
            } else if kind.is_file() && is_yaml {
                self.file(&path, &shown, format!("{below}{name}"))?;
            }
        }
        Ok(())
    }

    fn link(&mut self, path: &Path, shown: &Path, below: String) -> anyhow::Result<()> {
        let target = std::fs::canonicalize(path).with_context(|| format!("following {}", shown.display()))?;
        if !target.starts_with(&self.root) || !target.is_file() {
            anyhow::bail!(
                "{} is a symbolic link that leads out of the folder; nothing outside of it is packed",
                shown.display()
            );
        }
        self.file(&target, shown, below)
    }

    fn file(&mut self, path: &Path, shown: &Path, below: String) -> anyhow::Result<()> {
        let bytes = files::read(path, MAX_PACKED_BYTES)?;
        self.bytes += bytes.len();
        if self.files.len() == MAX_PACKED_FILES || self.bytes > MAX_PACKED_BYTES {
            anyhow::bail!(
                "at most {MAX_PACKED_FILES} files of {MAX_PACKED_BYTES} bytes together are packed, and there are more: \
                 name the folder that holds only the config or the orb"
            );
        }
        self.files.push(PackFile {
            path: below,
            source: Source::new(shown.display().to_string(), bytes),
        });
        Ok(())
    }

    /// A file that an orb includes, by its path below the root.
    fn included(&self, below: &str) -> Included {
        let path = std::fs::canonicalize(self.root.join(below)).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                "there is no such file".to_owned()
            } else {
                error.to_string()
            }
        })?;
        if !path.starts_with(&self.root) {
            return Err("it is a symbolic link that leads out of the orb's folder".to_owned());
        }
        let about = std::fs::metadata(&path).map_err(|error| error.to_string())?;
        if !about.is_file() {
            return Err("it is no file".to_owned());
        }
        if about.len() > MAX_PACKED_BYTES as u64 {
            return Err(format!(
                "it has {} bytes; at most {MAX_PACKED_BYTES} are taken",
                about.len()
            ));
        }
        std::fs::read(&path).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().expect("a folder can be made");
            for (path, text) in files {
                let path = folder.path().join(path);
                let parent = path.parent().expect("it lies in the folder");
                std::fs::create_dir_all(parent).expect("a folder can be made");
                std::fs::write(path, text).expect("a file can be written");
            }
            Self(folder)
        }

        fn link(&self, from: &str, to: &Path) {
            std::os::unix::fs::symlink(to, self.0.path().join(from)).expect("a link can be made");
        }

        fn paths(&self) -> Result<Vec<String>, String> {
            let tree = Tree::read(self.0.path()).map_err(|error| format!("{error:#}"))?;
            let mut paths: Vec<String> = tree.files.into_iter().map(|file| file.path).collect();
            paths.sort();
            Ok(paths)
        }
    }

    #[test]
    fn yaml_below_the_folder_is_read_and_nothing_hidden() {
        let folder = Folder::new(&[
            ("@orb.yml", "version: 2.1\n"),
            ("commands/a/b.yaml", "steps: []\n"),
            ("README.md", "x"),
            (".git/config.yml", "x"),
            ("jobs/.x.yml", "x"),
        ]);
        folder.link("jobs/same.yml", &folder.0.path().join("@orb.yml"));
        let want = ["@orb.yml", "commands/a/b.yaml", "jobs/same.yml"];
        assert_eq!(folder.paths(), Ok(want.map(str::to_owned).to_vec()));
    }

    #[test]
    fn links_out_of_the_folder_are_refused() {
        let outside = Folder::new(&[("secret.yml", "a: 1\n"), ("secret.sh", "x")]);
        for target in ["secret.yml", "."] {
            let folder = Folder::new(&[("@orb.yml", "version: 2.1\n")]);
            folder.link("x.yml", &outside.0.path().join(target));
            let told = folder.paths().expect_err("it must not be read");
            assert!(told.contains("x.yml is a symbolic link that leads out"), "{told}");
        }
        let folder = Folder::new(&[("@orb.yml", "version: 2.1\n")]);
        folder.link("inside", folder.0.path());
        let told = folder.paths().expect_err("it would never end");
        assert!(told.contains("symbolic link to a folder"), "{told}");
    }

    #[test]
    fn included_files_are_those_of_the_folder() {
        let outside = Folder::new(&[("secret.sh", "x")]);
        let folder = Folder::new(&[("@orb.yml", ""), ("scripts/a.sh", "echo")]);
        folder.link("scripts/link.sh", &outside.0.path().join("secret.sh"));
        let tree = Tree::read(folder.0.path()).expect("it can be read");
        assert_eq!(tree.included("scripts/a.sh"), Ok(b"echo".to_vec()));
        let refused = |path| tree.included(path).expect_err("it must not be included");
        assert!(refused("scripts/link.sh").contains("leads out"));
        assert!(refused("none").contains("no such file"));
        assert!(refused("scripts").contains("no file"));
    }
}
