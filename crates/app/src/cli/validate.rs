//! `airlock config validate` and `airlock config explain-code`: what is wrong with configs, in the form that the reader
//! wants, and the changes that a program may make.

use std::path::PathBuf;
use std::process::ExitCode;

use airlock_domain::limits::CONFIG_BYTES;
use airlock_pipeline_config::{Diagnostic, Source, apply_fixes, compile, pages, render};
use anyhow::Context as _;
use clap::{Args, ValueEnum};

use super::config::{CompileArguments, inputs, read};
use crate::cli::exit;
use crate::{orb_places, terminal};

/// Most times that fixes are made: one may bring up the next, and two that undo each other must come to an end.
const MAX_FIX_ROUNDS: usize = 10;

#[derive(Debug, Args)]
pub(crate) struct ValidateArguments {
    #[command(flatten)]
    compile: CompileArguments,
    /// Further configs.
    #[arg(value_name = "FILE")]
    more: Vec<PathBuf>,
    /// How problems are written.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Make the changes that mend what can be mended without thought, and write the files.
    #[arg(long)]
    fix: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For programs that collect findings: SARIF 2.1.0.
    Sarif,
    /// For forges that read workflow commands.
    Github,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainCodeArguments {
    /// The code, such as `unknown-key`.
    code: String,
}

pub(crate) fn run(arguments: ValidateArguments) -> anyhow::Result<ExitCode> {
    let ValidateArguments {
        mut compile,
        more,
        format,
        fix,
    } = arguments;
    let files: Vec<PathBuf> = std::iter::once(compile.file.clone()).chain(more).collect();
    let mut sources = Vec::new();
    let mut diagnostics = Vec::new();
    let mut failed = false;
    for file in files {
        // One that cannot be read takes nothing away from what is said of the others.
        let mut source = match read(&file) {
            Ok(source) => source,
            Err(error) => {
                terminal::error(&format!("{error:#}"));
                failed = true;
                continue;
            }
        };
        compile.file = file;
        if fix {
            source = mended(source, &compile)?;
        }
        let inputs = inputs(&compile, &source)?;
        let mut found = airlock_pipeline_config::compile(&source, &inputs).1;
        orb_places::advice().add_to(&mut found);
        if format == Format::Text && !found.iter().any(Diagnostic::is_error) {
            terminal::line(&format!("{} is a valid config", source.file));
        }
        diagnostics.extend(found);
        sources.push(source);
        sources.extend(inputs.orbs.sources().cloned());
    }
    match format {
        Format::Text => tell(&diagnostics, &sources),
        Format::Json => terminal::raw(render::json(&diagnostics).as_bytes()),
        Format::Sarif => {
            terminal::raw(render::sarif(&diagnostics, env!("CARGO_PKG_VERSION")).as_bytes());
        }
        Format::Github => terminal::raw(render::github(&diagnostics).as_bytes()),
    }
    failed |= diagnostics.iter().any(Diagnostic::is_error);
    Ok(if failed { exit::FAILED } else { exit::OK })
}

/// Writes diagnostics for people to standard error, with a count and where to read on.
pub(crate) fn tell<'a>(diagnostics: &[Diagnostic], sources: impl IntoIterator<Item = &'a Source>) {
    if diagnostics.is_empty() {
        return;
    }
    let color = if terminal::colour(&std::io::stderr()) {
        render::Color::Always
    } else {
        render::Color::Never
    };
    terminal::note(render::text(diagnostics, sources, color).trim_end());
    terminal::note("");
    terminal::note(&render::summary(diagnostics));
    terminal::note(render::pages(diagnostics).trim_end());
}

/// Makes fixes until none is left, and writes the file when there were any.
fn mended(mut source: Source, arguments: &CompileArguments) -> anyhow::Result<Source> {
    anyhow::ensure!(
        arguments.file.as_os_str() != "-",
        "standard input cannot be mended: --fix writes files"
    );
    // What was not read whole must not be written.
    if source.bytes.len() > CONFIG_BYTES {
        return Ok(source);
    }
    let mut changes = 0;
    for _ in 0..MAX_FIX_ROUNDS {
        let found = compile(&source, &inputs(arguments, &source)?).1;
        let (next, made) = apply_fixes(&source, &found);
        if made == 0 {
            break;
        }
        changes += made;
        source = next;
    }
    if changes > 0 {
        std::fs::write(&arguments.file, &source.bytes).with_context(|| format!("writing {}", source.file))?;
        let plural = if changes == 1 { "" } else { "s" };
        terminal::note(&format!("{}: {changes} change{plural} made", source.file));
    }
    Ok(source)
}

pub(crate) fn explain_code(arguments: &ExplainCodeArguments) -> anyhow::Result<ExitCode> {
    let Some(code) = pages::find(&arguments.code) else {
        let near = pages::nearest(&arguments.code);
        let near = near.map_or(String::new(), |code| {
            format!("; did you mean `{}`?", code.as_str())
        });
        anyhow::bail!("there is no code `{}`{near}", arguments.code);
    };
    terminal::line(pages::text(code).trim_end());
    Ok(exit::OK)
}
