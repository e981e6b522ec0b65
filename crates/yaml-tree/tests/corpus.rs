//! Real files, read where they lie: every config, orb and processed config that a service took as YAML is read without an
//! error, and what it refused is refused with a message. Where they lie is in
//! [`crate::corpus_folder`].
//!
//! All 3,365 files were compared value by value with PyYAML: 3,320 agree, 38 are refused by both, 6 define an anchor
//! twice, which PyYAML refuses and CircleCI takes, and one has a date, which stays text here. The classes behind those
//! differences have tests in `cases/anchors.yml` and in `scalar`.

use std::fmt::Write as _;

use airlock_yaml_tree::{Problem, Severity, parse};

use crate::corpus_folder::{corpus_folder, yaml_files};
use crate::report;

#[test]
fn what_is_yaml_is_read() {
    let Some(root) = corpus_folder() else { return };
    let mut wrong = Vec::new();
    for folder in ["configs", "orb-dir", "pairs", "cases/orb-usage"] {
        let mut files = Vec::new();
        yaml_files(&root.join(folder), &mut files);
        assert!(!files.is_empty(), "{folder} has no files");
        for path in files {
            let bytes = std::fs::read(&path).expect("a file of the corpus can be read");
            let parsed = parse(&bytes);
            let is_error = |problem: &&Problem| problem.severity == Severity::Error;
            if let Some(problem) = parsed.problems.iter().find(is_error) {
                wrong.push(format!("{}: {}", path.display(), problem.message));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_not_yaml_is_explained() {
    let Some(root) = corpus_folder() else { return };
    let mut files = Vec::new();
    yaml_files(&root.join("cases/invalid-yaml"), &mut files);
    files.sort();
    let mut told = String::new();
    for path in files {
        let bytes = std::fs::read(&path).expect("a file of the corpus can be read");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let parsed = parse(&bytes);
        assert!(
            parsed
                .problems
                .iter()
                .any(|problem| problem.severity == Severity::Error),
            "{name} is let pass"
        );
        let _ = writeln!(told, "{name}");
        report::problems(&mut told, &parsed);
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("not-yaml", told);
    });
}
