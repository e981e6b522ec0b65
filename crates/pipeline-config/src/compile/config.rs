//! The top of the file: its version, its definitions, and which workflows there are.

use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_domain::plan::Plan;
use airlock_yaml_tree::{Place, Span, Tree};

use super::{Compiler, Definitions};
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::keys::{Support, TOP};
use crate::scope::{Map, Pair, Scope, Shape, View};
use crate::sink::Draft;
use crate::suggest;

impl<'s> Compiler<'s> {
    /// Compiles the document.
    pub(crate) fn config(&self, tree: &'s Tree) -> Option<Plan> {
        let start = tree.place(Span::new(0, 0));
        let nothing = Rc::new(Definitions::default());
        let bare = Self::outer_scope(nothing, false);
        let root = match tree.root() {
            Some(root) if !root.is_null() => self.resolve(&View::new(root, &bare)),
            Some(_) | None => {
                let draft = Draft::error(Code::EMPTY_CONFIG, start, "the config is empty")
                    .hint("a config needs at least `version: 2.1` and a job");
                self.sink.emit(draft);
                return None;
            }
        };
        let map = self.map(&root, "a config")?;
        let top = Fields::open(&map, start, "the config");
        let templates = self.version(&top, root.place)?;
        self.check_top(&map, templates);
        self.record_top(&map);
        if templates {
            self.read_pipeline_parameters(&top);
        } else {
            self.refuse_given_parameters(start);
        }
        let definitions = Definitions {
            jobs: self.definitions(&top, "jobs"),
            commands: if templates {
                self.definitions(&top, "commands")
            } else {
                BTreeMap::new()
            },
            executors: if templates {
                self.definitions(&top, "executors")
            } else {
                BTreeMap::new()
            },
            orbs: if templates {
                self.imports(&top)
            } else {
                BTreeMap::new()
            },
            orb: None,
        };
        self.check_job_names(&definitions);
        self.check_names(&definitions);
        let scope = Self::outer_scope(Rc::new(definitions), templates);
        let workflows = self.workflows(&top, &scope);
        self.tell_of_unneeded_imports();
        workflows.map(|workflows| Plan { workflows })
    }

    /// Whether the file is of version 2.1, where `<< >>` means something.
    fn version(&self, top: &Fields<'s>, root: Place) -> Option<bool> {
        let Some(field) = top.get(self, "version") else {
            let draft = Draft::error(
                Code::MISSING_KEY,
                top.place,
                format!("required key [version] not found in {}", top.what),
            )
            .hint("add `version: 2.1` at the top")
            .maybe_fix(self.first_line(root, "version: 2.1"));
            self.sink.emit(draft);
            return None;
        };
        let text = self.text(&field.value, "`version`")?;
        match text.trim() {
            "2" | "2.0" => Some(false),
            "2.1" => Some(true),
            other => {
                let message = format!("there is no version `{other}` of the config language");
                let draft = Draft::error(Code::VERSION, field.value.place, message)
                    .hint("write `version: 2.1`; 2 and 2.0 are known too");
                self.sink.emit(draft);
                None
            }
        }
    }

    fn check_top(&self, map: &Map<'s>, templates: bool) {
        let present = |name: &str| map.mapping.get(name).is_some();
        for pair in map.iter() {
            let Some(key) = TOP.iter().find(|key| key.name == pair.name) else {
                let near = suggest::nearest(pair.name, TOP.iter().map(|key| key.name));
                if let Some(near) = near.filter(|near| !present(near)) {
                    let message = format!("the top-level key `{}` has no meaning", pair.name);
                    let draft =
                        Draft::warning(Code::UNKNOWN_KEY, pair.key, message).did_you_mean(pair.name, &[near]);
                    self.sink.emit(draft);
                }
                continue;
            };
            if !templates
                && matches!(
                    pair.name,
                    "orbs" | "commands" | "executors" | "parameters" | "setup"
                )
            {
                let message = format!("`{}` has no effect in version 2 of the language", pair.name);
                let draft = Draft::warning(Code::IGNORED, pair.key, message).hint("write `version: 2.1`");
                self.sink.emit(draft);
                continue;
            }
            match key.support {
                Support::Yes => {}
                Support::Later(feature) => self.check_later(&pair, feature),
                Support::Ignored(reason) => {
                    let message = format!("`{}` has no effect: {reason}", pair.name);
                    self.sink.emit(Draft::warning(Code::IGNORED, pair.key, message));
                }
            }
        }
    }

    /// `setup: false` asks for nothing.
    fn check_later(&self, pair: &Pair<'s>, feature: &str) {
        let value = self.resolve(&pair.value);
        let asks_for_nothing = match &value.shape {
            Shape::Written(scalar) => scalar.is_null() || scalar.as_bool() == Some(false),
            Shape::Map(map) => map.mapping.is_empty(),
            Shape::Computed(_) | Shape::List(_) => false,
        };
        if !asks_for_nothing {
            self.not_yet(pair.key, &pair.value.scope, pair.name, feature);
        }
    }

    pub(crate) fn definitions(&self, top: &Fields<'s>, name: &'static str) -> BTreeMap<&'s str, Pair<'s>> {
        let Some(field) = top.get(self, name) else {
            return BTreeMap::new();
        };
        let Some(map) = self.map(&field.value, &format!("`{name}`")) else {
            return BTreeMap::new();
        };
        map.iter().map(|pair| (pair.name, pair)).collect()
    }

    /// Job names must differ in more than case: file names and pages are made from them.
    fn check_job_names(&self, definitions: &Definitions<'s>) {
        let mut seen: BTreeMap<String, Place> = BTreeMap::new();
        let mut jobs: Vec<_> = definitions.jobs.values().collect();
        jobs.sort_by_key(|pair| pair.key);
        for pair in jobs {
            if let Some(first) = seen.insert(pair.name.to_lowercase(), pair.key) {
                let message = format!(
                    "another job is called `{}`, but for upper and lower case",
                    pair.name
                );
                let draft = Draft::error(Code::DUPLICATE_NAME, pair.key, message)
                    .related(first, "the other one")
                    .hint("rename one of them");
                self.sink.emit(draft);
            }
        }
    }

    /// Rebinds a definition's node to the scope it is called in.
    pub(crate) fn in_scope(pair: &Pair<'s>, scope: &Rc<Scope<'s>>) -> View<'s> {
        View::new(pair.value.node, scope)
    }
}
