//! `airlock up --demo`: makes a project, pushes the embedded example to it over SSH as anybody would, and follows the
//! pipeline it starts.

use std::path::Path;
use std::process::Stdio;

use anyhow::Context as _;
use tokio::process::Command;

use crate::client::Client;
use crate::watch::watch;
use crate::{endpoint, processes, terminal};

/// The example, file by file; scripts are executable.
const FILES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/hello_files.rs"));

const PROJECT: &str = "demo/hello";

/// Pushes the example and follows its pipeline.
pub(crate) async fn play(data_dir: &Path) -> anyhow::Result<()> {
    let endpoint = endpoint::read(data_dir)?.context("the instance has no endpoint")?;
    let client = Client::of(&endpoint)?;
    let folder = data_dir.join("demo");
    processes::data_dir(&folder)?;
    let key = folder.join("id_ed25519");
    let public = key_pair(&key).await?;
    let made: serde_json::Value = client
        .post(
            "/airlock/project",
            &serde_json::json!({ "slug": PROJECT, "key": public }),
        )
        .await?;
    let git_url = made
        .get("git_url")
        .and_then(|url| url.as_str())
        .context("the server gave no git URL")?;
    let greeting = serde_json::json!({ "name": "GREETING_TOKEN", "value": token()? });
    let _set: serde_json::Value = client
        .post(&format!("/project/git/{PROJECT}/envvar"), &greeting)
        .await?;

    let checkout = folder.join("hello");
    write_files(&checkout)?;
    terminal::line(&format!("  Pushing {} to {git_url}\n", checkout.display()));
    push(&checkout, git_url, &key, data_dir, &endpoint).await?;
    watch(&client, PROJECT, None, false).await?;
    terminal::line(
        "\n  Look at it in the browser, or change something in the checkout above and push again.",
    );
    Ok(())
}

fn token() -> anyhow::Result<String> {
    use std::fmt::Write as _;
    processes::random()?[..16]
        .iter()
        .try_fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}")?;
            Ok(text)
        })
}

async fn key_pair(key: &Path) -> anyhow::Result<String> {
    let public = key.with_extension("pub");
    if !public.is_file() {
        let made = airlock_transport::ssh::SshPrivateKey::generate("airlock demo")?;
        processes::write_private(key, made.to_openssh()?.expose())?;
        tokio::fs::write(&public, made.public().to_line())
            .await
            .context("writing the demo's public key")?;
    }
    tokio::fs::read_to_string(&public)
        .await
        .context("reading the demo's public key")
}

fn write_files(checkout: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for (name, text) in FILES {
        let path = checkout.join(name);
        let doing = || format!("writing {}", path.display());
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(doing)?;
        }
        std::fs::write(&path, text).with_context(doing)?;
        if text.starts_with("#!") {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).with_context(doing)?;
        }
    }
    Ok(())
}

async fn push(
    checkout: &Path,
    git_url: &str,
    key: &Path,
    data_dir: &Path,
    endpoint: &endpoint::Endpoint,
) -> anyhow::Result<()> {
    let known_hosts = data_dir.join("demo/known_hosts");
    let host_key = airlock_transport::ssh::HostKey::open(&data_dir.join("ssh/host_key"))?;
    let port = endpoint
        .ssh
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .unwrap_or(8022);
    let line = format!("{}\n", host_key.public().known_hosts_line("localhost", port));
    tokio::fs::write(&known_hosts, line)
        .await
        .context("writing the demo's known_hosts")?;
    let ssh = format!(
        "ssh -F none -i '{}' -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile='{}'",
        key.display(),
        known_hosts.display()
    );
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .current_dir(checkout)
            .args([
                "-c",
                "user.name=Airlock",
                "-c",
                "user.email=demo@localhost",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(arguments)
            .env("GIT_SSH_COMMAND", &ssh)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    };
    let steps: [&[&str]; 4] = [
        &["init", "--quiet", "--initial-branch=main"],
        &["add", "--all"],
        &["commit", "--quiet", "--allow-empty", "--message", "Say hello"],
        &["push", git_url, "HEAD:refs/heads/main"],
    ];
    for step in steps {
        let status = git(step)
            .status()
            .await
            .context("starting git; is it installed?")?;
        anyhow::ensure!(
            status.success(),
            "git {} ended with {status}",
            step.first().unwrap_or(&"")
        );
    }
    Ok(())
}
