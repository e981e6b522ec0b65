//! `airlock pipeline`: start, list, follow and stop pipelines of a running instance.

use std::process::ExitCode;

use airlock_domain::{PipelineId, ProjectSlug};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::exit;
use super::run::{json_value, key_value};
use crate::client::{AnswerArguments, ServerArguments, items};
use crate::{terminal, watch};

#[derive(Debug, Subcommand)]
pub(crate) enum PipelineCommand {
    /// Start a pipeline.
    #[command(
        after_help = "Example:\n  airlock pipeline trigger demo/hello --branch main --param deploy=true"
    )]
    Trigger(TriggerArguments),
    /// Show the newest pipelines.
    #[command(after_help = "Example:\n  airlock pipeline list demo/hello --json | jq -r .id")]
    List(ListArguments),
    /// Follow a pipeline to its end; exit code 0 only if it is green.
    #[command(
        after_help = "Examples:\n  airlock pipeline watch demo/hello            the newest; waits up to a minute for one\n  airlock pipeline watch demo/hello --json     one JSON object a line"
    )]
    Watch(WatchArguments),
    /// Stop the workflows of a pipeline.
    #[command(after_help = "Example:\n  airlock pipeline cancel 0198c2f4-…")]
    Cancel(CancelArguments),
}

#[derive(Debug, Args)]
pub(crate) struct TriggerArguments {
    /// `<org>/<repo>`.
    #[arg(value_parser = ProjectSlug::parse)]
    project: ProjectSlug,
    /// Build the head of this branch.
    #[arg(long, default_value = "main", conflicts_with = "tag")]
    branch: String,
    /// Build this tag.
    #[arg(long)]
    tag: Option<String>,
    /// A pipeline parameter.
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    parameters: Vec<(String, String)>,
    /// Print the API's answer.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only of this project.
    #[arg(value_parser = ProjectSlug::parse)]
    project: Option<ProjectSlug>,
    #[command(flatten)]
    answer: AnswerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// `<org>/<repo>`.
    #[arg(value_parser = ProjectSlug::parse)]
    project: ProjectSlug,
    /// This pipeline instead of the newest.
    id: Option<PipelineId>,
    #[command(flatten)]
    answer: AnswerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArguments {
    /// The pipeline.
    id: PipelineId,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn run(command: PipelineCommand) -> anyhow::Result<ExitCode> {
    match command {
        PipelineCommand::Trigger(arguments) => trigger(&arguments).await,
        PipelineCommand::List(arguments) => list(&arguments).await,
        PipelineCommand::Watch(arguments) => {
            let client = arguments.answer.server.client()?;
            let id = arguments.id.map(|id| id.to_string());
            let green = watch::watch(&client, &arguments.project.short(), id, arguments.answer.json).await?;
            Ok(if green { exit::OK } else { exit::FAILED })
        }
        PipelineCommand::Cancel(arguments) => cancel(&arguments).await,
    }
}

async fn trigger(arguments: &TriggerArguments) -> anyhow::Result<ExitCode> {
    let parameters: serde_json::Map<String, Value> = arguments
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), json_value(value)))
        .collect();
    let body = match &arguments.tag {
        Some(tag) => json!({ "tag": tag, "parameters": parameters }),
        None => json!({ "branch": arguments.branch, "parameters": parameters }),
    };
    let path = format!("/project/{}/pipeline", arguments.project);
    let made: Value = arguments.server.client()?.post(&path, &body).await?;
    if arguments.json {
        terminal::line(&made.to_string());
    } else {
        terminal::line(&format!(
            "pipeline #{} of {}: {}",
            made["number"],
            arguments.project.short(),
            text(&made, "id")
        ));
    }
    Ok(exit::OK)
}

async fn list(arguments: &ListArguments) -> anyhow::Result<ExitCode> {
    let path = match &arguments.project {
        Some(project) => format!("/project/{project}/pipeline"),
        None => "/pipeline".to_owned(),
    };
    let answer: Value = arguments.answer.server.client()?.get(&path).await?;
    for item in items(&answer) {
        if arguments.answer.json {
            terminal::line(&item.to_string());
        } else {
            terminal::line(&format!(
                "{}  {} #{}  {}  {}",
                text(item, "created_at"),
                text(item, "project_slug"),
                item["number"],
                text(item, "state"),
                text(item, "id"),
            ));
        }
    }
    Ok(exit::OK)
}

async fn cancel(arguments: &CancelArguments) -> anyhow::Result<ExitCode> {
    let client = arguments.server.client()?;
    let answer: Value = client
        .get(&format!("/pipeline/{}/workflow", arguments.id))
        .await?;
    let mut stopped = 0;
    for workflow in items(&answer) {
        if ["running", "failing", "on_hold"].contains(&text(workflow, "status")) {
            let path = format!("/workflow/{}/cancel", text(workflow, "id"));
            client.send(Method::POST, &path, None).await?;
            terminal::line(&format!("workflow {} is being stopped", text(workflow, "name")));
            stopped += 1;
        }
    }
    anyhow::ensure!(stopped > 0, "pipeline {} has no workflow that runs", arguments.id);
    Ok(exit::OK)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}
