//! Renaming: everything that says a name says the new one. Refuses names that the language does not allow, names that are
//! taken, and what is not defined in this document.

use airlock_pipeline_config::keys::BUILT_IN_STEPS;
use airlock_yaml_tree::Span;

use crate::analysis::{Analysis, Target};
use crate::index::{Meaning, Symbol};
use crate::place::{ElementKind, Owner};

/// Keys of a workflow's entry, which a job's parameters may not be called.
const RESERVED: &[&str] = &[
    "name",
    "requires",
    "context",
    "type",
    "filters",
    "matrix",
    "pre-steps",
    "post-steps",
    "serial-group",
    "override-with",
];

/// The place and the text that would be renamed, or why they cannot be.
pub(crate) fn prepare(analysis: &Analysis, offset: usize) -> Result<(Span, String), String> {
    let Some((span, symbol)) = analysis.subject(offset) else {
        return Err(match analysis.index().meaning(offset) {
            Some((_, Meaning::Step(step))) => {
                format!("`{}` is a built-in step and cannot be renamed", step.name)
            }
            Some((_, Meaning::Key(key))) => {
                format!("`{}` is a word of the language and cannot be renamed", key.name)
            }
            Some((_, Meaning::Value(value))) => format!(
                "`{}` is a value of the pipeline and cannot be renamed",
                value.name
            ),
            Some((_, Meaning::Word(_) | Meaning::ResourceClass)) => {
                "this is a word of the language and cannot be renamed".to_owned()
            }
            None => "there is no name here that could be renamed".to_owned(),
        });
    };
    match analysis.definition(&symbol) {
        Some(Target::Here(_)) => Ok((span, analysis.tree.slice(span).to_owned())),
        Some(Target::There(file, _)) => Err(format!(
            "this is defined in the orb `{}` and cannot be renamed from here",
            file.resolved
        )),
        None => Err("this name is defined nowhere, so nothing says what to rename with it".to_owned()),
    }
}

/// The places that say the new name, or why it cannot be.
pub(crate) fn rename(analysis: &Analysis, offset: usize, new: &str) -> Result<Vec<Span>, String> {
    prepare(analysis, offset)?;
    let Some((_, symbol)) = analysis.subject(offset) else {
        return Ok(Vec::new());
    };
    check(analysis, &symbol, new)?;
    let mut spans: Vec<Span> = analysis.index().all(&symbol).map(|found| found.span).collect();
    spans.sort();
    spans.dedup();
    Ok(spans)
}

fn check(analysis: &Analysis, symbol: &Symbol, new: &str) -> Result<(), String> {
    let top = analysis.names.of("");
    let taken = |taken: bool| {
        if taken {
            Err(format!("`{new}` is taken already"))
        } else {
            Ok(())
        }
    };
    match symbol {
        Symbol::Element(scope, kind, old) => {
            let names = analysis.names.of(scope).map(|names| names.elements(*kind));
            match kind {
                ElementKind::Job => job_name(new)?,
                ElementKind::Command | ElementKind::Executor => element_name(kind.word(), new)?,
            }
            if *kind == ElementKind::Command && BUILT_IN_STEPS.iter().any(|step| step.name == new) {
                return Err(format!("`{new}` is a built-in step"));
            }
            let same = |name: &str| name.eq_ignore_ascii_case(new) && name != &**old;
            taken(names.is_some_and(|names| names.keys().any(|name| same(name))))
        }
        Symbol::Group(_) => {
            job_name(new)?;
            taken(top.is_some_and(|top| top.groups.contains_key(new) || top.jobs.contains_key(new)))
        }
        Symbol::Orb(scope, _) => {
            element_name("orb", new)?;
            let names = analysis.names.of(scope);
            taken(names.is_some_and(|names| names.orbs.contains_key(new)))
        }
        Symbol::Parameter(scope, owner, _) => parameter_name(analysis, scope, owner, new),
        Symbol::PipelineParameter(_) => {
            let dotted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            let good = new.starts_with(|c: char| c.is_ascii_alphabetic())
                && new.chars().all(dotted)
                && !new.contains("..");
            if !good {
                return Err(format!(
                    "`{new}` cannot be a pipeline parameter: a letter first, then letters, digits, `-`, `_` and `.`"
                ));
            }
            taken(top.is_some_and(|top| top.parameter(new).is_some()))
        }
        Symbol::Workflow(_) => {
            plain_text("workflow", new)?;
            taken(top.is_some_and(|top| top.workflow(new).is_some()))
        }
        Symbol::Entry(workflow, _) => {
            plain_text("job in a workflow", new)?;
            let workflow = top.and_then(|top| top.workflow(workflow));
            let entries = workflow.into_iter().flat_map(|workflow| &workflow.entries);
            taken(entries.into_iter().any(|entry| &**entry.required_as() == new))
        }
        Symbol::Anchor(_) => {
            let good = !new.is_empty()
                && new
                    .chars()
                    .all(|c| !c.is_whitespace() && !c.is_control() && !",[]{}&*".contains(c));
            if !good {
                return Err(format!(
                    "`{new}` cannot be the name of an anchor: it may hold no blanks and none of `,[]{{}}&*`"
                ));
            }
            let mut anchors = analysis.tree.anchors();
            taken(anchors.any(|node| node.anchor() == Some(new)))
        }
    }
}

fn parameter_name(analysis: &Analysis, scope: &str, owner: &Owner, new: &str) -> Result<(), String> {
    element_name("parameter", new)?;
    if owner.kind == ElementKind::Job && RESERVED.contains(&new) {
        return Err(format!(
            "`{new}` is a key of a workflow's jobs, so no parameter of a job can be called that"
        ));
    }
    let found = analysis.names.element(scope, owner.kind, &owner.name);
    if found.is_some_and(|found| found.element.parameter(new).is_some()) {
        return Err(format!("`{new}` is taken already"));
    }
    Ok(())
}

fn element_name(what: &str, new: &str) -> Result<(), String> {
    let good = new.starts_with(|c: char| c.is_ascii_lowercase())
        && new
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'));
    if good {
        Ok(())
    } else {
        Err(format!(
            "`{new}` cannot be the name of a {what}: a small letter first, then small letters, digits, `_` and `-`"
        ))
    }
}

fn job_name(new: &str) -> Result<(), String> {
    let good = new.starts_with(|c: char| c.is_ascii_alphabetic())
        && !new.ends_with(' ')
        && new
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' '));
    if good {
        Ok(())
    } else {
        Err(format!(
            "`{new}` cannot be the name of a job: a letter first, then letters, digits, blanks, `_`, `-` and `.`"
        ))
    }
}

/// Text that needs no quotes wherever it is put.
fn plain_text(what: &str, new: &str) -> Result<(), String> {
    let good = new.starts_with(|c: char| c.is_ascii_alphanumeric())
        && new.trim_end() == new
        && !new.chars().any(|c| c.is_control() || ":#,[]{}\"'".contains(c));
    if good {
        Ok(())
    } else {
        Err(format!(
            "`{new}` cannot be the name of a {what} without quotes: a letter or digit first, and none of `:#,[]{{}}`"
        ))
    }
}
