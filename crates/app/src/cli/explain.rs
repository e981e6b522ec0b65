//! `airlock config explain`: which workflows and jobs run for one trigger, and which rule decided.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use airlock_pipeline_config::{explain, render};
use anyhow::Context as _;
use clap::Args;

use super::config::{CompileArguments, inputs, read};
use crate::cli::{exit, validate};
use crate::{orb_places, terminal};

/// Most bytes of a list of changed files: a million paths are no list that a person made.
const MAX_LIST_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    compile: CompileArguments,
    /// The changed files for path filtering, one a line, as `git diff --name-only` prints them; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    changed_files: Option<PathBuf>,
}

pub(crate) fn run(arguments: &ExplainArguments) -> anyhow::Result<ExitCode> {
    let json = arguments
        .compile
        .format
        .is_json("an explanation is no list of problems: use --format text or json")?;
    let source = read(&arguments.compile)?;
    let inputs = inputs(&arguments.compile, &source)?;
    let changed = arguments
        .changed_files
        .as_deref()
        .map(changed_files)
        .transpose()?;
    let (explanation, mut diagnostics) = explain(&source, &inputs, changed.as_deref());
    orb_places::advice().add_to(&mut diagnostics);
    validate::tell(
        &diagnostics,
        std::iter::once(&source).chain(inputs.orbs.sources()),
    );
    let Some(explanation) = explanation else {
        return Ok(exit::FAILED);
    };
    if json {
        let text = serde_json::to_string_pretty(&explanation).context("writing the explanation")?;
        terminal::line(&text);
    } else {
        terminal::raw(render::explanation(&explanation).as_bytes());
    }
    Ok(exit::OK)
}

fn changed_files(file: &Path) -> anyhow::Result<Vec<String>> {
    let name = file.display();
    let reader: Box<dyn std::io::Read> = if file.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(std::fs::File::open(file).with_context(|| format!("reading {name}"))?)
    };
    let mut text = String::new();
    reader
        .take(MAX_LIST_BYTES)
        .read_to_string(&mut text)
        .with_context(|| format!("reading {name}"))?;
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}
