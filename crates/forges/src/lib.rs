//! Where code comes from: drivers of the [`Forge`](airlock_driver_interfaces::Forge) trait.
//!
//! [`PlainGit`] reads the bare repositories of the built-in remote with the git program itself. It opens no sockets and
//! runs no code of a repository. The server makes one per data directory.

mod file_path;
mod git;
pub mod limits;
mod plain_git;

pub use file_path::{FilePath, FilePathError};
pub use plain_git::{PlainGit, StoredRef};
