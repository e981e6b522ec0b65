//! `airlock config explain`: which workflows and jobs run for one trigger, and which rule decided.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use airlock_pipeline_config::{explain, render};
use anyhow::Context as _;
use clap::Args;

use super::config::{CompileArguments, Form, inputs, read};
use crate::cli::{exit, files, validate};
use crate::{orb_places, terminal};

/// Most bytes of a list of changed files: a million paths are no list that a person made.
const MAX_LIST_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    #[command(flatten)]
    compile: CompileArguments,
    /// How the explanation is written.
    #[arg(long, value_enum, default_value = "text")]
    format: Form,
    /// The changed files for path filtering, one a line, as `git diff --name-only` prints them; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    changed_files: Option<PathBuf>,
}

pub(crate) fn run(arguments: &ExplainArguments) -> anyhow::Result<ExitCode> {
    let source = read(&arguments.compile.file)?;
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
    match arguments.format {
        Form::Text => terminal::raw(render::explanation(&explanation).as_bytes()),
        Form::Json => {
            let text = serde_json::to_string_pretty(&explanation).context("writing the explanation")?;
            terminal::line(&text);
        }
    }
    Ok(exit::OK)
}

fn changed_files(file: &Path) -> anyhow::Result<Vec<String>> {
    let name = file.display();
    let bytes = files::read(file, MAX_LIST_BYTES)?;
    anyhow::ensure!(
        bytes.len() <= MAX_LIST_BYTES,
        "{name} has more than {MAX_LIST_BYTES} bytes: a list of changed files has a path a line"
    );
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is no list of paths, one a line"))?;
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}
