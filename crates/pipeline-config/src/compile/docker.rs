//! `docker`: the containers of a job. Sign-in data stays as written; `$NAME` in it means something only in the job.

use airlock_domain::plan::{Container, ContainerSettings, Executor, RegistryAuth};
use airlock_domain::{EnvName, ImageName};

use super::Compiler;
use super::environment::Variables;
use crate::diagnostic::Code;
use crate::fields::{Field, Fields};
use crate::keys::{AUTH, AWS_AUTH, DOCKER, GCP_AUTH};
use crate::scope::{Resolved, Shape, View};
use crate::sink::Draft;

impl<'s> Compiler<'s> {
    /// The containers of a job; the first one's variables are the job's too.
    pub(crate) fn docker(&self, field: &Field<'s>, environment: &mut Variables) -> Option<Executor> {
        let list = self.list(&field.value, "`docker`")?;
        let mut items = list.iter();
        let Some(primary) = items.next() else {
            let message = "`docker` lists no image";
            let draft = Draft::error(Code::MISSING_KEY, field.key, message).hint("add `- image: …`");
            self.sink.emit_in(&list.scope, draft);
            return None;
        };
        let primary = self.container(&primary);
        let services: Vec<Option<Container>> = items.map(|item| self.container(&item)).collect();
        let Container {
            image,
            place,
            settings,
        } = primary?;
        // Steps get what a shell can hold.
        for (name, value) in &settings.environment {
            if let Ok(name) = EnvName::new(name.clone()) {
                environment.push((name, value.clone()));
            }
        }
        Some(Executor::Docker {
            image,
            place,
            primary: settings,
            services: services.into_iter().collect::<Option<Vec<Container>>>()?,
        })
    }

    fn container(&self, item: &View<'s>) -> Option<Container> {
        let value = self.resolve(item);
        let map = self.map(&value, "an item of `docker`")?;
        let fields = self.fields(&map, value.place, "an item of `docker`", DOCKER);
        let settings = ContainerSettings {
            name: fields.text(self, "name").filter(|text| !text.is_empty()),
            entrypoint: self.program(&fields, "entrypoint"),
            command: self.program(&fields, "command"),
            user: fields.text(self, "user").filter(|text| !text.is_empty()),
            environment: self.container_environment(&fields),
            auth: self.registry_auth(&fields),
        };
        let image = fields.need(self, "image", "add `image: …`")?;
        let text = self.text(&image.value, "`image`")?;
        Some(Container {
            image: self.name_of_place(text.trim(), image.value.place, &image.value.scope, ImageName::new)?,
            place: self.sink.plan_place(image.value.place),
            settings,
        })
    }

    /// A program with its arguments: a list, or one text that is split as a shell would.
    fn program(&self, fields: &Fields<'s>, name: &'static str) -> Option<Vec<String>> {
        let field = fields.get(self, name)?;
        self.words(&field.value, &format!("`{name}`"))
    }

    fn registry_auth(&self, fields: &Fields<'s>) -> Option<RegistryAuth> {
        let named: Vec<Field<'s>> = ["auth", "aws_auth", "gcp_auth"]
            .into_iter()
            .filter_map(|name| fields.get(self, name))
            .collect();
        if let [first, second, ..] = named.as_slice() {
            let message = format!("a container has both `{}` and `{}`", first.name, second.name);
            let draft = Draft::error(Code::BAD_VALUE, second.key, message)
                .related(first.key, "the first one")
                .hint("keep the one that is meant for this image's registry");
            self.sink.emit_in(&fields.scope, draft);
        }
        let field = named.into_iter().next()?;
        let what = format!("`{}`", field.name);
        let map = self.map(&field.value, &what)?;
        match field.name {
            "auth" => {
                let auth = self.fields(&map, field.key, &what, AUTH);
                let username = self.needed_text(&auth, "username", "add `username: $NAME`");
                let password = self.needed_text(&auth, "password", "add `password: $NAME`");
                Some(RegistryAuth::Password {
                    username: username?,
                    password: password?,
                })
            }
            "aws_auth" => {
                let auth = self.fields(&map, field.key, &what, AWS_AUTH);
                if let Some(role_arn) = auth.text(self, "oidc_role_arn").filter(|text| !text.is_empty()) {
                    return Some(RegistryAuth::AwsRole { role_arn });
                }
                let hint = "add both halves of the key, or `oidc_role_arn`";
                let id = self.needed_text(&auth, "aws_access_key_id", hint);
                let secret = self.needed_text(&auth, "aws_secret_access_key", hint);
                Some(RegistryAuth::AwsKey {
                    access_key_id: id?,
                    secret_access_key: secret?,
                })
            }
            _ => {
                let auth = self.fields(&map, field.key, &what, GCP_AUTH);
                let hint = "`gcp_auth` needs a service account, a pool and a provider";
                let account = self.needed_text(&auth, "oidc_service_account", hint);
                let pool = self.needed_text(&auth, "workload_identity_pool", hint);
                let provider = self.needed_text(&auth, "workload_identity_provider", hint);
                Some(RegistryAuth::Gcp {
                    service_account: account?,
                    workload_identity_pool: pool?,
                    workload_identity_provider: provider?,
                })
            }
        }
    }

    /// The text of a key that must be there.
    pub(crate) fn needed_text(&self, fields: &Fields<'s>, name: &'static str, hint: &str) -> Option<String> {
        let field = fields.need(self, name, hint)?;
        self.text(&field.value, &format!("`{name}`"))
    }

    /// A list of words, or one text that is split as a shell would.
    pub(crate) fn words(&self, value: &Resolved<'s>, what: &str) -> Option<Vec<String>> {
        Some(match &value.shape {
            Shape::List(_) => self
                .texts(value, what)
                .into_iter()
                .map(|(text, _)| text)
                .collect(),
            Shape::Written(_) | Shape::Computed(_) | Shape::Map(_) => {
                super::names::shell_words(&self.text(value, what)?)
            }
        })
    }
}
