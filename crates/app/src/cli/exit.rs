//! Exit codes, the same for every command; `docs/exit-codes.md` shows this table.

use std::process::ExitCode;

/// It worked; a pipeline is green.
pub(crate) const OK: ExitCode = ExitCode::SUCCESS;
/// It failed; a pipeline is not green; a config has errors.
pub(crate) const FAILED: ExitCode = ExitCode::FAILURE;

/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;

/// A command line that only the command itself can find wrong, told as any other wrong one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongUsage(pub(crate) &'static str);

/// The code of a command that ran elsewhere, in the form a shell gives.
pub(crate) fn of_command(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
