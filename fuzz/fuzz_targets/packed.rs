//! A folder of files, each below a line `%%% its/path.yml`, packed as an orb and as a config: packing returns, with a text that
//! is YAML or a reason. What was packed of an orb compiles to something or other.
#![no_main]

use std::collections::BTreeMap;

use airlock_pipeline_config::{
    Diagnostic, Included, PackFile, PackKind, Source, included_files, pack, render,
};
use airlock_yaml_tree::{Severity, parse};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut files = Vec::new();
    for file in text.split("%%% ").skip(1) {
        let (path, text) = file.split_once('\n').unwrap_or((file, ""));
        files.push(PackFile {
            path: path.to_owned(),
            source: Source::new(format!("src/{path}"), text.as_bytes()),
        });
    }
    let includes: BTreeMap<String, Included> = included_files(&files)
        .into_iter()
        .map(|name| (name, Ok(text.as_bytes().to_vec())))
        .collect();
    for kind in [PackKind::Orb, PackKind::Config] {
        let (packed, diagnostics) = pack(&files, kind, &includes);
        let errors = diagnostics.iter().any(Diagnostic::is_error);
        assert_eq!(
            packed.is_none(),
            errors,
            "packed and an error, or neither: {diagnostics:?}"
        );
        let sources: Vec<Source> = files.iter().map(|file| file.source.clone()).collect();
        let _ = render::text(&diagnostics, &sources, render::Color::Never);
        let Some(packed) = packed else { continue };
        let again = parse(packed.as_bytes());
        let broken = again
            .problems
            .iter()
            .find(|problem| problem.severity == Severity::Error);
        assert!(broken.is_none(), "{packed}: {broken:?}");
        airlock_fuzz::check_config(packed.as_bytes());
    }
});
