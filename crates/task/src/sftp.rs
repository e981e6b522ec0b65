//! `airlock-task sftp`: file transfer for whoever entered a sandbox over SSH, since few images have a server for it.
//! SFTP version 3 as OpenSSH's clients speak it, on standard input and output. It runs inside, as the job's user and
//! confined as a step, so it decides nothing about access: the kernel does. One request at a time, nothing but the
//! open files held in memory.

mod packet;
#[cfg(test)]
mod tests;

use std::fs::{self, File, Metadata, OpenOptions, ReadDir};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, chown,
    fchown, symlink,
};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, futimens, utimensat};

use crate::limits::{SFTP_HANDLES, SFTP_NAMES, SFTP_PACKET, SFTP_READ};
use packet::{Attributes, Fields, Reply, Short};

const VERSION: u32 = 3;

/// Extensions that are served, with their versions.
const EXTENSIONS: [(&str, &str); 4] = [
    ("posix-rename@openssh.com", "1"),
    ("hardlink@openssh.com", "1"),
    ("fsync@openssh.com", "1"),
    ("expand-path@openssh.com", "1"),
];

/// Kinds of packet.
mod kind {
    pub(super) const INIT: u8 = 1;
    pub(super) const VERSION: u8 = 2;
    pub(super) const OPEN: u8 = 3;
    pub(super) const CLOSE: u8 = 4;
    pub(super) const READ: u8 = 5;
    pub(super) const WRITE: u8 = 6;
    pub(super) const LSTAT: u8 = 7;
    pub(super) const FSTAT: u8 = 8;
    pub(super) const SETSTAT: u8 = 9;
    pub(super) const FSETSTAT: u8 = 10;
    pub(super) const OPENDIR: u8 = 11;
    pub(super) const READDIR: u8 = 12;
    pub(super) const REMOVE: u8 = 13;
    pub(super) const MKDIR: u8 = 14;
    pub(super) const RMDIR: u8 = 15;
    pub(super) const REALPATH: u8 = 16;
    pub(super) const STAT: u8 = 17;
    pub(super) const RENAME: u8 = 18;
    pub(super) const READLINK: u8 = 19;
    pub(super) const SYMLINK: u8 = 20;
    pub(super) const STATUS: u8 = 101;
    pub(super) const HANDLE: u8 = 102;
    pub(super) const DATA: u8 = 103;
    pub(super) const NAME: u8 = 104;
    pub(super) const ATTRS: u8 = 105;
    pub(super) const EXTENDED: u8 = 200;
}

/// Why a request was not carried out.
#[derive(Debug)]
enum No {
    Io(io::Error),
    /// Nothing is left to read.
    End,
    BadMessage,
    Unsupported,
}

impl From<io::Error> for No {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for No {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<Short> for No {
    fn from(_: Short) -> Self {
        Self::BadMessage
    }
}

impl No {
    fn code_and_words(&self) -> (u32, String) {
        match self {
            Self::End => (1, "end of file".to_owned()),
            Self::Io(error) => {
                let code = if error.kind() == io::ErrorKind::NotFound {
                    2
                } else if error.kind() == io::ErrorKind::PermissionDenied {
                    3
                } else {
                    4
                };
                (code, error.to_string())
            }
            Self::BadMessage => (5, "the request is not understood".to_owned()),
            Self::Unsupported => (8, "this is not supported".to_owned()),
        }
    }
}

/// Something open.
enum Handle {
    File { file: File, append: bool },
    Directory { path: PathBuf, entries: ReadDir },
}

/// Serves until the client is gone.
pub(crate) fn run() -> u8 {
    // The standard library's own buffers would hold a reply back.
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    match serve(&mut input, &mut output) {
        Ok(()) => 0,
        Err(_gone_or_nonsense) => 1,
    }
}

fn serve(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let mut server = Server::default();
    let mut packet = Vec::new();
    loop {
        let mut length = [0; 4];
        match input.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length == 0 || length > SFTP_PACKET {
            return Err(io::ErrorKind::InvalidData.into());
        }
        packet.resize(length, 0);
        input.read_exact(&mut packet)?;
        output.write_all(&server.answer(&packet))?;
        output.flush()?;
    }
}

/// What a session holds.
#[derive(Default)]
struct Server {
    handles: Vec<Option<Handle>>,
}

impl Server {
    /// The reply to a request, without its length in front of it.
    fn answer(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut fields = Fields(packet);
        let Ok(kind) = fields.byte() else {
            return status(0, &No::BadMessage);
        };
        if kind == kind::INIT {
            let version = Reply::new(kind::VERSION).number(VERSION);
            let all = EXTENSIONS.iter().fold(version, |reply, (name, version)| {
                reply.bytes(name.as_bytes()).bytes(version.as_bytes())
            });
            return all.finish();
        }
        let Ok(id) = fields.number() else {
            return status(0, &No::BadMessage);
        };
        match self.carry_out(kind, id, &mut fields) {
            Ok(Some(reply)) => reply.finish(),
            Ok(None) => done(id),
            Err(no) => status(id, &no),
        }
    }

    /// The reply; nothing where that it is done is all there is to say.
    fn carry_out(&mut self, kind: u8, id: u32, fields: &mut Fields<'_>) -> Result<Option<Reply>, No> {
        match kind {
            kind::OPEN => {
                let (path, flags) = (fields.path()?, fields.number()?);
                let handle = open(&path, flags, fields.attributes()?)?;
                return self.keep(handle, id).map(Some);
            }
            kind::OPENDIR => {
                let path = fields.path()?;
                let entries = fs::read_dir(&path)?;
                return self.keep(Handle::Directory { path, entries }, id).map(Some);
            }
            kind::CLOSE => *self.place(fields)? = None,
            kind::READ => {
                let file = self.file(fields)?.0;
                let (offset, length) = (fields.long()?, fields.number()?);
                let mut bytes = vec![0; usize::try_from(length).unwrap_or(SFTP_READ).min(SFTP_READ)];
                let read = file.read_at(&mut bytes, offset)?;
                if read == 0 {
                    return Err(No::End);
                }
                return Ok(Some(Reply::new(kind::DATA).number(id).bytes(&bytes[..read])));
            }
            kind::WRITE => {
                let (mut file, append) = self.file(fields)?;
                let (offset, bytes) = (fields.long()?, fields.bytes()?);
                if append {
                    file.write_all(bytes)?;
                } else {
                    file.write_all_at(bytes, offset)?;
                }
            }
            kind::STAT => return Ok(Some(attributes(id, &fs::metadata(fields.path()?)?))),
            kind::LSTAT => return Ok(Some(attributes(id, &fs::symlink_metadata(fields.path()?)?))),
            kind::FSTAT => return Ok(Some(attributes(id, &self.file(fields)?.0.metadata()?))),
            kind::SETSTAT => {
                let path = fields.path()?;
                set(&path, fields.attributes()?)?;
            }
            kind::FSETSTAT => {
                let file = self.file(fields)?.0;
                set_open(file, fields.attributes()?)?;
            }
            kind::READDIR => return self.list(id, fields).map(Some),
            kind::REMOVE => fs::remove_file(fields.path()?)?,
            kind::MKDIR => {
                let path = fields.path()?;
                let mode = fields.attributes()?.mode.unwrap_or(0o777) & 0o7777;
                fs::DirBuilder::new().mode(mode).create(path)?;
            }
            kind::RMDIR => fs::remove_dir(fields.path()?)?,
            kind::REALPATH => return Ok(Some(one_name(id, &real(&fields.path()?)?))),
            kind::RENAME => {
                let (from, to) = (fields.path()?, fields.path()?);
                // The protocol's own rename replaces nothing.
                if fs::symlink_metadata(&to).is_ok() {
                    return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
                }
                fs::rename(from, to)?;
            }
            kind::READLINK => return Ok(Some(one_name(id, &fs::read_link(fields.path()?)?))),
            // OpenSSH's order, which every client follows: what it points to comes first.
            kind::SYMLINK => symlink(fields.path()?, fields.path()?)?,
            kind::EXTENDED => match fields.bytes()? {
                b"posix-rename@openssh.com" => fs::rename(fields.path()?, fields.path()?)?,
                b"hardlink@openssh.com" => fs::hard_link(fields.path()?, fields.path()?)?,
                b"fsync@openssh.com" => self.file(fields)?.0.sync_all()?,
                b"expand-path@openssh.com" => {
                    return Ok(Some(one_name(id, &real(&expand(&fields.path()?))?)));
                }
                _ => return Err(No::Unsupported),
            },
            _ => return Err(No::Unsupported),
        }
        Ok(None)
    }

    fn keep(&mut self, handle: Handle, id: u32) -> Result<Reply, No> {
        let free = self.handles.iter().position(Option::is_none);
        let number = match free {
            Some(number) => number,
            None if self.handles.len() < SFTP_HANDLES => {
                self.handles.push(None);
                self.handles.len() - 1
            }
            None => return Err(io::Error::other("too many open files").into()),
        };
        self.handles[number] = Some(handle);
        let name = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
        Ok(Reply::new(kind::HANDLE).number(id).bytes(&name))
    }

    /// Where a handle of a request is kept.
    fn place(&mut self, fields: &mut Fields<'_>) -> Result<&mut Option<Handle>, No> {
        let name: [u8; 4] = fields.bytes()?.try_into().map_err(|_| No::BadMessage)?;
        let number = usize::try_from(u32::from_be_bytes(name)).map_err(|_| No::BadMessage)?;
        let place = self.handles.get_mut(number).filter(|place| place.is_some());
        place.ok_or(No::BadMessage)
    }

    fn file(&mut self, fields: &mut Fields<'_>) -> Result<(&File, bool), No> {
        match self.place(fields)? {
            Some(Handle::File { file, append }) => Ok((file, *append)),
            Some(Handle::Directory { .. }) | None => Err(No::BadMessage),
        }
    }

    fn list(&mut self, id: u32, fields: &mut Fields<'_>) -> Result<Reply, No> {
        let Some(Handle::Directory { path, entries }) = self.place(fields)? else {
            return Err(No::BadMessage);
        };
        let mut names = Vec::new();
        for entry in entries.by_ref().take(SFTP_NAMES) {
            let name = entry?.file_name();
            // One that is gone meanwhile is left out.
            if let Ok(known) = fs::symlink_metadata(path.join(&name)) {
                names.push((name, known));
            }
        }
        if names.is_empty() {
            return Err(No::End);
        }
        let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let reply = Reply::new(kind::NAME).number(id).number(count);
        Ok(names.iter().fold(reply, |reply, (name, known)| {
            reply
                .bytes(name.as_bytes())
                .bytes(&long_name(name.as_bytes(), known))
                .attributes(&of(known))
        }))
    }
}

fn done(id: u32) -> Vec<u8> {
    Reply::new(kind::STATUS)
        .number(id)
        .number(0)
        .bytes(b"done")
        .bytes(b"")
        .finish()
}

fn status(id: u32, no: &No) -> Vec<u8> {
    let (code, words) = no.code_and_words();
    Reply::new(kind::STATUS)
        .number(id)
        .number(code)
        .bytes(words.as_bytes())
        .bytes(b"")
        .finish()
}

fn open(path: &Path, flags: u32, attributes: Attributes) -> io::Result<Handle> {
    let wants = |flag: u32| flags & flag != 0;
    let (read, write, append) = (wants(1), wants(2), wants(4));
    let mut options = OpenOptions::new();
    options
        .read(read)
        .write(write && !append)
        .append(append)
        .mode(attributes.mode.unwrap_or(0o666) & 0o7777)
        .custom_flags(libc::O_NOCTTY);
    if wants(8) {
        options
            .create(!wants(0x20))
            .create_new(wants(0x20))
            .truncate(wants(0x10) && !append);
    } else {
        options.truncate(wants(0x10) && write && !append);
    }
    let file = options.open(path)?;
    Ok(Handle::File { file, append })
}

fn set(path: &Path, attributes: Attributes) -> Result<(), No> {
    if let Some(size) = attributes.size {
        OpenOptions::new().write(true).open(path)?.set_len(size)?;
    }
    if let Some((user, group)) = attributes.owner {
        chown(path, Some(user), Some(group))?;
    }
    // After the owner: a change of owner takes setuid away.
    if let Some(mode) = attributes.mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7777))?;
    }
    if let Some(times) = attributes.times {
        utimensat(CWD, path, &timestamps(times), AtFlags::empty())?;
    }
    Ok(())
}

fn set_open(file: &File, attributes: Attributes) -> Result<(), No> {
    if let Some(size) = attributes.size {
        file.set_len(size)?;
    }
    if let Some((user, group)) = attributes.owner {
        fchown(file, Some(user), Some(group))?;
    }
    if let Some(mode) = attributes.mode {
        file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    }
    if let Some(times) = attributes.times {
        futimens(file, &timestamps(times))?;
    }
    Ok(())
}

fn timestamps((accessed, changed): (u32, u32)) -> Timestamps {
    let at = |seconds: u32| Timespec {
        tv_sec: i64::from(seconds),
        tv_nsec: 0,
    };
    Timestamps {
        last_access: at(accessed),
        last_modification: at(changed),
    }
}

/// The whole path of something; its last part need not be there.
fn real(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(error);
            };
            let parent = if parent.as_os_str().is_empty() {
                Path::new(".")
            } else {
                parent
            };
            Ok(fs::canonicalize(parent)?.join(name))
        }
        found => found,
    }
}

/// `~` is where the session began, which is the home directory.
fn expand(path: &Path) -> PathBuf {
    let rest = path.strip_prefix("~");
    rest.map_or_else(|_| path.to_owned(), |rest| Path::new(".").join(rest))
}

fn one_name(id: u32, path: &Path) -> Reply {
    let name = path.as_os_str().as_bytes();
    Reply::new(kind::NAME)
        .number(id)
        .number(1)
        .bytes(name)
        .bytes(name)
        .attributes(&Attributes::default())
}

fn attributes(id: u32, known: &Metadata) -> Reply {
    Reply::new(kind::ATTRS).number(id).attributes(&of(known))
}

fn of(known: &Metadata) -> Attributes {
    // The protocol's times end in 2106.
    let seconds = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
    Attributes {
        size: Some(known.size()),
        owner: Some((known.uid(), known.gid())),
        mode: Some(known.mode()),
        times: Some((seconds(known.atime()), seconds(known.mtime()))),
    }
}

/// A line as `ls -l` writes it: clients show it as it is.
fn long_name(name: &[u8], known: &Metadata) -> Vec<u8> {
    let mode = known.mode();
    let kind = match mode & libc::S_IFMT {
        libc::S_IFDIR => 'd',
        libc::S_IFLNK => 'l',
        libc::S_IFIFO => 'p',
        libc::S_IFSOCK => 's',
        libc::S_IFCHR => 'c',
        libc::S_IFBLK => 'b',
        _ => '-',
    };
    let letters: String = (0..9)
        .map(|bit| {
            if mode & (0o400 >> bit) == 0 {
                '-'
            } else {
                ['r', 'w', 'x'][bit % 3]
            }
        })
        .collect();
    let line = format!(
        "{kind}{letters} {:>4} {:<8} {:<8} {:>12} {} ",
        known.nlink(),
        known.uid(),
        known.gid(),
        known.size(),
        date(known.mtime())
    );
    [line.as_bytes(), name].concat()
}

/// Day and minute in UTC, as `ls` writes them with `--time-style=long-iso`.
fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days of years that begin in March, so that leap days come last.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    format!(
        "{:04}-{month:02}-{day:02} {:02}:{:02}",
        year + era * 400 + carry,
        rest / 3600,
        rest % 3600 / 60
    )
}
