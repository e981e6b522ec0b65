//! Where the compiler drops what it finds: turns places into lines and columns, drops repeats (a command called from ten
//! jobs has its mistake once) and stops at a limit.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use airlock_domain::plan::OrbPlace;
use airlock_yaml_tree::{FileId, Place, Tree};

use crate::anchors::Anchors;
use crate::diagnostic::{Code, Diagnostic, Edit, Fix, Position, Related, Severity};
use crate::limits::{MAX_DIAGNOSTICS, MAX_SHOWN_USES, MAX_UNTOLD};
use crate::mending::{self, Change};
use crate::scope::{Call, Scope};
use crate::suggest;

/// A diagnostic before its places are looked up.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    code: Code,
    severity: Severity,
    message: String,
    place: Place,
    related: Vec<(Place, String)>,
    hint: Option<String>,
    changes: Vec<Change>,
    /// A name at the place, and the one that was meant in all likelihood.
    rename: Option<(String, String)>,
}

impl Draft {
    pub(crate) fn error(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            place,
            related: Vec::new(),
            hint: None,
            changes: Vec::new(),
            rename: None,
        }
    }

    pub(crate) fn warning(code: Code, place: Place, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, place, message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds a hint when there is one to give.
    pub(crate) fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Offers the name that was meant, or a short list of those there are.
    pub(crate) fn did_you_mean(mut self, name: &str, candidates: &[&str]) -> Self {
        if let Some(near) = suggest::nearest(name, candidates.iter().copied()) {
            self.rename = Some((name.to_owned(), near.to_owned()));
        }
        self.maybe_hint(suggest::hint_or_list(name, candidates))
    }

    /// Offers a name that is right.
    pub(crate) fn rename(mut self, from: &str, to: &str) -> Self {
        self.rename = Some((from.to_owned(), to.to_owned()));
        self
    }

    /// Offers the name that was meant when one is near; there are too many to list.
    pub(crate) fn maybe_near(self, name: &str, candidates: &[&str]) -> Self {
        match suggest::nearest(name, candidates.iter().copied()) {
            Some(_) => self.did_you_mean(name, candidates),
            None => self,
        }
    }

    /// Adds a change that mends it when there is one.
    pub(crate) fn maybe_fix(mut self, change: Option<Change>) -> Self {
        self.changes.extend(change);
        self
    }

    pub(crate) fn related(mut self, place: Place, message: impl Into<String>) -> Self {
        self.related.push((place, message.into()));
        self
    }
}

/// The service's words for a call on the way: ``job `build` `` becomes `Error calling job: 'build'`.
fn calling(what: &str) -> String {
    let parts = what
        .split_once(" `")
        .and_then(|(kind, rest)| Some((kind, rest.split_once('`')?)));
    match parts {
        Some((kind, (name, rest))) => format!("Error calling {kind}: '{name}'{rest}"),
        None => format!("Error calling {what}"),
    }
}

/// The files' names and trees, and the diagnostics so far.
pub(crate) struct Sink<'s> {
    files: Vec<(&'s str, &'s Tree)>,
    found: RefCell<Vec<Diagnostic>>,
    /// Where in `found` each one is.
    seen: RefCell<BTreeMap<(Code, Position, String), usize>>,
    errors: Cell<bool>,
    /// What was told already or had no room.
    untold: Cell<usize>,
    anchors: RefCell<Vec<Option<Anchors<'s>>>>,
    /// The files from here on are orbs.
    orbs: u32,
    /// Where each orb is declared, in the config or in another orb.
    declared: RefCell<BTreeMap<FileId, Place>>,
    /// The last place of the config itself from which something was called.
    from: Cell<Option<Place>>,
    /// Whether errors are taken as warnings.
    lenient: Cell<bool>,
    /// Where in `found` the diagnostics are that gather all places of one cause, by that cause.
    gathered: RefCell<BTreeMap<String, usize>>,
}

impl<'s> Sink<'s> {
    pub(crate) fn new(files: Vec<(&'s str, &'s Tree)>) -> Self {
        Self {
            anchors: RefCell::new(files.iter().map(|_| None).collect()),
            files,
            found: RefCell::default(),
            seen: RefCell::default(),
            errors: Cell::new(false),
            untold: Cell::new(0),
            orbs: u32::MAX,
            declared: RefCell::default(),
            from: Cell::new(None),
            lenient: Cell::new(false),
            gathered: RefCell::default(),
        }
    }

    /// Files as in `new`, and behind them the orbs that the config imports.
    pub(crate) fn with_orbs(files: Vec<(&'s str, &'s Tree)>, orbs: Vec<(&'s str, &'s Tree)>) -> Self {
        let first = u32::try_from(files.len()).unwrap_or(u32::MAX);
        let mut all = files;
        all.extend(orbs);
        Self {
            orbs: first,
            ..Self::new(all)
        }
    }

    /// Whether a place is in a fetched orb, which the author of the config has not written.
    fn is_of_orb(&self, place: Place) -> bool {
        place.file.0 >= self.orbs
    }

    /// Takes a diagnostic that no call led to. One inside an orb also shows how the config came to that orb.
    pub(crate) fn emit(&self, mut draft: Draft) {
        if self.lenient.get() {
            draft.severity = Severity::Warning;
        }
        if self.is_of_orb(draft.place) {
            // Who wrote the config cannot mend an orb, and need not be warned of what works.
            if draft.severity == Severity::Warning {
                return;
            }
            if !draft.related.iter().any(|(place, _)| !self.is_of_orb(*place)) {
                for place in self.declarations(draft.place.file) {
                    draft = draft.related(place, "this orb is imported here");
                }
            }
        }
        if draft.severity == Severity::Error {
            self.errors.set(true);
        }
        let room = self.make_room(draft.severity);
        if !room {
            self.untold.set(self.untold.get() + 1);
            return;
        }
        let position = self.position(draft.place);
        let mut found = self.found.borrow_mut();
        // A key that two jobs take from one anchor is one mistake, whatever the message calls the map it is in.
        let told = match draft.code {
            Code::UNKNOWN_KEY => String::new(),
            _ => draft.message.clone(),
        };
        let key = (draft.code, position.clone(), told);
        let at = *self.seen.borrow_mut().entry(key).or_insert(found.len());
        if let Some(known) = found.get_mut(at) {
            // What is a warning where nothing runs is an error where something does.
            known.severity = known.severity.min(draft.severity);
            self.untold.set(self.untold.get() + 1);
            return;
        }
        let rename = draft.rename.and_then(|(from, to)| {
            let tree = self.tree(draft.place)?;
            mending::rename(tree, draft.place, &from, &to)
        });
        let fixes = rename.into_iter().chain(draft.changes);
        // Nobody who reads this can change an orb.
        let fixes = fixes.filter(|_| !self.is_of_orb(draft.place));
        let fixes = fixes.map(|change| self.fix(change)).collect();
        let mut places = draft.related;
        if !draft.code.is_of_yaml() {
            self.add_anchors(draft.place, &mut places);
        }
        let related = places
            .into_iter()
            .map(|(place, message)| Related {
                message,
                position: self.position(place),
            })
            .collect();
        found.push(Diagnostic {
            code: draft.code,
            severity: draft.severity,
            message: draft.message,
            position,
            related,
            hint: draft.hint,
            fixes,
        });
    }

    fn fix(&self, change: Change) -> Fix {
        let mut edits: Vec<Edit> = change
            .edits
            .into_iter()
            .map(|(place, replacement)| Edit {
                position: self.position(place),
                replacement,
            })
            .collect();
        edits.sort_by(|a, b| a.position.cmp(&b.position));
        Fix {
            title: change.title,
            edits,
        }
    }

    /// What stands below an anchor is read at every alias of it: both places belong to the message.
    fn add_anchors(&self, place: Place, related: &mut Vec<(Place, String)>) {
        let mut all = self.anchors.borrow_mut();
        let file = place.file.0 as usize;
        let (Some((_, tree)), Some(anchors)) = (self.files.get(file), all.get_mut(file)) else {
            return;
        };
        let anchors = anchors.get_or_insert_with(|| Anchors::of(tree));
        for (span, message) in anchors.around(place.span) {
            let place = tree.place(span);
            if !related.iter().any(|(known, _)| *known == place) {
                related.push((place, message));
            }
        }
    }

    /// The tree that a place is of.
    pub(crate) fn tree(&self, place: Place) -> Option<&'s Tree> {
        self.files.get(place.file.0 as usize).map(|(_, tree)| *tree)
    }

    /// Takes a diagnostic found while following calls; adds the places of those calls that passed something on.
    pub(crate) fn emit_in(&self, scope: &Scope<'_>, mut draft: Draft) {
        const SHOWN_CALLS: usize = 3;
        // The service names every call that led to a name it cannot find.
        let names_all = [Code::UNKNOWN_COMMAND, Code::UNKNOWN_EXECUTOR].contains(&draft.code);
        let shown = |call: &&Call| names_all || call.has_arguments || call.enters;
        let mut left = SHOWN_CALLS;
        // The call in the config that led into an orb is shown however far away it is.
        let mut wanted = self.is_of_orb(draft.place);
        for call in scope.calls().filter(shown) {
            let first_in_config = wanted && !self.is_of_orb(call.place);
            if left == 0 && !first_in_config {
                continue;
            }
            left = left.saturating_sub(1);
            wanted &= !first_in_config;
            draft = draft.related(call.place, calling(&call.what));
        }
        self.emit(draft);
    }

    /// Takes a diagnostic of which there is one for a cause: found again, it is one more place of the first one. `use_of`
    /// says what wants it there.
    pub(crate) fn emit_once_for(&self, cause: String, scope: &Scope<'_>, draft: Draft, use_of: &str) {
        let known = self.gathered.borrow().get(&cause).copied();
        let Some(at) = known else {
            let before = self.found.borrow().len();
            self.emit_in(scope, draft);
            if self.found.borrow().len() > before {
                self.gathered.borrow_mut().insert(cause, before);
            }
            return;
        };
        let position = self.position(draft.place);
        let mut found = self.found.borrow_mut();
        let Some(first) = found.get_mut(at) else { return };
        if !self.lenient.get() {
            // What is a warning where nothing runs is an error where something does.
            first.severity = Severity::Error;
            self.errors.set(true);
        }
        let is_told =
            first.position == position || first.related.iter().any(|other| other.position == position);
        if !is_told && first.related.len() < MAX_SHOWN_USES {
            first.related.push(Related {
                message: format!("{use_of} is wanted here"),
                position,
            });
        }
    }

    /// Takes what is missing to an orb and was not needed: a warning where the config imports that orb.
    pub(crate) fn emit_unneeded(&self, mut draft: Draft) {
        let Some(place) = self.declarations(draft.place.file).pop() else {
            return;
        };
        let inner = std::mem::replace(&mut draft.place, place);
        draft.severity = Severity::Warning;
        draft.hint = Some("nothing that runs needs it so far".to_owned());
        self.emit(draft.related(inner, "an orb imports it here"));
    }

    /// Notes where an orb is declared; the first place is kept.
    pub(crate) fn imported(&self, file: FileId, place: Place) {
        self.declared.borrow_mut().entry(file).or_insert(place);
    }

    /// The declarations that led to an orb, the config's own last.
    fn declarations(&self, file: FileId) -> Vec<Place> {
        let declared = self.declared.borrow();
        let mut places: Vec<Place> = Vec::new();
        let mut file = file;
        while file.0 >= self.orbs
            && let Some(place) = declared.get(&file)
            && !places.contains(place)
        {
            places.push(*place);
            file = place.file;
        }
        places
    }

    /// Notes a place from which something is called.
    pub(crate) fn came_from(&self, place: Place) {
        if !self.is_of_orb(place) {
            self.from.set(Some(place));
        }
    }

    /// The place of the config that led to where the compiler is.
    pub(crate) fn led_here(&self) -> Option<Place> {
        self.from.get()
    }

    /// Goes back to a place, once what was called from it is done.
    pub(crate) fn back_to(&self, place: Option<Place>) {
        self.from.set(place);
    }

    /// Takes errors as warnings while something is done.
    pub(crate) fn as_warnings<T>(&self, body: impl FnOnce() -> T) -> T {
        let before = self.lenient.replace(true);
        let result = body();
        self.lenient.set(before);
        result
    }

    /// Whether a diagnostic fits; an error takes the place of a warning.
    fn make_room(&self, severity: Severity) -> bool {
        if !self.is_full() {
            return true;
        }
        if severity == Severity::Warning {
            return false;
        }
        let mut found = self.found.borrow_mut();
        let Some(at) = found
            .iter()
            .rposition(|known| known.severity == Severity::Warning)
        else {
            return false;
        };
        found.remove(at);
        let mut seen = self.seen.borrow_mut();
        seen.retain(|_, place| *place != at);
        let mut gathered = self.gathered.borrow_mut();
        gathered.retain(|_, place| *place != at);
        seen.values_mut()
            .chain(gathered.values_mut())
            .filter(|place| **place > at)
            .for_each(|place| *place -= 1);
        true
    }

    /// Whether further diagnostics would be dropped.
    pub(crate) fn is_full(&self) -> bool {
        self.found.borrow().len() >= MAX_DIAGNOSTICS
    }

    /// Whether looking further is of no use: the config is refused, and what is found is not told any more.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.errors.get() && self.untold.get() > MAX_UNTOLD
    }

    /// Whether an error was found.
    pub(crate) fn has_errors(&self) -> bool {
        self.errors.get()
    }

    /// All diagnostics: errors and warnings together, in the order of the text.
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        let mut found = self.found.into_inner();
        found.sort_by(|a, b| {
            let key = |d: &Diagnostic| (d.position.clone(), d.code, d.message.clone());
            key(a).cmp(&key(b))
        });
        found
    }

    /// The line and column where a place begins; for one in an orb, those of the call in the config that led there, or
    /// else of where the orb is imported, and the orb's own beside them.
    pub(crate) fn plan_place(&self, place: Place) -> airlock_domain::plan::Place {
        let there = self.position(place);
        if !self.is_of_orb(place) {
            return airlock_domain::plan::Place::new(there.line, there.column);
        }
        let in_config = |place: &Place| !self.is_of_orb(*place);
        let imported = || self.declarations(place.file).into_iter().find(in_config);
        let here = self.from.get().or_else(imported).map(|from| self.position(from));
        let (line, column) = here.map_or((1, 1), |here| (here.line, here.column));
        airlock_domain::plan::Place {
            line,
            column,
            orb: Some(Box::new(OrbPlace {
                file: there.file,
                line: there.line,
                column: there.column,
            })),
        }
    }

    fn position(&self, place: Place) -> Position {
        let Some((name, tree)) = self.files.get(place.file.0 as usize) else {
            // Every place is made from one of these trees.
            let nowhere = airlock_yaml_tree::Location { line: 1, column: 1 };
            return Position::new("", nowhere, nowhere, place);
        };
        Position::new(
            name,
            tree.locate(place.span.start),
            tree.locate(place.span.end),
            place,
        )
    }
}
