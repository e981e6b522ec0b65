//! Unix sockets between processes of one user: mode 0600 from the first moment, and both ends check that the other runs
//! under the same user id. Called by the key holder and by the server and agent that talk to it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::{UnixListener, UnixStream};
use tracing::warn;

use crate::limits;

/// A Unix socket that could not be opened or reached.
#[derive(Debug, thiserror::Error)]
pub enum UnixSocketError {
    /// The kernel takes 107 bytes.
    #[error("{path} is too long for a socket: {length} bytes, 107 are possible; choose a shorter data directory", path = path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length.
        length: usize,
    },
    /// Somebody answers there.
    #[error("{path} is served by another process already: is this instance running?", path = path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something that is no socket lies there; it is not ours to remove.
    #[error("{path} is there and is no socket: move it away", path = path.display())]
    Occupied {
        /// The path.
        path: PathBuf,
    },
    /// The other end belongs to another user.
    #[error("the process at the other end of {path} runs as user {theirs}, not as {ours}: refused", path = path.display())]
    OtherUser {
        /// The path.
        path: PathBuf,
        /// The other end's user id.
        theirs: u32,
        /// Our own.
        ours: u32,
    },
    /// Anything else.
    #[error("{doing} {path}: {source}", path = path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// A listening socket, removed when dropped.
#[derive(Debug)]
pub struct UnixDoor {
    listener: UnixListener,
    path: PathBuf,
    user: u32,
}

impl UnixDoor {
    /// Opens the socket. One left behind by a process that died is replaced; one that answers is not.
    pub async fn bind(path: &Path) -> Result<Self, UnixSocketError> {
        check_length(path)?;
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(UnixSocketError::Occupied {
                    path: path.to_owned(),
                });
            }
            Ok(_) if UnixStream::connect(path).await.is_ok() => {
                return Err(UnixSocketError::InUse {
                    path: path.to_owned(),
                });
            }
            Ok(_) | Err(_) => {}
        }
        let listener = staged(path).map_err(|source| UnixSocketError::Io {
            doing: "listening on",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            user: rustix::process::geteuid().as_raw(),
        })
    }

    /// The next connection from a process of the same user. Others are refused and logged.
    pub async fn accept(&self) -> io::Result<UnixStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            match check_user(&stream, &self.path, self.user) {
                Ok(()) => return Ok(stream),
                Err(error) => warn!(%error, "connection refused"),
            }
        }
    }
}

impl Drop for UnixDoor {
    fn drop(&mut self) {
        // Gone already is as good.
        let _gone = fs::remove_file(&self.path);
    }
}

/// Connects to a socket served by a process of the same user.
pub async fn dial(path: &Path) -> Result<UnixStream, UnixSocketError> {
    check_length(path)?;
    let stream = UnixStream::connect(path)
        .await
        .map_err(|source| UnixSocketError::Io {
            doing: "connecting to",
            path: path.to_owned(),
            source,
        })?;
    check_user(&stream, path, rustix::process::geteuid().as_raw())?;
    Ok(stream)
}

fn check_length(path: &Path) -> Result<(), UnixSocketError> {
    let length = path.as_os_str().len();
    if length > limits::UNIX_PATH_BYTES {
        return Err(UnixSocketError::TooLong {
            path: path.to_owned(),
            length,
        });
    }
    Ok(())
}

/// `bind` makes the socket with the mode the umask leaves; a change afterwards comes late. So it is made in a folder
/// nobody else can enter, set right, and moved under its name.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the product opens a Unix listener"
)]
fn staged(path: &Path) -> io::Result<UnixListener> {
    let parent = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    static STAGES: AtomicU32 = AtomicU32::new(0);
    let number = STAGES.fetch_add(1, Ordering::Relaxed);
    let stage = parent.join(format!(".{}-{number}", std::process::id()));
    // Left behind by a process of the same number that died; fails on anything that is not that.
    let _none = fs::remove_file(stage.join("s"));
    let _none = fs::remove_dir(&stage);
    fs::DirBuilder::new().mode(0o700).create(&stage)?;
    let bound = (|| {
        let draft = stage.join("s");
        let listener = UnixListener::bind(&draft)?;
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o600))?;
        fs::rename(&draft, path)?;
        Ok(listener)
    })();
    let _emptied = fs::remove_dir(&stage);
    bound
}

fn check_user(stream: &UnixStream, path: &Path, ours: u32) -> Result<(), UnixSocketError> {
    let theirs = stream
        .peer_cred()
        .map_err(|source| UnixSocketError::Io {
            doing: "asking who is at",
            path: path.to_owned(),
            source,
        })?
        .uid();
    if theirs == ours {
        Ok(())
    } else {
        Err(UnixSocketError::OtherUser {
            path: path.to_owned(),
            theirs,
            ours,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn both_ends_of_one_user_talk_and_the_mode_is_0600() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("vault.sock");
        let door = UnixDoor::bind(&path).await.expect("bound");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        assert_eq!(
            fs::read_dir(dir.path()).expect("listed").count(),
            1,
            "the stage folder is gone"
        );
        let (client, server) = tokio::join!(dial(&path), door.accept());
        client
            .expect("dialled")
            .write_all(b"hello")
            .await
            .expect("written");
        let mut text = String::new();
        server
            .expect("accepted")
            .read_to_string(&mut text)
            .await
            .expect("read");
        assert_eq!(text, "hello");
        drop(door);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn another_user_is_refused() {
        let (a, _b) = UnixStream::pair().expect("pair");
        let ours = rustix::process::geteuid().as_raw();
        check_user(&a, Path::new("x.sock"), ours).expect("the positive control");
        let error = check_user(&a, Path::new("x.sock"), ours + 1)
            .expect_err("refused")
            .to_string();
        assert!(error.contains("x.sock runs as user"), "{error}");
    }

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("vault.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).expect("bound and left behind"));
        let _door = UnixDoor::bind(&path).await.expect("replaced");
        let error = UnixDoor::bind(&path).await.expect_err("in use").to_string();
        assert!(error.contains("is this instance running?"), "{error}");
    }

    #[tokio::test]
    async fn a_file_in_the_way_is_kept_and_a_long_path_is_told() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("vault.sock");
        fs::write(&path, "mine").expect("written");
        assert!(matches!(
            UnixDoor::bind(&path).await,
            Err(UnixSocketError::Occupied { .. })
        ));
        assert_eq!(fs::read_to_string(&path).expect("kept"), "mine");
        let long = dir.path().join("x".repeat(120));
        assert!(matches!(
            UnixDoor::bind(&long).await,
            Err(UnixSocketError::TooLong { .. })
        ));
    }
}
