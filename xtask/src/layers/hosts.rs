//! No file of the project names the host of a package registry.
//!
//! Machines behind a mirror, and machines without a network, must be able to build and test; where packages come
//! from is the machine's own configuration. The names are put together from pieces so that this page keeps the rule.

use crate::report::Report;
use crate::tree::SourceFile;

/// The hosts as (labels before the top, top-level domain); every host below them counts too.
const HOSTS: &[(&str, &str)] = &[
    ("crates", "io"),
    ("npmjs", "org"),
    ("npmjs", "com"),
    ("yarnpkg", "com"),
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("rubygems", "org"),
    ("packagist", "org"),
    ("nuget", "org"),
    ("proxy.golang", "org"),
    ("sum.golang", "org"),
    ("maven.apache", "org"),
    ("deb.debian", "org"),
    ("archive.ubuntu", "com"),
];

/// Looks for the hosts in every text file.
pub(crate) fn check(files: &[SourceFile]) -> Report {
    let hosts: Vec<String> = HOSTS.iter().map(|(name, top)| format!("{name}.{top}")).collect();
    let mut report = Report::default();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(host) = hosts.iter().find(|host| names(line, host)) {
                report.problems.push(format!(
                    "{}:{}: names the package registry {host}: take sources from the machine's own configuration",
                    file.path.display(),
                    index + 1
                ));
            }
        }
    }
    report
}

/// Whether a line holds the host or one below it, and not merely a longer word such as the name of its index.
fn names(line: &str, host: &str) -> bool {
    let line = line.to_ascii_lowercase();
    line.match_indices(host).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let mut after = line[at + host.len()..].chars();
        let (next, second) = (after.next(), after.next());
        let is_label =
            |character: Option<char>| character.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-');
        let goes_on = is_label(next) || (next == Some('.') && is_label(second));
        !is_label(before) && !goes_on
    })
}

#[cfg(test)]
mod tests {
    use super::{HOSTS, check, names};
    use crate::tree::SourceFile;

    fn problems(text: &str) -> usize {
        check(&[SourceFile {
            path: "docs/page.md".into(),
            text: text.to_owned(),
        }])
        .problems
        .len()
    }

    #[test]
    fn every_host_is_found_alone_and_below() {
        for (name, top) in HOSTS {
            let host = format!("{name}.{top}");
            assert_eq!(problems(&format!("see https://{host}/x")), 1, "{host}");
            assert_eq!(
                problems(&format!("see https://static.{}.", host.to_uppercase())),
                1,
                "{host}"
            );
        }
    }

    #[test]
    fn longer_words_are_other_names() {
        let host = ["crates", "io"].join(".");
        assert!(!names(
            &format!("registry+https://github.com/rust-lang/{host}-index"),
            &host
        ));
        assert!(!names(&format!("my{host}"), &host));
        assert!(!names(&format!("{host}.example"), &host));
        assert!(names(&format!("({host})"), &host));
    }
}
