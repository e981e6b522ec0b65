//! `checkout`.

use airlock_domain::plan::{CheckoutMethod, Step, StepBody, StepWhen};

use super::Compiler;
use crate::compile::steps::Called;
use crate::diagnostic::Code;
use crate::fields::Fields;
use crate::keys::CHECKOUT;
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    pub(in crate::compile) fn checkout(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(fields) = self.optional_step_fields(called, CHECKOUT) else {
            return;
        };
        let fields = fields.as_ref();
        let path = fields
            .and_then(|fields| fields.text(self, "path"))
            .filter(|text| !text.is_empty());
        let method = fields.and_then(|fields| self.checkout_method(fields));
        let body = StepBody::Checkout { path, method };
        let step = self.built_in_step(called, fields, "Checkout code", StepWhen::OnSuccess, body);
        self.push(step, called, out);
    }

    fn checkout_method(&self, fields: &Fields<'s>) -> Option<CheckoutMethod> {
        const METHODS: [&str; 3] = ["blobless", "full", "shallow"];
        let depth = fields.get(self, "depth");
        let method = fields.get(self, "method");
        let name = match &method {
            Some(field) => self.text(&field.value, "`method`")?,
            None => String::new(),
        };
        if let Some(depth) = depth.as_ref().filter(|_| name != "shallow") {
            let message = "Checkout depth can only be used with the shallow checkout method";
            let draft = Draft::error(Code::BAD_VALUE, depth.key, message).hint("add `method: shallow`");
            self.sink.emit_in(&fields.scope, draft);
        }
        match name.as_str() {
            "" => None,
            "blobless" => Some(CheckoutMethod::Blobless),
            "full" => Some(CheckoutMethod::Full),
            "shallow" => {
                let hint = "say how many commits: `depth: 1`";
                let depth = fields.need(self, "depth", hint)?;
                let depth = self.number_within(&depth, 1, u32::MAX)?;
                Some(CheckoutMethod::Shallow { depth })
            }
            other => {
                let field = method?;
                let message = format!("there is no checkout method `{other}`");
                let draft =
                    Draft::error(Code::BAD_VALUE, field.value.place, message).did_you_mean(other, &METHODS);
                self.sink.emit_in(&field.value.scope, draft);
                None
            }
        }
    }
}
