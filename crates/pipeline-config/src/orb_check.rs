//! Whether an orb can be used: every command, job and executor of it is called once, by a config made for that purpose,
//! and its examples are compiled. So an orb is held to exactly the rules that its users' configs meet.
//!
//! Parameters without a default get a stand-in of their type. A stand-in is not what an author would give, so a value
//! that is refused where stand-ins were given is a warning only; so is an orb that is not at hand, since the rest of the
//! orb is of use without it, and whatever is wrong with an example.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::compile::compile;
use crate::diagnostic::{Code, Diagnostic, Position, Severity};
use crate::inputs::{Inputs, Source};
use crate::needs::{OrbNeed, needs, orb_references};
use crate::orb_summary::{OrbElement, OrbParameter, OrbSummary, example_spans, summarise_orb};
use crate::orbs::{Gathering, OrbProblem, OrbReference, OrbSource, Orbs};

/// The file name of the made config; never shown.
const CALLER: &str = "<caller>";
/// Under which name the made config knows the orb.
const ALIAS: &str = "it";
/// What the orb is fetched as when nobody said its name.
const NAMELESS: &str = "checked/orb@0.0.0";
/// The executor that stands in where one must be given.
const EXECUTOR: &str = "stand-in";

/// The check of one orb.
#[derive(Debug)]
pub struct OrbCheck {
    orb: OrbSource,
    reference: Option<OrbReference>,
    config: Source,
    /// Lines of the made config on which a stand-in is given.
    stand_ins: BTreeSet<u32>,
}

/// Checks an orb with a function that finds the orbs it uses.
pub fn check_orb(
    orb: &OrbSource,
    find: &mut dyn FnMut(&OrbReference) -> Result<OrbSource, OrbProblem>,
) -> Vec<Diagnostic> {
    let check = OrbCheck::new(orb);
    let mut gathering = check.gathering();
    while let Some(reference) = gathering.wanted() {
        let found = find(reference);
        gathering.answer(found);
    }
    check.run(&gathering.finish())
}

impl OrbCheck {
    /// Prepares the check. The orb's name, for its examples, is taken from [`OrbSource::resolved`] where that is a
    /// reference.
    pub fn new(orb: &OrbSource) -> Self {
        let summary = summarise_orb(orb.source());
        let reference = OrbReference::parse(orb.resolved()).ok();
        let own = reference
            .as_ref()
            .map_or_else(|| NAMELESS.to_owned(), ToString::to_string);
        let mut caller = Caller::default();
        caller.call_all(&own, &summary);
        Self {
            orb: orb.clone(),
            reference,
            config: Source::new(CALLER, caller.lines.join("\n")),
            stand_ins: caller.stand_ins,
        }
    }

    /// What the orb itself needs, to be answered step by step.
    pub fn gathering(&self) -> Gathering {
        Gathering::begin(&self.config, &self.inputs(&Orbs::default()))
    }

    /// Checks, given what was gathered. Errors first, then warnings, each in the order of the file.
    pub fn run(&self, gathered: &Orbs) -> Vec<Diagnostic> {
        let (_, told) = compile(&self.config, &self.inputs(gathered));
        let mut diagnostics: Vec<Diagnostic> = Vec::new();
        for diagnostic in told.into_iter().filter_map(|diagnostic| self.judged(diagnostic)) {
            add(&mut diagnostics, diagnostic);
        }
        for diagnostic in self.missing(gathered) {
            add(&mut diagnostics, diagnostic);
        }
        for diagnostic in self.examples(gathered) {
            add(&mut diagnostics, diagnostic);
        }
        diagnostics.sort_by(|a, b| {
            (a.severity, &a.position.file, a.position.start).cmp(&(
                b.severity,
                &b.position.file,
                b.position.start,
            ))
        });
        diagnostics
    }

    fn inputs(&self, gathered: &Orbs) -> Inputs {
        let mut orbs = gathered.clone();
        let own = self
            .reference
            .clone()
            .or_else(|| OrbReference::parse(NAMELESS).ok());
        if let Some(own) = own {
            orbs.insert(own, Ok(self.orb.clone()));
        }
        Inputs {
            orbs,
            ..Inputs::default()
        }
    }

    /// A diagnostic as the orb's author should read it; nothing when it is of the made config alone.
    fn judged(&self, mut diagnostic: Diagnostic) -> Option<Diagnostic> {
        // Missing orbs are told by this check itself, whether or not anything needs them.
        if diagnostic.position.file == CALLER || diagnostic.code == Code::UNKNOWN_ORB {
            return None;
        }
        let stood_in = diagnostic.related.iter().any(|related| {
            related.position.file == CALLER && self.stand_ins.contains(&related.position.line)
        });
        diagnostic
            .related
            .retain(|related| related.position.file != CALLER);
        let of_a_value = [
            Code::BAD_VALUE,
            Code::BAD_NAME,
            Code::BAD_EXPRESSION,
            Code::BAD_REGEX,
            Code::WRONG_TYPE,
        ];
        if stood_in && of_a_value.contains(&diagnostic.code) {
            diagnostic.severity = Severity::Warning;
        }
        Some(diagnostic)
    }

    /// The orbs that this one uses and that were not found, or that it may not use.
    fn missing(&self, gathered: &Orbs) -> Vec<Diagnostic> {
        let source = self.orb.source();
        let missing = needs(source).orbs.into_iter().filter_map(|need| {
            let reference = match self.orb.pinned(&need.reference) {
                Some(reference) => reference.clone(),
                None => OrbReference::parse(&need.reference).ok()?,
            };
            if matches!(reference, OrbReference::Url(_)) {
                let problem = OrbProblem::address_in_registry();
                return Some(Diagnostic {
                    code: Code::ORB_REFUSED,
                    severity: Severity::Error,
                    message: format!("the orb {reference} may not be used: {problem}"),
                    position: position(source, &need),
                    related: Vec::new(),
                    hint: None,
                    fixes: Vec::new(),
                });
            }
            let Some(Err(problem)) = gathered.get(&reference) else {
                return None;
            };
            let message = match problem {
                OrbProblem::NotFound(_) => format!("{} is not at hand", need.reference),
                OrbProblem::Refused(_) | OrbProblem::Unavailable(_) | OrbProblem::Limit(_) => {
                    format!("{} is not at hand: {problem}", need.reference)
                }
            };
            Some(Diagnostic {
                code: Code::UNKNOWN_ORB,
                severity: Severity::Warning,
                message,
                position: position(source, &need),
                related: Vec::new(),
                hint: Some("what uses it was not checked, and cannot be used until it is there".to_owned()),
                fixes: Vec::new(),
            })
        });
        missing.collect()
    }

    /// What is wrong with examples, as warnings. One that uses further orbs is left alone: nobody fetched them.
    fn examples(&self, gathered: &Orbs) -> Vec<Diagnostic> {
        let source = self.orb.source();
        let mut found = Vec::new();
        for span in example_spans(source) {
            let example = Source::new(source.file.clone(), blanked(&source.bytes, &span));
            let mut inputs = self.inputs(gathered);
            let requests = orb_references(&example, &inputs);
            let [request] = requests.as_slice() else { continue };
            let own = match (&self.reference, request.reference.name()) {
                (Some(own), Some(name)) => own.name() == Some(name),
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if !own {
                continue;
            }
            inputs
                .orbs
                .insert(request.reference.clone(), Ok(self.orb.clone()));
            let (_, told) = compile(&example, &inputs);
            // What is wrong with the orb itself has been said, with the orb's own words around it.
            let here = told
                .into_iter()
                .filter(Diagnostic::is_error)
                .filter(|diagnostic| span.contains(&(diagnostic.position.start as usize)));
            found.extend(here.map(|diagnostic| Diagnostic {
                severity: Severity::Warning,
                message: format!("in this example: {}", diagnostic.message),
                ..diagnostic
            }));
        }
        found
    }
}

/// The same problem is met again by everything that calls its place; once is enough.
fn add(diagnostics: &mut Vec<Diagnostic>, diagnostic: Diagnostic) {
    let same =
        |other: &&mut Diagnostic| other.code == diagnostic.code && other.position == diagnostic.position;
    match diagnostics.iter_mut().find(same) {
        None => diagnostics.push(diagnostic),
        Some(known) if diagnostic.severity < known.severity => *known = diagnostic,
        Some(_) => {}
    }
}

/// Where a reference stands.
fn position(source: &Source, need: &OrbNeed) -> Position {
    let text = String::from_utf8_lossy(&source.bytes);
    let before: usize = text
        .split_inclusive('\n')
        .take(need.line.saturating_sub(1) as usize)
        .map(str::len)
        .sum();
    let line = text
        .get(before..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    let inside: usize = line
        .chars()
        .take(need.column.saturating_sub(1) as usize)
        .map(char::len_utf8)
        .sum();
    let start = u32::try_from(before + inside).unwrap_or(u32::MAX);
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    Position {
        file: source.file.clone(),
        line: need.line,
        column: need.column,
        end_line: need.line,
        end_column: need.column.saturating_add(count(need.reference.chars().count())),
        start,
        end: start.saturating_add(count(need.reference.len())),
    }
}

/// The same text with blanks in place of everything outside a part, so that places stay where they are.
fn blanked(bytes: &[u8], part: &Range<usize>) -> Vec<u8> {
    bytes
        .iter()
        .enumerate()
        .map(|(place, byte)| {
            if part.contains(&place) || *byte == b'\n' {
                *byte
            } else {
                b' '
            }
        })
        .collect()
}

/// The made config, one call a line.
#[derive(Default)]
struct Caller {
    lines: Vec<String>,
    stand_ins: BTreeSet<u32>,
}

impl Caller {
    fn call_all(&mut self, reference: &str, summary: &OrbSummary) {
        let docker = json!([{ "image": "cimg/base:current" }]);
        let text = |value: Value| value.to_string();
        self.line(format!(
            "{{\"version\": 2.1, \"orbs\": {},",
            text(json!({ ALIAS: reference }))
        ));
        self.line(format!(
            "\"executors\": {},",
            text(json!({ EXECUTOR: { "docker": docker } }))
        ));
        self.line("\"jobs\": {".to_owned());
        let mut entries = Vec::new();
        for (number, command) in summary.commands.iter().enumerate() {
            let (arguments, stands_in) = arguments(command);
            let step = json!({ element(command): arguments });
            let job = json!({ "docker": docker, "steps": [step] });
            let name = format!("command-{number}");
            self.call(stands_in, &format!("{}: {job},", json!(name)));
            entries.push((false, json!(name)));
        }
        for (number, executor) in summary.executors.iter().enumerate() {
            let (mut arguments, stands_in) = arguments(executor);
            arguments.insert("name".to_owned(), json!(element(executor)));
            let job = json!({ "executor": arguments, "steps": [{ "run": "true" }] });
            let name = format!("executor-{number}");
            self.call(stands_in, &format!("{}: {job},", json!(name)));
            entries.push((false, json!(name)));
        }
        let idle = json!({ "docker": docker, "steps": [{ "run": "true" }] });
        self.line(format!("\"idle\": {idle} }},"));
        entries.push((false, json!("idle")));
        for (number, job) in summary.jobs.iter().enumerate() {
            let (mut arguments, stands_in) = arguments(job);
            arguments
                .entry("name")
                .or_insert_with(|| json!(format!("job-{number}")));
            entries.push((stands_in, json!({ element(job): arguments })));
        }
        self.line("\"workflows\": { \"all\": { \"jobs\": [".to_owned());
        let last = entries.len().saturating_sub(1);
        for (number, (stands_in, entry)) in entries.into_iter().enumerate() {
            let comma = if number == last { "" } else { "," };
            self.call(stands_in, &format!("{entry}{comma}"));
        }
        self.line("] } } }".to_owned());
    }

    fn line(&mut self, line: String) {
        self.lines.push(line);
    }

    fn call(&mut self, stands_in: bool, line: &str) {
        self.line(line.to_owned());
        if stands_in {
            self.stand_ins
                .insert(u32::try_from(self.lines.len()).unwrap_or(u32::MAX));
        }
    }
}

fn element(element: &OrbElement) -> String {
    format!("{ALIAS}/{}", element.name)
}

/// A stand-in for each parameter that must be given, and whether there is one.
fn arguments(element: &OrbElement) -> (Map<String, Value>, bool) {
    let missing = element
        .parameters
        .iter()
        .filter(|parameter| parameter.default.is_none());
    let arguments: Map<String, Value> = missing
        .map(|parameter| (parameter.name.clone(), stand_in(parameter)))
        .collect();
    let stands_in = !arguments.is_empty();
    (arguments, stands_in)
}

fn stand_in(parameter: &OrbParameter) -> Value {
    match parameter.kind.as_str() {
        "boolean" => json!(false),
        "integer" => json!(1),
        "enum" => json!(parameter.members.first()),
        "steps" => json!([]),
        "executor" => json!(EXECUTOR),
        "env_var_name" => json!("STAND_IN"),
        _ => json!("stand-in"),
    }
}
