//! What tests need to drive real programs: the `airlock` binary, git and the SSH client.
//!
//! Blocking and small on purpose: a journey reads like a session at a terminal. Every wait has a deadline that is
//! far beyond what a loaded machine needs and says, when it passes, what was awaited and what was seen instead.
//! Imports nothing of ours, so that every crate may use it in its tests; never shipped.
//!
//! ```no_run
//! use airlock_testkit::{DataDir, Run, airlock_binary};
//!
//! fn version() -> anyhow::Result<()> {
//!     let data = DataDir::new()?;
//!     let done = Run::new(airlock_binary()?).arg("--version").directory(data.path()).finish()?;
//!     assert!(done.success()?.stdout.starts_with("airlock "));
//!     Ok(())
//! }
//! ```

mod binary;
#[cfg(feature = "browser")]
mod browser;
mod data_dir;
mod environment;
mod git;
#[cfg(feature = "https")]
mod https;
mod kernel;
mod keys;
mod limits;
mod process_group;
mod registry;
mod run;
mod wait;
mod watch;

pub use binary::airlock_binary;
#[cfg(feature = "browser")]
pub use browser::{Browser, PageLog, Scripts, Tab};
pub use data_dir::DataDir;
pub use git::{Git, Remote};
#[cfg(feature = "https")]
pub use https::{HttpsServer, Reply};
pub use kernel::add_kernel;
pub use keys::SshKey;
pub use limits::PATIENCE;
pub use registry::{Blob, OciLayout, Registry, busybox_root};
pub use run::{Finished, Run};
pub use wait::wait_for;
pub use watch::{Line, Stream, Watched};
