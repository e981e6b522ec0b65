//! `airlock admin`: what operators do.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::exit;
use crate::client::{ServerArguments, items};
use crate::terminal;

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Print a link that signs the administrator in, once.
    #[command(after_help = "Example:\n  airlock admin sign-in-link")]
    SignInLink(OnServer),
    /// Print the audit log, one JSON object a line.
    #[command(after_help = "Example:\n  airlock admin audit | jq -r .action")]
    Audit(OnServer),
}

#[derive(Debug, Args)]
pub(crate) struct OnServer {
    #[command(flatten)]
    server: ServerArguments,
}

pub(crate) async fn run(command: AdminCommand) -> anyhow::Result<ExitCode> {
    match command {
        AdminCommand::SignInLink(place) => terminal::line(&place.server.client()?.sign_in_link().await?),
        AdminCommand::Audit(place) => audit(&place).await?,
    }
    Ok(exit::OK)
}

async fn audit(place: &OnServer) -> anyhow::Result<()> {
    let client = place.server.client()?;
    let mut page = String::new();
    loop {
        let answer: Value = client.get(&format!("/airlock/audit{page}")).await?;
        for row in items(&answer) {
            terminal::line(&row.to_string());
        }
        match answer.get("next_page_token").and_then(Value::as_str) {
            Some(next) => page = format!("?page-token={next}"),
            None => return Ok(()),
        }
    }
}
