//! `airlock job ssh` and `airlock ssh-key`: entering a job with the ssh of this machine, and the keys for it. Asks the
//! instance to let the caller in, waits until the sandbox is there, and hands over to `ssh` with the door's host key
//! pinned.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use airlock_domain::JobId;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::exit;
use crate::client::{Client, ServerArguments};
use crate::terminal;

/// How often the instance is asked whether the sandbox is there.
const LOOK: Duration = Duration::from_millis(300);

const WARNING: &str = "Whoever enters a job sees everything in it: its files, its processes, and its secrets as they \
    are. Nothing is masked there, and what you do is yours to answer for.";

#[derive(Debug, Args)]
pub(crate) struct SshArguments {
    /// The job's id, as pages and `--json` show it.
    job: JobId,
    /// Which slice of a parallel job.
    #[arg(long, default_value_t = 0)]
    slice: u32,
    /// Say that you know that you will see the job's secrets.
    #[arg(long)]
    acknowledge_secret_access: bool,
    /// The private key to show; without it, ssh chooses as always.
    #[arg(short, long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Print the ssh command line instead of running it.
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    server: ServerArguments,
    /// A command to run instead of a shell.
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SshKeyCommand {
    /// Add the public half of your key.
    #[command(after_help = "Example:\n  airlock ssh-key add ~/.ssh/id_ed25519.pub")]
    Add(AddArguments),
    /// Show your keys.
    #[command(after_help = "Example:\n  airlock ssh-key list")]
    List(ListArguments),
    /// Remove one of your keys.
    #[command(
        after_help = "Example:\n  airlock ssh-key remove SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8"
    )]
    Remove(RemoveArguments),
}

#[derive(Debug, Args)]
pub(crate) struct AddArguments {
    /// The public key.
    #[arg(value_name = "FILE.pub")]
    file: PathBuf,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArguments {
    /// The key's fingerprint, as `list` shows it.
    fingerprint: String,
    #[command(flatten)]
    server: ServerArguments,
}

/// `airlock ssh-key`
pub(crate) async fn keys(command: SshKeyCommand) -> anyhow::Result<ExitCode> {
    match command {
        SshKeyCommand::Add(arguments) => {
            let key = std::fs::read_to_string(&arguments.file)
                .with_context(|| format!("reading the key {}", arguments.file.display()))?;
            let body = json!({ "public_key": key.trim() });
            let made: Value = arguments.server.client()?.post("/airlock/ssh-key", &body).await?;
            terminal::line(text(&made, "fingerprint"));
        }
        SshKeyCommand::List(arguments) => {
            let answer: Value = arguments.server.client()?.get("/airlock/ssh-key").await?;
            for key in items(&answer, "items") {
                if arguments.json {
                    terminal::line(&key.to_string());
                } else {
                    terminal::line(&format!("{}  {}", text(key, "fingerprint"), text(key, "label")));
                }
            }
        }
        SshKeyCommand::Remove(arguments) => {
            let path = format!(
                "/airlock/ssh-key?fingerprint={}",
                in_query(&arguments.fingerprint)
            );
            arguments
                .server
                .client()?
                .send(Method::DELETE, &path, None)
                .await?;
            terminal::line("removed");
        }
    }
    Ok(exit::OK)
}

/// `airlock job ssh`
pub(crate) async fn enter(arguments: &SshArguments) -> anyhow::Result<ExitCode> {
    let client = arguments.server.client()?;
    acknowledge(arguments.acknowledge_secret_access)?;
    let path = format!("/airlock/job/{}/ssh", arguments.job);
    let started: Value = client
        .post(&path, &json!({ "acknowledge_secret_access": true }))
        .await?;
    terminal::note(text(&started, "message"));
    let job = match started.get("pipeline_id").and_then(Value::as_str) {
        Some(pipeline) => again(&client, pipeline, arguments.job).await?,
        None => arguments.job.to_string(),
    };
    let slice = opened(&client, &job, arguments.slice).await?;
    if arguments.print {
        terminal::line(text(&slice, "command"));
        return Ok(exit::OK);
    }
    run_ssh(arguments, &slice).await
}

fn acknowledge(said: bool) -> anyhow::Result<()> {
    if said {
        return Ok(());
    }
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        anyhow::bail!("{WARNING} Say that you know with --acknowledge-secret-access.");
    }
    terminal::note(&format!("{WARNING}\nType yes to go on:"));
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .context("reading the answer")?;
    anyhow::ensure!(answer.trim() == "yes", "not entered");
    Ok(())
}

/// The job that a pipeline runs again, once it is planned.
async fn again(client: &Client, pipeline: &str, before: JobId) -> anyhow::Result<String> {
    let before: Value = client.get(&format!("/airlock/job/{before}")).await?;
    let name = text(&before, "name");
    loop {
        let workflows: Value = client.get(&format!("/pipeline/{pipeline}/workflow")).await?;
        for workflow in items(&workflows, "items") {
            let path = format!("/workflow/{}/job", text(workflow, "id"));
            let jobs: Value = client.get(&path).await?;
            let found = items(&jobs, "items")
                .find(|job| text(job, "name") == name && text(job, "status") != "not_run");
            if let Some(job) = found {
                return Ok(text(job, "id").to_owned());
            }
        }
        let state: Value = client.get(&format!("/pipeline/{pipeline}")).await?;
        anyhow::ensure!(
            text(&state, "state") != "errored",
            "the job could not be run again: its pipeline {pipeline} has errors, which its page shows"
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until a slice can be entered.
async fn opened(client: &Client, job: &str, slice: u32) -> anyhow::Result<Value> {
    let mut told = false;
    loop {
        let now: Value = client.get(&format!("/airlock/job/{job}/ssh")).await?;
        let found = items(&now, "slices").find(|known| known["index"] == slice);
        match found {
            Some(found) if found["open"] == true => return Ok(found.clone()),
            Some(_) => {}
            None => anyhow::bail!("slice {slice} of job {job} has ended, or never was: it cannot be entered"),
        }
        if !told {
            terminal::note("waiting for the job's sandbox");
            told = true;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn run_ssh(arguments: &SshArguments, slice: &Value) -> anyhow::Result<ExitCode> {
    let mut known_hosts = tempfile::NamedTempFile::new().context("making a file for the host key")?;
    writeln!(known_hosts, "{}", text(slice, "known_hosts")).context("writing the host key")?;
    let mut ssh = tokio::process::Command::new("ssh");
    ssh.arg("-p")
        .arg(slice["port"].to_string())
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known_hosts.path().display()))
        .args(["-o", "StrictHostKeyChecking=yes"]);
    if let Some(identity) = &arguments.identity {
        ssh.arg("-i").arg(identity).args(["-o", "IdentitiesOnly=yes"]);
    }
    ssh.arg(format!("{}@{}", text(slice, "user"), text(slice, "host")))
        .args(&arguments.command);
    let ended = ssh
        .status()
        .await
        .context("running ssh (Debian, Ubuntu: apt-get install openssh-client)")?;
    let code = ended.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(exit::FAILED, ExitCode::from))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// A fingerprint as a value of a query.
fn in_query(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        '+' => "%2B".to_owned(),
        '/' => "%2F".to_owned(),
        '=' => "%3D".to_owned(),
        ':' => ":".to_owned(),
        other if other.is_ascii_alphanumeric() => other.to_string(),
        _ => "%3F".to_owned(),
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_survive_the_query() {
        assert_eq!(in_query("SHA256:aB+c/d="), "SHA256:aB%2Bc%2Fd%3D");
        assert_eq!(in_query("a&b #"), "a%3Fb%3F%3F");
    }
}
