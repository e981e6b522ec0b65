//! The checkout step: a shell script that runs inside the sandbox and the variables it reads. Git and ssh are the image's
//! own; ssh reaches the git host through the sandbox's git door, knows exactly one host key, and has no key but the key
//! agent's.

use airlock_agent_protocol::Source;
use airlock_sandbox::channel::StartStep;
use russh::keys::{HashAlg, PublicKey};

use crate::limits;
use crate::ssh_agent::KeyAgent;

const SCRIPT: &str = include_str!("checkout.sh");

/// Why there can be no checkout.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckoutError {
    #[error("this job has no repository to check out")]
    NoSource,
    #[error("the host key of {0} that the server sent cannot be read")]
    HostKey(String),
}

/// The step that clones the source into `directory`.
pub(crate) fn step(
    number: u32,
    source: Option<&Source>,
    key: Option<&KeyAgent>,
    directory: String,
) -> Result<StartStep, CheckoutError> {
    let source = source.ok_or(CheckoutError::NoSource)?;
    let host_key =
        PublicKey::from_openssh(&source.host_key).map_err(|_| CheckoutError::HostKey(source.host.clone()))?;
    let host_key_algorithms = match host_key.algorithm().as_str() {
        // The key's name; signatures with it have other names since SHA-1 is gone.
        "ssh-rsa" => "rsa-sha2-512,rsa-sha2-256".to_owned(),
        other => other.to_owned(),
    };
    let deploy_key = key.map_or_else(
        || "none".to_owned(),
        |key| key.public_key().fingerprint(HashAlg::Sha256).to_string(),
    );
    let variables = [
        ("CIRCLE_REPOSITORY_URL", source.url.clone()),
        ("AIRLOCK_SHA", source.sha.clone()),
        ("AIRLOCK_BRANCH", source.branch.clone().unwrap_or_default()),
        ("AIRLOCK_TAG", source.tag.clone().unwrap_or_default()),
        ("AIRLOCK_GIT_HOST", format!("{}:{}", source.host, source.port)),
        ("AIRLOCK_HOST_KEY", source.host_key.clone()),
        ("AIRLOCK_HOST_KEY_ALGORITHMS", host_key_algorithms),
        (
            "AIRLOCK_HOST_FINGERPRINT",
            host_key.fingerprint(HashAlg::Sha256).to_string(),
        ),
        ("AIRLOCK_DEPLOY_FINGERPRINT", deploy_key),
        ("SSH_AUTH_SOCK", "/run/airlock/ssh-agent.sock".to_owned()),
    ];
    Ok(StartStep {
        step: number,
        script: SCRIPT.to_owned(),
        shell: vec!["/bin/sh".to_owned()],
        env: variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        working_directory: directory,
        background: false,
        no_output_timeout_ms: limits::CHECKOUT_SILENCE_MS,
        tty: false,
        program: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use airlock_agent_protocol::SecretValue;
    use airlock_domain::Secret;

    use super::*;

    fn source(host_key: &str) -> Source {
        Source {
            host: "git.example".into(),
            port: 8022,
            url: "ssh://git@git.example:8022/demo/hello.git".into(),
            host_key: host_key.into(),
            deploy_key: SecretValue::new(Secret::new("canary-4711")),
            sha: "a".repeat(40),
            branch: Some("main'; touch /pwned; '".into()),
            tag: None,
        }
    }

    const HOST_KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ host";

    #[test]
    fn names_travel_as_variables_and_never_in_the_script() {
        let step = step(1, Some(&source(HOST_KEY)), None, "~/project".into()).expect("a step");
        assert!(!step.script.contains("touch /pwned"));
        assert!(step.env.iter().any(|(_, value)| value.contains("touch /pwned")));
        assert!(!step.env.iter().any(|(_, value)| value.contains("canary")));
        let fingerprint = step
            .env
            .iter()
            .find(|(name, _)| name == "AIRLOCK_HOST_FINGERPRINT");
        assert!(fingerprint.expect("set").1.starts_with("SHA256:"));
    }

    #[test]
    fn what_is_missing_is_said() {
        let text = |source| {
            step(1, source, None, "/x".into())
                .expect_err("refused")
                .to_string()
        };
        assert_eq!(text(None), "this job has no repository to check out");
        assert!(text(Some(&source("nonsense"))).contains("git.example"));
    }
}
