//! `airlock vault`: the process that holds the keys. Nothing else in the product ever has them in memory.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{exit, places};
use crate::processes::{self, Ready};
use crate::wiring::vault;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  airlock vault --data-dir ./x")]
pub(crate) struct VaultArguments {
    /// Where everything is kept.
    #[arg(long, value_name = "DIR", env = "AIRLOCK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// End when this process, the parent, ends.
    #[arg(long, hide = true, value_name = "PID")]
    supervisor: Option<u32>,
}

pub(crate) async fn run(arguments: VaultArguments) -> anyhow::Result<ExitCode> {
    processes::end_with_supervisor(arguments.supervisor)?;
    let data_dir = places::data_dir(arguments.data_dir);
    processes::data_dir(&data_dir)?;
    vault::serve(
        &data_dir,
        || Ready { url: None, ssh: None }.say(),
        processes::asked_to_stop(),
    )
    .await?;
    Ok(exit::OK)
}
