//! `airlock agent`: takes jobs from a server and runs them in sandboxes on this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{exit, places, require_root};
use crate::processes::{self, Ready};
use crate::wiring::agent;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  airlock agent --data-dir ./x --slots 2")]
pub(crate) struct AgentArguments {
    /// The data directory of the instance on this machine.
    #[arg(long, value_name = "DIR", env = "AIRLOCK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Slices that run at a time; without it, as many as there are processors.
    #[arg(long, value_name = "N")]
    slots: Option<u32>,
    /// End when this process, the parent, ends.
    #[arg(long, hide = true, value_name = "PID")]
    supervisor: Option<u32>,
}

pub(crate) async fn run(arguments: AgentArguments) -> anyhow::Result<ExitCode> {
    processes::end_with_supervisor(arguments.supervisor)?;
    require_root("airlock agent")?;
    let data_dir = places::data_dir(arguments.data_dir);
    let ready = || Ready { url: None, ssh: None }.say();
    agent::serve(&data_dir, arguments.slots, ready, processes::asked_to_stop()).await?;
    Ok(exit::OK)
}
