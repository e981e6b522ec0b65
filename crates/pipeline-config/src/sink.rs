//! Where the compiler drops what it finds: turns places into lines and columns, drops repeats (a command called from ten
//! jobs has its mistake once) and stops at a limit.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use airlock_yaml_tree::{Place, Tree};

use crate::diagnostic::{Code, Diagnostic, Position, Related, Severity};
use crate::limits::MAX_DIAGNOSTICS;
use crate::scope::Scope;

/// A diagnostic before its places are looked up.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    code: Code,
    severity: Severity,
    message: String,
    place: Place,
    related: Vec<(Place, String)>,
    hint: Option<String>,
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
}

impl<'s> Sink<'s> {
    pub(crate) fn new(files: Vec<(&'s str, &'s Tree)>) -> Self {
        Self {
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
        let related = draft
            .related
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
        });
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
