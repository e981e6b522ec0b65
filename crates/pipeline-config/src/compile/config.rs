//! The top of the file: its version, its definitions, and which workflows there are.

use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_domain::plan::Plan;
use airlock_yaml_tree::{Place, Span, Tree};

use super::{Compiler, Definitions};
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::{Support, TOP, TOP_OF_2_1};
use crate::scope::{Map, Pair, Scope, View};
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
        let templates = self.version(&top, root.place);
        self.check_top(&map, templates);
        self.record_top(&map);
        if templates {
            self.read_pipeline_parameters(&top);
        } else {
            self.refuse_given_parameters(start);
        }
        let definitions = Definitions {
            jobs: self.definitions(&top, "jobs"),
            job_groups: if templates {
                self.definitions(&top, "job-groups")
            } else {
                BTreeMap::new()
            },
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
        self.check_group_names(&definitions.jobs, &definitions.job_groups);
        let setup = self.setup(&top);
        let scope = Self::outer_scope(Rc::new(definitions), templates);
        let workflows = self.workflows(&top, &scope);
        self.check_unused(&scope, start);
        self.tell_of_unneeded_imports();
        let plan = Plan {
            workflows: workflows?,
            setup: setup.map(|place| self.sink.plan_place(place)),
        };
        if let Some(place) = setup {
            self.check_setup(&plan, place);
        }
        Some(plan)
    }

    /// Where the file says `setup: true`.
    fn setup(&self, top: &Fields<'s>) -> Option<Place> {
        let field = top.get(self, "setup")?;
        if self.boolean(&field.value, "`setup`") != Some(true) {
            return None;
        }
        // The compiled form of a setup config is one too, and of version 2.
        if self.inputs.continuation.is_some() {
            let message = "a config that continues a setup config cannot be one itself";
            let draft = Draft::error(Code::BAD_VALUE, field.key, message).hint("remove `setup: true`");
            self.sink.emit(draft);
        }
        Some(field.key)
    }

    /// A setup config runs one workflow, and not by the clock.
    fn check_setup(&self, plan: &Plan, place: Place) {
        let running: Vec<&str> = plan
            .workflows
            .iter()
            .filter(|workflow| workflow.left_out.is_none())
            .map(|workflow| workflow.name.as_str())
            .collect();
        if running.len() > 1 {
            let message = format!(
                "Max number of workflows exceeded: a setup config runs one, and this one runs {}",
                running.join(", ")
            );
            let draft = Draft::error(Code::BAD_VALUE, place, message)
                .hint("put the other workflows into the config that follows, or give them a `when`");
            self.sink.emit(draft);
        }
        if let Some(scheduled) = plan
            .workflows
            .iter()
            .find(|workflow| !workflow.schedules.is_empty())
        {
            let message = format!(
                "a setup config cannot have scheduled workflows, and `{}` has `triggers`",
                scheduled.name
            );
            let draft = Draft::error(Code::BAD_VALUE, place, message)
                .hint("schedule the pipeline instead of the workflow");
            self.sink.emit(draft);
        }
    }

    /// Reports a key that version 2 of the language does not have.
    pub(crate) fn needs_2_1(&self, field: &Field<'s>, scope: &Scope<'s>) {
        if scope.templates {
            return;
        }
        let message = format!("`{}` needs version 2.1 of the language", field.name);
        let draft = Draft::error(Code::VERSION, field.key, message).hint("write `version: 2.1` at the top");
        self.sink.emit_in(scope, draft);
    }

    /// Whether the file is of version 2.1, where `<< >>` means something. One that does not say is read as if it were, to
    /// find what else is wrong.
    fn version(&self, top: &Fields<'s>, root: Place) -> bool {
        const NEWEST: bool = true;
        let Some(field) = top.get(self, "version") else {
            let draft = Draft::error(
                Code::MISSING_KEY,
                top.place,
                format!("required key [version] not found in {}", top.what),
            )
            .hint("add `version: 2.1` at the top")
            .maybe_fix(self.first_line(root, "version: 2.1"));
            self.sink.emit(draft);
            return NEWEST;
        };
        let Some(text) = self.text(&field.value, "`version`") else {
            return NEWEST;
        };
        match text.trim() {
            "2" | "2.0" => false,
            "2.1" => NEWEST,
            other => {
                let message = format!("there is no version `{other}` of the config language");
                let draft = Draft::error(Code::VERSION, field.value.place, message)
                    .hint("write `version: 2.1`; 2 and 2.0 are known too");
                self.sink.emit(draft);
                NEWEST
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
            if !templates && TOP_OF_2_1.contains(&pair.name) {
                let message = format!("`{}` has no effect in version 2 of the language", pair.name);
                let draft = Draft::warning(Code::IGNORED, pair.key, message).hint("write `version: 2.1`");
                self.sink.emit(draft);
                continue;
            }
            match key.support {
                Support::Yes => {}
                Support::Ignored(reason) => {
                    let message = format!("`{}` has no effect: {reason}", pair.name);
                    self.sink.emit(Draft::warning(Code::IGNORED, pair.key, message));
                }
            }
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
