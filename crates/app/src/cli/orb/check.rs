//! `airlock orb validate`: an orb's problems before anybody uses it, without an instance.

use std::path::Path;
use std::process::ExitCode;

use airlock_pipeline_config::{Catalogue, Diagnostic, OrbProblem, OrbSource, Source, check_orb, render};
use clap::ValueEnum;

use crate::cli::exit;
use crate::orb_dir::OrbDir;
use crate::terminal;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(crate) fn validate(file: &Path, orb_dir: Option<&Path>, format: Format) -> anyhow::Result<ExitCode> {
    let name = if file.as_os_str() == "-" {
        "<stdin>".to_owned()
    } else {
        file.display().to_string()
    };
    let orb = OrbSource::new(Source::new(name.clone(), super::text_of(file)?), name.clone());
    let others = orb_dir.map(OrbDir::open).transpose()?;
    let mut sources = vec![orb.source().clone()];
    let diagnostics = check_orb(&orb, &mut |reference| {
        let missing = || Err(OrbProblem::NotFound(Catalogue::default()));
        let found = others
            .as_ref()
            .map_or_else(missing, |others| others.find(reference))?;
        sources.push(found.source().clone());
        Ok(found)
    });
    match format {
        Format::Json => terminal::line(&render::json(&diagnostics)),
        Format::Text => {
            if !diagnostics.is_empty() {
                let color = if terminal::colour(&std::io::stderr()) {
                    render::Color::Always
                } else {
                    render::Color::Never
                };
                terminal::note(render::text(&diagnostics, &sources, color).trim_end());
            }
        }
    }
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Ok(exit::FAILED);
    }
    if format == Format::Text {
        terminal::line(&format!("{name} is a valid orb"));
    }
    Ok(exit::OK)
}
