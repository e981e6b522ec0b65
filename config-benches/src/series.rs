//! The figures of one config: reading it as YAML, compiling it, and what PyYAML needs for the first.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use airlock_pipeline_config::{Inputs, PipelineValues, Source, compile};
use airlock_yaml_tree::parse;
use anyhow::ensure;

use crate::figure::Figure;
use crate::{corpus, peer};

/// A push to `main`.
pub(crate) fn push() -> Inputs {
    Inputs {
        pipeline: PipelineValues {
            trigger_source: "webhook".to_owned(),
            ..PipelineValues::made_up()
        },
        ..Inputs::default()
    }
}

/// Milliseconds that something takes.
pub(crate) fn milliseconds<T>(work: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    black_box(work());
    begun.elapsed().as_secs_f64() * 1000.0
}

/// Measures one config.
pub(crate) fn config(title: &str, bytes: Vec<u8>, target: f64, runs: u32) -> anyhow::Result<Vec<Figure>> {
    let lines = corpus::lines(&bytes);
    let source = Source::new("config.yml", bytes);
    let inputs = push();
    let (plan, diagnostics) = compile(&source, &inputs);
    ensure!(
        plan.is_some() || !diagnostics.is_empty(),
        "{title} gives neither plan nor reason"
    );
    let mut whole = Figure::new(format!("{title}, compiled"), "ms", Some(target));
    let steps = plan.as_ref().map_or(0, |plan| {
        let jobs = plan.workflows.iter().flat_map(|workflow| &workflow.jobs);
        jobs.count()
    });
    whole.note = match plan {
        Some(_) => format!("{lines} lines, {steps} jobs"),
        None => format!("{lines} lines, no plan: {}", diagnostics[0].message),
    };
    let mut yaml = Figure::new(format!("{title}, read as YAML"), "ms", None);
    // A first run fills the caches of the machine.
    for run in 0..=runs {
        let compiled = milliseconds(|| compile(black_box(&source), &inputs));
        let read = milliseconds(|| parse(black_box(&source.bytes)));
        if run > 0 {
            whole.samples.push(compiled);
            yaml.samples.push(read);
        }
    }
    let mut figures = vec![whole];
    if let Some(peer) = peer::pyyaml(&source.bytes, runs)? {
        if let (Some(ours), Some(theirs)) = (yaml.median(), peer.c) {
            yaml.note = format!(
                "libyaml through PyYAML {theirs:.2} ms, {:.1} times as long",
                theirs / ours
            );
        }
        if let (Some(ours), Some(theirs)) = (yaml.median(), peer.python) {
            let _ = write!(
                yaml.note,
                "; PyYAML itself {theirs:.1} ms, {:.0} times",
                theirs / ours
            );
        }
    }
    figures.push(yaml);
    Ok(figures)
}
