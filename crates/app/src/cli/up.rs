//! `airlock up`: everything on this machine under one supervisor.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::{exit, places, require_root};
use crate::orb_addresses::OrbAddressArguments;
use crate::supervise::{Running, Service};
use crate::{demo, endpoint, processes, terminal};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  airlock up                     serve https://localhost:8443 from /var/lib/airlock\n  \
    airlock up --demo              the same, with a first pipeline to look at\n  \
    airlock up --data-dir ./x --https 127.0.0.1:0 --ssh 127.0.0.1:0   another instance, on free ports\n  \
    airlock up --allow-url-orb https://orbs.example/team/             configs may take orbs from there"
)]
pub(crate) struct UpArguments {
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
    /// Push an example and follow its pipeline.
    #[arg(long)]
    demo: bool,
    /// Start no agent: jobs wait for agents elsewhere.
    #[arg(long)]
    no_agent: bool,
}

pub(crate) async fn run(arguments: UpArguments) -> anyhow::Result<ExitCode> {
    require_root("airlock up")?;
    let data_dir = places::data_dir(arguments.data_dir.clone());
    processes::data_dir(&data_dir)?;
    refuse_second(&data_dir)?;
    endpoint::remove(&data_dir);
    let folder = data_dir.display().to_string();
    let service = |name: &'static str, more: &[&str]| Service {
        name,
        arguments: ["--data-dir", &folder]
            .iter()
            .chain(more)
            .map(ToString::to_string)
            .collect(),
    };

    let (mut vault, _) = Running::start(service("vault", &[])).await?;
    let (https, ssh) = (arguments.https.to_string(), arguments.ssh.to_string());
    let job_ssh_at = arguments
        .job_ssh
        .unwrap_or_else(|| places::job_ssh(arguments.ssh));
    let job_ssh = job_ssh_at.to_string();
    let allowed = arguments.orbs.to_arguments();
    let server_at = |https: &str, ssh: &str, job_ssh: &str| {
        let mut more = vec!["--https", https, "--ssh", ssh, "--job-ssh", job_ssh];
        more.extend(allowed.iter().map(String::as_str));
        service("server", &more)
    };
    let (mut server, _) = Running::start(server_at(&https, &ssh, &job_ssh)).await?;
    let endpoint = endpoint::read(&data_dir)?
        .ok_or_else(|| anyhow::anyhow!("the server says it serves, but wrote no endpoint"))?;
    // A server that is started again must be found where the first one was.
    let again = server_at(
        &bound(&endpoint.url, arguments.https),
        &bound(&endpoint.ssh, arguments.ssh),
        &bound(&endpoint.job_ssh, job_ssh_at),
    );
    server.set_arguments(again.arguments);
    let mut agent = if arguments.no_agent {
        None
    } else {
        Some(Running::start(service("agent", &[])).await?.0)
    };

    let asked_to_stop = processes::asked_to_stop();
    greet(&endpoint, &data_dir).await;
    let demo = async {
        if arguments.demo
            && let Err(error) = demo::play(&data_dir).await
        {
            terminal::error(&format!("the demonstration did not work: {error:#}"));
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = asked_to_stop => terminal::note("stopping"),
        () = demo => {}
        () = keep(&mut vault) => {}
        () = keep(&mut server) => {}
        () = keep_some(agent.as_mut()) => {}
    }
    if let Some(agent) = agent {
        agent.stop().await;
    }
    server.stop().await;
    vault.stop().await;
    endpoint::remove(&data_dir);
    Ok(exit::OK)
}

async fn keep(child: &mut Running) {
    loop {
        let ended = child.ended().await;
        terminal::note(&format!("{ended}; starting it again"));
        child.restart().await;
    }
}

async fn keep_some(child: Option<&mut Running>) {
    match child {
        Some(child) => keep(child).await,
        None => std::future::pending().await,
    }
}

/// One supervisor a data directory: a second one would fight over sockets and rows.
fn refuse_second(data_dir: &Path) -> anyhow::Result<()> {
    let Some(known) = endpoint::read(data_dir)? else {
        return Ok(());
    };
    anyhow::ensure!(
        !known.is_alive() || known.pid == std::process::id(),
        "an instance runs on {} already (process {}): stop it first, or choose another --data-dir",
        data_dir.display(),
        known.pid
    );
    Ok(())
}

/// The address with the port that was really taken.
fn bound(url: &str, asked: SocketAddr) -> String {
    let port = url
        .rsplit(':')
        .next()
        .and_then(|port| port.trim_end_matches('/').parse().ok());
    SocketAddr::new(asked.ip(), port.unwrap_or_else(|| asked.port())).to_string()
}

async fn greet(endpoint: &endpoint::Endpoint, data_dir: &Path) {
    terminal::line(&format!("\n  Airlock serves {}", endpoint.url));
    match crate::client::Client::of(endpoint).map(|client| async move { client.sign_in_link().await }) {
        Ok(link) => match link.await {
            Ok(link) => terminal::line(&format!("  Sign in, once:   {link}")),
            Err(error) => terminal::error(&format!("no sign-in link could be made: {error:#}")),
        },
        Err(error) => terminal::error(&format!("{error:#}")),
    }
    terminal::line(&format!("  Git over SSH:    {}/<org>/<repo>.git", endpoint.ssh));
    terminal::line(&format!("  Data directory:  {}", data_dir.display()));
    terminal::line("  Stop with Ctrl-C.\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restart_takes_the_same_port() {
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        assert_eq!(bound("https://localhost:41234", any), "127.0.0.1:41234");
        assert_eq!(bound("ssh://git@localhost:41235", any), "127.0.0.1:41235");
        let v6: SocketAddr = "[::1]:8443".parse().expect("an address");
        assert_eq!(bound("https://localhost:8443", v6), "[::1]:8443");
    }
}
