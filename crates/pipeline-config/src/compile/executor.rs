//! Where a job runs: `docker`, `machine` or `macos` in the job, or a reusable executor, or both with the job's keys
//! winning.

use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_domain::plan::Executor;
use airlock_yaml_tree::Place;

use super::arguments::Call;
use super::environment::{Variables, merge};
use super::parameters::Owner;
use super::{Compiler, Element, Found};
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::EXECUTOR;
use crate::scope::{Pair, Resolved, Scope, Shape};
use crate::sink::Draft;

/// The keys that executors and jobs share.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) executor: Option<Executor>,
    pub(crate) resource_class: Option<(String, Place)>,
    pub(crate) environment: Variables,
    pub(crate) working_directory: Option<String>,
    pub(crate) shell: Option<Vec<String>>,
    /// One of `docker`, `machine`, `macos` was named, whether or not it could be used.
    named: bool,
}

const KINDS: [&str; 3] = ["docker", "machine", "macos"];

impl<'s> Compiler<'s> {
    /// The settings of a job: those of its executor, then its own.
    pub(crate) fn job_settings(&self, fields: &Fields<'s>) -> Settings {
        let base = fields.get(self, "executor");
        let base = base.map(|field| fields.scope.templates.then(|| self.reference(&field)).flatten());
        let own = self.settings(fields);
        let mut settings = match base {
            // An executor that could not be found has been reported.
            Some(base) => Settings {
                named: true,
                ..base.unwrap_or_default()
            },
            None => Settings::default(),
        };
        if own.executor.is_some() {
            settings.executor = own.executor;
        }
        settings.resource_class = own.resource_class.or(settings.resource_class);
        settings.working_directory = own.working_directory.or(settings.working_directory);
        settings.shell = own.shell.or(settings.shell);
        merge(&mut settings.environment, own.environment);
        if !settings.named && !own.named {
            let message = format!(
                "required key [docker] not found in {}: it names no place to run (0 subschemas matched instead of one)",
                fields.what
            );
            let draft = Draft::error(Code::MISSING_KEY, fields.place, message)
                .hint("add `docker:` with an `image`, `machine:`, `macos:` or `executor:`");
            self.sink.emit_in(&fields.scope, draft);
        }
        settings
    }

    /// The settings a map names itself.
    pub(crate) fn settings(&self, fields: &Fields<'s>) -> Settings {
        let named: Vec<Field<'s>> = KINDS
            .into_iter()
            .filter_map(|kind| fields.get(self, kind))
            .collect();
        if let [first, second, ..] = named.as_slice() {
            let message = format!(
                "{} names both `{}` and `{}` (2 subschemas matched instead of one)",
                fields.what, first.name, second.name
            );
            let draft = Draft::error(Code::BAD_VALUE, second.key, message)
                .related(first.key, "the first one")
                .hint("keep one of them");
            self.sink.emit_in(&fields.scope, draft);
        }
        let mut settings = Settings {
            named: !named.is_empty(),
            ..Settings::default()
        };
        settings.executor = named.first().and_then(|field| match field.name {
            "docker" => self.docker(field, &mut settings.environment),
            "machine" => self.machine(field, &mut settings),
            _ => self.macos(field),
        });
        merge(&mut settings.environment, self.environment(fields));
        settings.resource_class = fields
            .get(self, "resource_class")
            .and_then(|field| Some((self.text(&field.value, "`resource_class`")?, field.value.place)))
            .or(settings.resource_class);
        if let Some((class, place)) = &settings.resource_class {
            self.check_class(class, *place, &fields.scope);
        }
        settings.working_directory = fields
            .text(self, "working_directory")
            .filter(|text| !text.is_empty());
        settings.shell = fields
            .get(self, "shell")
            .and_then(|field| self.shell(&field.value))
            .or(settings.shell);
        settings
    }

    /// A shell as text or as a list of words.
    pub(crate) fn shell(&self, value: &Resolved<'s>) -> Option<Vec<String>> {
        let words = self.words(value, "`shell`")?;
        self.check_shell(value, &words);
        Some(words)
    }

    /// `executor: name` or `executor: {name: …, arguments}`.
    fn reference(&self, field: &Field<'s>) -> Option<Settings> {
        let (name, place, scope, given) = match &field.value.shape {
            Shape::Map(map) => {
                let fields = Fields::open(map, field.key, "`executor`");
                let name = fields.need(self, "name", "add the executor's `name`")?;
                let text = self.text(&name.value, "`name`")?;
                (text, name.value.place, name.value.scope, fields.rest())
            }
            Shape::Written(_) | Shape::Computed(_) | Shape::List(_) => (
                self.text(&field.value, "`executor`")?,
                field.value.place,
                Rc::clone(&field.value.scope),
                Vec::new(),
            ),
        };
        let here = self.sink.led_here();
        let found = self.find_or_tell(Element::Executor, &name, place, &scope)?;
        let settings = self.executor(&found, place, &given, &scope);
        self.sink.back_to(here);
        settings
    }

    fn executor(
        &self,
        found: &Found<'s>,
        place: Place,
        given: &[Pair<'s>],
        scope: &Rc<Scope<'s>>,
    ) -> Option<Settings> {
        let definition = &found.definition;
        self.mark_used(definition);
        let what = found.what(Element::Executor);
        let outer = scope.around(&found.home);
        let value = self.resolve(&Self::in_scope(definition, &outer));
        let map = self.map(&value, &what)?;
        let declared = self.parameters_of(&Fields::open(&map, definition.key, &what), Owner::Executor);
        let call = Call {
            what: &what,
            place,
            defaults: &outer,
            scope,
            beside: &[],
        };
        let values = self.bind(&call, &declared, given, &BTreeMap::new());
        let inner = scope.called(&found.home, what.clone(), definition.value.place(), place, values);
        let value = self.resolve(&Self::in_scope(definition, &inner));
        let map = self.map(&value, &what)?;
        self.record_layer(&map);
        let fields = self.fields(&map, definition.key, &what, EXECUTOR);
        let settings = self.settings(&fields);
        if !settings.named {
            let message = format!(
                "required key [docker] not found in {what}: it names no place to run (0 subschemas matched instead of one)"
            );
            let draft = Draft::error(Code::MISSING_KEY, definition.key, message)
                .hint("add `docker:` with an `image`, `machine:` or `macos:`");
            self.sink.emit_in(&inner, draft);
        }
        Some(settings)
    }
}
