//! Exit codes, the same for every command; `docs/exit-codes.md` shows this table.

use std::process::ExitCode;

/// It worked; a pipeline is green.
pub(crate) const OK: ExitCode = ExitCode::SUCCESS;
/// It failed; a pipeline is not green; a config has errors.
pub(crate) const FAILED: ExitCode = ExitCode::FAILURE;

/// The code of a command that ran elsewhere, in the form a shell gives.
pub(crate) fn of_command(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
