//! `airlock up --demo`: makes a project, pushes the embedded example to it over SSH as anybody would, and follows the
//! pipeline it starts.

use std::path::{Path, PathBuf};
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
    let git = Git::new(&checkout, &key, data_dir, &endpoint).await?;
    commit(&git, &checkout).await?;
    terminal::line(&format!("  Pushing {} to {git_url}\n", checkout.display()));
    let started = if git.run(&["push", git_url, "HEAD:refs/heads/main"]).await? {
        None
    } else {
        terminal::note("  Somebody else has pushed to main since: building what is there.");
        let branch = serde_json::json!({ "branch": "main" });
        let made: serde_json::Value = client
            .post(&format!("/project/git/{PROJECT}/pipeline"), &branch)
            .await?;
        made.get("id").and_then(|id| id.as_str()).map(str::to_owned)
    };
    watch(&client, PROJECT, started, false).await?;
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

/// Makes the first commit of the example. What somebody changed since then is theirs: it is committed as it is.
async fn commit(git: &Git, checkout: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(checkout).with_context(|| format!("creating {}", checkout.display()))?;
    git.must(&["init", "--quiet", "--initial-branch=main"]).await?;
    if !git.run(&["rev-parse", "--quiet", "--verify", "HEAD"]).await? {
        write_files(checkout)?;
    }
    git.must(&["add", "--all"]).await?;
    git.must(&["commit", "--quiet", "--allow-empty", "--message", "Say hello"])
        .await
}

/// Real git in the demonstration's checkout, with the demonstration's key.
struct Git {
    checkout: PathBuf,
    ssh: String,
}

impl Git {
    async fn new(
        checkout: &Path,
        key: &Path,
        data_dir: &Path,
        endpoint: &endpoint::Endpoint,
    ) -> anyhow::Result<Self> {
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
        Ok(Self {
            checkout: checkout.to_owned(),
            ssh,
        })
    }

    /// Whether git succeeded.
    async fn run(&self, arguments: &[&str]) -> anyhow::Result<bool> {
        let status = Command::new("git")
            .current_dir(&self.checkout)
            .args([
                "-c",
                "user.name=Airlock",
                "-c",
                "user.email=demo@localhost",
                "-c",
                "commit.gpgsign=false",
                "-c",
                "advice.pushUpdateRejected=false",
            ])
            .args(arguments)
            .env("GIT_SSH_COMMAND", &self.ssh)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .await
            .context("starting git; is it installed?")?;
        Ok(status.success())
    }

    async fn must(&self, arguments: &[&str]) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.run(arguments).await?,
            "git {} failed in {}",
            arguments.first().unwrap_or(&""),
            self.checkout.display()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_somebody_changed_in_the_checkout_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let checkout = folder.path().join("hello");
        let git = Git {
            checkout: checkout.clone(),
            ssh: String::new(),
        };
        commit(&git, &checkout).await.expect("the first time");
        let changed = checkout.join(FILES[0].0);
        assert_eq!(std::fs::read_to_string(&changed).expect("there"), FILES[0].1);
        std::fs::write(&changed, "mine\n").expect("written");
        commit(&git, &checkout).await.expect("the second time");
        assert_eq!(std::fs::read_to_string(&changed).expect("there"), "mine\n");
        assert!(
            git.run(&["diff", "--quiet", "HEAD"]).await.expect("git runs"),
            "it is not committed"
        );
    }
}
