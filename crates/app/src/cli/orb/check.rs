//! `airlock orb validate`: an orb's problems before anybody uses it, without an instance.

use std::path::Path;
use std::process::ExitCode;

use airlock_pipeline_config::{Catalogue, Diagnostic, OrbProblem, OrbSource, Source, check_orb, render};

use crate::cli::config::Form;
use crate::cli::{exit, validate};
use crate::orb_dir::OrbDir;
use crate::terminal;

pub(crate) fn check(file: &Path, orb_dir: Option<&Path>, format: Form) -> anyhow::Result<ExitCode> {
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
        Form::Json => terminal::line(&render::json(&diagnostics)),
        Form::Text => validate::tell(&diagnostics, &sources),
    }
    if diagnostics.iter().any(Diagnostic::is_error) {
        return Ok(exit::FAILED);
    }
    if format == Form::Text {
        terminal::line(&format!("{name} is a valid orb"));
    }
    Ok(exit::OK)
}
