//! What a file defines by name, and how a name is looked up: among a file's own definitions first, then, as
//! `alias/element`, among those of an orb it imports. A definition that is only text renames another one.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_yaml_tree::Place;

use super::Compiler;
use crate::diagnostic::Code;
use crate::limits::MAX_RENAMINGS;
use crate::orbs::OrbReference;
use crate::scope::{Pair, Scope};
use crate::sink::Draft;
use crate::suggest;

/// What the config, or an orb, defines by name. Holds nodes, not values: a definition means something only where it is
/// called.
#[derive(Default)]
pub(crate) struct Definitions<'s> {
    pub(crate) jobs: BTreeMap<&'s str, Pair<'s>>,
    /// Only the config itself has some.
    pub(crate) job_groups: BTreeMap<&'s str, Pair<'s>>,
    pub(crate) commands: BTreeMap<&'s str, Pair<'s>>,
    pub(crate) executors: BTreeMap<&'s str, Pair<'s>>,
    /// The orbs it imports, by the names it gives them.
    pub(crate) orbs: BTreeMap<&'s str, Import<'s>>,
    /// The orb's name in messages; nothing for the config itself.
    pub(crate) orb: Option<String>,
}

/// One entry under `orbs:`.
pub(crate) enum Import<'s> {
    /// Written in place.
    InPlace(Rc<Definitions<'s>>),
    /// Handed in with the inputs; read when somebody looks into it, for orbs may import each other in a circle.
    Fetched(OrbReference),
    /// Cannot be used, and that has been reported.
    Missing,
    /// Missing to an orb that may never need it: reported when somebody looks into it.
    Lost(Lost),
}

/// What to say of a missing orb, and whether it has been said.
pub(crate) struct Lost {
    pub(crate) draft: Draft,
    pub(crate) said: Cell<bool>,
}

/// The kinds of things that are looked up by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Job,
    Command,
    Executor,
}

/// A definition and the definitions around it, which are what its own names mean.
pub(crate) struct Found<'s> {
    pub(crate) definition: Pair<'s>,
    pub(crate) home: Rc<Definitions<'s>>,
}

/// What looking up a name gave.
pub(crate) enum Search<'s> {
    Found(Found<'s>),
    /// There is no such thing, and the caller should say so.
    Unknown,
    /// It cannot be had, and that has been reported.
    Reported,
}

/// What may have been meant by a name that nothing has.
pub(crate) struct Meant {
    pub(crate) hint: Option<String>,
    /// The right name, when it is near enough to be sure.
    pub(crate) name: Option<String>,
}

impl Meant {
    fn one(name: String) -> Self {
        Self {
            hint: Some(format!("did you mean `{name}`?")),
            name: Some(name),
        }
    }

    fn hint(hint: Option<String>) -> Self {
        Self { hint, name: None }
    }
}

impl Element {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Command => "command",
            Self::Executor => "executor",
        }
    }

    fn unknown(self) -> Code {
        match self {
            Self::Job => Code::UNKNOWN_JOB,
            Self::Command => Code::UNKNOWN_COMMAND,
            Self::Executor => Code::UNKNOWN_EXECUTOR,
        }
    }
}

impl<'s> Definitions<'s> {
    pub(crate) fn of(&self, element: Element) -> &BTreeMap<&'s str, Pair<'s>> {
        match element {
            Element::Job => &self.jobs,
            Element::Command => &self.commands,
            Element::Executor => &self.executors,
        }
    }

    /// What to call one of these in messages: ``command `install` of orb `circleci/node@5.2.0` ``.
    pub(crate) fn what(&self, element: Element, name: &str) -> String {
        let kind = element.as_str();
        match &self.orb {
            Some(orb) => format!("{kind} `{name}` of orb `{orb}`"),
            None => format!("{kind} `{name}`"),
        }
    }
}

impl Found<'_> {
    pub(crate) fn what(&self, element: Element) -> String {
        self.home.what(element, self.definition.name)
    }
}

impl<'s> Compiler<'s> {
    /// Looks up a name as it is used in a scope. `place` is where it is used.
    pub(crate) fn find(&self, element: Element, name: &str, place: Place, scope: &Scope<'s>) -> Search<'s> {
        self.sink.came_from(place);
        let mut home = Rc::clone(&scope.definitions);
        let mut wanted = name.to_owned();
        // The last text that renamed something, once one did.
        let mut renamed: Option<Place> = None;
        for _ in 0..=MAX_RENAMINGS {
            let found = match self.find_written(element, &wanted, &home, scope) {
                Search::Found(found) => found,
                Search::Reported => return Search::Reported,
                Search::Unknown => {
                    let Some(renamed) = renamed else {
                        return Search::Unknown;
                    };
                    self.sink
                        .emit_in(scope, self.unknown_element(element, &wanted, renamed, &home));
                    return Search::Reported;
                }
            };
            let value = found.definition.value.node;
            let Some(text) = value.as_scalar().filter(|text| !text.is_null()) else {
                return Search::Found(found);
            };
            text.text.trim().clone_into(&mut wanted);
            renamed = Some(value.place());
            home = found.home;
        }
        let kind = element.as_str();
        let message = format!("the {kind} `{name}` is another name of itself");
        let draft = Draft::error(Code::COMMAND_CYCLE, renamed.unwrap_or(place), message)
            .hint(format!("define the {kind}, or name one of an orb: `orb/{kind}`"));
        self.sink.emit_in(scope, draft);
        Search::Reported
    }

    fn find_written(
        &self,
        element: Element,
        name: &str,
        home: &Rc<Definitions<'s>>,
        scope: &Scope<'s>,
    ) -> Search<'s> {
        if let Some(definition) = home.of(element).get(name) {
            return Search::Found(Found {
                definition: definition.clone(),
                home: Rc::clone(home),
            });
        }
        let Some((alias, inner)) = name.split_once('/') else {
            return Search::Unknown;
        };
        let Some(import) = home.orbs.get(alias) else {
            return Search::Unknown;
        };
        match self.imported(import, scope) {
            None => Search::Reported,
            Some(orb) => match orb.of(element).get(inner) {
                Some(definition) => Search::Found(Found {
                    definition: definition.clone(),
                    home: orb,
                }),
                None => Search::Unknown,
            },
        }
    }

    /// What an orb defines; nothing when it cannot be had, and then that has been reported.
    fn imported(&self, import: &Import<'s>, scope: &Scope<'s>) -> Option<Rc<Definitions<'s>>> {
        match import {
            Import::InPlace(definitions) => Some(Rc::clone(definitions)),
            Import::Fetched(reference) => self.fetched(reference),
            Import::Missing => None,
            Import::Lost(lost) => {
                if !lost.said.replace(true) {
                    self.sink.emit_in(scope, lost.draft.clone());
                }
                None
            }
        }
    }

    /// Looks up a name and reports when nothing has it. Then the one that was meant is taken, so that reading on finds
    /// what else is wrong.
    pub(crate) fn find_or_tell(
        &self,
        element: Element,
        name: &str,
        place: Place,
        scope: &Scope<'s>,
    ) -> Option<Found<'s>> {
        match self.find(element, name, place, scope) {
            Search::Found(found) => Some(found),
            Search::Reported => None,
            Search::Unknown => {
                let mut draft = self.unknown_element(element, name, place, &scope.definitions);
                let workflow = self.workflow_being_read.borrow();
                if let (Element::Job, Some((workflow, place))) = (element, workflow.as_ref()) {
                    draft = draft.related(*place, format!("Error calling workflow: '{workflow}'"));
                }
                drop(workflow);
                self.tell_unknown(draft, name, scope);
                let near = self.meant(element, name, &scope.definitions).name?;
                match self.find(element, &near, place, scope) {
                    Search::Found(found) => Some(found),
                    Search::Unknown | Search::Reported => None,
                }
            }
        }
    }

    /// Tells of a name that nothing has. An orb that is not imported is told of once, with all that wants it.
    pub(crate) fn tell_unknown(&self, draft: Draft, name: &str, scope: &Scope<'s>) {
        let home = &scope.definitions;
        let aliases = home.orbs.keys().copied();
        match name.split_once('/') {
            Some((alias, _))
                if !home.orbs.contains_key(alias) && suggest::nearest(alias, aliases).is_none() =>
            {
                let cause = format!("{}/{alias}", home.orb.as_deref().unwrap_or_default());
                self.sink.emit_once_for(cause, scope, draft, &format!("`{name}`"));
            }
            Some(_) | None => self.sink.emit_in(scope, draft),
        }
    }

    /// The diagnostic for a name that nothing has.
    fn unknown_element(&self, element: Element, name: &str, place: Place, home: &Definitions<'s>) -> Draft {
        let kind = element.as_str();
        let message = format!("Cannot find a definition for {kind} named {name}");
        let meant = self.meant(element, name, home);
        let draft = Draft::error(element.unknown(), place, message).maybe_hint(meant.hint);
        match meant.name {
            Some(near) => draft.rename(name, &near),
            None => draft,
        }
    }

    /// What was meant by a name that nothing has.
    pub(crate) fn meant(&self, element: Element, name: &str, home: &Definitions<'s>) -> Meant {
        let kind = element.as_str();
        let Some((alias, inner)) = name.split_once('/') else {
            let own: Vec<&str> = home.of(element).keys().copied().collect();
            return match suggest::nearest(name, own.iter().copied()) {
                Some(near) => Meant::one(near.to_owned()),
                None => match self.in_some_orb(element, name, home) {
                    Some(near) => Meant::one(near),
                    // The config may well have it, which does not help an orb.
                    None => Meant::hint(home.orb.as_ref().map_or_else(
                        || suggest::hint_or_list(name, &own),
                        |orb| {
                            Some(format!(
                                "the orb `{orb}` sees only its own {kind}s and those of its orbs"
                            ))
                        },
                    )),
                },
            };
        };
        let Some(import) = home.orbs.get(alias) else {
            let aliases: Vec<&str> = home.orbs.keys().copied().collect();
            return match suggest::nearest(alias, aliases.iter().copied()) {
                Some(near) => Meant::one(format!("{near}/{inner}")),
                None => Meant::hint(Some(format!(
                    "no orb is imported as `{alias}`: add it under `orbs:`{}",
                    list_after(", where there is ", &aliases)
                ))),
            };
        };
        let Some(orb) = self.peek(import) else {
            return Meant::hint(None);
        };
        let names: Vec<&str> = orb.of(element).keys().copied().collect();
        if let Some(near) = suggest::nearest(inner, names.iter().copied()) {
            return Meant::one(format!("{alias}/{near}"));
        }
        let other = [Element::Job, Element::Command, Element::Executor]
            .into_iter()
            .find(|other| orb.of(*other).contains_key(inner));
        Meant::hint(Some(match other {
            Some(other) => format!("`{name}` is a {} of that orb, not a {kind}", other.as_str()),
            None if names.is_empty() => format!("the orb `{alias}` has no {kind}s"),
            None => {
                let full: Vec<String> = names.iter().map(|name| format!("{alias}/{name}")).collect();
                let full: Vec<&str> = full.iter().map(String::as_str).collect();
                format!("that orb has{}", list_after(" ", &full))
            }
        }))
    }

    /// The alias was forgotten: `install` for `node/install`.
    fn in_some_orb(&self, element: Element, name: &str, home: &Definitions<'s>) -> Option<String> {
        home.orbs.iter().find_map(|(alias, import)| {
            let orb = self.peek(import)?;
            orb.of(element)
                .contains_key(name)
                .then(|| format!("{alias}/{name}"))
        })
    }

    /// An orb's definitions when they have been read; says nothing when not.
    fn peek(&self, import: &Import<'s>) -> Option<Rc<Definitions<'s>>> {
        match import {
            Import::InPlace(definitions) => Some(Rc::clone(definitions)),
            Import::Fetched(reference) => self.fetched(reference),
            Import::Missing | Import::Lost(_) => None,
        }
    }
}

/// A list of names in a sentence; of many only the first.
fn list_after(before: &str, names: &[&str]) -> String {
    const LISTED: usize = 12;
    if names.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = names
        .iter()
        .take(LISTED)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = names.len().saturating_sub(LISTED);
    let end = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{before}{}{end}", shown.join(", "))
}
