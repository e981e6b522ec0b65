//! `airlock`: the one binary. This crate only wires: it reads the command line, connects the crates that do the work,
//! and shows what they say. Decisions live elsewhere.

mod cli;
mod client;
mod demo;
mod endpoint;
mod orb_addresses;
mod orb_dir;
mod orb_places;
mod processes;
mod settings;
mod show;
mod supervise;
mod task_binary;
mod terminal;
mod watch;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    logging(arguments.verbose);
    // Before any thread is there: what is asked of the kernel then holds for all of them.
    if let cli::Command::Vault(_) = &arguments.command
        && let Err(error) = wiring::vault::protect()
    {
        terminal::error(&format!("{error:#}"));
        return cli::exit::FAILED;
    }
    airlock_transport::provider::install();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::error(&format!("the operating system gives no threads: {error}"));
            return cli::exit::FAILED;
        }
    };
    let code = runtime.block_on(cli::dispatch(arguments.command));
    // Threads that still wait for a terminal or a child must not keep a finished command alive.
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    code
}

/// Diagnostics of the program itself go to standard error, off by default so that a command's output stays its own.
fn logging(verbose: u8) {
    let default = match verbose {
        0 => "error",
        1 => "info",
        _ => "debug",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("AIRLOCK_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(terminal::colour(&std::io::stderr()))
        .with_target(false)
        .init();
}
