//! `airlock orb`: orbs on the command line.

use std::process::ExitCode;

use airlock_pipeline_config::PackKind;
use clap::Subcommand;

use super::pack;

#[derive(Debug, Subcommand)]
pub(crate) enum OrbCommand {
    /// Make one file of an orb that is split over a folder, with the scripts it includes.
    #[command(after_help = "Example:\n  airlock orb pack src > orb.yml")]
    Pack(pack::PackArguments),
}

pub(crate) fn run(command: OrbCommand) -> anyhow::Result<ExitCode> {
    match command {
        OrbCommand::Pack(arguments) => pack::run(&arguments, PackKind::Orb),
    }
}
