//! Every number that bounds a page, with its reason. Other modules of the pages hold none.

/// The body of a form: the largest field is a secret of 32 kB, each byte of which a form may write as three.
pub(crate) const FORM_BYTES: usize = 128 * 1024;

/// Pipelines of one page: about two screens.
pub(crate) const PIPELINES: usize = 30;

/// Pipelines read from the store at a time while looking for those of one status.
pub(crate) const SCAN_ITEMS: u32 = 60;

/// Pipelines looked at for one page of a filtered list. Beyond this the page ends early, with a link to go on.
pub(crate) const SCANNED_PIPELINES: usize = 300;

/// Bytes of a log shown in the page, of its end: about 800 lines, more than anybody reads in a browser.
pub(crate) const LOG_TAIL_BYTES: u64 = 64 * 1024;

/// The same for a step that failed or runs, which is what one came for.
pub(crate) const WANTED_LOG_TAIL_BYTES: u64 = 256 * 1024;

/// Bytes of all logs of one page. Steps beyond it show a link to their log.
pub(crate) const PAGE_LOG_BYTES: u64 = 1024 * 1024;

/// Logs up to this length are read from their beginning to number their lines; longer ones show no numbers.
pub(crate) const NUMBERED_LOG_BYTES: u64 = 8 * 1024 * 1024;

/// Characters shown of one line. Minified files are written as lines of megabytes, which browsers lay out badly.
pub(crate) const LINE_CHARACTERS: usize = 4_000;

/// Characters of one escape sequence; what is longer is no sequence that a terminal would know.
pub(crate) const ESCAPE_CHARACTERS: usize = 256;

/// An agent that was not heard for this long, in milliseconds, is taken for gone: a waiting one asks every 30 s.
pub(crate) const AGENT_SILENCE_MS: u64 = 90_000;
