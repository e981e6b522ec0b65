//! `airlock sandbox run`: one sandbox, to try and to measure; needs no server.

use std::path::PathBuf;
use std::process::ExitCode;

use airlock_agent::{BASE_IMAGE, Network, RunRoot, SandboxRun, SeccompProfile, sandbox_run};
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use tokio::sync::mpsc;

use super::{exit, places, require_root};
use crate::wiring::runs::RunFolder;
use crate::{settings, task_binary, terminal};

/// Pieces of output between sandbox and terminal; a slow reader slows the command.
const OUTPUT_PIECES: usize = 16;

#[derive(Debug, Subcommand)]
pub(crate) enum SandboxCommand {
    /// Run one command in a fresh sandbox and end with its exit code.
    #[command(
        after_help = "Examples:\n  airlock sandbox run -- id\n  airlock sandbox run --net egress --class small -- curl -sI https://example.org\n  airlock sandbox run --rootfs ./rootfs -- /bin/sh -c 'ps aux'"
    )]
    Run(SandboxArguments),
}

#[derive(Debug, Args)]
pub(crate) struct SandboxArguments {
    /// The image.
    #[arg(long, default_value = BASE_IMAGE, conflicts_with = "rootfs")]
    image: String,
    /// A folder as root file system instead of an image; it is never written to.
    #[arg(long, value_name = "DIR")]
    rootfs: Option<PathBuf>,
    /// What it can reach.
    #[arg(long, value_enum, default_value = "none")]
    net: Net,
    /// Which system calls it may make.
    #[arg(long, value_enum, default_value = "default")]
    profile: Profile,
    /// Its size, as jobs name it.
    #[arg(long, default_value = "medium")]
    class: String,
    /// What it may write, in bytes or with K, M, G, T behind the number; without it, what the disk takes.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    disk: Option<u64>,
    /// Where everything is kept.
    #[arg(long, value_name = "DIR", env = "AIRLOCK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The command.
    #[arg(required = true, last = true, value_name = "CMD")]
    command: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Net {
    /// Nothing but itself.
    None,
    /// Everything outside, nothing of this machine, nothing inward.
    Egress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// Docker's, and namespaces of its own.
    Default,
    /// The default, and mounts in those namespaces: for builds that start containers.
    Nested,
    /// Docker's and nothing more: for the work of strangers.
    Strict,
}

/// `1048576`, `512M`, `2G`.
fn bytes(text: &str) -> Result<u64, String> {
    let (number, factor) = match text.char_indices().next_back() {
        Some((at, 'K' | 'k')) => (&text[..at], 1 << 10),
        Some((at, 'M' | 'm')) => (&text[..at], 1 << 20),
        Some((at, 'G' | 'g')) => (&text[..at], 1 << 30),
        Some((at, 'T' | 't')) => (&text[..at], 1_u64 << 40),
        _ => (text, 1),
    };
    let number = number.parse::<u64>().ok();
    number
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| {
            "a size is a number of bytes, or one with K, M, G or T behind it, such as 512M".to_owned()
        })
}

pub(crate) async fn run(command: SandboxCommand) -> anyhow::Result<ExitCode> {
    let SandboxCommand::Run(arguments) = command;
    require_root("airlock sandbox run")?;
    let data_dir = places::data_dir(arguments.data_dir);
    let folder = RunFolder::make(&data_dir, "sandbox-")?;
    let run = SandboxRun {
        data_dir: folder.path().to_owned(),
        image_cache: places::image_cache(&data_dir),
        task_exe: task_binary::unpack(&data_dir)?,
        root: arguments
            .rootfs
            .map_or_else(|| RunRoot::Image(arguments.image), RunRoot::Directory),
        network: match arguments.net {
            Net::None => Network::None,
            Net::Egress => Network::Egress,
        },
        profile: match arguments.profile {
            Profile::Default => SeccompProfile::Default,
            Profile::Nested => SeccompProfile::Nested,
            Profile::Strict => SeccompProfile::Strict,
        },
        resource_class: arguments.class,
        disk_bytes: arguments.disk,
        command: arguments.command,
        images: settings::read(&data_dir)?.images,
    };
    let (output, mut pieces) = mpsc::channel::<Vec<u8>>(OUTPUT_PIECES);
    let printing = tokio::spawn(async move {
        while let Some(piece) = pieces.recv().await {
            terminal::raw(&piece);
        }
    });
    let ran = sandbox_run(run, output, |progress| {
        terminal::note(&format!("{}, {} %", progress.phase, progress.percent));
    })
    .await?;
    printing.await.context("printing the output")?;
    if let Some(reason) = &ran.reason {
        terminal::error(reason);
    }
    Ok(exit::of_command(ran.exit_code))
}
