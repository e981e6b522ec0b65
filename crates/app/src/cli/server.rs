//! `airlock server`: rows, API, pages and the git door. Needs `airlock vault` on the same data directory.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{exit, places};
use crate::orb_addresses::OrbAddressArguments;
use crate::wiring::server;
use crate::{endpoint, processes};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  airlock server --data-dir ./x --https 0.0.0.0:8443")]
pub(crate) struct ServerArguments {
    /// Where everything is kept.
    #[arg(long, value_name = "DIR", env = "AIRLOCK_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Where pages, API and agents connect; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    https: SocketAddr,
    /// Where git connects over SSH; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8022")]
    ssh: SocketAddr,
    /// Where people enter jobs over SSH; without it, the port after that of --ssh.
    #[arg(long, value_name = "ADDRESS:PORT")]
    job_ssh: Option<SocketAddr>,
    #[command(flatten)]
    orbs: OrbAddressArguments,
    /// End when this process, the parent, ends.
    #[arg(long, hide = true, value_name = "PID")]
    supervisor: Option<u32>,
}

pub(crate) async fn run(arguments: ServerArguments) -> anyhow::Result<ExitCode> {
    processes::end_with_supervisor(arguments.supervisor)?;
    let data_dir = places::data_dir(arguments.data_dir);
    processes::data_dir(&data_dir)?;
    let options = server::Options {
        data_dir: data_dir.clone(),
        https: arguments.https,
        ssh: arguments.ssh,
        job_ssh: arguments
            .job_ssh
            .unwrap_or_else(|| places::job_ssh(arguments.ssh)),
        orbs: arguments.orbs,
        pid: arguments.supervisor.unwrap_or_else(std::process::id),
    };
    let served = server::serve(options, processes::asked_to_stop()).await;
    // A supervisor's file stays: it starts its server again where it was.
    if arguments.supervisor.is_none() {
        endpoint::remove(&data_dir);
    }
    served?;
    Ok(exit::OK)
}
