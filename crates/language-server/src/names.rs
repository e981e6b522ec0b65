//! What a file defines, by name and with its places: jobs, commands, executors, orbs, parameters, workflows and their
//! entries. Read from the tree alone, so that half of a config gives half of its names; nothing is expanded. Orbs' files
//! are read the same way.

use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_yaml_tree::{Entry, Mapping, Node, NodeKind, Span, Style, Tree};

use crate::limits::{MAX_ORB_DEPTH, MAX_SHOWN_CHARS, MAX_SUMMARY_STEPS};
use crate::place::{ElementKind, Scope, inner_scope};
use crate::text::Text;

/// All names of a file, by scope.
#[derive(Debug, Default)]
pub(crate) struct Names {
    scopes: BTreeMap<Scope, ScopeNames>,
}

/// The names of the config, or of an orb written in place.
#[derive(Debug, Default)]
pub(crate) struct ScopeNames {
    pub(crate) jobs: BTreeMap<Rc<str>, Element>,
    pub(crate) commands: BTreeMap<Rc<str>, Element>,
    pub(crate) executors: BTreeMap<Rc<str>, Element>,
    pub(crate) groups: BTreeMap<Rc<str>, Span>,
    pub(crate) orbs: BTreeMap<Rc<str>, Orb>,
    /// The pipeline's parameters.
    pub(crate) parameters: Vec<Parameter>,
    /// Workflows, and groups as `group name`, in the order of the file.
    pub(crate) workflows: Vec<Workflow>,
}

/// A job, a command or an executor.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) kind: ElementKind,
    pub(crate) name: Rc<str>,
    pub(crate) key: Span,
    pub(crate) description: Option<String>,
    pub(crate) parameters: Vec<Parameter>,
    /// What it stands for, when it is another name of an orb's element.
    pub(crate) alias_of: Option<Rc<str>>,
    /// Where it runs, in a few words.
    pub(crate) runs_on: Option<String>,
    /// Its steps, each in a few words.
    pub(crate) steps: Vec<String>,
}

/// A declared parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: Rc<str>,
    pub(crate) key: Span,
    pub(crate) kind: String,
    pub(crate) description: Option<String>,
    /// As it is written.
    pub(crate) default: Option<String>,
    pub(crate) members: Vec<String>,
}

/// One line under `orbs:`.
#[derive(Debug)]
pub(crate) struct Orb {
    /// The reference as written; nothing for an orb written in place.
    pub(crate) reference: Option<String>,
    /// The orb's own file, when it was found.
    pub(crate) file: Option<Rc<OrbFile>>,
}

/// An orb that was found.
#[derive(Debug)]
pub(crate) struct OrbFile {
    /// Where an editor can open it.
    pub(crate) uri: Option<String>,
    /// With its version.
    pub(crate) resolved: String,
    pub(crate) text: Text,
    pub(crate) names: Names,
    pub(crate) description: Option<String>,
}

/// A workflow or a group of jobs.
#[derive(Debug)]
pub(crate) struct Workflow {
    pub(crate) name: Rc<str>,
    pub(crate) entries: Vec<WorkflowEntry>,
}

/// One item of a workflow's jobs.
#[derive(Debug)]
pub(crate) struct WorkflowEntry {
    pub(crate) job: Rc<str>,
    pub(crate) job_span: Span,
    /// Its `name:`, when it has one that is plain text.
    pub(crate) name: Option<(Rc<str>, Span)>,
    /// Its `matrix: alias:`.
    pub(crate) alias: Option<(Rc<str>, Span)>,
    pub(crate) has_matrix: bool,
}

/// An element with where it was found.
pub(crate) struct Found<'n> {
    pub(crate) element: &'n Element,
    /// The orb it is of, when it is in another file.
    pub(crate) file: Option<&'n Rc<OrbFile>>,
}

impl Element {
    pub(crate) fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| &*parameter.name == name)
    }
}

impl WorkflowEntry {
    /// Whether its job's name is one by which others require it: without a name of its own, and as the alias of a matrix.
    pub(crate) fn goes_by_job(&self) -> bool {
        if self.has_matrix {
            self.alias.is_none()
        } else {
            self.name.is_none()
        }
    }

    /// The name by which others require it.
    pub(crate) fn required_as(&self) -> &Rc<str> {
        let named = if self.has_matrix { &self.alias } else { &self.name };
        named.as_ref().map_or(&self.job, |(name, _)| name)
    }
}

impl ScopeNames {
    pub(crate) fn elements(&self, kind: ElementKind) -> &BTreeMap<Rc<str>, Element> {
        match kind {
            ElementKind::Job => &self.jobs,
            ElementKind::Command => &self.commands,
            ElementKind::Executor => &self.executors,
        }
    }

    pub(crate) fn workflow(&self, name: &str) -> Option<&Workflow> {
        self.workflows.iter().find(|workflow| &*workflow.name == name)
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| &*parameter.name == name)
    }
}

impl Names {
    /// Reads a tree. `find` gives the file of an orb by its name in this file and its reference.
    pub(crate) fn collect(tree: &Tree, find: &mut dyn FnMut(&str, &str) -> Option<Rc<OrbFile>>) -> Self {
        let mut names = Self::default();
        if let Some(top) = tree.root().and_then(Node::as_mapping) {
            names.scope(&Rc::from(""), top, find, 0);
        }
        names
    }

    /// The names of a scope.
    pub(crate) fn of(&self, scope: &str) -> Option<&ScopeNames> {
        self.scopes.get(scope)
    }

    /// Looks an element up as a config names it: `build`, or `orb/build`. Names of other names are followed.
    pub(crate) fn element(&self, scope: &str, kind: ElementKind, name: &str) -> Option<Found<'_>> {
        self.look_up(scope, kind, name, 0)
    }

    fn look_up(&self, scope: &str, kind: ElementKind, name: &str, depth: usize) -> Option<Found<'_>> {
        if depth > MAX_ORB_DEPTH {
            return None;
        }
        let here = self.of(scope)?;
        if let Some(element) = here.elements(kind).get(name) {
            if let Some(other) = &element.alias_of
                && let Some(found) = self.look_up(scope, kind, other, depth + 1)
            {
                return Some(found);
            }
            return Some(Found { element, file: None });
        }
        let (alias, rest) = name.split_once('/')?;
        let orb = here.orbs.get(alias)?;
        if let Some(file) = &orb.file {
            let found = file.names.look_up("", kind, rest, depth + 1)?;
            return Some(Found {
                file: found.file.or(Some(file)),
                ..found
            });
        }
        self.look_up(&inner_scope(scope, alias), kind, rest, depth + 1)
    }

    /// All names an element of a kind can be called by in a scope.
    pub(crate) fn callable(&self, scope: &str, kind: ElementKind) -> Vec<String> {
        let Some(here) = self.of(scope) else {
            return Vec::new();
        };
        let own = here.elements(kind).keys().map(ToString::to_string);
        let of_orbs = here.orbs.iter().flat_map(|(alias, orb)| {
            let inside = match &orb.file {
                Some(file) => file.names.of(""),
                None => self.of(&inner_scope(scope, alias)),
            };
            let elements = inside
                .into_iter()
                .flat_map(move |inside| inside.elements(kind).keys());
            elements.map(move |name| format!("{alias}/{name}"))
        });
        own.chain(of_orbs).collect()
    }

    fn scope(
        &mut self,
        scope: &Scope,
        top: Mapping<'_>,
        find: &mut dyn FnMut(&str, &str) -> Option<Rc<OrbFile>>,
        depth: usize,
    ) {
        let map = |name: &str| top.get(name).and_then(|entry| entry.value().as_mapping());
        let mut here = ScopeNames {
            jobs: elements(ElementKind::Job, map("jobs")),
            commands: elements(ElementKind::Command, map("commands")),
            executors: elements(ElementKind::Executor, map("executors")),
            ..ScopeNames::default()
        };
        for entry in map("orbs").into_iter().flat_map(Mapping::iter) {
            let reference = entry
                .value()
                .as_scalar()
                .map(|scalar| scalar.text.trim().to_owned());
            let file = reference
                .as_ref()
                .and_then(|reference| find(entry.name(), reference));
            let inline = entry.value().as_mapping();
            let orb = Orb { reference, file };
            here.orbs.insert(Rc::from(entry.name()), orb);
            if let Some(inside) = inline.filter(|_| depth < MAX_ORB_DEPTH) {
                // An orb's orbs are not named by what the config's are: a name is looked up by its reference alone.
                self.scope(&inner_scope(scope, entry.name()), inside, find, depth + 1);
            }
        }
        if scope.is_empty() {
            here.parameters = parameters(map("parameters"));
            for entry in map("workflows").into_iter().flat_map(Mapping::iter) {
                if entry.name() != "version" {
                    here.workflows.push(workflow(Rc::from(entry.name()), entry));
                }
            }
            for entry in map("job-groups").into_iter().flat_map(Mapping::iter) {
                let name = Rc::from(format!("group {}", entry.name()));
                here.workflows.push(workflow(name, entry));
                here.groups.insert(Rc::from(entry.name()), entry.key().span());
            }
        }
        self.scopes.insert(Rc::clone(scope), here);
    }
}

fn elements(kind: ElementKind, map: Option<Mapping<'_>>) -> BTreeMap<Rc<str>, Element> {
    let entries = map.into_iter().flat_map(Mapping::iter);
    entries
        .map(|entry| {
            let element = element(kind, entry);
            (Rc::clone(&element.name), element)
        })
        .collect()
}

fn element(kind: ElementKind, entry: Entry<'_>) -> Element {
    let value = entry.value();
    let map = value.as_mapping();
    let get = |name: &str| map.and_then(|map| map.get(name)).map(Entry::value);
    let alias_of = value.as_scalar().filter(|scalar| !scalar.is_null());
    let steps = get("steps").and_then(Node::as_sequence);
    Element {
        kind,
        name: Rc::from(entry.name()),
        key: entry.key().span(),
        description: text(get("description")),
        parameters: parameters(get("parameters").and_then(Node::as_mapping)),
        alias_of: alias_of.map(|scalar| Rc::from(scalar.text.trim())),
        runs_on: map.and_then(runs_on),
        steps: steps
            .into_iter()
            .flat_map(airlock_yaml_tree::Sequence::iter)
            .take(MAX_SUMMARY_STEPS)
            .map(step)
            .collect(),
    }
}

fn parameters(map: Option<Mapping<'_>>) -> Vec<Parameter> {
    let entries = map.into_iter().flat_map(Mapping::iter);
    entries
        .map(|entry| {
            let map = entry.value().as_mapping();
            let get = |name: &str| map.and_then(|map| map.get(name)).map(Entry::value);
            let members = get("enum").and_then(Node::as_sequence);
            Parameter {
                name: Rc::from(entry.name()),
                key: entry.key().span(),
                kind: text(get("type")).unwrap_or_default(),
                description: text(get("description")),
                default: get("default").map(written),
                members: members
                    .into_iter()
                    .flat_map(airlock_yaml_tree::Sequence::iter)
                    .filter_map(|member| text(Some(member)))
                    .collect(),
            }
        })
        .collect()
}

fn workflow(name: Rc<str>, entry: Entry<'_>) -> Workflow {
    let map = entry.value().as_mapping();
    let jobs = map.and_then(|map| map.get("jobs"));
    let jobs = jobs.and_then(|jobs| jobs.value().as_sequence());
    Workflow {
        name,
        entries: jobs
            .into_iter()
            .flat_map(airlock_yaml_tree::Sequence::iter)
            .filter_map(workflow_entry)
            .collect(),
    }
}

fn workflow_entry(item: Node<'_>) -> Option<WorkflowEntry> {
    let (job, job_span, settings) = match item.kind() {
        NodeKind::Scalar(scalar) => (scalar.text, item.span(), None),
        NodeKind::Mapping(map) => {
            let entry = map.iter().next()?;
            (entry.name(), entry.key().span(), entry.value().as_mapping())
        }
        NodeKind::Sequence(_) => return None,
    };
    let plain = |node: Node<'_>| {
        let scalar = node.as_scalar()?;
        let named = !scalar.is_null() && !scalar.text.contains("<<");
        named.then(|| (Rc::from(scalar.text), content_span(node)))
    };
    let get = |map: Option<Mapping<'_>>, name: &str| map.and_then(|map| map.get(name)).is_some();
    let name = settings.and_then(|map| map.get("name"));
    let matrix = settings
        .and_then(|map| map.get("matrix"))
        .and_then(|entry| entry.value().as_mapping());
    let alias = matrix.and_then(|map| map.get("alias"));
    let templated = get(settings, "name") && name.is_some_and(|name| plain(name.value()).is_none());
    Some(WorkflowEntry {
        // An entry whose name is made by a template cannot be required by the job's name.
        job: Rc::from(job),
        job_span,
        name: match name {
            Some(entry) if !templated => plain(entry.value()),
            Some(entry) => Some((Rc::from(""), entry.value().span())),
            None => None,
        },
        alias: alias.and_then(|entry| plain(entry.value())),
        has_matrix: matrix.is_some(),
    })
}

/// Where a job or executor runs, as far as that is written down.
fn runs_on(map: Mapping<'_>) -> Option<String> {
    let get = |name: &str| map.get(name).map(Entry::value);
    if let Some(docker) = get("docker").and_then(Node::as_sequence) {
        let images = docker.iter().filter_map(|container| {
            let image = container.as_mapping()?.get("image")?;
            text(Some(image.value()))
        });
        let images: Vec<String> = images.map(|image| format!("`{image}`")).collect();
        return Some(format!("docker {}", images.join(", ")));
    }
    if let Some(executor) = get("executor") {
        let name = executor
            .as_mapping()
            .and_then(|map| map.get("name"))
            .map_or(Some(executor), |entry| Some(entry.value()));
        return text(name).map(|name| format!("executor `{name}`"));
    }
    if let Some(machine) = get("machine") {
        let image = machine.as_mapping().and_then(|map| map.get("image"));
        let image = image.and_then(|entry| text(Some(entry.value())));
        return Some(image.map_or_else(|| "machine".to_owned(), |image| format!("machine `{image}`")));
    }
    let macos = get("macos")?.as_mapping()?;
    let xcode = macos.get("xcode").and_then(|entry| text(Some(entry.value())));
    Some(format!("macos, Xcode {}", xcode.unwrap_or_default()))
}

/// A step in a few words.
fn step(node: Node<'_>) -> String {
    match node.kind() {
        NodeKind::Scalar(scalar) => scalar.text.to_owned(),
        NodeKind::Sequence(_) => "steps".to_owned(),
        NodeKind::Mapping(map) => {
            let Some(entry) = map.iter().next() else {
                return String::new();
            };
            let inner = entry.value().as_mapping();
            let title = inner
                .and_then(|inner| inner.get("name").or_else(|| inner.get("command")))
                .map_or(entry.value(), Entry::value);
            let title = text(Some(title)).unwrap_or_default();
            let first = title.lines().next().unwrap_or_default();
            if entry.name() == "run" && !first.is_empty() {
                format!("run: {}", shortened(first))
            } else {
                entry.name().to_owned()
            }
        }
    }
}

fn text(node: Option<Node<'_>>) -> Option<String> {
    let scalar = node?.as_scalar()?;
    (!scalar.is_null()).then(|| scalar.text.to_owned())
}

/// A value as the file has it.
fn written(node: Node<'_>) -> String {
    let source = node.tree().slice(node.span()).trim();
    shortened(if source.is_empty() { "null" } else { source })
}

/// A text cut to what a popup can hold.
pub(crate) fn shortened(text: &str) -> String {
    let mut cut: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// The bytes of a scalar's text, without its quotes.
pub(crate) fn content_span(node: Node<'_>) -> Span {
    let span = node.span();
    let quoted = node
        .as_scalar()
        .is_some_and(|scalar| matches!(scalar.style, Style::SingleQuoted | Style::DoubleQuoted));
    if quoted && span.end >= span.start + 2 {
        Span {
            start: span.start + 1,
            end: span.end - 1,
        }
    } else {
        span
    }
}
