//! The command line: what can be typed, and who answers.

mod admin;
mod agent;
mod artifacts;
mod config;
mod doctor;
pub(crate) mod exit;
mod explain;
mod files;
mod image;
mod job;
mod job_ssh;
mod lsp;
mod orb;
mod pack;
mod pipeline;
pub(crate) mod places;
mod project;
mod run;
mod sandbox;
mod server;
mod up;
mod validate;
mod vault;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::supervise::AlreadyTold;
use crate::terminal;

/// Self-hosted CI/CD that runs .circleci/config.yml, each job sealed in a throwaway sandbox.
#[derive(Debug, Parser)]
#[command(name = "airlock", version, propagate_version = true, max_term_width = 110)]
pub(crate) struct Arguments {
    /// Say more about what the program does (-v, -vv).
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve everything on this machine: pages, API, git remote, key holder, agent.
    Up(up::UpArguments),
    /// Run a checkout's pipeline on this machine, without a server.
    Run(run::RunArguments),
    /// Start, list, follow and stop pipelines.
    #[command(subcommand)]
    Pipeline(pipeline::PipelineCommand),
    /// Logs, artifacts and approvals of jobs, and entering them over SSH.
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Projects and their repositories.
    #[command(subcommand)]
    Project(project::ProjectCommand),
    /// Secret variables of projects.
    #[command(subcommand)]
    Secret(project::SecretCommand),
    /// Your public SSH keys, with which you enter jobs.
    #[command(subcommand)]
    SshKey(job_ssh::SshKeyCommand),
    /// Check a config and see what it means.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Orbs: the instance's own registry, and packing and checking what goes into it.
    #[command(subcommand)]
    Orb(orb::OrbCommand),
    /// Help editors with configs: problems while typing, completion, hover, renaming.
    Lsp(lsp::LspArguments),
    /// Images for machines that reach no registry.
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// One sandbox, to try and to measure.
    #[command(subcommand)]
    Sandbox(sandbox::SandboxCommand),
    /// What is wrong with this installation: limits that are not enforced, things that jobs left.
    Doctor(doctor::DoctorArguments),
    /// What operators do.
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// The server alone; needs `airlock vault`.
    Server(server::ServerArguments),
    /// The key holder alone.
    Vault(vault::VaultArguments),
    /// The agent alone.
    Agent(agent::AgentArguments),
}

/// Runs a command and turns its end into an exit code.
pub(crate) async fn dispatch(command: Command) -> ExitCode {
    let ended = match command {
        Command::Run(arguments) => run::run(arguments).await,
        Command::Config(command) => config::run(command),
        Command::Orb(command) => orb::run(command).await,
        Command::Lsp(arguments) => lsp::run(arguments),
        Command::Image(command) => image::run(command).await,
        Command::Sandbox(command) => sandbox::run(command).await,
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Up(arguments) => up::run(arguments).await,
        Command::Pipeline(command) => pipeline::run(command).await,
        Command::Job(command) => job::run(command).await,
        Command::Project(command) => project::project(command).await,
        Command::Secret(command) => project::secret(command).await,
        Command::SshKey(command) => job_ssh::keys(command).await,
        Command::Admin(command) => admin::run(command).await,
        Command::Server(arguments) => server::run(arguments).await,
        Command::Vault(arguments) => vault::run(arguments).await,
        Command::Agent(arguments) => agent::run(arguments).await,
    };
    match ended {
        Ok(code) => code,
        Err(error) if error.is::<AlreadyTold>() => exit::FAILED,
        Err(error) => {
            terminal::error(&format!("{error:#}"));
            exit::FAILED
        }
    }
}

/// Jobs need namespaces, mounts and cgroups of this machine.
pub(crate) fn require_root(what: &str) -> anyhow::Result<()> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    anyhow::bail!(
        "{what} needs root: it makes namespaces, mounts and cgroups for each job. Run it with sudo. (A mode for plain users is not \
         there yet.)"
    )
}
