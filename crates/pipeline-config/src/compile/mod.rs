//! The compiler proper. This module owns the shared state of one run; each part of the language has a module beside it.

mod arguments;
mod built_in;
mod command;
mod condition;
mod config;
mod definitions;
mod deprecated;
mod docker;
mod environment;
mod executor;
mod filters;
mod graph;
mod group;
mod imports;
mod invocation;
mod job;
mod machine;
mod matrix;
mod name_rules;
mod names;
mod nearly_known;
mod notes;
mod parameters;
mod record;
mod release;
mod run;
mod schedule;
mod steps;
mod unused;
mod variable_text;
mod workflow;
mod yaml_problems;

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use airlock_domain::plan::Plan;
use airlock_yaml_tree::{FileId, Place, Tree, parse_file};

pub(crate) use definitions::{Definitions, Element, Found, Search};
use imports::OrbFiles;
pub(crate) use notes::{Note, Notes};
pub(crate) use parameters::{Declared, Owner, declared};
use record::Recorder;

use crate::budget::Budget;
use crate::diagnostic::Diagnostic;
use crate::inputs::{Inputs, Source};
use crate::needs::orb_references;
use crate::processed::Processed;
use crate::regexes::Regexes;
use crate::scope::Scope;
use crate::sink::Sink;
use crate::value::Value;

/// Compiles a config for one trigger. The plan is there when, and only when, no diagnostic is an error.
pub fn compile(source: &Source, inputs: &Inputs) -> (Option<Plan>, Vec<Diagnostic>) {
    let (plan, _, diagnostics) = run(source, inputs, None, None);
    (plan, diagnostics)
}

/// Compiles a config for one trigger and gives it back in version 2 of the language. It is there when, and only when,
/// no diagnostic is an error.
pub fn process(source: &Source, inputs: &Inputs) -> (Option<Processed>, Vec<Diagnostic>) {
    let (_, processed, diagnostics) = run(source, inputs, Some(Recorder::default()), None);
    (processed, diagnostics)
}

/// Compiles a config for one trigger and notes what decided.
pub(crate) fn compile_with_notes(source: &Source, inputs: &Inputs) -> (Option<Plan>, Notes, Vec<Diagnostic>) {
    let notes = Notes::default();
    let (plan, _, diagnostics) = run(source, inputs, None, Some(&notes));
    (plan, notes, diagnostics)
}

fn run(
    source: &Source,
    inputs: &Inputs,
    recorder: Option<Recorder>,
    notes: Option<&Notes>,
) -> (Option<Plan>, Option<Processed>, Vec<Diagnostic>) {
    let parsed = parse_file(FileId(0), &source.bytes);
    let trees: Vec<Tree> = (1..)
        .zip(inputs.orbs.found())
        .map(|(number, (_, orb))| orb.parsed().tree.in_file(FileId(number)))
        .collect();
    let orbs = || inputs.orbs.found().zip(&trees);
    let files = vec![(source.file.as_str(), &parsed.tree)];
    let orb_files = orbs().map(|((_, orb), tree)| (orb.source().file.as_str(), tree));
    let sink = Sink::with_orbs(files, orb_files.collect());
    let mut compiler = Compiler::new(inputs, sink);
    compiler.recorder = recorder;
    compiler.notes = notes;
    compiler.orbs.files = orbs()
        .map(|((reference, orb), tree)| (reference, (orb, tree)))
        .collect();
    compiler.yaml_problems(&parsed.tree, &parsed.problems);
    // What follows a break in the text is a guess; telling of its consequences would only hide the cause.
    let plan = if compiler.sink.has_errors() {
        None
    } else {
        compiler.config(&parsed.tree)
    };
    let plan = plan.filter(|_| !compiler.sink.has_errors());
    let recorder = compiler.recorder.take().filter(|_| plan.is_some());
    let processed = recorder.map(|recorder| recorder.finish(resolved_orbs(source, inputs)));
    (plan, processed, compiler.sink.finish())
}

/// What each reference to an orb stood for; such lines head the compiled form.
fn resolved_orbs(source: &Source, inputs: &Inputs) -> Vec<String> {
    let mut lines = Vec::new();
    for request in orb_references(source, inputs) {
        let Some(Ok(orb)) = inputs.orbs.get(&request.reference) else {
            continue;
        };
        let line = format!("Orb '{}' resolved to '{}'", request.reference, orb.resolved());
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// The state of one run.
pub(crate) struct Compiler<'s> {
    pub(crate) inputs: &'s Inputs,
    pub(crate) sink: Sink<'s>,
    pub(crate) budget: Budget,
    pub(crate) regexes: Regexes,
    /// Only runs that want the compiled form have one.
    pub(crate) recorder: Option<Recorder>,
    /// The workflow whose jobs are read, and where it stands.
    pub(crate) workflow_being_read: RefCell<Option<(String, Place)>>,
    /// Only runs that explain have some.
    pub(crate) notes: Option<&'s Notes>,
    pub(crate) orbs: OrbFiles<'s>,
    pipeline_parameters: OnceCell<BTreeMap<String, Value<'s>>>,
    no_parameters: BTreeMap<String, Value<'s>>,
    /// Definitions that were called, and steps that were looked at.
    used: RefCell<BTreeSet<Place>>,
    /// The contexts that workflows name.
    contexts: RefCell<BTreeSet<String>>,
}

impl<'s> Compiler<'s> {
    /// A run that has read nothing yet.
    pub(crate) fn new(inputs: &'s Inputs, sink: Sink<'s>) -> Self {
        Self {
            inputs,
            sink,
            budget: Budget::default(),
            regexes: Regexes::default(),
            recorder: None,
            workflow_being_read: RefCell::default(),
            notes: None,
            orbs: OrbFiles::default(),
            pipeline_parameters: OnceCell::new(),
            no_parameters: BTreeMap::new(),
            used: RefCell::default(),
            contexts: RefCell::default(),
        }
    }

    /// `pipeline.parameters.…`; empty until they have been read.
    pub(crate) fn pipeline_parameters(&self) -> &BTreeMap<String, Value<'s>> {
        self.pipeline_parameters.get().unwrap_or(&self.no_parameters)
    }

    /// The scope outside of everything.
    pub(crate) fn outer_scope(definitions: Rc<Definitions<'s>>, templates: bool) -> Rc<Scope<'s>> {
        Rc::new(Scope {
            definitions,
            parameters: None,
            matrix: None,
            templates,
            unknown: false,
            call: None,
        })
    }
}
