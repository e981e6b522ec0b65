//! `save_cache` and `restore_cache`. Keys are templates that only the job can fill in; that they can be, is checked here.

use airlock_domain::cache_key::Template;
use airlock_domain::plan::{Step, StepBody};

use super::{Compiler, place_in};
use crate::compile::steps::Called;
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::keys::{RESTORE_CACHE, SAVE_CACHE};
use crate::limits::MAX_CACHE_KEY_CHARS;
use crate::scope::{Resolved, Shape};
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    pub(in crate::compile) fn save_cache(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(fields) = self.step_fields(called, SAVE_CACHE, "a `key` and `paths`") else {
            return;
        };
        let key = fields
            .need(self, "key", "name the cache: `key: v1-{{ checksum \"go.sum\" }}`")
            .and_then(|field| self.cache_key(&field.value, "`key`"));
        let paths = fields.need(self, "paths", "list what to keep: `paths: [node_modules]`");
        let paths = paths.map(|field| self.texts(&field.value, "`paths`"));
        let when = self.when_of(&fields);
        let (Some(key), Some(paths)) = (key, paths) else {
            return;
        };
        for (path, place) in &paths {
            self.tell_of_pattern(path, *place, "save_cache", &fields.scope);
        }
        let paths = paths.into_iter().map(|(path, _)| path).collect();
        let body = StepBody::SaveCache { key, paths };
        let step = self.built_in_step(called, Some(&fields), "Saving cache", when, body);
        self.push(step, called, out);
    }

    pub(in crate::compile) fn restore_cache(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(fields) = self.step_fields(called, RESTORE_CACHE, "a `key` or `keys`") else {
            return;
        };
        let Some(keys) = self.restore_keys(&fields) else {
            return;
        };
        let when = self.when_of(&fields);
        let body = StepBody::RestoreCache { keys };
        let step = self.built_in_step(called, Some(&fields), "Restoring cache", when, body);
        self.push(step, called, out);
    }

    /// `key`, then `keys`; some configs have both.
    fn restore_keys(&self, fields: &Fields<'s>) -> Option<Vec<String>> {
        let (one, several) = (fields.get(self, "key"), fields.get(self, "keys"));
        if one.is_none() && several.is_none() {
            let message = format!("{} needs the key `key` or `keys`", fields.what);
            let draft = Draft::error(Code::MISSING_KEY, fields.place, message)
                .hint("list them, the most exact one first: `keys: [v1-{{ .Branch }}, v1-]`");
            self.sink.emit_in(&fields.scope, draft);
            return None;
        }
        let mut keys: Vec<Option<String>> = Vec::new();
        if let Some(field) = &one {
            keys.push(self.cache_key(&field.value, "`key`"));
        }
        if let Some(field) = &several {
            match &field.value.shape {
                Shape::List(list) => {
                    for item in list.iter() {
                        keys.push(self.cache_key(&self.resolve(&item), "an item of `keys`"));
                    }
                }
                Shape::Written(_) | Shape::Computed(_) | Shape::Map(_) => {
                    keys.push(self.cache_key(&field.value, "`keys`"));
                }
            }
        }
        keys.into_iter().collect()
    }

    fn cache_key(&self, value: &Resolved<'s>, what: &str) -> Option<String> {
        let text = self.text(value, what)?;
        let error = match Template::parse(&text) {
            Ok(template) => {
                let fixed = template.fixed_chars();
                if fixed > MAX_CACHE_KEY_CHARS {
                    let message = format!(
                        "a cache key has at most {MAX_CACHE_KEY_CHARS} characters, and this one has {fixed} without its templates"
                    );
                    let draft = Draft::error(Code::LIMIT, value.place, message)
                        .hint("write what makes it long into a file and use its `{{ checksum \"file\" }}`");
                    self.sink.emit_in(&value.scope, draft);
                }
                return Some(text);
            }
            Err(error) => error,
        };
        let place = place_in(value, &text, error.at);
        let mut draft = Draft::error(Code::CACHE_KEY, place, error.message);
        if let Some(unknown) = error.unknown {
            draft = draft.did_you_mean(&unknown.name, unknown.known);
        }
        self.sink.emit_in(&value.scope, draft);
        None
    }
}
