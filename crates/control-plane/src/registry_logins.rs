//! How an agent signs in for the images of a job's containers: user and password of `auth` with the job's variables filled
//! in. Called when a slice is handed out; before that, nobody knows the values.

use airlock_agent_protocol::{RegistryLogin, SecretValue};
use airlock_domain::Secret;
use airlock_domain::environment::{Value, Variable};
use airlock_domain::plan::{ContainerSettings, RegistryAuth};

use crate::UseCaseError;

/// How to sign in for each of these containers' images.
pub(crate) fn logins<'s>(
    containers: impl IntoIterator<Item = &'s ContainerSettings>,
    variables: &[Variable],
) -> Result<Vec<Option<RegistryLogin>>, UseCaseError> {
    containers
        .into_iter()
        .map(|settings| login(settings.auth.as_ref(), variables))
        .collect()
}

fn login(auth: Option<&RegistryAuth>, variables: &[Variable]) -> Result<Option<RegistryLogin>, UseCaseError> {
    match auth {
        // The others are refused before a pipeline starts.
        None
        | Some(RegistryAuth::AwsKey { .. } | RegistryAuth::AwsRole { .. } | RegistryAuth::Gcp { .. }) => {
            Ok(None)
        }
        Some(RegistryAuth::Password { username, password }) => Ok(Some(RegistryLogin {
            username: filled(username, variables)?,
            password: SecretValue::new(Secret::new(filled(password, variables)?)),
        })),
    }
}

/// `$NAME` and `${NAME}` replaced by the job's variables. A dollar before anything else stays one.
fn filled(text: &str, variables: &[Variable]) -> Result<String, UseCaseError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let (name, end) = braced.unwrap_or_else(|| {
            let letters = after.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
            after.split_at(letters.unwrap_or(after.len()))
        });
        if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            out.push('$');
            rest = after;
            continue;
        }
        let variable = variables.iter().find(|variable| variable.name.as_str() == name);
        let value = match variable.map(|variable| &variable.value) {
            Some(Value::Plain(value)) => Some(value.as_str()),
            Some(Value::Secret(secret)) => secret.expose_text(),
            None => None,
        };
        out.push_str(value.ok_or_else(|| {
            UseCaseError::Invalid(format!(
                "`auth` of the image needs the variable {name}, which this job does not have: set it for the project with \
                 `airlock secret set` (jobs of outsiders see no secrets)"
            ))
        })?);
        rest = end;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Vec<Variable> {
        let variable = |name: &str, value| Variable {
            name: name.parse().expect("a name"),
            value,
        };
        vec![
            variable("REGISTRY_USER", Value::Plain("me".into())),
            variable("TOKEN", Value::Secret(Secret::new("canary-4711"))),
        ]
    }

    #[test]
    fn variables_are_filled_in_and_dollars_stay() {
        for (written, meant) in [
            ("$REGISTRY_USER", "me"),
            ("${REGISTRY_USER}", "me"),
            ("a-$REGISTRY_USER-$TOKEN.", "a-me-canary-4711."),
            ("pa$$word$", ""),
            ("cost: 5$ or $1", "cost: 5$ or $1"),
            ("${", "${"),
            ("plain", "plain"),
        ] {
            let got = filled(written, &variables());
            if meant.is_empty() {
                assert!(got.expect_err(written).to_string().contains("variable word"));
            } else {
                assert_eq!(got.expect(written), meant);
            }
        }
    }

    #[test]
    fn each_container_signs_in_for_itself_and_shows_nothing() {
        let private = ContainerSettings {
            auth: Some(RegistryAuth::Password {
                username: "$REGISTRY_USER".into(),
                password: "$TOKEN".into(),
            }),
            ..ContainerSettings::default()
        };
        let public = ContainerSettings::default();
        let found = logins([&public, &private], &variables()).expect("filled in");
        assert!(found[0].is_none());
        let login = found[1].as_ref().expect("a login");
        assert_eq!(login.username, "me");
        assert_eq!(login.password.secret().expose_text(), Some("canary-4711"));
        assert!(!format!("{found:?}").contains("canary"));
        let error = logins([&private], &[]).expect_err("not set").to_string();
        assert!(error.contains("REGISTRY_USER"), "{error}");
    }
}
