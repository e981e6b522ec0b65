//! Standard output and standard error. A reader that went away (`| head`) is no error worth a message.

use std::io::{IsTerminal as _, Write as _};

/// Writes a line to standard output.
pub(crate) fn line(text: &str) {
    let _reader_may_be_gone = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes bytes to standard output as they are.
pub(crate) fn raw(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _reader_may_be_gone = out.write_all(bytes).and_then(|()| out.flush());
}

/// Writes a line to standard error.
pub(crate) fn note(text: &str) {
    let _reader_may_be_gone = writeln!(std::io::stderr().lock(), "{text}");
}

/// Writes an error to standard error, marked as one.
pub(crate) fn error(text: &str) {
    let mark = if colour(&std::io::stderr()) {
        "\x1b[1;31merror:\x1b[0m"
    } else {
        "error:"
    };
    note(&format!("{mark} {text}"));
}

/// Whether a stream wants colours: a terminal, and the person did not say no.
pub(crate) fn colour(stream: &impl std::io::IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}
