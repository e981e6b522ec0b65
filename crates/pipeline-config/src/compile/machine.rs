//! `machine` and `macos`: jobs that run in a virtual machine of their own.

use airlock_domain::ImageName;
use airlock_domain::plan::{Executor, MacOs, Machine};

use super::Compiler;
use super::executor::Settings;
use crate::diagnostic::Code;
use crate::fields::Field;
use crate::keys::{MACHINE, MACOS};
use crate::scope::{Resolved, Shape};
use crate::sink::Draft;
use crate::value::Value;

impl<'s> Compiler<'s> {
    /// `machine: true`, `machine: image`, or a map, which may also name the shell and the resource class.
    pub(crate) fn machine(&self, field: &Field<'s>, settings: &mut Settings) -> Option<Executor> {
        let place = self.sink.plan_place(field.key);
        let Shape::Map(map) = &field.value.shape else {
            let image = self.short_machine(&field.value)?;
            return Some(Executor::Machine(Machine {
                image,
                docker_layer_caching: false,
                place,
            }));
        };
        let fields = self.fields(map, field.key, "`machine`", MACHINE);
        if let Some(enabled) = fields.get(self, "enabled")
            && self.boolean(&enabled.value, "`enabled`") == Some(false)
        {
            self.not_a_machine(&enabled.value);
        }
        settings.resource_class = fields
            .get(self, "resource_class")
            .and_then(|field| Some((self.text(&field.value, "`resource_class`")?, field.value.place)));
        settings.shell = fields
            .get(self, "shell")
            .and_then(|field| self.shell(&field.value));
        let docker_layer_caching = fields.boolean(self, "docker_layer_caching").unwrap_or(false);
        let image = match fields.get(self, "image") {
            Some(image) => self.machine_image(&image.value)?,
            None => None,
        };
        Some(Executor::Machine(Machine {
            image,
            docker_layer_caching,
            place,
        }))
    }

    /// The outer option is for what is no machine.
    #[expect(clippy::option_option, reason = "unreadable, the default image, this image")]
    fn short_machine(&self, value: &Resolved<'s>) -> Option<Option<ImageName>> {
        let flag = match &value.shape {
            Shape::Written(scalar) => scalar.as_bool(),
            Shape::Computed(Value::Bool(flag)) => Some(*flag),
            Shape::Computed(_) | Shape::List(_) | Shape::Map(_) => None,
        };
        match flag {
            Some(true) => Some(None),
            Some(false) => {
                self.not_a_machine(value);
                None
            }
            None if matches!(value.shape, Shape::List(_)) => {
                self.wrong_type(value, "`machine`", "`true`, an image or a map");
                None
            }
            None => self.machine_image(value),
        }
    }

    fn not_a_machine(&self, value: &Resolved<'s>) {
        let draft = Draft::error(
            Code::BAD_VALUE,
            value.place,
            "a job on no machine has nowhere to run",
        )
        .hint("leave `machine` out, or name an image");
        self.sink.emit_in(&value.scope, draft);
    }

    #[expect(clippy::option_option, reason = "unreadable, none, this image")]
    fn machine_image(&self, value: &Resolved<'s>) -> Option<Option<ImageName>> {
        let text = self.text(value, "`image`")?;
        if text.trim().is_empty() {
            return Some(None);
        }
        self.name_of_place(text.trim(), value.place, &value.scope, ImageName::new)
            .map(Some)
    }

    /// `macos: {xcode: …}`; the version stays as it is written.
    pub(crate) fn macos(&self, field: &Field<'s>) -> Option<Executor> {
        let map = self.map(&field.value, "`macos`")?;
        let fields = self.fields(&map, field.key, "`macos`", MACOS);
        let code_signing = fields
            .get(self, "code_signing")
            .map(|field| self.texts(&field.value, "`code_signing`"))
            .unwrap_or_default();
        let xcode = self.needed_text(&fields, "xcode", "name the version: `xcode: \"16.2.0\"`")?;
        Some(Executor::MacOs(MacOs {
            xcode,
            code_signing: code_signing.into_iter().map(|(text, _)| text).collect(),
            place: self.sink.plan_place(field.key),
        }))
    }
}
