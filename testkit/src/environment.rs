//! The environment that tested programs get: a small known one instead of the developer's.

use std::path::Path;
use std::process::Command;

/// Passed on when set; everything else of the caller's environment stays outside.
const PASSED_ON: &[&str] = &[
    "PATH",
    "TMPDIR",
    "LANG",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "LLVM_PROFILE_FILE",
    "AIRLOCK_IMAGE_CACHE",
];

/// Gives a command the small environment, with this folder as home.
pub(crate) fn clean(command: &mut Command, home: &Path) {
    command.env_clear();
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("HOME", home);
}
