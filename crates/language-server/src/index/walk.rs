//! The walk through the tree that fills the index.

use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_pipeline_config::keys::{
    BUILT_IN_STEPS, Kind, PARAMETER_TYPES, PIPELINE_VALUES, REQUIRED_STATUSES, STATEMENTS, Shape, Word,
};
use airlock_yaml_tree::{Entry, Mapping, Node, NodeKind, Span, Tree};

use super::{Index, Meaning, Occurrence, Role, Symbol};
use crate::expressions;
use crate::limits::{MAX_DEPTH, MAX_VISITS};
use crate::names::{Names, content_span};
use crate::place::{ElementKind, Owner, Place, Scope, What, inner_scope};

/// Finds everything, in no order.
pub(super) fn walk(tree: &Tree, names: &Names) -> Index {
    let mut walk = Walk {
        tree,
        names,
        index: Index::default(),
        seen: BTreeMap::new(),
        visits: 0,
    };
    walk.anchors();
    if let Some(root) = tree.root() {
        walk.node(root, &Place::top(), 0, false);
    }
    walk.index
}

struct Walk<'t> {
    tree: &'t Tree,
    names: &'t Names,
    index: Index,
    /// What was read through aliases and merge keys, so that it is read once for each meaning.
    seen: BTreeMap<Span, Vec<Place>>,
    visits: usize,
}

impl Walk<'_> {
    fn add(&mut self, span: Span, role: Role, symbol: Symbol) {
        if !span.is_empty() {
            self.index.occurrences.push(Occurrence { span, role, symbol });
        }
    }

    fn mean(&mut self, span: Span, meaning: Meaning) {
        self.index.meanings.push((span, meaning));
    }

    fn anchors(&mut self) {
        for node in self.tree.anchors() {
            if let Some(span) = node.anchor_span() {
                self.add(without_sigil(span), Role::Definition, Symbol::Anchor(span));
            }
        }
        for node in self.tree.aliases() {
            if let (Some(span), Some(alias)) = (node.anchor_span(), node.alias()) {
                self.add(without_sigil(alias), Role::Use, Symbol::Anchor(span));
            }
        }
    }

    fn node(&mut self, node: Node<'_>, place: &Place, depth: usize, borrowed: bool) {
        self.visits += 1;
        if depth > MAX_DEPTH || self.visits > MAX_VISITS {
            return;
        }
        let borrowed = borrowed || node.alias().is_some();
        if borrowed {
            if place.what == What::Unknown {
                return;
            }
            let places = self.seen.entry(node.span()).or_default();
            if places.contains(place) {
                return;
            }
            places.push(place.clone());
        }
        match node.kind() {
            NodeKind::Scalar(scalar) => self.scalar(node, scalar.text, place),
            NodeKind::Sequence(sequence) => {
                let item = place.item(self.names);
                for node in sequence.iter() {
                    self.node(node, &item, depth + 1, borrowed);
                }
            }
            NodeKind::Mapping(mapping) => {
                let call = called_executor(mapping, place);
                for entry in mapping.iter() {
                    // Beside the executor's `name` stand its parameters.
                    let place = call.as_ref().filter(|_| entry.name() != "name").unwrap_or(place);
                    let child = place.child(entry.name(), self.names);
                    self.key(entry, place, &child);
                    let borrowed = borrowed || entry.merged().is_some();
                    self.node(entry.value(), &child, depth + 1, borrowed);
                }
            }
        }
    }

    fn key(&mut self, entry: Entry<'_>, place: &Place, child: &Place) {
        let span = content_span(entry.key());
        let name: Rc<str> = Rc::from(entry.name());
        if let Some(key) = place.described(entry.name()) {
            self.mean(span, Meaning::Key(key));
            return;
        }
        match &place.what {
            What::Definitions(kind) => {
                let symbol = Symbol::Element(Rc::clone(&place.scope), *kind, name);
                self.add(span, Role::Definition, symbol);
            }
            What::Groups => self.add(span, Role::Definition, Symbol::Group(name)),
            What::Workflows if child.workflow.is_some() => {
                self.add(span, Role::Definition, Symbol::Workflow(name));
            }
            What::Orbs => {
                let symbol = Symbol::Orb(Rc::clone(&place.scope), name);
                self.add(span, Role::Definition, symbol);
            }
            What::Parameters => self.parameter_definition(span, name, place),
            What::Step | What::Steps => self.step(span, &name, place),
            What::Entry => self.entry(span, &name, place),
            What::Requirement => self.requirement(span, &name, place),
            What::Map(Kind::Invocation) | What::Arguments(_) | What::Axes | What::Exclude => {
                self.argument(span, &name, place, child);
            }
            What::Logic => {
                if let Some(word) = STATEMENTS.iter().find(|word| word.name == entry.name()) {
                    self.mean(span, Meaning::Word(word));
                }
            }
            What::Unknown
            | What::Executor
            | What::Map(_)
            | What::Maps(_)
            | What::Workflows
            | What::Orb(_)
            | What::Argument(..)
            | What::Entries
            | What::Requires
            | What::Statuses
            | What::Axis(_)
            | What::Excludes
            | What::Contexts
            | What::Statements
            | What::Environment
            | What::ResourceClass
            | What::ParameterType
            | What::Value(_) => {}
        }
    }

    fn parameter_definition(&mut self, span: Span, name: Rc<str>, place: &Place) {
        let symbol = match &place.owner {
            Some(owner) => Symbol::Parameter(Rc::clone(&place.scope), owner.clone(), name),
            None => Symbol::PipelineParameter(name),
        };
        self.add(span, Role::Definition, symbol);
    }

    /// A parameter named where a value is passed to it.
    fn argument(&mut self, span: Span, name: &Rc<str>, place: &Place, child: &Place) {
        let target = match (&child.what, &place.what) {
            (What::Argument(target, _), _) => target.clone(),
            (What::Axis(_), _) => match &place.job {
                Some(job) => Owner {
                    kind: ElementKind::Job,
                    name: Rc::clone(job),
                },
                None => return,
            },
            _ => return,
        };
        self.parameter_use(span, name, &place.scope, &target);
    }

    fn parameter_use(&mut self, span: Span, name: &Rc<str>, scope: &Scope, target: &Owner) {
        let (scope, name_of_element) = self.home(scope, target.kind, &target.name);
        let owner = Owner {
            kind: target.kind,
            name: name_of_element,
        };
        self.add(span, Role::Use, Symbol::Parameter(scope, owner, Rc::clone(name)));
    }

    /// The scope and name under which an element is defined: that of an orb written in place lies in the orb.
    fn home(&self, scope: &Scope, kind: ElementKind, name: &Rc<str>) -> (Scope, Rc<str>) {
        let mut scope = Rc::clone(scope);
        let mut name = Rc::clone(name);
        while let Some(here) = self.names.of(&scope) {
            if here.elements(kind).contains_key(&name) {
                break;
            }
            let Some((alias, rest)) = name.split_once('/') else {
                break;
            };
            match here.orbs.get(alias) {
                Some(orb) if orb.reference.is_none() => {
                    scope = inner_scope(&scope, alias);
                    name = Rc::from(rest);
                }
                Some(_) | None => break,
            }
        }
        (scope, name)
    }

    /// A job, command or executor named where it is called.
    fn element_use(&mut self, span: Span, name: &str, kind: ElementKind, scope: &Scope) {
        let mut span = span;
        let known = self
            .names
            .of(scope)
            .is_some_and(|here| here.elements(kind).contains_key(name));
        if let Some((alias, rest)) = name.split_once('/').filter(|_| !known) {
            // Names with escapes in them are as long as their text only when nothing was escaped.
            if (span.end - span.start) as usize == name.len() {
                let alias_end = span.start + u32::try_from(alias.len()).unwrap_or(0);
                let alias_span = Span {
                    end: alias_end,
                    ..span
                };
                let symbol = Symbol::Orb(Rc::clone(scope), Rc::from(alias));
                self.add(alias_span, Role::Use, symbol);
                span.start = span.end - u32::try_from(rest.len()).unwrap_or(0);
            }
        }
        let (scope, name) = self.home(scope, kind, &Rc::from(name));
        self.add(span, Role::Use, Symbol::Element(scope, kind, name));
    }

    fn step(&mut self, span: Span, name: &str, place: &Place) {
        let own = self
            .names
            .element(&place.scope, ElementKind::Command, name)
            .is_some();
        let built_in = BUILT_IN_STEPS.iter().find(|step| step.name == name);
        match built_in.filter(|_| !own) {
            Some(step) => self.mean(span, Meaning::Step(step)),
            None => self.element_use(span, name, ElementKind::Command, &place.scope),
        }
    }

    fn entry(&mut self, span: Span, name: &str, place: &Place) {
        let group = self
            .names
            .of(&place.scope)
            .is_some_and(|here| here.groups.contains_key(name));
        if group {
            self.add(span, Role::Use, Symbol::Group(Rc::from(name)));
        } else {
            self.element_use(span, name, ElementKind::Job, &place.scope);
        }
        if let Some(workflow) = &place.workflow
            && let Some(here) = self.names.of("").and_then(|top| top.workflow(workflow))
            && let Some(entry) = here
                .entries
                .iter()
                .find(|entry| entry.job_span == span || inside(entry.job_span, span))
            && entry.goes_by_job()
        {
            let symbol = Symbol::Entry(Rc::clone(workflow), Rc::from(name));
            self.add(span, Role::Definition, symbol);
        }
    }

    fn requirement(&mut self, span: Span, name: &str, place: &Place) {
        let Some(workflow) = &place.workflow else { return };
        let symbol = Symbol::Entry(Rc::clone(workflow), Rc::from(name));
        self.add(span, Role::Use, symbol);
        let here = self.names.of("").and_then(|top| top.workflow(workflow));
        let entry = here.and_then(|here| {
            here.entries
                .iter()
                .find(|entry| entry.goes_by_job() && &*entry.job == name)
        });
        // An entry without a name of its own goes by its job's.
        if entry.is_some() {
            let group = self
                .names
                .of("")
                .is_some_and(|here| here.groups.contains_key(name));
            if group {
                self.add(span, Role::Use, Symbol::Group(Rc::from(name)));
            } else {
                let (scope, name) = self.home(&place.scope, ElementKind::Job, &Rc::from(name));
                self.add(span, Role::Use, Symbol::Element(scope, ElementKind::Job, name));
            }
        }
    }

    fn scalar(&mut self, node: Node<'_>, text: &str, place: &Place) {
        let span = content_span(node);
        let source = self.tree.slice(node.span());
        if source.contains("<<") {
            let start = node.span().start as usize;
            for name in expressions::names(source) {
                let at = Span::new(start + name.at.start, start + name.at.end);
                self.expression_name(name.text, at, place);
            }
            return;
        }
        if text.is_empty() {
            return;
        }
        match &place.what {
            What::Step | What::Steps => self.step(span, text, place),
            What::Entry => self.entry(span, text, place),
            What::Requirement => self.requirement(span, text, place),
            What::Argument(..) => {
                if let Some(typed) = place.typed(self.names) {
                    self.scalar(node, text, &typed);
                }
            }
            // A definition that is text is another name of an orb's element.
            What::Map(Kind::Job) => self.element_use(span, text, ElementKind::Job, &place.scope),
            What::Map(Kind::Command) => self.element_use(span, text, ElementKind::Command, &place.scope),
            What::Executor | What::Map(Kind::Executor) => {
                self.element_use(span, text, ElementKind::Executor, &place.scope);
            }
            What::Statuses => self.word(span, text, REQUIRED_STATUSES),
            What::ParameterType => self.word(span, text, PARAMETER_TYPES),
            What::ResourceClass => self.mean(span, Meaning::ResourceClass),
            What::Logic | What::Value(Shape::Either(_)) => self.bare_expression(node, text, place),
            What::Value(_) => self.names_of_entries(span, place, node),
            What::Unknown
            | What::Map(_)
            | What::Maps(_)
            | What::Definitions(_)
            | What::Groups
            | What::Workflows
            | What::Orbs
            | What::Orb(_)
            | What::Parameters
            | What::Arguments(_)
            | What::Entries
            | What::Requires
            | What::Axes
            | What::Axis(_)
            | What::Excludes
            | What::Exclude
            | What::Contexts
            | What::Statements
            | What::Environment => {}
        }
    }

    /// `name:` of an entry and `alias:` of a matrix define what others require.
    fn names_of_entries(&mut self, span: Span, place: &Place, _node: Node<'_>) {
        let (Some(workflow), Some(_)) = (&place.workflow, &place.job) else {
            return;
        };
        let Some(here) = self.names.of("").and_then(|top| top.workflow(workflow)) else {
            return;
        };
        let named = here.entries.iter().flat_map(|entry| [&entry.name, &entry.alias]);
        let found = named.flatten().find(|(_, at)| *at == span);
        if let Some((name, _)) = found {
            let symbol = Symbol::Entry(Rc::clone(workflow), Rc::clone(name));
            self.add(span, Role::Definition, symbol);
        }
    }

    fn word(&mut self, span: Span, text: &str, words: &'static [Word]) {
        if let Some(word) = words.iter().find(|word| word.name == text) {
            self.mean(span, Meaning::Word(word));
        }
    }

    /// `when:` and `filters:` may hold an expression without tags.
    fn bare_expression(&mut self, node: Node<'_>, text: &str, place: &Place) {
        let span = content_span(node);
        if self.tree.slice(span) != text {
            return;
        }
        for name in expressions::bare(text) {
            let start = span.start as usize;
            let at = Span::new(start + name.at.start, start + name.at.end);
            self.expression_name(name.text, at, place);
        }
    }

    fn expression_name(&mut self, name: &str, at: Span, place: &Place) {
        let last = |prefix: &str| Span {
            start: at.start + u32::try_from(prefix.len()).unwrap_or(0),
            ..at
        };
        for prefix in ["pipeline.parameters.", "parameters.", "matrix."] {
            if name.starts_with(prefix) {
                self.index.dotted.push((at, last(prefix)));
            }
        }
        if let Some(rest) = name.strip_prefix("pipeline.parameters.") {
            let symbol = Symbol::PipelineParameter(Rc::from(rest));
            self.add(last("pipeline.parameters."), Role::Use, symbol);
        } else if let Some(rest) = name.strip_prefix("parameters.") {
            if let Some(owner) = &place.owner {
                let symbol = Symbol::Parameter(Rc::clone(&place.scope), owner.clone(), Rc::from(rest));
                self.add(last("parameters."), Role::Use, symbol);
            }
        } else if let Some(rest) = name.strip_prefix("matrix.") {
            if let Some(job) = &place.job {
                let target = Owner {
                    kind: ElementKind::Job,
                    name: Rc::clone(job),
                };
                self.parameter_use(last("matrix."), &Rc::from(rest), &place.scope, &target);
            }
        } else if let Some(value) = PIPELINE_VALUES.iter().find(|value| value.name == name) {
            self.mean(at, Meaning::Value(value));
        }
    }
}

/// The arguments of an executor that is called by a map.
fn called_executor(mapping: Mapping<'_>, place: &Place) -> Option<Place> {
    if place.what != What::Executor {
        return None;
    }
    let name = mapping.get("name")?.value().as_scalar()?.text;
    let target = Owner {
        kind: ElementKind::Executor,
        name: Rc::from(name),
    };
    Some(Place {
        what: What::Arguments(target),
        ..place.clone()
    })
}

/// The name after `&` or `*`.
fn without_sigil(span: Span) -> Span {
    Span {
        start: span.start + 1,
        ..span
    }
}

/// Quotes stand around the content.
fn inside(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}
