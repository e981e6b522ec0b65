//! What the targets share: a trigger, and what must hold of every config whatever it says.

use airlock_pipeline_config::{
    Diagnostic, Inputs, OrbProblem, OrbSource, PipelineValues, Source, apply_fixes, compile, gather, needs,
    process, render,
};

/// Parts a config from the orb that stands for all of its orbs.
const ORB_MARK: &str = "\n%%% orb\n";

/// A push to `main`.
fn push() -> Inputs {
    Inputs {
        pipeline: PipelineValues {
            trigger_source: "webhook".to_owned(),
            ..PipelineValues::made_up()
        },
        ..Inputs::default()
    }
}

/// Compiles a config, and an orb when one stands below it, every way there is; panics when what must hold does not.
///
/// # Panics
///
/// When there is a plan beside an error, or neither, or when a diagnostic cannot be shown.
pub fn check_config(text: &[u8]) {
    let mark = text
        .windows(ORB_MARK.len())
        .position(|window| window == ORB_MARK.as_bytes());
    let (config, orb) = match mark {
        Some(at) => (&text[..at], Some(&text[at + ORB_MARK.len()..])),
        None => (text, None),
    };
    let source = Source::new("config.yml", config);
    let mut inputs = push();
    inputs.orbs = gather(&source, &inputs, &mut |reference| match orb {
        Some(orb) => {
            let name = reference.to_string();
            Ok(OrbSource::new(Source::new(format!("{name}.yml"), orb), name))
        }
        None => Err(OrbProblem::NotFound(airlock_pipeline_config::Catalogue::default())),
    });
    let _ = needs(&source);
    let (plan, diagnostics) = compile(&source, &inputs);
    let errors = diagnostics.iter().any(Diagnostic::is_error);
    assert_eq!(
        plan.is_none(),
        errors,
        "a plan and an error, or neither: {diagnostics:?}"
    );
    let sources: Vec<Source> = std::iter::once(source.clone())
        .chain(inputs.orbs.sources().cloned())
        .collect();
    let _ = render::text(&diagnostics, &sources, render::Color::Never);
    let (processed, told) = process(&source, &inputs);
    assert_eq!(
        processed.is_some(),
        plan.is_some(),
        "processing and planning differ: {told:?}"
    );
    let (mended, _) = apply_fixes(&source, &diagnostics);
    let _ = compile(&mended, &inputs);
}
