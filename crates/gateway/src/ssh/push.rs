//! What a push asks for and what became of it, read from the bytes that pass between client and `git-receive-pack`. Pure:
//! bytes in, ref updates out. The commands are held back until they are complete and within limits, the report says
//! which of them git carried out; comparing refs before and after instead would give one pusher's refs to another.

use std::collections::HashSet;

use airlock_domain::names::CommitSha;

use super::access::{RefName, RefUpdate};
use super::limits;

/// The largest pkt-line git writes.
const PKT_BYTES: usize = 65_520;

/// A push that is refused before git sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PushError {
    #[error("the beginning of the push is not understood")]
    Malformed,
    #[error(
        "a push may move {} refs at a time: push them in several steps",
        limits::PUSH_COMMANDS
    )]
    TooMany,
    #[error("this git does not ask for a report of what was pushed: use git 1.6.6 or newer")]
    NoReport,
    #[error("'{0}' cannot be a branch or tag here")]
    Ref(String),
}

/// A pkt-line: its content (`None` for a flush) and its whole length.
type PktLine<'a> = (Option<&'a [u8]>, usize);

/// The pkt-line at the beginning of `bytes`, once it is there in full.
fn pkt_line(bytes: &[u8]) -> Result<Option<PktLine<'_>>, PushError> {
    let Some(digits) = bytes.get(..4) else {
        return Ok(None);
    };
    let digits = std::str::from_utf8(digits).map_err(|_| PushError::Malformed)?;
    let length = usize::from_str_radix(digits, 16).map_err(|_| PushError::Malformed)?;
    match length {
        0 => Ok(Some((None, 4))),
        4..=PKT_BYTES => Ok(bytes.get(4..length).map(|content| (Some(content), length))),
        _ => Err(PushError::Malformed),
    }
}

/// The commands of one push, complete.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Commands {
    updates: Vec<RefUpdate>,
    side_band: bool,
}

/// Holds the client's bytes back until the commands are complete.
#[derive(Debug, Default)]
pub(super) struct CommandGate {
    held: Vec<u8>,
    read: usize,
    commands: Commands,
    seen: bool,
}

impl CommandGate {
    /// Takes bytes of the client. At the end of the commands gives them, and all bytes held so far to be sent on.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Option<(Commands, Vec<u8>)>, PushError> {
        self.held.extend_from_slice(bytes);
        while let Some((content, length)) = pkt_line(&self.held[self.read..])? {
            self.read += length;
            let Some(content) = content else {
                return Ok(Some((
                    std::mem::take(&mut self.commands),
                    std::mem::take(&mut self.held),
                )));
            };
            self.commands.add(content, !self.seen)?;
            self.seen = true;
        }
        if self.held.len() > limits::PUSH_COMMAND_BYTES {
            Err(PushError::TooMany)
        } else {
            Ok(None)
        }
    }
}

impl Commands {
    fn add(&mut self, line: &[u8], first: bool) -> Result<(), PushError> {
        let (line, capabilities) = match line.iter().position(|&b| b == 0) {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned();
        // A shallow clone tells where its history ends before its commands; the capabilities may come with that line.
        let shallow = line.starts_with("shallow ");
        if !capabilities.is_empty() || (first && !shallow) {
            let capabilities = String::from_utf8_lossy(capabilities).into_owned();
            let mut words = capabilities.split_ascii_whitespace();
            self.side_band = words.clone().any(|word| word == "side-band-64k");
            if !words.any(|word| matches!(word, "report-status" | "report-status-v2")) {
                return Err(PushError::NoReport);
            }
        }
        if shallow {
            return Ok(());
        }
        let mut parts = line.splitn(3, ' ');
        let (Some(old), Some(new), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(PushError::Malformed);
        };
        if self.updates.len() >= limits::PUSH_COMMANDS {
            return Err(PushError::TooMany);
        }
        self.updates.push(RefUpdate {
            name: ref_name(name)?,
            old: object(old)?,
            new: object(new)?,
        });
        Ok(())
    }
}

fn object(text: &str) -> Result<Option<CommitSha>, PushError> {
    let sha = CommitSha::new(text).map_err(|_| PushError::Malformed)?;
    Ok(Some(sha).filter(|sha| sha.as_str().bytes().any(|b| b != b'0')))
}

fn ref_name(text: &str) -> Result<RefName, PushError> {
    let bad = || PushError::Ref(text.chars().filter(|c| !c.is_control()).take(80).collect());
    if text.contains(char::REPLACEMENT_CHARACTER) {
        return Err(bad());
    }
    if let Some(branch) = text.strip_prefix("refs/heads/") {
        return branch.parse().map(RefName::Branch).map_err(|_| bad());
    }
    if let Some(tag) = text.strip_prefix("refs/tags/") {
        return tag.parse().map(RefName::Tag).map_err(|_| bad());
    }
    // The same rules as for a branch, by checking it as one.
    let checked = text.starts_with("refs/") && text.parse::<airlock_domain::names::BranchName>().is_ok();
    if checked {
        Ok(RefName::Other(text.to_owned()))
    } else {
        Err(bad())
    }
}

/// Reads what `git-receive-pack` writes: first its refs, then, in answer to the commands, its report.
#[derive(Debug, Default)]
pub(super) struct Report {
    outer: Vec<u8>,
    inner: Vec<u8>,
    commands: Option<Commands>,
    advertised: bool,
    ok: HashSet<String>,
    lost: bool,
}

impl Report {
    /// The commands are on their way to git.
    pub(super) fn begin(&mut self, commands: Commands) {
        self.commands = Some(commands);
    }

    /// Takes bytes of git.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        self.outer.extend_from_slice(bytes);
        if self.scan().is_err() {
            // Git itself does not write such a thing.
            self.lost = true;
            tracing::warn!("the report of git-receive-pack is not understood: the push starts nothing");
        }
    }

    fn scan(&mut self) -> Result<(), PushError> {
        let side_band = self.commands.as_ref().is_some_and(|commands| commands.side_band);
        let mut at = 0;
        while let Some((content, length)) = pkt_line(&self.outer[at..])? {
            match content {
                None => self.advertised = true,
                Some(_) if !self.advertised => {}
                Some(content) if !side_band => note(&mut self.ok, content),
                Some([1, data @ ..]) => self.inner.extend_from_slice(data),
                // Progress (2) and errors (3) are for people.
                Some(_) => {}
            }
            at += length;
        }
        self.outer.drain(..at);
        let mut at = 0;
        while let Some((content, length)) = pkt_line(&self.inner[at..])? {
            if let Some(content) = content {
                note(&mut self.ok, content);
            }
            at += length;
        }
        self.inner.drain(..at);
        Ok(())
    }

    /// The updates that git carried out.
    pub(super) fn carried_out(self) -> Vec<RefUpdate> {
        let updates = self.commands.unwrap_or_default().updates;
        updates
            .into_iter()
            .filter(|update| self.ok.contains(&update.name.to_string()))
            .collect()
    }
}

fn note(ok: &mut HashSet<String>, line: &[u8]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    if let Some(name) = line.strip_prefix(b"ok ") {
        ok.insert(String::from_utf8_lossy(name).into_owned());
    }
}

#[cfg(test)]
mod tests;
