//! The log of a step: its end as lines for the page, the whole of it as a download. Logs are read in pieces and never
//! held whole, because a job may write gigabytes.

use std::io;

use airlock_control_plane::ControlPlane;
use airlock_domain::JobId;
use airlock_domain::bytes::size;
use axum::body::Body;
use axum::extract::State as With;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderValue, Response};
use bytes::Bytes;
use futures_util::{Stream, stream};

use super::ansi::{Line, Terminal};
use super::limits::NUMBERED_LOG_BYTES;
use crate::http::answer::Problem;
use crate::http::input::{PathParts, Queries};
use crate::http::state::State;

/// The end of a step's log as the page shows it.
#[derive(Debug, Default)]
pub(crate) struct LogView {
    pub(crate) lines: Vec<LineView>,
    /// Where the browser's tail goes on: after the last whole line.
    pub(crate) next: u64,
    /// The number of the line there.
    pub(crate) next_number: Option<u64>,
    /// The style there.
    pub(crate) style: String,
    /// What is not shown, in words.
    pub(crate) left_out: Option<String>,
    /// Whether there is anything at all.
    pub(crate) empty: bool,
    /// Long logs scroll on their own.
    pub(crate) long: bool,
    pub(crate) size: String,
}

/// One line.
#[derive(Debug)]
pub(crate) struct LineView {
    pub(crate) number: Option<u64>,
    pub(crate) line: Line,
    /// It looks like what went wrong.
    pub(crate) hit: bool,
    /// Its end was not written yet.
    pub(crate) unfinished: bool,
}

/// Reads up to `most` bytes of the end of a step's log.
pub(crate) async fn tail(
    plane: &ControlPlane,
    (job, slice, step): (JobId, u32, u32),
    most: u64,
    failed: bool,
) -> Result<LogView, Problem> {
    let (_nothing, length) = plane.log(job, slice, step, u64::MAX).await?;
    let start = length.saturating_sub(most);
    let mut number = Some(1);
    if start > 0 {
        number = if length <= NUMBERED_LOG_BYTES {
            Some(1 + line_ends(plane, (job, slice, step), start).await?)
        } else {
            None
        };
    }
    let mut bytes = Vec::new();
    while start + (bytes.len() as u64) < length {
        let (piece, _) = plane.log(job, slice, step, start + bytes.len() as u64).await?;
        if piece.is_empty() {
            break;
        }
        bytes.extend_from_slice(&piece);
    }
    // What was appended since is for the tail; the view is of one moment.
    bytes.truncate(usize::try_from(length - start).unwrap_or(usize::MAX));
    Ok(view(&bytes, start, number, failed))
}

/// Line ends before an offset.
async fn line_ends(plane: &ControlPlane, key: (JobId, u32, u32), end: u64) -> Result<u64, Problem> {
    let (mut offset, mut count) = (0, 0);
    while offset < end {
        let (piece, _) = plane.log(key.0, key.1, key.2, offset).await?;
        if piece.is_empty() {
            break;
        }
        let wanted = usize::try_from(end - offset)
            .unwrap_or(usize::MAX)
            .min(piece.len());
        count += piece[..wanted].split(|byte| *byte == b'\n').count() as u64 - 1;
        offset += piece.len() as u64;
    }
    Ok(count)
}

/// The lines of the bytes from `start` on. The first line is left out when its beginning is.
fn view(bytes: &[u8], start: u64, mut number: Option<u64>, failed: bool) -> LogView {
    let mut skipped = 0;
    if start > 0
        && let Some(end) = bytes.iter().position(|byte| *byte == b'\n')
    {
        skipped = end + 1;
        number = number.map(|number| number + 1);
    }
    let shown = &bytes[skipped..];
    let whole = shown
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |end| end + 1);
    let (mut terminal, mut lines) = (Terminal::default(), Vec::new());
    terminal.feed(&String::from_utf8_lossy(&shown[..whole]), &mut lines);
    let style = terminal.style().state();
    let mut views: Vec<LineView> = Vec::with_capacity(lines.len() + 1);
    let mut push = |line: Line, number: Option<u64>, unfinished: bool| {
        let hit = failed && looks_like_failure(&line.text());
        views.push(LineView {
            number,
            line,
            hit,
            unfinished,
        });
    };
    for line in lines {
        push(line, number, false);
        number = number.map(|number| number + 1);
    }
    terminal.feed(&String::from_utf8_lossy(&shown[whole..]), &mut Vec::new());
    if let Some(line) = terminal.unfinished() {
        push(line, number, true);
    }
    let left_out = start + skipped as u64;
    LogView {
        next: left_out + whole as u64,
        next_number: number,
        style,
        left_out: (left_out > 0).then(|| size(left_out)),
        empty: bytes.is_empty() && start == 0,
        long: views.len() > 40,
        size: size(start + bytes.len() as u64),
        lines: views,
    }
}

/// What compilers, test runners and shells write when something goes wrong. A line too many is marked rather than one
/// too few; nothing is hidden by it.
fn looks_like_failure(text: &str) -> bool {
    const SIGNS: &[&str] = &[
        "error:",
        "error[",
        "Error:",
        "ERROR",
        "FAILED",
        "FAIL:",
        "--- FAIL",
        "panicked at",
        "fatal:",
        "assertion failed",
        "AssertionError",
        "Traceback (most recent call last)",
        "Exception in thread",
        "command not found",
        "Segmentation fault",
        "not ok ",
        "✗",
        "✕",
    ];
    SIGNS.iter().any(|sign| text.contains(sign))
}

/// `GET /jobs/{id}/log?slice=S&step=N`
pub(crate) async fn whole(
    With(state): With<State>,
    path: PathParts,
    query: Queries,
) -> Result<Response<Body>, Problem> {
    let job = state.plane.job(path.get("id")?).await?;
    let slice = query.get::<u32>("slice")?.unwrap_or(0);
    let step = query.get::<u32>("step")?;
    let step = step.ok_or_else(|| Problem::bad("'step' in the query is missing"))?;
    let steps = state.plane.steps(job.id, slice).await?;
    if !steps.iter().any(|row| row.step == step) {
        let text = format!("step {step} of slice {slice} of job {}", job.name);
        return Err(Problem::not_found(&text));
    }
    let name = format!(
        "attachment; filename=\"job-{}-slice-{slice}-step-{step}.txt\"",
        job.id
    );
    let mut response = Response::new(Body::from_stream(pieces(state, (job.id, slice, step))));
    let headers = response.headers_mut();
    for (header, value) in [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; sandbox; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(header, HeaderValue::from_static(value));
    }
    let name = HeaderValue::try_from(name)
        .map_err(|error| Problem::internal(format!("the name of a log: {error}")))?;
    headers.insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

fn pieces(state: State, key: (JobId, u32, u32)) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((state, 0), move |(state, offset)| async move {
        let read = state.plane.log(key.0, key.1, key.2, offset).await;
        let (piece, _) = read.map_err(|error| {
            tracing::error!(job = %key.0, %error, "a log cannot be read");
            io::Error::other("the log cannot be read")
        })?;
        let next = offset + piece.len() as u64;
        Ok((!piece.is_empty()).then_some((piece, (state, next))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(view: &LogView) -> Vec<String> {
        let numbered = |line: &LineView| {
            let number = line
                .number
                .map_or_else(|| "-".into(), |number| number.to_string());
            let end = if line.unfinished { "…" } else { "" };
            format!("{number} {}{end}", line.line.text())
        };
        view.lines.iter().map(numbered).collect()
    }

    #[test]
    fn a_short_log_is_shown_whole() {
        let log = view(b"one\n\x1b[31mtwo\nthr", 0, Some(1), false);
        assert_eq!(texts(&log), ["1 one", "2 two", "3 thr…"]);
        assert_eq!(
            (log.next, log.next_number, log.style.as_str()),
            (12 + 1, Some(3), "0 1 -")
        );
        assert!(log.left_out.is_none() && !log.empty);
    }

    #[test]
    fn a_cut_log_begins_at_a_line() {
        let log = view(b"rest of a line\nnext\n", 1000, Some(50), false);
        assert_eq!(texts(&log), ["51 next"]);
        assert_eq!((log.next, log.next_number), (1020, Some(52)));
        assert_eq!(log.left_out.as_deref(), Some("1.0 kB"));
        let log = view(b"x\nnext\n", 1000, None, false);
        assert_eq!((texts(&log), log.next_number), (vec!["- next".to_owned()], None));
    }

    #[test]
    fn nothing_is_lost_between_the_page_and_the_tail() {
        let whole = b"a\nbb\r\nccc\n\ndddd";
        for cut in 0..=whole.len() {
            let log = view(&whole[..cut], 0, Some(1), false);
            let shown = log.lines.iter().filter(|line| !line.unfinished);
            let lines = whole[..usize::try_from(log.next).expect("small")].iter();
            let ends = lines.filter(|byte| byte.eq(&&b'\n')).count();
            assert_eq!(shown.count(), ends, "cut at {cut}");
            assert_eq!(log.next_number, Some(ends as u64 + 1), "cut at {cut}");
        }
    }

    #[test]
    fn only_a_failed_step_has_marked_lines() {
        let log = b"ok\nerror: no such file\nassertion failed: x\n";
        let hits = |failed| {
            let view = view(log, 0, Some(1), failed);
            view.lines.iter().map(|line| line.hit).collect::<Vec<_>>()
        };
        assert_eq!(hits(true), [false, true, true]);
        assert_eq!(hits(false), [false, false, false]);
    }
}
