//! Every number that bounds a request, with its reason. Other modules hold none.

use std::time::Duration;

/// The body of a call of the API: the largest is a variable of 32 kB, each byte of which JSON may write as six.
pub(crate) const API_BODY_BYTES: usize = 256 * 1024;

/// The body of the sign-in form: one token of 68 bytes and its field name.
pub(crate) const FORM_BYTES: usize = 4 * 1024;

/// A body that is read into memory must be complete in this time, or a slow sender would hold a place for nothing.
pub(crate) const BODY_READ: Duration = Duration::from_secs(30);

/// A file being uploaded may be silent this long: the disk of a busy agent stalls for seconds, not for a minute.
pub(crate) const UPLOAD_SILENCE: Duration = Duration::from_mins(1);

/// A waiting claim looks this often whether the server stops, so that stopping takes no longer.
pub(crate) const CLAIM_TURN: Duration = Duration::from_secs(2);

/// Claims whose agent is remembered, to save a read for each log chunk: ten times what one server runs at a time.
pub(crate) const REMEMBERED_CLAIMS: usize = 10_000;

/// Items of one page: CircleCI's own size.
pub(crate) const PAGE_ITEMS: usize = 20;

/// Audit rows of one page: they are small and read by programs.
pub(crate) const AUDIT_ITEMS: u32 = 200;

/// Pipelines looked at for one page of a filtered list. Beyond this the page ends early, with a token to go on.
pub(crate) const SCANNED_PIPELINES: usize = 1_000;

/// Pipelines read from the store at a time.
pub(crate) const SCAN_ITEMS: u32 = 100;

/// Parameters given with one trigger: CircleCI's own limit.
pub(crate) const TRIGGER_PARAMETERS: usize = 100;

/// Bytes of an artifact held in memory while it is sent.
pub(crate) const ARTIFACT_PIECE_BYTES: usize = 256 * 1024;

/// The body of an import of orbs: texts of 8 MiB together, half of whose bytes JSON may write as two, and some.
pub(crate) const ORB_IMPORT_BYTES: usize = 16 * 1024 * 1024;

/// Orbs of one page, each with all its versions.
pub(crate) const ORB_ITEMS: usize = 100;
