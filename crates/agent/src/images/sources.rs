//! The package sources an image is built from: those of this machine's own distribution and release, read from its apt
//! configuration, so that a mirror configured on the machine is used and third-party lists are not.

use std::fs;
use std::path::Path;

/// Release and sources, ready for mmdebstrap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sources {
    /// `bookworm`.
    pub(super) suite: String,
    /// Apt sources and the extension their format wants; `None` means mmdebstrap's own mirrors.
    pub(super) list: Option<(String, &'static str)>,
}

/// Reads `/etc/os-release` and `/etc/apt` below `root`.
pub(super) fn of_machine(root: &Path) -> Sources {
    let release = fs::read_to_string(root.join("etc/os-release")).unwrap_or_default();
    let suite = release_value(&release, "VERSION_CODENAME").unwrap_or_else(|| "stable".into());
    let id = release_value(&release, "ID").unwrap_or_else(|| "debian".into());
    let apt = root.join("etc/apt");
    let deb822 = fs::read_to_string(apt.join(format!("sources.list.d/{id}.sources")))
        .ok()
        .map(|text| (own_stanzas(&text, &suite), "sources"));
    let one_line = || {
        fs::read_to_string(apt.join("sources.list"))
            .ok()
            .map(|text| (own_lines(&text, &suite), "list"))
    };
    let list = deb822
        .filter(|(text, _)| !text.is_empty())
        .or_else(|| one_line().filter(|(text, _)| !text.is_empty()));
    Sources { suite, list }
}

fn release_value(text: &str, key: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value.trim_matches('"').to_owned())
        .filter(|value| !value.is_empty())
}

/// The release itself, its updates and its security fixes; no backports, no other releases.
fn is_own(word: &str, suite: &str) -> bool {
    word.strip_prefix(suite)
        .is_some_and(|rest| matches!(rest, "" | "-updates" | "-security" | "/updates"))
}

fn own_stanzas(text: &str, suite: &str) -> String {
    let mut kept = Vec::new();
    for stanza in text.split("\n\n") {
        let mut has_own = false;
        let mut disabled = false;
        let lines: Vec<String> = stanza
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| match line.split_once(':') {
                Some((key, words)) if key.eq_ignore_ascii_case("suites") => {
                    let own: Vec<&str> = words
                        .split_whitespace()
                        .filter(|word| is_own(word, suite))
                        .collect();
                    has_own = !own.is_empty();
                    format!("Suites: {}", own.join(" "))
                }
                Some((key, words)) if key.eq_ignore_ascii_case("types") => {
                    disabled |= !words.split_whitespace().any(|word| word == "deb");
                    "Types: deb".to_owned()
                }
                Some((key, words)) if key.eq_ignore_ascii_case("enabled") => {
                    disabled |= words.trim().eq_ignore_ascii_case("no");
                    line.to_owned()
                }
                _ => line.to_owned(),
            })
            .collect();
        if has_own && !disabled {
            kept.push(lines.join("\n"));
        }
    }
    kept.join("\n\n")
}

fn own_lines(text: &str, suite: &str) -> String {
    text.lines()
        .filter(|line| {
            let mut words = line.split_whitespace().peekable();
            if words.next() != Some("deb") {
                return false;
            }
            if words.peek().is_some_and(|word| word.starts_with('[')) {
                let _options = words.find(|word| word.ends_with(']'));
            }
            words.nth(1).is_some_and(|word| is_own(word, suite))
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "\
Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates bookworm-backports
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb-src
URIs: http://mirror.example/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://mirror.example/debian
Suites: trixie
Components: main
";

    #[test]
    fn only_the_machines_own_release_is_used() {
        assert_eq!(
            own_stanzas(DEBIAN, "bookworm"),
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\
             Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg"
        );
    }

    #[test]
    fn one_line_lists_are_filtered_too() {
        let list = "# deb http://x bookworm main\ndeb-src http://x bookworm main\ndeb [arch=amd64 signed-by=/k] http://x \
                    bookworm main\ndeb http://third.example cloud-sdk-bookworm main\ndeb http://x bookworm-security main";
        assert_eq!(
            own_lines(list, "bookworm"),
            "deb [arch=amd64 signed-by=/k] http://x bookworm main\ndeb http://x bookworm-security main"
        );
    }

    #[test]
    fn a_machine_without_lists_leaves_the_choice_to_the_builder() {
        let root = tempfile::tempdir().expect("a directory");
        let sources = of_machine(root.path());
        assert_eq!((sources.suite.as_str(), sources.list), ("stable", None));
        fs::create_dir_all(root.path().join("etc/apt/sources.list.d")).expect("made");
        let write = |path: &str, text: &str| fs::write(root.path().join(path), text).expect("written");
        write("etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n");
        write("etc/apt/sources.list.d/debian.sources", DEBIAN);
        write(
            "etc/apt/sources.list.d/other.sources",
            &DEBIAN.replace("mirror", "third"),
        );
        let sources = of_machine(root.path());
        assert_eq!(sources.suite, "bookworm");
        let (text, extension) = sources.list.expect("found");
        assert!(
            text.contains("mirror.example") && !text.contains("third"),
            "{text}"
        );
        assert_eq!(extension, "sources");
    }
}
