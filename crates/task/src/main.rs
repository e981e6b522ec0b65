//! The static in-job program. One file, several doors: the zygote, the helper that jobs know as `circleci`, and the
//! dialer behind git's SSH. See the library for what is behind them.

use std::process::ExitCode;

fn main() -> ExitCode {
    airlock_task::enter(std::env::args_os())
}
