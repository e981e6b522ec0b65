//! Every folder of `cases/`: the plan and the diagnostics against the snapshot in the folder.

use std::path::{Path, PathBuf};

use airlock_pipeline_config::{Source, compile, render};

use crate::{inputs, report};

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = std::fs::read_dir(root).expect("the folder of cases is there");
    let mut folders: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a folder can be listed").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn source(folder: &Path) -> Source {
    let bytes = std::fs::read(folder.join("config.yml")).expect("a case has a config.yml");
    Source::new("config.yml", bytes)
}

fn compiled(folder: &Path) -> String {
    let source = source(folder);
    let inputs = inputs::of_case(folder);
    let (plan, diagnostics) = compile(&source, &inputs);
    let errors = diagnostics
        .iter()
        .any(airlock_pipeline_config::Diagnostic::is_error);
    assert_eq!(
        plan.is_none(),
        errors,
        "a plan comes exactly when there is no error: {}",
        folder.display()
    );
    let mut out = plan.map_or("no plan\n".to_owned(), |plan| report::plan(&plan));
    if !diagnostics.is_empty() {
        out.push('\n');
        out.push_str(&render::text(
            &diagnostics,
            [&source].into_iter().chain(inputs.orbs.sources()),
            render::Color::Never,
        ));
        out.push_str(&render::summary(&diagnostics));
        out.push('\n');
    }
    out
}

#[test]
fn cases() {
    let mut failed = Vec::new();
    for folder in folders() {
        let text = compiled(&folder);
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(&folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let result = settings.bind(|| std::panic::catch_unwind(|| insta::assert_snapshot!("expected", text)));
        if result.is_err() {
            failed.push(folder);
        }
    }
    assert!(
        failed.is_empty(),
        "these cases differ from their snapshots: {failed:#?}"
    );
}

#[test]
fn compiling_twice_gives_the_same() {
    for folder in folders() {
        let (source, inputs) = (source(&folder), inputs::of_case(&folder));
        let (first, second) = (compile(&source, &inputs), compile(&source, &inputs));
        assert_eq!(first, second, "{}", folder.display());
        assert_eq!(render::json(&first.1), render::json(&second.1));
    }
}

#[test]
fn diagnostics_as_json_can_be_read_back() {
    for folder in folders() {
        let (_, diagnostics) = compile(&source(&folder), &inputs::of_case(&folder));
        let text = render::json(&diagnostics);
        let value: serde_json::Value = serde_json::from_str(&text).expect("the output is JSON");
        let list = value.as_array().expect("the output is a list");
        assert_eq!(list.len(), diagnostics.len());
        for (item, diagnostic) in list.iter().zip(&diagnostics) {
            assert_eq!(item["code"], diagnostic.code.as_str());
            assert_eq!(item["position"]["line"], diagnostic.position.line);
        }
    }
}

#[test]
fn every_error_has_its_place() {
    for folder in folders() {
        let (_, diagnostics) = compile(&source(&folder), &inputs::of_case(&folder));
        for diagnostic in diagnostics {
            assert!(
                diagnostic.position.line >= 1 && diagnostic.position.column >= 1,
                "{diagnostic:?}"
            );
            assert!(
                !diagnostic.message.is_empty() && !diagnostic.message.contains('\n'),
                "{diagnostic:?}"
            );
            let mut places = diagnostic.related.iter().map(|related| &related.position);
            assert!(
                diagnostic.position.file == "config.yml" || places.any(|place| place.file == "config.yml"),
                "what is wrong in an orb names the config too: {diagnostic:?}"
            );
        }
    }
}
