//! Reads `orbs:` of the config and of orbs. Orbs written in place become definitions at once; fetched ones are read from
//! the inputs, each once. Says why an orb cannot be used, at its declaration and nowhere else.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_yaml_tree::{Place, Severity as YamlSeverity, Span, Tree};

use super::Compiler;
use super::definitions::{Definitions, Import, Lost};
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::keys::{ORB, TOP};
use crate::limits::MAX_ORB_DEPTH;
use crate::orbs::{Catalogue, OrbProblem, OrbReference, OrbSource, published, url_is_allowed};
use crate::scope::{Map, Pair, Resolved, Scope, Shape, View};
use crate::sink::Draft;
use crate::suggest;

/// The orbs of one run.
#[derive(Default)]
pub(crate) struct OrbFiles<'s> {
    /// Those that were handed in, with their trees numbered as files of this run.
    pub(crate) files: BTreeMap<&'s OrbReference, (&'s OrbSource, &'s Tree)>,
    /// Those that have been read; nothing for one that could not be.
    read: RefCell<BTreeMap<OrbReference, Option<Rc<Definitions<'s>>>>>,
}

/// Where an `orbs:` stands.
struct Around<'a, 's> {
    /// Where references are evaluated.
    scope: Rc<Scope<'s>>,
    /// The orb, when it is a fetched one.
    fetched: Option<&'a OrbSource>,
    depth: usize,
}

/// What names mean at the top of an orb.
fn in_orb<'s>(title: &str) -> Rc<Definitions<'s>> {
    Rc::new(Definitions {
        orb: Some(title.to_owned()),
        ..Definitions::default()
    })
}

impl<'s> Compiler<'s> {
    /// The orbs that the config imports.
    pub(crate) fn imports(&self, top: &Fields<'s>) -> BTreeMap<&'s str, Import<'s>> {
        let around = Around {
            scope: Self::outer_scope(Rc::new(Definitions::default()), true),
            fetched: None,
            depth: 1,
        };
        let imports = self.imports_of(top, &around);
        // All of the config's own orbs are read, called or not: a broken one is worth knowing before it is called.
        for import in imports.values() {
            if let Import::Fetched(reference) = import {
                self.fetched(reference);
            }
        }
        imports
    }

    fn imports_of(&self, top: &Fields<'s>, around: &Around<'_, 's>) -> BTreeMap<&'s str, Import<'s>> {
        let Some(field) = top.get(self, "orbs") else {
            return BTreeMap::new();
        };
        let Some(map) = self.map(&field.value, "`orbs`") else {
            return BTreeMap::new();
        };
        map.iter()
            .map(|pair| (pair.name, self.import(&pair, around)))
            .collect()
    }

    fn import(&self, pair: &Pair<'s>, around: &Around<'_, 's>) -> Import<'s> {
        let value = self.resolve(&View::new(pair.value.node, &around.scope));
        match &value.shape {
            Shape::Map(map) => self.in_place(pair, map, around),
            Shape::Written(scalar) if scalar.is_null() => {
                let message = format!("the orb `{}` is empty", pair.name);
                let draft = Draft::error(Code::BAD_ORB, pair.key, message)
                    .hint("name an orb, such as `circleci/node@5.2.0`, or write its jobs and commands below");
                self.sink.emit_in(&around.scope, draft);
                Import::Missing
            }
            Shape::List(_) => {
                self.wrong_type(
                    &value,
                    &format!("the orb `{}`", pair.name),
                    "a reference or a map",
                );
                Import::Missing
            }
            Shape::Written(_) | Shape::Computed(_) => match self.text(&value, "the orb") {
                Some(text) => self.named(pair, &text, &value, around),
                None => Import::Missing,
            },
        }
    }

    fn in_place(&self, pair: &Pair<'s>, map: &Map<'s>, around: &Around<'_, 's>) -> Import<'s> {
        if around.depth > MAX_ORB_DEPTH {
            let message = format!("orbs stand inside each other more than {MAX_ORB_DEPTH} deep");
            self.sink
                .emit_in(&around.scope, Draft::error(Code::LIMIT, pair.key, message));
            return Import::Missing;
        }
        let what = format!("the orb `{}`", pair.name);
        let top = Fields::open(map, pair.key, &what);
        let has_orb_keys = map
            .iter()
            .any(|inner| ORB.iter().any(|key| key.name == inner.name));
        if !has_orb_keys && !map.mapping.is_empty() && TOP.iter().any(|key| key.name == pair.name) {
            let message = format!(
                "`{0}` stands below `orbs`, which makes it an orb called `{0}`",
                pair.name
            );
            let draft = Draft::error(Code::MISINDENTED, pair.key, message).hint(format!(
                "begin the line of `{}` as far left as that of `orbs`",
                pair.name
            ));
            self.sink.emit_in(&around.scope, draft);
            return Import::Missing;
        }
        if map.mapping.is_empty() {
            return Import::Lost(Lost {
                draft: empty_orb(pair),
                said: Cell::new(false),
            });
        }
        if around.fetched.is_none() {
            self.check_orb_keys(map);
        }
        if !self.is_of_orb_version(&top) {
            return Import::Missing;
        }
        let inner = Around {
            scope: Self::outer_scope(in_orb(pair.name), around.scope.templates),
            fetched: around.fetched,
            depth: around.depth + 1,
        };
        Import::InPlace(self.orb_definitions(&top, pair.name, &inner))
    }

    fn orb_definitions(&self, top: &Fields<'s>, title: &str, around: &Around<'_, 's>) -> Rc<Definitions<'s>> {
        Rc::new(Definitions {
            jobs: self.definitions(top, "jobs"),
            job_groups: BTreeMap::new(),
            commands: self.definitions(top, "commands"),
            executors: self.definitions(top, "executors"),
            orbs: self.imports_of(top, around),
            orb: Some(title.to_owned()),
        })
    }

    fn is_of_orb_version(&self, top: &Fields<'s>) -> bool {
        let Some(field) = top.get(self, "version") else {
            return true;
        };
        let Some(text) = self.text(&field.value, "`version`") else {
            return false;
        };
        if text.trim() == "2.1" {
            return true;
        }
        let message = format!("{} is of version `{text}`, and orbs are of version 2.1", top.what);
        let draft = Draft::error(Code::VERSION, field.value.place, message).hint("write `version: 2.1`");
        self.sink.emit_in(&top.scope, draft);
        false
    }

    fn check_orb_keys(&self, map: &Map<'s>) {
        for pair in map.iter() {
            if ORB.iter().any(|key| key.name == pair.name) {
                continue;
            }
            if TOP.iter().any(|key| key.name == pair.name) {
                let message = format!("`{}` has no effect in an orb", pair.name);
                self.sink.emit(Draft::warning(Code::IGNORED, pair.key, message));
                continue;
            }
            let near = suggest::nearest(pair.name, ORB.iter().map(|key| key.name));
            if let Some(near) = near.filter(|near| map.mapping.get(near).is_none()) {
                let message = format!("the key `{}` of an orb has no meaning", pair.name);
                let draft = Draft::warning(Code::UNKNOWN_KEY, pair.key, message)
                    .hint(format!("did you mean `{near}`?"));
                self.sink.emit(draft);
            }
        }
    }

    /// An orb named by a reference.
    fn named(
        &self,
        pair: &Pair<'s>,
        text: &str,
        value: &Resolved<'s>,
        around: &Around<'_, 's>,
    ) -> Import<'s> {
        let pinned = around.fetched.and_then(|orb| orb.pinned(text));
        let reference = match pinned.map_or_else(|| OrbReference::parse(text), |pinned| Ok(pinned.clone())) {
            Ok(reference) => reference,
            Err(error) => {
                let message = format!("the orb `{}`: {error}", pair.name);
                let mut draft = Draft::error(Code::BAD_ORB, value.place, message).hint(error.hint());
                if let Some((from, to)) = error.repair() {
                    draft = draft.rename(&from, &to);
                }
                self.sink.emit_in(&around.scope, draft);
                return Import::Missing;
            }
        };
        let is_of_registry = around.fetched.is_some_and(OrbSource::is_of_registry);
        let draft = match self.orbs.files.get(&reference) {
            _ if is_of_registry && matches!(reference, OrbReference::Url(_)) => {
                missing(&reference, value.place, &OrbProblem::address_in_registry())
            }
            _ if !self.may_be_fetched(&reference) => not_allowed(&reference, value.place),
            Some((_, tree)) => {
                self.sink.imported(tree.file(), value.place);
                return Import::Fetched(reference);
            }
            None => match self.inputs.orbs.get(&reference) {
                Some(Err(problem)) => missing(&reference, value.place, problem),
                Some(Ok(_)) | None => missing(
                    &reference,
                    value.place,
                    &OrbProblem::NotFound(Catalogue::default()),
                ),
            },
        };
        if around.fetched.is_none() {
            self.sink.emit_in(&around.scope, draft);
            return Import::Missing;
        }
        Import::Lost(Lost {
            draft,
            said: Cell::new(false),
        })
    }

    fn may_be_fetched(&self, reference: &OrbReference) -> bool {
        match reference {
            OrbReference::Registry { .. } => true,
            OrbReference::Url(url) => url_is_allowed(url, &self.inputs.orb_url_prefixes),
        }
    }

    /// What a fetched orb defines; nothing when it cannot be read, which is reported the first time.
    pub(crate) fn fetched(&self, reference: &OrbReference) -> Option<Rc<Definitions<'s>>> {
        if let Some(read) = self.orbs.read.borrow().get(reference) {
            return read.clone();
        }
        let (orb, tree) = self.orbs.files.get(reference)?;
        let definitions = self.read_orb(orb, tree);
        let mut read = self.orbs.read.borrow_mut();
        read.insert(reference.clone(), definitions.clone());
        definitions
    }

    fn read_orb(&self, orb: &'s OrbSource, tree: &'s Tree) -> Option<Rc<Definitions<'s>>> {
        let problems = &orb.parsed().problems;
        self.yaml_problems(tree, problems);
        if problems
            .iter()
            .any(|problem| problem.severity == YamlSeverity::Error)
        {
            return None;
        }
        let title = orb.resolved();
        let start = tree.place(Span::new(0, 0));
        let what = format!("the orb `{title}`");
        // Its references were settled when it was published: templates mean nothing in them.
        let scope = Self::outer_scope(in_orb(title), false);
        let Some(root) = tree.root().filter(|root| !root.is_null()) else {
            let message = format!("{what} is empty");
            self.sink.emit(Draft::error(Code::BAD_ORB, start, message));
            return None;
        };
        let map = self.map(&self.resolve(&View::new(root, &scope)), &what)?;
        let top = Fields::open(&map, start, &what);
        if !self.is_of_orb_version(&top) {
            return None;
        }
        let around = Around {
            scope,
            fetched: Some(orb),
            depth: 1,
        };
        Some(self.orb_definitions(&top, title, &around))
    }

    /// Tells of imports that orbs are missing and that nothing needed.
    pub(crate) fn tell_of_unneeded_imports(&self) {
        for orb in self.orbs.read.borrow().values().flatten() {
            for import in orb.orbs.values() {
                if let Import::Lost(lost) = import
                    && !lost.said.get()
                {
                    self.sink.emit_unneeded(lost.draft.clone());
                }
            }
        }
    }
}

fn not_allowed(reference: &OrbReference, place: Place) -> Draft {
    let message = format!("the orb {reference} may not be fetched: no allowed address begins like this one");
    Draft::error(Code::ORB_REFUSED, place, message).hint(
        "an operator allows beginnings of addresses, each `https://…/`; or import the orb into the registry",
    )
}

/// Why an orb that was asked for is not there.
fn missing(reference: &OrbReference, place: Place, problem: &OrbProblem) -> Draft {
    match problem {
        OrbProblem::NotFound(catalogue) => {
            let message = match reference {
                OrbReference::Registry { .. } => format!(
                    "Cannot find {reference} in the orb registry. Check that the namespace, orb name and version are \
                     correct."
                ),
                OrbReference::Url(url) => format!("Cannot find an orb at {url}"),
            };
            let draft = Draft::error(Code::UNKNOWN_ORB, place, message);
            match near(reference, catalogue) {
                Some((from, to)) => {
                    let part = |text: &str| text.strip_prefix("dev:").unwrap_or(text).to_owned();
                    draft
                        .hint(format!("did you mean `{to}`?"))
                        .rename(&part(&from), &part(&to))
                }
                None => draft.maybe_hint(instead(reference, catalogue)),
            }
        }
        OrbProblem::Refused(reason) => {
            let message = format!("the orb {reference} may not be used: {reason}");
            Draft::error(Code::ORB_REFUSED, place, message)
        }
        OrbProblem::Unavailable(reason) => {
            let message = format!("the orb {reference} could not be read: {reason}");
            Draft::error(Code::ORB_UNAVAILABLE, place, message)
        }
        OrbProblem::Limit(reason) => {
            let message = format!("the orb {reference} goes beyond a limit: {reason}");
            Draft::error(Code::LIMIT, place, message)
        }
    }
}

/// The part of a reference that is nearly right, and what was meant.
fn near(reference: &OrbReference, catalogue: &Catalogue) -> Option<(String, String)> {
    let OrbReference::Registry { name, version } = reference else {
        return None;
    };
    let (versions, orbs) = (&catalogue.versions, &catalogue.orbs);
    let (orb, namespace) = (name.orb(), name.namespace());
    if !versions.is_empty() {
        let label = version.to_string();
        let labels = versions
            .iter()
            .map(String::as_str)
            .filter(|text| text.starts_with("dev:"));
        return suggest::nearest(&label, labels).map(|near| (label.clone(), near.to_owned()));
    }
    let near = if orbs.is_empty() {
        let near = suggest::nearest(namespace, catalogue.namespaces.iter().map(String::as_str))?;
        format!("{near}/{orb}")
    } else {
        let near = suggest::nearest(orb, orbs.iter().map(String::as_str))?;
        format!("{namespace}/{near}")
    };
    Some((name.to_string(), near))
}

/// What there is instead of an orb that was not found, when nothing is near.
fn instead(reference: &OrbReference, catalogue: &Catalogue) -> Option<String> {
    const LISTED: usize = 6;
    let OrbReference::Registry { name, .. } = reference else {
        return None;
    };
    if !catalogue.versions.is_empty() {
        let mut versions: Vec<&str> = catalogue.versions.iter().map(String::as_str).collect();
        versions.sort_by_key(|text| std::cmp::Reverse(published(text)));
        let more = versions.len().saturating_sub(LISTED);
        let shown = versions[..versions.len().min(LISTED)].join(", ");
        let end = if more > 0 {
            format!(" and {more} older")
        } else {
            String::new()
        };
        return Some(format!("of {name} there is {shown}{end}"));
    }
    let list = |names: &[String], name: &str| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        suggest::hint_or_list(name, &names)
    };
    if catalogue.orbs.is_empty() {
        return list(&catalogue.namespaces, name.namespace()).map(|hint| format!("of namespaces {hint}"));
    }
    list(&catalogue.orbs, name.orb()).map(|hint| format!("in `{}` {hint}", name.namespace()))
}

/// An orb under test stands as `{}` in its own config until the pipeline that tests it puts the packed source there.
/// Such a config is whole as long as nothing of the orb is used.
fn empty_orb(pair: &Pair<'_>) -> Draft {
    let message = format!("Cannot find the orb `{}`: what stands here is empty", pair.name);
    Draft::error(Code::UNKNOWN_ORB, pair.key, message).hint(
        "name an orb, such as `circleci/node@5.2.0`, or write its jobs and commands here; where a pipeline puts the \
         orb under test in this place, check what it continues with",
    )
}
