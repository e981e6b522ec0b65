//! `airlock job`: a job's log, files and records, the approval of one that waits, and entering one over SSH.

mod records;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use airlock_domain::JobId;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use super::job_ssh::SshArguments;
use super::{exit, job_ssh};
use crate::client::{Client, ServerArguments, items};
use crate::terminal;

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// Print a job's log as the steps wrote it.
    #[command(after_help = "Example:\n  airlock job logs 0198c2f4-… --slice 1")]
    Logs(LogsArguments),
    /// Show a job's artifacts, or save them.
    #[command(after_help = "Example:\n  airlock job artifacts 0198c2f4-… --save ./out")]
    Artifacts(ArtifactsArguments),
    /// Show what a slice used: processor, memory, disk, network.
    #[command(after_help = "Example:\n  airlock job resources 0198c2f4-… --json | jq '.samples[].memory'")]
    Resources(records::RecordArguments),
    /// Show who a slice connected to, or tried to.
    #[command(after_help = "Example:\n  airlock job network 0198c2f4-… --slice 1")]
    Network(records::RecordArguments),
    /// Approve an approval job.
    #[command(after_help = "Example:\n  airlock job approve 0198c2f4-…")]
    Approve(ApproveArguments),
    /// Enter a job over SSH; a job that has ended is run again for that, and waits at its end.
    #[command(
        after_help = "Examples:\n  airlock ssh-key add ~/.ssh/id_ed25519.pub             once\n  \
        airlock job ssh 0198c2f4-…                            a shell in the sandbox\n  \
        airlock job ssh 0198c2f4-… --slice 2 -- ls -l         one command\n  \
        airlock job ssh 0198c2f4-… --print --acknowledge-secret-access    the command line, for scp and rsync, too"
    )]
    Ssh(SshArguments),
}

#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// The job's id, as pages and `--json` show it.
    job: JobId,
    /// Which slice of a parallel job.
    #[arg(long, default_value_t = 0)]
    slice: u32,
    /// Only this step, by number.
    #[arg(long)]
    step: Option<u64>,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ArtifactsArguments {
    /// The job's id.
    job: JobId,
    /// Save them below this folder.
    #[arg(long, value_name = "DIR")]
    save: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArguments {
    /// The approval job's id.
    job: JobId,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn run(command: JobCommand) -> anyhow::Result<ExitCode> {
    match command {
        JobCommand::Logs(arguments) => logs(&arguments).await?,
        JobCommand::Artifacts(arguments) => artifacts(&arguments).await?,
        JobCommand::Resources(arguments) => records::resources(&arguments).await?,
        JobCommand::Network(arguments) => records::network(&arguments).await?,
        JobCommand::Ssh(arguments) => return job_ssh::enter(&arguments).await,
        JobCommand::Approve(arguments) => {
            let client = arguments.server.client()?;
            let job: Value = client.get(&format!("/airlock/job/{}", arguments.job)).await?;
            let workflow = job
                .get("workflow_id")
                .and_then(Value::as_str)
                .context("the server named no workflow")?;
            let path = format!("/workflow/{workflow}/approve/{}", arguments.job);
            client.send(Method::POST, &path, None).await?;
            terminal::line("approved");
        }
    }
    Ok(exit::OK)
}

async fn logs(arguments: &LogsArguments) -> anyhow::Result<()> {
    let client = arguments.server.client()?;
    let job: Value = client.get(&format!("/airlock/job/{}", arguments.job)).await?;
    let slices = job.get("slices").and_then(Value::as_array);
    let slice = slices.and_then(|slices| slices.iter().find(|slice| slice["index"] == arguments.slice));
    let slice = slice.with_context(|| format!("the job has no slice {}", arguments.slice))?;
    for step in slice.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let number = step["index"].as_u64().unwrap_or(0);
        if arguments.step.is_some_and(|wanted| wanted != number) {
            continue;
        }
        let name = step.get("name").and_then(Value::as_str).unwrap_or("");
        terminal::note(&format!(
            "── {name} ({})",
            step.get("status").and_then(Value::as_str).unwrap_or("")
        ));
        copy_log(&client, arguments, number).await?;
    }
    Ok(())
}

async fn copy_log(client: &Client, arguments: &LogsArguments, step: u64) -> anyhow::Result<()> {
    let mut offset = 0u64;
    loop {
        let path = format!(
            "/airlock/job/{}/log?slice={}&step={step}&offset={offset}",
            arguments.job, arguments.slice
        );
        let mut answer = client.send(Method::GET, &path, None).await?;
        let before = offset;
        while let Some(piece) = answer.chunk().await? {
            terminal::raw(&piece);
            offset += piece.len() as u64;
        }
        if offset == before {
            return Ok(());
        }
    }
}

async fn artifacts(arguments: &ArtifactsArguments) -> anyhow::Result<()> {
    let client = arguments.server.client()?;
    let job: Value = client.get(&format!("/airlock/job/{}", arguments.job)).await?;
    let number = job
        .get("number")
        .and_then(Value::as_u64)
        .context("an approval has no artifacts")?;
    let project = job
        .get("project_slug")
        .and_then(Value::as_str)
        .context("the server named no project")?;
    let list: Value = client
        .get(&format!("/project/{project}/{number}/artifacts"))
        .await?;
    for artifact in items(&list) {
        let text = |name| artifact.get(name).and_then(Value::as_str).unwrap_or("");
        let path = text("path");
        let id = text("url").rsplit('/').next().unwrap_or("");
        let Some(save) = &arguments.save else {
            terminal::line(path);
            continue;
        };
        // The server keeps only relative paths without dots, but this side does not take its word for it.
        anyhow::ensure!(
            !path.starts_with('/')
                && path
                    .split('/')
                    .all(|part| !part.is_empty() && part != "." && part != ".."),
            "the server names an artifact '{path}', which would not stay below {}",
            save.display()
        );
        let slice = artifact["node_index"].as_u64().unwrap_or(0).to_string();
        let target = save.join(slice).join(path);
        let doing = || format!("saving {}", target.display());
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).with_context(doing)?;
        }
        let mut file = std::fs::File::create(&target).with_context(doing)?;
        let mut answer = client
            .send(
                Method::GET,
                &format!("/airlock/job/{}/artifact/{id}", arguments.job),
                None,
            )
            .await?;
        while let Some(piece) = answer.chunk().await? {
            file.write_all(&piece).with_context(doing)?;
        }
        terminal::line(&format!("{path} → {}", target.display()));
    }
    Ok(())
}
