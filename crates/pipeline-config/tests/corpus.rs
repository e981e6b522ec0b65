//! Real configs, read where they lie: none makes the compiler panic, and what YAML takes as a whole is never called broken
//! YAML. Where they lie is in [`crate::corpus_folder`].

use airlock_pipeline_config::{Source, compile, needs, render};

use crate::corpus_folder::{corpus_folder, yaml_files};
use crate::inputs;

#[test]
fn no_config_makes_the_compiler_panic() {
    let Some(root) = corpus_folder() else { return };
    let mut files = Vec::new();
    yaml_files(&root, &mut files);
    files.sort();
    let inputs = inputs::push();
    let mut broken = Vec::new();
    for path in &files {
        let bytes = std::fs::read(path).expect("a file of the corpus can be read");
        let source = Source::new(path.display().to_string(), bytes);
        let _ = needs(&source);
        let (plan, diagnostics) = compile(&source, &inputs);
        assert!(
            plan.is_some() || !diagnostics.is_empty(),
            "{} gives neither plan nor reason",
            path.display()
        );
        let _ = render::text(&diagnostics, &[source], render::Color::Never);
        let is_config = path.starts_with(root.join("configs"));
        if is_config && diagnostics.iter().any(|d| d.code.as_str() == "yaml-syntax") {
            broken.push(path);
        }
    }
    assert!(
        broken.is_empty(),
        "these were on a default branch and must be readable: {broken:#?}"
    );
}
