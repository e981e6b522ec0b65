//! Other tools, each as one process that starts the same command in the same root, and our own command line beside
//! them. Each is given the limits it knows; none sets up a network, and runc no filter.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::limits::{CPU_MILLIS, MEMORY_BYTES, PIDS};
use crate::place::{COMMAND, Place};

/// A command line that is measured; `@` stands for a number that differs every time.
#[derive(Debug)]
pub(crate) struct Peer {
    program: PathBuf,
    arguments: Vec<OsString>,
    next: u32,
}

impl Peer {
    pub(crate) fn new(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            next: 0,
        }
    }

    /// Runs it once; the time is from its start until it has been reaped.
    pub(crate) fn run(&mut self) -> Result<Duration> {
        self.next += 1;
        let number = format!("bench-{}", self.next);
        let arguments = self.arguments.iter().map(|word| {
            if word == "@" {
                number.clone().into()
            } else {
                word.clone()
            }
        });
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null());
        let begin = Instant::now();
        let status = command
            .status()
            .with_context(|| format!("starting {}", self.program.display()))?;
        let took = begin.elapsed();
        ensure!(status.success(), "{} ended with {status}", self.program.display());
        Ok(took)
    }
}

/// Where a program is, if it is.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    // Debian's own before others of the name: they belong to the daemons beside them.
    let known = ["/usr/bin", "/usr/sbin"].map(PathBuf::from);
    let searched = std::env::var_os("PATH").unwrap_or_default();
    known
        .into_iter()
        .chain(std::env::split_paths(&searched))
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// `airlock sandbox run`, whole.
pub(crate) fn airlock(binary: &Path, place: &Place) -> Peer {
    let words: [OsString; 8] = [
        "sandbox".into(),
        "run".into(),
        "--data-dir".into(),
        place.join("data").into(),
        "--rootfs".into(),
        place.small().into(),
        "--".into(),
        COMMAND.into(),
    ];
    Peer::new(binary, words)
}

pub(crate) fn bwrap(place: &Place) -> Option<Peer> {
    let root = place.small();
    let words = ["--unshare-all", "--unshare-user", "--ro-bind"].map(OsString::from);
    let rest = ["/", "--dev", "/dev", "--proc", "/proc", COMMAND].map(OsString::from);
    Some(Peer::new(
        find("bwrap")?,
        words.into_iter().chain([root.into()]).chain(rest),
    ))
}

pub(crate) fn runc(place: &Place, limit_processor: bool) -> Result<Option<Peer>> {
    let Some(runc) = find("runc") else {
        return Ok(None);
    };
    let bundle = place.join("bundle");
    std::fs::create_dir(&bundle)?;
    let made = Command::new(&runc).arg("spec").current_dir(&bundle).status()?;
    ensure!(made.success(), "`runc spec` ended with {made}");
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!([COMMAND]);
    // As much as this machine allows: a limit cannot be raised everywhere.
    config["process"]["rlimits"] = json!([]);
    config["root"]["path"] = json!(place.small());
    config["linux"]["resources"]["memory"] = json!({ "limit": MEMORY_BYTES });
    config["linux"]["resources"]["pids"] = json!({ "limit": PIDS });
    if limit_processor {
        config["linux"]["resources"]["cpu"] =
            json!({ "quota": u64::from(CPU_MILLIS) * 100, "period": 100_000 });
    }
    std::fs::write(&path, serde_json::to_vec(&config)?)?;
    let state = place.join("runc");
    let words: [OsString; 6] = [
        "--root".into(),
        state.into(),
        "run".into(),
        "--bundle".into(),
        bundle.into(),
        "@".into(),
    ];
    Ok(Some(Peer::new(runc, words)))
}
