//! Where the compiler drops what it finds: turns places into lines and columns, drops repeats (a command called from ten
//! jobs has its mistake once) and stops at a limit.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use airlock_yaml_tree::{Place, Tree};

use crate::anchors::Anchors;
use crate::diagnostic::{Code, Diagnostic, Edit, Fix, Position, Related, Severity};
use crate::limits::MAX_DIAGNOSTICS;
use crate::mending::{self, Change};
use crate::scope::Scope;
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

/// The files' names and trees, and the diagnostics so far.
pub(crate) struct Sink<'s> {
    files: Vec<(&'s str, &'s Tree)>,
    found: RefCell<Vec<Diagnostic>>,
    seen: RefCell<BTreeSet<(Code, Position, String)>>,
    errors: Cell<bool>,
    anchors: RefCell<Vec<Option<Anchors<'s>>>>,
}

impl<'s> Sink<'s> {
    pub(crate) fn new(files: Vec<(&'s str, &'s Tree)>) -> Self {
        Self {
            anchors: RefCell::new(files.iter().map(|_| None).collect()),
            files,
            found: RefCell::default(),
            seen: RefCell::default(),
            errors: Cell::new(false),
        }
    }

    /// Takes a diagnostic that no call led to.
    pub(crate) fn emit(&self, draft: Draft) {
        if draft.severity == Severity::Error {
            self.errors.set(true);
        }
        if self.is_full() {
            return;
        }
        let position = self.position(draft.place);
        let mut found = self.found.borrow_mut();
        let key = (draft.code, position.clone(), draft.message.clone());
        if !self.seen.borrow_mut().insert(key) {
            return;
        }
        let rename = draft.rename.and_then(|(from, to)| {
            let tree = self.tree(draft.place)?;
            mending::rename(tree, draft.place, &from, &to)
        });
        let fixes = rename.into_iter().chain(draft.changes);
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
        for call in scope.calls().filter(|call| call.has_arguments).take(SHOWN_CALLS) {
            draft = draft.related(call.place, format!("in {}, called here", call.what));
        }
        self.emit(draft);
    }

    /// Whether further diagnostics would be dropped.
    pub(crate) fn is_full(&self) -> bool {
        self.found.borrow().len() >= MAX_DIAGNOSTICS
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

    /// The line and column where a place begins.
    pub(crate) fn plan_place(&self, place: Place) -> airlock_domain::plan::Place {
        let position = self.position(place);
        airlock_domain::plan::Place {
            line: position.line,
            column: position.column,
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
