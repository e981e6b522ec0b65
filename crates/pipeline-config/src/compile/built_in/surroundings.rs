//! Steps that give a job something to work with: keys, a Docker engine, a signing bundle.

use airlock_domain::plan::{Step, StepBody, StepWhen};

use super::Compiler;
use crate::compile::steps::Called;
use crate::diagnostic::Code;
use crate::keys::{ADD_SSH_KEYS, INSTALL_SIGNING_BUNDLE, SETUP_REMOTE_DOCKER};
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    pub(in crate::compile) fn add_ssh_keys(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(fields) = self.optional_step_fields(called, ADD_SSH_KEYS) else {
            return;
        };
        let fields = fields.as_ref();
        let found = fields
            .and_then(|fields| self.texts_of(fields, "fingerprints"))
            .unwrap_or_default();
        for (text, place) in found.iter().filter(|(text, _)| !is_fingerprint(text)) {
            let message = format!("`{}` is no fingerprint of a key", short(text));
            let draft = Draft::warning(Code::BAD_VALUE, *place, message)
                .hint("write `SHA256:…`, or 16 pairs of hexadecimal digits with colons between them");
            self.sink.emit_in(called.scope, draft);
        }
        let fingerprints = found.into_iter().map(|(text, _)| text).collect();
        let body = StepBody::AddSshKeys { fingerprints };
        let step = self.built_in_step(called, fields, "Adding SSH keys", StepWhen::OnSuccess, body);
        self.push(step, called, out);
    }

    pub(in crate::compile) fn setup_remote_docker(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(fields) = self.optional_step_fields(called, SETUP_REMOTE_DOCKER) else {
            return;
        };
        let fields = fields.as_ref();
        let body = StepBody::SetupRemoteDocker {
            version: fields
                .and_then(|fields| fields.text(self, "version"))
                .filter(|text| !text.is_empty()),
            docker_layer_caching: fields
                .and_then(|fields| fields.boolean(self, "docker_layer_caching"))
                .unwrap_or(false),
        };
        let name = "Setup a remote Docker engine";
        let step = self.built_in_step(called, fields, name, StepWhen::OnSuccess, body);
        self.push(step, called, out);
    }

    pub(in crate::compile) fn install_signing_bundle(&self, called: &Called<'_, 's>, out: &mut Vec<Step>) {
        let Some(fields) = self.optional_step_fields(called, INSTALL_SIGNING_BUNDLE) else {
            return;
        };
        let name = "Install signing bundle";
        let body = StepBody::InstallSigningBundle;
        let step = self.built_in_step(called, fields.as_ref(), name, StepWhen::OnSuccess, body);
        self.push(step, called, out);
    }
}

/// MD5 in pairs, `MD5:` before it or not, or SHA-256 in base 64.
fn is_fingerprint(text: &str) -> bool {
    let base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    if let Some(digest) = text.strip_prefix("SHA256:") {
        return !digest.is_empty() && digest.chars().all(base64);
    }
    let pairs: Vec<&str> = text.strip_prefix("MD5:").unwrap_or(text).split(':').collect();
    pairs.len() == 16
        && pairs
            .iter()
            .all(|pair| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints() {
        for good in [
            "b7:35:a6:4e:9b:0d:6d:d4:78:1e:9a:97:2a:66:6b:be",
            "MD5:B7:35:a6:4e:9b:0d:6d:d4:78:1e:9a:97:2a:66:6b:be",
            "SHA256:NPj4IcXxqQEKGXOghi/QbG2sohoNfvZ30JwCcdSSNM0",
        ] {
            assert!(is_fingerprint(good), "{good}");
        }
        for bad in ["", "b7:35", "SHA256:", "$KEY", "SO:ME:FIN:G:ER:PR:IN:T"] {
            assert!(!is_fingerprint(bad), "{bad}");
        }
    }
}
