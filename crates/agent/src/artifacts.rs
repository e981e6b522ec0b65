//! The store_artifacts step: finds files inside the sandbox and hands them to the server, read as they are sent. Links
//! are resolved within the sandbox; pipes, sockets and devices are left out with a note, and so is a path that is not
//! there. A file that the server does not take in spite of repetition fails the step.

use std::sync::Arc;

use airlock_agent_protocol::{ArtifactHeader, limits::ARTIFACT_BYTES};
use airlock_sandbox::{InRootError, InRootKind, Sandbox};
use tokio::io::AsyncReadExt as _;

use crate::limits;
use crate::link::{Backoff, LinkError, Lost};
use crate::paths::{Places, artifact_name};
use crate::reporter::{LogSink, Wire};
use crate::resource_class::gibibytes;

/// Why the step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArtifactError {
    /// The claim is gone.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// One file could not be stored.
    #[error("artifact '{name}' could not be stored: {problem}")]
    Store { name: String, problem: String },
}

/// One file to keep.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    /// Inside the sandbox.
    path: String,
    /// For the server.
    name: String,
}

/// Stores what is at `path`.
pub(crate) async fn store(
    sandbox: &Arc<Sandbox>,
    wire: &Wire,
    places: &Places,
    path: &str,
    destination: Option<&str>,
    log: &LogSink,
) -> Result<(), ArtifactError> {
    let absolute = places.absolute(path);
    log.line(&format!("Storing artifacts at {absolute}"));
    let search = Search {
        sandbox: Arc::clone(sandbox),
        path: path.to_owned(),
        destination: destination.map(ToOwned::to_owned),
        log: log.clone(),
        found: Vec::new(),
    };
    let found = blocking(move || search.run(&absolute)).await?;
    let mut stored = 0_usize;
    let mut bytes = 0;
    for file in found {
        if let Some(size) = store_one(sandbox, wire, &file, log).await? {
            log.line(&format!("  {} ({size} bytes)", file.name));
            stored += 1;
            bytes += size;
        }
    }
    log.line(&format!("Stored {stored} files, {bytes} bytes"));
    Ok(())
}

struct Search {
    sandbox: Arc<Sandbox>,
    path: String,
    destination: Option<String>,
    log: LogSink,
    found: Vec<Found>,
}

impl Search {
    fn run(mut self, absolute: &str) -> Vec<Found> {
        match self.sandbox.stat_in_root(absolute) {
            Err(InRootError::Step { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                self.log
                    .line(&format!("Nothing is at {absolute}; nothing was stored"));
            }
            Err(error) => self.log.line(&format!("Left out: {error}")),
            Ok(stat) => match stat.kind {
                InRootKind::File => self.keep(absolute, None),
                InRootKind::Directory => self.walk(absolute, "", 0),
                InRootKind::Symlink | InRootKind::Other => {
                    self.log
                        .line(&format!("Left out: {absolute} is neither a file nor a folder"));
                }
            },
        }
        self.found
    }

    fn walk(&mut self, directory: &str, inner: &str, depth: usize) {
        if depth > limits::ARTIFACT_DEPTH {
            return self.log.line(&format!("Left out: {directory} lies too deep"));
        }
        let entries = match self.sandbox.list_in_root(directory) {
            Ok(entries) => entries,
            Err(error) => return self.log.line(&format!("Left out: {error}")),
        };
        for entry in entries {
            if self.found.len() >= limits::ARTIFACT_FILES {
                return self.log.line(&format!(
                    "Left out: everything after {} files; store an archive instead",
                    limits::ARTIFACT_FILES
                ));
            }
            let Some(name) = entry.name.to_str() else {
                self.log.line(&format!(
                    "Left out: {directory}/{} has a name that is not UTF-8",
                    entry.name.to_string_lossy()
                ));
                continue;
            };
            let path = format!("{}/{name}", directory.trim_end_matches('/'));
            let inner = if inner.is_empty() {
                name.to_owned()
            } else {
                format!("{inner}/{name}")
            };
            match entry.kind {
                InRootKind::File => self.keep(&path, Some(&inner)),
                InRootKind::Directory => self.walk(&path, &inner, depth + 1),
                InRootKind::Symlink => match self.sandbox.stat_in_root(&path) {
                    Ok(stat) if stat.kind == InRootKind::File => self.keep(&path, Some(&inner)),
                    Ok(_) => self.log.line(&format!(
                        "Left out: {path} is a link to something that is no file"
                    )),
                    Err(_) => self.log.line(&format!("Left out: {path} is a link to nothing")),
                },
                InRootKind::Other => self
                    .log
                    .line(&format!("Left out: {path} is a pipe, a socket or a device")),
            }
        }
    }

    fn keep(&mut self, path: &str, inner: Option<&str>) {
        self.found.push(Found {
            path: path.to_owned(),
            name: artifact_name(&self.path, self.destination.as_deref(), inner),
        });
    }
}

/// Sends one file; `None` when it was left out.
async fn store_one(
    sandbox: &Arc<Sandbox>,
    wire: &Wire,
    file: &Found,
    log: &LogSink,
) -> Result<Option<u64>, ArtifactError> {
    let mut backoff = Backoff::default();
    let mut tries = 0;
    loop {
        tries += 1;
        let opened = blocking({
            let (sandbox, path) = (Arc::clone(sandbox), file.path.clone());
            move || {
                let opened = sandbox.open_in_root(&path).map_err(|error| error.to_string())?;
                let meta = opened.metadata().map_err(|error| error.to_string())?;
                Ok::<_, String>((opened, meta))
            }
        })
        .await?;
        let (opened, size) = match opened {
            Ok((_, meta)) if !meta.is_file() => {
                log.line(&format!("Left out: {} is no file any more", file.path));
                return Ok(None);
            }
            Ok((_, meta)) if meta.len() > ARTIFACT_BYTES => {
                log.line(&format!(
                    "Left out: {} has {}; one artifact may have {}",
                    file.path,
                    gibibytes(meta.len()),
                    gibibytes(ARTIFACT_BYTES)
                ));
                return Ok(None);
            }
            Ok((opened, meta)) => (opened, meta.len()),
            Err(problem) => {
                log.line(&format!("Left out: {problem}"));
                return Ok(None);
            }
        };
        let header = ArtifactHeader {
            lease: wire.lease,
            path: file.name.clone(),
            size,
        };
        // A file that still grows is kept as long as it was.
        let body = tokio::fs::File::from_std(opened).take(size);
        let answer = tokio::select! {
            () = wire.leash.fenced() => return Err(Lost::Fenced.into()),
            answer = wire.link.artifact(header, Box::new(body)) => answer,
        };
        let problem = match answer {
            Ok(_) => return Ok(Some(size)),
            Err(LinkError::Unreachable { doing, source }) => format!("{doing}: {source}"),
            Err(LinkError::Refused(refusal)) => {
                let message = refusal.message.clone();
                match LinkError::Refused(refusal).into_final() {
                    None => message,
                    Some(refusal) if refusal.code == airlock_agent_protocol::RefusalCode::Fenced => {
                        wire.leash.fence();
                        return Err(Lost::Fenced.into());
                    }
                    Some(refusal) => {
                        return Err(ArtifactError::Store {
                            name: file.name.clone(),
                            problem: refusal.message,
                        });
                    }
                }
            }
        };
        if tries >= limits::ARTIFACT_TRIES {
            return Err(ArtifactError::Store {
                name: file.name.clone(),
                problem: format!("{problem} (tried {tries} times)"),
            });
        }
        tokio::select! {
            () = wire.leash.fenced() => return Err(Lost::Fenced.into()),
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ArtifactError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ArtifactError::Store {
            name: "?".into(),
            problem: format!("reading the sandbox ended abnormally: {error}"),
        })
}
