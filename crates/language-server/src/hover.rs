//! What stands at a place, in a few lines of Markdown: names with their definitions, keys and words of the language with
//! what they are for.

use std::fmt::Write as _;

use airlock_pipeline_config::keys::{Family, Key, RESOURCE_CLASSES, Support, ValueType};
use airlock_yaml_tree::Span;

use crate::analysis::Analysis;
use crate::becomes::Becomes;
use crate::index::{Meaning, Role, Symbol};
use crate::names::{Element, Found, Orb, Parameter, shortened};
use crate::place::{ElementKind, inner_scope};

/// Most lines shown of the value that an anchor stands on.
const ANCHOR_LINES: usize = 12;

/// The text for a byte of the document, and the place it is about.
pub(crate) fn at(analysis: &Analysis, offset: usize, becomes: &Becomes) -> Option<(Span, String)> {
    let found = analysis.index().at(offset);
    let span = found.first().map(|occurrence| occurrence.span);
    let mut parts: Vec<String> = Vec::new();
    let mut anchors: Vec<String> = Vec::new();
    for occurrence in &found {
        match &occurrence.symbol {
            Symbol::Entry(workflow, name) if occurrence.role == Role::Definition => {
                parts.extend(becomes.entry(workflow, name));
            }
            Symbol::Anchor(_) => anchors.extend(symbol(analysis, &occurrence.symbol, becomes)),
            other @ (Symbol::Element(..)
            | Symbol::Group(_)
            | Symbol::Orb(..)
            | Symbol::Parameter(..)
            | Symbol::PipelineParameter(_)
            | Symbol::Workflow(_)
            | Symbol::Entry(..)) => parts.extend(symbol(analysis, other, becomes)),
        }
    }
    parts.extend(anchors);
    parts.dedup();
    if let Some(span) = span.filter(|_| !parts.is_empty()) {
        return Some((span, parts.join("\n\n---\n\n")));
    }
    let (span, meaning) = analysis.index().meaning(offset)?;
    Some((span, word(meaning, analysis.tree.slice(span))))
}

fn symbol(analysis: &Analysis, symbol: &Symbol, becomes: &Becomes) -> Option<String> {
    match symbol {
        Symbol::Element(scope, kind, name) => {
            let found = analysis.names.element(scope, *kind, name)?;
            Some(element(name, &found))
        }
        Symbol::Parameter(_, owner, _) => {
            let of = format!("of the {} `{}`", owner.kind.word(), owner.name);
            analysis
                .parameter(symbol)
                .map(|declared| parameter(declared, &of))
        }
        Symbol::PipelineParameter(_) => analysis
            .parameter(symbol)
            .map(|declared| parameter(declared, "of the pipeline")),
        Symbol::Orb(scope, alias) => {
            let here = analysis.names.of(scope)?;
            Some(orb(analysis, scope, alias, here.orbs.get(alias)?))
        }
        Symbol::Group(name) => {
            let group = format!("group {name}");
            let jobs = analysis.names.of("")?.workflow(&group)?;
            let names: Vec<String> = jobs
                .entries
                .iter()
                .map(|entry| format!("`{}`", entry.required_as()))
                .collect();
            Some(format!("**group** `{name}`\n\nJobs: {}", names.join(", ")))
        }
        Symbol::Workflow(name) => {
            let workflow = analysis.names.of("")?.workflow(name)?;
            let names: Vec<String> = workflow
                .entries
                .iter()
                .map(|entry| format!("`{}`", entry.required_as()))
                .collect();
            Some(format!("**workflow** `{name}`\n\nJobs: {}", names.join(", ")))
        }
        Symbol::Entry(workflow, name) => {
            let here = analysis.names.of("")?.workflow(workflow)?;
            let entry = here.entries.iter().find(|entry| entry.required_as() == name)?;
            let becomes = becomes.entry(workflow, name).unwrap_or_default();
            let text = format!(
                "**job** `{name}` of the workflow `{workflow}`: `{}`\n\n{becomes}",
                entry.job
            );
            Some(text.trim_end().to_owned())
        }
        Symbol::Anchor(span) => {
            let node = analysis
                .tree
                .anchors()
                .find(|node| node.anchor_span() == Some(*span))?;
            let source = analysis.tree.slice(node.span());
            let lines: Vec<&str> = source.lines().take(ANCHOR_LINES).collect();
            let more = if source.lines().count() > ANCHOR_LINES {
                "\n…"
            } else {
                ""
            };
            let name = node.anchor().unwrap_or_default();
            Some(format!(
                "**anchor** `&{name}`\n\n```yaml\n{}{more}\n```",
                lines.join("\n")
            ))
        }
    }
}

/// A job, command or executor with what a caller has to know.
pub(crate) fn element(called: &str, found: &Found<'_>) -> String {
    let Element {
        kind,
        description,
        parameters,
        runs_on,
        steps,
        ..
    } = found.element;
    let mut text = format!("**{}** `{called}`", kind.word());
    if let Some(file) = found.file {
        let _ = write!(text, " of `{}`", file.resolved);
    }
    if let Some(description) = description {
        let _ = write!(text, "\n\n{}", shortened(description.trim()));
    }
    if let Some(runs_on) = runs_on {
        let _ = write!(text, "\n\nRuns on {runs_on}");
    }
    if !parameters.is_empty() {
        text.push_str("\n\nParameters:\n");
        for declared in parameters {
            let _ = write!(text, "\n- `{}`: {}", declared.name, signature(declared));
            if let Some(description) = &declared.description {
                let first = description.trim().lines().next().unwrap_or_default();
                let _ = write!(text, ". {first}");
            }
        }
    }
    if !steps.is_empty() && *kind != ElementKind::Executor {
        text.push_str("\n\nSteps:\n");
        for (at, step) in steps.iter().enumerate() {
            let _ = write!(text, "\n{}. {}", at + 1, step);
        }
    }
    text
}

/// A parameter with its type, default and description.
pub(crate) fn parameter(declared: &Parameter, of: &str) -> String {
    let mut text = format!(
        "**parameter** `{}` {of}\n\n{}",
        declared.name,
        signature(declared)
    );
    if let Some(description) = &declared.description {
        let _ = write!(text, "\n\n{}", shortened(description.trim()));
    }
    text
}

/// Type, members and default in one line.
pub(crate) fn signature(declared: &Parameter) -> String {
    let mut text = match declared.kind.as_str() {
        "" => "no type".to_owned(),
        "enum" => {
            let members: Vec<String> = declared
                .members
                .iter()
                .map(|member| format!("`{member}`"))
                .collect();
            format!("enum of {}", members.join(", "))
        }
        kind => kind.to_owned(),
    };
    match &declared.default {
        Some(default) if default.contains('\n') => text.push_str(", has a default"),
        Some(default) => {
            let _ = write!(text, ", default `{default}`");
        }
        None => text.push_str(", required"),
    }
    text
}

fn orb(analysis: &Analysis, scope: &str, alias: &str, orb: &Orb) -> String {
    let inline = inner_scope(scope, alias);
    let (title, description, names) = match (&orb.file, &orb.reference) {
        (Some(file), _) => (
            format!("`{}`", file.resolved),
            file.description.as_deref(),
            file.names.of(""),
        ),
        (None, Some(reference)) => {
            let text =
                format!("**orb** `{alias}`: `{reference}`\n\nIt was not found, so nothing is known of it.");
            return text;
        }
        (None, None) => ("written in place".to_owned(), None, analysis.names.of(&inline)),
    };
    let mut text = format!("**orb** `{alias}`: {title}");
    if let Some(description) = description {
        let _ = write!(text, "\n\n{}", shortened(description));
    }
    for kind in [ElementKind::Job, ElementKind::Command, ElementKind::Executor] {
        let names: Vec<String> = names
            .into_iter()
            .flat_map(|names| names.elements(kind).keys())
            .map(|name| format!("`{name}`"))
            .collect();
        if !names.is_empty() {
            let _ = write!(text, "\n\n{}s: {}", kind.word(), names.join(", "));
        }
    }
    text
}

/// What a word of the language means.
fn word(meaning: Meaning, written: &str) -> String {
    match meaning {
        Meaning::Key(found) => key(found),
        Meaning::Step(step) => format!("**step** `{}`\n\n{}", step.name, step.about),
        Meaning::Word(word) => format!("`{}`\n\n{}", word.name, word.about),
        Meaning::Value(value) => {
            let kind = match value.kind {
                ValueType::Text => "string",
                ValueType::Integer => "integer",
                ValueType::Boolean => "boolean",
            };
            format!("**pipeline value** `{}`: {kind}\n\n{}", value.name, value.about)
        }
        Meaning::ResourceClass => resource_class(written),
    }
}

/// A key with its purpose, values, default and limits.
pub(crate) fn key(key: &Key) -> String {
    let mut text = format!("**`{}`** {}\n\nTakes {}", key.name, key.about, key.shape.words());
    if key.required {
        text.push_str("; must be there");
    }
    if let Some(default) = key.default {
        let _ = write!(text, "; default `{default}`");
    }
    text.push('.');
    if let Some(only) = key.only {
        let _ = write!(text, " Only for {only}.");
    }
    match key.support {
        Support::Yes => {}
        Support::Ignored(reason) => {
            let _ = write!(text, "\n\nIt has no effect: {reason}.");
        }
    }
    text
}

fn resource_class(written: &str) -> String {
    let mut text = format!("**resource class** `{written}`");
    let mut known = false;
    for class in RESOURCE_CLASSES.iter().filter(|class| class.name == written) {
        known = true;
        let family = match class.family {
            Family::Docker => "containers",
            Family::DockerArm => "containers on Arm",
            Family::Machine => "virtual machines",
            Family::MachineArm => "virtual machines on Arm",
            Family::Windows => "Windows",
            Family::Gpu => "virtual machines with a graphics processor",
            Family::Macos => "macOS",
        };
        if class.cpus == 0 {
            let _ = write!(text, "\n\n{family}");
        } else {
            let _ = write!(
                text,
                "\n\n{family}: {} processors, {} MB of memory",
                class.cpus, class.memory_mb
            );
        }
    }
    if !known {
        text.push_str("\n\nNot one of the documented classes; self-hosted ones are named `namespace/name`.");
    }
    text
}
