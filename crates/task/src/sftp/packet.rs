//! The bytes of SFTP version 3: fields out of a request, fields into a reply. Every read is bounded by its packet.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// A request that ends inside a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Short;

/// The fields of a request, front to back.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Short> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Short> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn number(&mut self) -> Result<u32, Short> {
        let bytes = self.take(4)?.try_into().map_err(|_| Short)?;
        Ok(u32::from_be_bytes(bytes))
    }

    pub(super) fn long(&mut self) -> Result<u64, Short> {
        let bytes = self.take(8)?.try_into().map_err(|_| Short)?;
        Ok(u64::from_be_bytes(bytes))
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Short> {
        let length = usize::try_from(self.number()?).map_err(|_| Short)?;
        self.take(length)
    }

    /// A path; an empty one is where the session began.
    pub(super) fn path(&mut self) -> Result<PathBuf, Short> {
        let bytes = self.bytes()?;
        Ok(if bytes.is_empty() {
            PathBuf::from(".")
        } else {
            PathBuf::from(OsStr::from_bytes(bytes))
        })
    }

    pub(super) fn attributes(&mut self) -> Result<Attributes, Short> {
        let flags = self.number()?;
        let has = |flag| flags & flag != 0;
        let mut attributes = Attributes::default();
        if has(Attributes::SIZE) {
            attributes.size = Some(self.long()?);
        }
        if has(Attributes::OWNER) {
            attributes.owner = Some((self.number()?, self.number()?));
        }
        if has(Attributes::MODE) {
            attributes.mode = Some(self.number()?);
        }
        if has(Attributes::TIMES) {
            attributes.times = Some((self.number()?, self.number()?));
        }
        // Extended attributes are left out: there is nothing after them in any request.
        Ok(attributes)
    }
}

/// What is known or wanted of a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) size: Option<u64>,
    /// User and group.
    pub(super) owner: Option<(u32, u32)>,
    /// Type and permissions.
    pub(super) mode: Option<u32>,
    /// Last access and last change, in seconds since 1970.
    pub(super) times: Option<(u32, u32)>,
}

impl Attributes {
    const SIZE: u32 = 1;
    const OWNER: u32 = 2;
    const MODE: u32 = 4;
    const TIMES: u32 = 8;
}

/// A reply being put together.
pub(super) struct Reply(Vec<u8>);

impl Reply {
    /// A reply of this kind; its length is filled in at the end.
    pub(super) fn new(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }

    pub(super) fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        // No field comes near four gigabytes: packets are bounded.
        let mut reply = self.number(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        reply.0.extend_from_slice(bytes);
        reply
    }

    pub(super) fn attributes(self, attributes: &Attributes) -> Self {
        let Attributes {
            size,
            owner,
            mode,
            times,
        } = *attributes;
        let flag = |there: bool, flag: u32| if there { flag } else { 0 };
        let mut reply = self.number(
            flag(size.is_some(), Attributes::SIZE)
                | flag(owner.is_some(), Attributes::OWNER)
                | flag(mode.is_some(), Attributes::MODE)
                | flag(times.is_some(), Attributes::TIMES),
        );
        if let Some(size) = size {
            reply.0.extend(size.to_be_bytes());
        }
        if let Some((user, group)) = owner {
            reply = reply.number(user).number(group);
        }
        if let Some(mode) = mode {
            reply = reply.number(mode);
        }
        if let Some((accessed, changed)) = times {
            reply = reply.number(accessed).number(changed);
        }
        reply
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}
