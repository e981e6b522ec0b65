//! What a job's steps find in their environment, and how it is handed to process 1 of the sandbox. The server decided
//! which source wins; here only what depends on the sandbox is added.

use airlock_agent_protocol::{JobSpec, Lease};
use airlock_sandbox::channel::{Configure, SecretBytes, StepUser};

use crate::accounts::Account;
use crate::images::ImageConfig;
use crate::limits;

/// The home directory of this job's steps: the job's, else the image's, else the account's.
pub(crate) fn home(spec: &JobSpec, image: &ImageConfig, account: &Account) -> String {
    let mut set = image.environment.iter().chain(&spec.environment);
    let set = set.rfind(|(name, _)| name == "HOME");
    set.map_or(&account.home, |(_, value)| value).clone()
}

/// What a container beside the first is told of the job: what must not be shown, and nothing else.
pub(crate) fn masks_only(spec: &JobSpec, account: &Account) -> Vec<Configure> {
    split(Vec::new(), masks(spec), &account.home, &account.user)
}

fn masks(spec: &JobSpec) -> Vec<SecretBytes> {
    let values = spec.masks.iter().map(|mask| mask.secret().expose().to_vec());
    values.map(SecretBytes::new).collect()
}

/// The messages that carry environment and masks, each below the channel's limit. What the image sets comes first: every
/// other source wins over it.
pub(crate) fn configure(
    spec: &JobSpec,
    slice: u32,
    job: &str,
    image: &ImageConfig,
    account: &Account,
) -> Vec<Configure> {
    let home = home(spec, image, account);
    let bash_env = format!("/tmp/.bash_env-{job}-{slice}-build");
    let ours = [
        ("HOME", home.as_str()),
        ("USER", &account.name),
        ("LOGNAME", &account.name),
        // A directory that every image has and every step may write to.
        ("CIRCLE_INTERNAL_TASK_DATA", "/tmp"),
        // Steps have a terminal but nobody sits at it: a pager would wait for a key.
        ("PAGER", "cat"),
        ("BASH_ENV", &bash_env),
        ("CIRCLE_SHELL_ENV", &bash_env),
    ];
    let mut env = image.environment.clone();
    env.extend(
        ours.into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    if spec.source.is_some() {
        env.push(("SSH_AUTH_SOCK".into(), "/run/airlock/ssh-agent.sock".into()));
    }
    env.extend(spec.environment.iter().cloned());
    for (name, value) in &spec.secrets {
        // A secret that is no text cannot be a variable; the server refuses it when it is set.
        if let Some(text) = value.secret().expose_text() {
            env.push((name.clone(), text.to_owned()));
        }
    }
    split(env, masks(spec), &home, &account.user)
}

/// The variables that every step of the job finds.
pub(crate) fn variables(
    spec: &JobSpec,
    lease: Lease,
    image: &ImageConfig,
    account: &Account,
) -> Vec<(String, String)> {
    let messages = configure(spec, lease.slice, &lease.job.to_string(), image, account);
    messages.into_iter().flat_map(|message| message.env).collect()
}

/// As few messages as the limit allows. Masks go first: nothing may be printed before they are known.
fn split(env: Vec<(String, String)>, masks: Vec<SecretBytes>, home: &str, user: &StepUser) -> Vec<Configure> {
    let empty = || Configure {
        env: Vec::new(),
        masks: Vec::new(),
        home: home.to_owned(),
        user: user.clone(),
    };
    let mut messages = vec![empty()];
    let mut filled = 0;
    let mut room_for = |messages: &mut Vec<Configure>, bytes: usize| {
        if filled > 0 && filled + bytes > limits::CONFIGURE_BYTES {
            messages.push(empty());
            filled = 0;
        }
        filled += bytes;
    };
    for mask in masks {
        room_for(&mut messages, mask.expose().len() + 16);
        if let Some(last) = messages.last_mut() {
            last.masks.push(mask);
        }
    }
    for (name, value) in env {
        room_for(&mut messages, name.len() + value.len() + 16);
        if let Some(last) = messages.last_mut() {
            last.env.push((name, value));
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_environments_go_in_several_messages_and_lose_nothing() {
        let env: Vec<_> = (0..100)
            .map(|n| (format!("V{n}"), "x".repeat(32 * 1024)))
            .collect();
        let masks = (0..10).map(|n| SecretBytes::new(vec![n; 1000])).collect();
        let messages = split(env.clone(), masks, "/root", &StepUser::default());
        assert!(messages.len() > 1);
        for message in &messages {
            let bytes: usize = message
                .env
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            assert!(bytes <= limits::CONFIGURE_BYTES);
            assert_eq!(message.home, "/root");
        }
        assert_eq!(messages[0].masks.len(), 10);
        let all: Vec<_> = messages.into_iter().flat_map(|message| message.env).collect();
        assert_eq!(all, env);
    }
}
