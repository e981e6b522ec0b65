//! `airlock project` and `airlock secret`: what a tenant sets up.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use airlock_domain::limits::ENV_VALUE_BYTES;
use airlock_domain::{EgressPolicy, EnvName, ProjectSlug};
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::exit;
use crate::client::{AnswerArguments, ServerArguments, items};
use crate::terminal;

/// More than the longest list there can be.
const EGRESS_LIST_BYTES: u64 = 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(crate) enum ProjectCommand {
    /// Make a project with a repository to push to; a project that is there gets the key.
    #[command(
        after_help = "Example:\n  airlock project create demo/hello --key ~/.ssh/id_ed25519.pub\n  git push ssh://git@localhost:8022/demo/hello.git main"
    )]
    Create(CreateArguments),
    /// Show all projects.
    #[command(after_help = "Example:\n  airlock project list --json | jq -r .git_url")]
    List(ListArguments),
    /// Show or set what the jobs of a project may reach outside.
    #[command(
        after_help = "Examples:\n  airlock project egress demo/hello\n  airlock project egress demo/hello deny\n  printf 'registry.example.com\\n*.example.org\\n192.0.2.0/24\\n' | airlock project egress demo/hello list\n\nA list has names and IPv4 addresses or blocks, one a line; what follows # is a remark. Jobs that start from now on get it."
    )]
    Egress(EgressArguments),
}

#[derive(Debug, Args)]
pub(crate) struct EgressArguments {
    /// `<org>/<repo>`.
    #[arg(value_parser = ProjectSlug::parse)]
    project: ProjectSlug,
    /// What they may reach; a list comes from standard input. Without it, what is set is shown.
    egress: Option<EgressChoice>,
    /// Print `{"egress","list"}`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum EgressChoice {
    /// Everything outside; never private networks, the machine or other jobs.
    Allow,
    /// Nothing but the project's own repository.
    Deny,
    /// The names and addresses on standard input.
    List,
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// `<org>/<repo>`.
    #[arg(value_parser = ProjectSlug::parse)]
    project: ProjectSlug,
    /// A public key that may push to it.
    #[arg(long, value_name = "FILE.pub")]
    key: Option<PathBuf>,
    /// Print `{"slug","git_url"}`.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    answer: AnswerArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Set a secret variable of a project; its value comes from standard input.
    #[command(
        after_help = "Example:\n  airlock secret set demo/hello TOKEN < token.txt\n\nA newline at the end of the input is not part of the value."
    )]
    Set(SecretArguments),
    /// Show the names of a project's secret variables; values are never shown.
    #[command(after_help = "Example:\n  airlock secret list demo/hello")]
    List(SecretListArguments),
    /// Remove a secret variable.
    #[command(after_help = "Example:\n  airlock secret remove demo/hello TOKEN")]
    Remove(SecretArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SecretArguments {
    /// `<org>/<repo>`.
    #[arg(value_parser = ProjectSlug::parse)]
    project: ProjectSlug,
    /// The variable.
    #[arg(value_parser = |text: &str| EnvName::new(text))]
    name: EnvName,
    #[command(flatten)]
    server: ServerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SecretListArguments {
    /// `<org>/<repo>`.
    #[arg(value_parser = ProjectSlug::parse)]
    project: ProjectSlug,
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn project(command: ProjectCommand) -> anyhow::Result<ExitCode> {
    match command {
        ProjectCommand::Create(arguments) => {
            let key = match &arguments.key {
                Some(file) => Some(
                    std::fs::read_to_string(file)
                        .with_context(|| format!("reading the key {}", file.display()))?,
                ),
                None => None,
            };
            let body = match key.as_deref().map(str::trim) {
                Some(key) => json!({ "slug": arguments.project.short(), "key": key }),
                None => json!({ "slug": arguments.project.short() }),
            };
            let made: Value = arguments.server.client()?.post("/airlock/project", &body).await?;
            if arguments.json {
                terminal::line(&made.to_string());
            } else {
                let url = made.get("git_url").and_then(Value::as_str).unwrap_or("");
                terminal::line(&format!(
                    "{} is ready. Push to it:\n  git push {url} main",
                    arguments.project.short()
                ));
            }
        }
        ProjectCommand::List(arguments) => {
            let answer: Value = arguments.answer.server.client()?.get("/airlock/projects").await?;
            for project in items(&answer) {
                if arguments.answer.json {
                    terminal::line(&project.to_string());
                } else {
                    let text = |name| project.get(name).and_then(Value::as_str).unwrap_or("");
                    terminal::line(&format!("{}  {}", text("slug"), text("git_url")));
                }
            }
        }
        ProjectCommand::Egress(arguments) => egress(&arguments).await?,
    }
    Ok(exit::OK)
}

async fn egress(arguments: &EgressArguments) -> anyhow::Result<()> {
    let path = format!("/airlock/project/{}/egress", arguments.project);
    let body = match arguments.egress {
        None => None,
        Some(EgressChoice::Allow) => Some(json!({ "egress": "allow" })),
        Some(EgressChoice::Deny) => Some(json!({ "egress": "deny" })),
        // Read here, so that a wrong entry is named by its line.
        Some(EgressChoice::List) => match EgressPolicy::parse_list(&read_list()?)? {
            EgressPolicy::List(entries) => Some(json!({ "egress": "list", "list": entries })),
            EgressPolicy::Allow | EgressPolicy::Deny => None,
        },
    };
    let client = arguments.server.client()?;
    let answer: Value = match body {
        Some(body) => client.post(&path, &body).await?,
        None => client.get(&path).await?,
    };
    if arguments.json {
        terminal::line(&answer.to_string());
        return Ok(());
    }
    terminal::line(answer.get("egress").and_then(Value::as_str).unwrap_or(""));
    for entry in answer.get("list").and_then(Value::as_array).into_iter().flatten() {
        terminal::line(&format!("  {}", entry.as_str().unwrap_or("")));
    }
    Ok(())
}

fn read_list() -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        terminal::note("Type or paste the names and addresses, one a line, then Ctrl-D:");
    }
    let mut text = String::new();
    stdin
        .lock()
        .take(EGRESS_LIST_BYTES)
        .read_to_string(&mut text)
        .context("reading the list from standard input")?;
    Ok(text)
}

pub(crate) async fn secret(command: SecretCommand) -> anyhow::Result<ExitCode> {
    match command {
        SecretCommand::Set(arguments) => {
            let value = read_value(&arguments.name)?;
            let client = arguments.server.client()?;
            let body = json!({ "name": arguments.name, "value": value });
            let _set: Value = client
                .post(&format!("/project/{}/envvar", arguments.project), &body)
                .await?;
            terminal::line(&format!(
                "{} of {} is set",
                arguments.name,
                arguments.project.short()
            ));
        }
        SecretCommand::List(arguments) => {
            let answer: Value = arguments
                .server
                .client()?
                .get(&format!("/project/{}/envvar", arguments.project))
                .await?;
            for item in items(&answer) {
                terminal::line(item.get("name").and_then(Value::as_str).unwrap_or(""));
            }
        }
        SecretCommand::Remove(arguments) => {
            let path = format!("/project/{}/envvar/{}", arguments.project, arguments.name);
            arguments
                .server
                .client()?
                .send(Method::DELETE, &path, None)
                .await?;
            terminal::line(&format!(
                "{} of {} is removed",
                arguments.name,
                arguments.project.short()
            ));
        }
    }
    Ok(exit::OK)
}

/// The value from standard input, without the newline that editors and `echo` put at its end.
fn read_value(name: &EnvName) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        terminal::note(&format!(
            "Type or paste the value of {name} (it is shown as you type), then Ctrl-D:"
        ));
    }
    let mut text = String::new();
    let limit = ENV_VALUE_BYTES as u64 + 2;
    stdin
        .lock()
        .take(limit)
        .read_to_string(&mut text)
        .context("reading the value from standard input")?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    anyhow::ensure!(
        !text.is_empty(),
        "standard input was empty: give the value there, as in `airlock secret set P N < file`"
    );
    anyhow::ensure!(
        text.len() <= ENV_VALUE_BYTES,
        "the value is longer than the {ENV_VALUE_BYTES} bytes a variable may have"
    );
    Ok(text)
}
