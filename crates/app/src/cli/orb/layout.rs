//! Orbs in files: the layout `<namespace>/<orb>/<version>.yml`, in a folder or in a git repository.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use airlock_domain::{OrbName, OrbVersion};
use anyhow::Context as _;
use tempfile::TempDir;

use crate::cli::files;

/// One orb's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrbFile {
    pub(crate) name: OrbName,
    pub(crate) version: OrbVersion,
    pub(crate) path: PathBuf,
}

/// Every orb below a folder, by name and version. Files that are no YAML, and hidden ones, are passed over.
pub(crate) fn scan(root: &Path) -> anyhow::Result<Vec<OrbFile>> {
    let mut found = Vec::new();
    for namespace in folders(root)? {
        for orb in folders(&namespace)? {
            let name = format!("{}/{}", file_name(&namespace), file_name(&orb));
            for path in entries(&orb)? {
                let kind = path
                    .extension()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                if !path.is_file() || !matches!(kind.as_str(), "yml" | "yaml") {
                    continue;
                }
                let version = path
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                found.push(OrbFile {
                    name: OrbName::new(name.as_str())
                        .with_context(|| format!("the folder {}", orb.display()))?,
                    version: version.parse().with_context(|| {
                        format!(
                            "{}: its name must be its version, as in 1.0.0.yml",
                            path.display()
                        )
                    })?,
                    path,
                });
            }
        }
    }
    anyhow::ensure!(
        !found.is_empty(),
        "there are no orbs in {}: expected <namespace>/<orb>/<version>.yml below it",
        root.display()
    );
    found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(found)
}

fn folders(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut folders = entries(folder)?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let reading = || format!("reading the folder {}", folder.display());
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if !file_name(&path).starts_with('.') {
            entries.push(path);
        }
    }
    entries.sort();
    Ok(entries)
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The text of a file, or of standard input for `-`; nothing when it has more bytes than `most`.
pub(crate) fn read_text(path: &Path, most: usize) -> anyhow::Result<Option<String>> {
    let bytes = files::read(path, most)?;
    if bytes.len() > most {
        return Ok(None);
    }
    let text = String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8 text", path.display()))?;
    Ok(Some(text))
}

/// A git repository's newest files, in a folder that is gone afterwards.
pub(crate) fn clone(url: &str) -> anyhow::Result<TempDir> {
    anyhow::ensure!(
        !url.starts_with('-') && (url.contains("://") || url.contains(':')),
        "this is neither a folder nor the URL of a git repository"
    );
    let folder = tempfile::tempdir().context("making a folder for the repository")?;
    let output = Command::new("git")
        .args(["clone", "--quiet", "--depth", "1", "--no-tags", "--"])
        .arg(url)
        .arg(folder.path().join("orbs"))
        // A question for a password would wait for ever where nobody sits.
        .env("GIT_TERMINAL_PROMPT", "0")
        // `ext::` and the like run programs that the URL names.
        .env("GIT_ALLOW_PROTOCOL", "https:ssh:file:git:http")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .context("starting git")?;
    anyhow::ensure!(
        output.status.success(),
        // Without the URL, which may hold a password: git takes it out of its own words.
        "git could not clone the repository: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        let closed = "http://me:hidden-4711@127.0.0.1:1/x.git";
        for url in [closed, "me-hidden-4711"] {
            let told = clone(url).map(|_| ()).expect_err("not cloned").to_string();
            assert!(!told.contains("hidden-4711"), "{told}");
        }
    }

    fn folder(files: &[&str]) -> TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, "version: 2.1\n").expect("written");
        }
        folder
    }

    fn scanned(files: &[&str]) -> Result<Vec<String>, String> {
        let folder = folder(files);
        let found = scan(folder.path()).map_err(|error| format!("{error:#}"))?;
        Ok(found
            .iter()
            .map(|file| format!("{}@{}", file.name, file.version))
            .collect())
    }

    #[test]
    fn the_layout_is_read_in_order_and_other_files_are_passed_over() {
        let found = scanned(&[
            "INDEX.tsv",
            ".git/a/1.0.0.yml",
            "bb/x/1.10.0.yml",
            "bb/x/1.9.0.yml",
            "bb/x/README.md",
            "bb/x/.1.0.0.yml.swp",
            "aa/y/dev:try.yaml",
        ]);
        assert_eq!(
            found.expect("read"),
            ["aa/y@dev:try", "bb/x@1.9.0", "bb/x@1.10.0"]
        );
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = scanned(&["aa/y/first.yml"]).expect_err("refused");
        assert!(
            error.contains("first.yml") && error.contains("1.0.0.yml"),
            "{error}"
        );
        let error = scanned(&["Aa/y/1.0.0.yml"]).expect_err("refused");
        assert!(error.contains("Aa/y"), "{error}");
        let error = scanned(&["x.yml"]).expect_err("refused");
        assert!(error.contains("<namespace>/<orb>/<version>.yml"), "{error}");
    }

    #[test]
    fn a_text_is_read_up_to_its_limit() {
        let folder = folder(&[]);
        let path = folder.path().join("x");
        std::fs::write(&path, "12345").expect("written");
        assert_eq!(read_text(&path, 5).expect("read"), Some("12345".to_owned()));
        assert_eq!(read_text(&path, 4).expect("read"), None);
        std::fs::write(&path, [0xff]).expect("written");
        assert!(read_text(&path, 5).is_err());
    }

    #[test]
    fn a_url_cannot_be_an_option_or_a_program() {
        for url in ["--upload-pack=touch /tmp/x", "nowhere"] {
            assert!(clone(url).is_err(), "{url}");
        }
        let error = format!("{:#}", clone("ext::touch x").expect_err("refused"));
        assert!(error.contains("not allowed"), "{error}");
    }
}
