//! Lists of steps: built-in steps, commands, conditions and steps handed in as a parameter, flattened in order.

use airlock_domain::limits::STEPS_PER_JOB;
use airlock_domain::plan::Step;
use airlock_yaml_tree::Place;

use super::{Compiler, Element, Search};
use crate::diagnostic::Code;
use crate::keys::{BUILT_IN_STEPS, CONDITION, STEPS, STEPS_OF_2_1};
use crate::limits::{MAX_CALL_DEPTH, MAX_PLAN_STEPS};
use crate::scope::{Map, Pair, Resolved, Scope, Shape, View};
use crate::sink::Draft;
use crate::suggest;

/// A step's name with its body, if it has one, and where it stands.
pub(crate) struct Called<'a, 's> {
    pub(crate) name: &'a str,
    pub(crate) body: Option<Resolved<'s>>,
    pub(crate) place: Place,
    pub(crate) scope: &'a std::rc::Rc<Scope<'s>>,
    pub(crate) depth: usize,
}

impl<'s> Compiler<'s> {
    /// Compiles a list of steps.
    pub(crate) fn steps(&self, value: &Resolved<'s>, what: &str, depth: usize, out: &mut Vec<Step>) {
        let Some(list) = self.list(value, what) else {
            return;
        };
        if depth > MAX_CALL_DEPTH {
            let message = format!("commands and conditions are nested more than {MAX_CALL_DEPTH} deep here");
            self.sink
                .emit_in(&list.scope, Draft::error(Code::LIMIT, value.place, message));
            return;
        }
        let here = self.sink.led_here();
        for item in list.iter() {
            if !self.budget.is_sound() || out.len() > STEPS_PER_JOB {
                return;
            }
            self.item(&item, depth, out);
            self.sink.back_to(here);
        }
    }

    fn item(&self, item: &View<'s>, depth: usize, out: &mut Vec<Step>) {
        let value = self.resolve(item);
        match &value.shape {
            // `- << parameters.steps >>`
            Shape::List(_) => self.steps(&value, "a step", depth + 1, out),
            Shape::Map(map) => self.map_item(map, &value, depth, out),
            Shape::Written(scalar) if scalar.is_null() => {
                let draft = Draft::error(Code::MISSING_KEY, value.place, "this step is empty")
                    .hint("remove the `-`, or write a step such as `checkout`");
                self.sink.emit_in(&value.scope, draft);
            }
            Shape::Written(_) | Shape::Computed(_) => {
                let Some(name) = self.text(&value, "a step") else {
                    return;
                };
                let called = Called {
                    name: &name,
                    body: None,
                    place: value.place,
                    scope: &value.scope,
                    depth,
                };
                self.step(&called, out);
            }
        }
    }

    fn map_item(&self, map: &Map<'s>, value: &Resolved<'s>, depth: usize, out: &mut Vec<Step>) {
        let pairs: Vec<Pair<'s>> = map.iter().collect();
        if self.early_step(&pairs, map, value, depth, out) {
            return;
        }
        let [pair] = pairs.as_slice() else {
            self.several_keys(&pairs, value, &map.scope);
            if let Some(first) = pairs.first().filter(|first| first.value.node.is_null()) {
                // What stands beside the step was meant for it, and may hold more mistakes.
                let called = Called {
                    name: first.name,
                    body: Some(Resolved {
                        shape: Shape::Map(map.below(first.name)),
                        ..value.clone()
                    }),
                    place: first.key,
                    scope: &map.scope,
                    depth,
                };
                self.step(&called, out);
            }
            return;
        };
        let body = Some(self.resolve(&pair.value)).filter(|body| !body.is_absent());
        let called = Called {
            name: pair.name,
            body,
            place: pair.key,
            scope: &map.scope,
            depth,
        };
        self.step(&called, out);
    }

    fn several_keys(&self, pairs: &[Pair<'s>], value: &Resolved<'s>, scope: &Scope<'s>) {
        let Some((first, rest)) = pairs.split_first() else {
            self.sink.emit_in(
                scope,
                Draft::error(Code::MISSING_KEY, value.place, "this step is empty"),
            );
            return;
        };
        let names: Vec<String> = rest.iter().map(|pair| format!("`{}`", pair.name)).collect();
        let names = names.join(", ");
        let draft = if first.value.node.is_null() {
            let lost = match first.name {
                "run" | "deploy" => ", which leaves it empty: required key [command] not found",
                _ => "",
            };
            let message = format!("{names} stands beside `{}`, not below it{lost}", first.name);
            Draft::error(
                Code::MISINDENTED,
                rest.first().map_or(first.key, |pair| pair.key),
                message,
            )
            .related(first.key, "has nothing below it")
            .hint(format!("indent {names} two columns more than `{}`", first.name))
            .maybe_fix(self.indent_below(pairs))
        } else if let Some(hint) = meant_below(first, rest) {
            let message = format!("{names} stands beside `{}`, not below it", first.name);
            Draft::error(
                Code::MISINDENTED,
                rest.first().map_or(first.key, |pair| pair.key),
                message,
            )
            .related(first.key, "the step begins here")
            .hint(hint)
        } else {
            let message = format!("a step has one key, and this one has {}", pairs.len());
            Draft::error(
                Code::WRONG_TYPE,
                rest.first().map_or(first.key, |pair| pair.key),
                message,
            )
            .related(first.key, "the step begins here")
            .hint("begin every step with `- `")
        };
        self.sink.emit_in(scope, draft);
    }

    /// Compiles one step by its name.
    pub(crate) fn step(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        // A local command may have the name of a built-in step; it hides it.
        match self.find(Element::Command, called.name, called.place, called.scope) {
            Search::Found(found) => {
                self.command(&found, called, out);
                return;
            }
            Search::Reported => return,
            Search::Unknown => {}
        }
        // Early caches and artifacts were written with a dash; the service still takes them so.
        let name = called.name.replace('-', "_");
        let name = if STEPS.contains(&name.as_str()) {
            name.as_str()
        } else {
            called.name
        };
        if !called.scope.templates && STEPS_OF_2_1.contains(&name) {
            let message = format!("Cannot find a definition for command named {name}: it needs version 2.1");
            let draft =
                Draft::error(Code::VERSION, called.place, message).hint("write `version: 2.1` at the top");
            self.sink.emit_in(called.scope, draft);
            return;
        }
        if STEPS.contains(&name) {
            self.record_step(name, called);
        }
        self.deprecated_step(called, name);
        match name {
            "run" => self.run(called, out),
            "deploy" => self.deploy(called, out),
            "checkout" => self.checkout(called, out),
            "setup_remote_docker" => self.setup_remote_docker(called, out),
            "save_cache" => self.save_cache(called, out),
            "restore_cache" => self.restore_cache(called, out),
            "store_artifacts" => self.store_artifacts(called, out),
            "store_test_results" => self.store_test_results(called, out),
            "persist_to_workspace" => self.persist_to_workspace(called, out),
            "attach_workspace" => self.attach_workspace(called, out),
            "add_ssh_keys" => self.add_ssh_keys(called, out),
            "install_signing_bundle" => self.install_signing_bundle(called, out),
            "when" | "unless" => self.conditional(called, out),
            "steps" => match &called.body {
                Some(body) => self.steps(body, "`steps`", called.depth + 1, out),
                None => self.needs_body(called, "a list of steps"),
            },
            name => self.unknown_step(name, called, out),
        }
    }

    fn unknown_step(&self, name: &str, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let definitions = &called.scope.definitions;
        let commands = definitions.commands.keys().copied();
        let known: Vec<&str> = commands.chain(STEPS.iter().copied()).collect();
        let message = format!("Cannot find a definition for command named {name}");
        let looks_like_shell = name.contains(' ');
        let draft = Draft::error(Code::UNKNOWN_COMMAND, called.place, message)
            .maybe_hint(looks_like_shell.then(|| "a shell command is a `run` step: `- run: …`".to_owned()))
            .maybe_near(name, &known);
        let near = suggest::nearest(name, known).map(str::to_owned);
        let (draft, near) = match near {
            Some(_) => (draft, near),
            None if looks_like_shell => (draft, None),
            None => {
                let meant = self.meant(Element::Command, name, definitions);
                // A list of commands is no help without the built-in steps.
                let hint = meant
                    .hint
                    .filter(|_| meant.name.is_some() || name.contains('/') || definitions.orb.is_some());
                let draft = draft.maybe_hint(hint);
                match meant.name {
                    Some(near) => (draft.rename(name, &near), Some(near)),
                    None => (draft, None),
                }
            }
        };
        self.tell_unknown(draft, name, called.scope);
        if let Some(near) = near {
            // Reading on with the step that was meant finds what else is wrong.
            let called = Called {
                name: &near,
                body: called.body.clone(),
                ..*called
            };
            self.step(&called, out);
        }
    }

    /// Reports a step that must have something below it.
    pub(crate) fn needs_body(&self, called: &Called<'_, 's>, wanted: &str) {
        let message = format!("the step `{}` needs {wanted}", called.name);
        self.sink.emit_in(
            called.scope,
            Draft::error(Code::MISSING_KEY, called.place, message),
        );
    }

    /// Adds a step to the job while there is room.
    pub(crate) fn push(&self, step: Step, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        if !self.budget.step() {
            let message = format!("the jobs of this config have more than {MAX_PLAN_STEPS} steps");
            self.sink
                .emit_in(called.scope, Draft::error(Code::LIMIT, called.place, message));
            return;
        }
        if out.len() == STEPS_PER_JOB {
            let message = format!("this job has more than {STEPS_PER_JOB} steps");
            self.sink
                .emit_in(called.scope, Draft::error(Code::LIMIT, called.place, message));
        }
        out.push(step);
    }

    /// `when` and `unless` as steps: decided now, nothing of them is left in the plan.
    fn conditional(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(body) = &called.body else {
            self.needs_body(called, "a `condition` and `steps`");
            return;
        };
        let what = format!("the step `{}`", called.name);
        let Some(map) = self.map(body, &what) else { return };
        let fields = self.fields(&map, called.place, &what, CONDITION);
        let condition = fields
            .need(
                self,
                "condition",
                "add what decides: `condition: << parameters.x >>`",
            )
            .and_then(|field| self.step_condition(&field.view));
        let Some(steps) = fields.need(self, "steps", "list the steps to run then") else {
            return;
        };
        // Of what nothing is known, both branches are looked at.
        if called.scope.unknown || condition == Some(called.name == "when") {
            self.steps_of_condition(&steps.value, called.depth + 1, out);
        } else if condition.is_some() {
            self.glance_at_steps(&steps, called.depth + 1);
        }
    }

    /// The steps of `when` and `unless`.
    pub(crate) fn steps_of_condition(&self, value: &Resolved<'s>, depth: usize, out: &mut Vec<Step>) {
        match &value.shape {
            // Published orbs have a single step here without its dash.
            Shape::Map(map) if map.mapping.len() == 1 => self.map_item(map, value, depth, out),
            Shape::Map(_) | Shape::List(_) | Shape::Written(_) | Shape::Computed(_) => {
                self.steps(value, "`steps`", depth, out);
            }
        }
    }
}

/// How to put the keys beside a built-in step below it, when they are its own.
fn meant_below(first: &Pair<'_>, rest: &[Pair<'_>]) -> Option<String> {
    let step = BUILT_IN_STEPS.iter().find(|step| step.name == first.name)?;
    let kind = step.kind?;
    let is_own = |pair: &Pair<'_>| kind.describe(pair.name).is_some();
    if !rest.iter().all(is_own) {
        return None;
    }
    let names: Vec<String> = rest.iter().map(|pair| format!("`{}`", pair.name)).collect();
    let names = names.join(", ");
    Some(if first.value.node.as_scalar().is_some() {
        format!(
            "write the text as `command: …` below `{}`, and {names} in line with it",
            first.name
        )
    } else {
        format!("indent {names} as far as what stands below `{}`", first.name)
    })
}
