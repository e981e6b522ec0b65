//! What can go wrong with a request, in words that name the address without its query.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::{Method, StatusCode, Uri};

/// An address as errors show it: without query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownUrl(String);

impl ShownUrl {
    pub(super) fn of(uri: &Uri) -> Self {
        let authority = uri
            .authority()
            .map_or("", |a| a.as_str().rsplit('@').next().unwrap_or_default());
        Self(format!(
            "{}://{authority}{}",
            uri.scheme_str().unwrap_or("https"),
            uri.path()
        ))
    }
}

impl fmt::Display for ShownUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request that got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address or a header is none.
    #[error("{what} is not usable in a request: {problem}")]
    Request {
        /// What was wrong.
        what: String,
        /// Why.
        problem: String,
    },
    /// The server was not reached.
    #[error("reaching {url}: {problem}")]
    Connect {
        /// Where.
        url: ShownUrl,
        /// The cause, with a way out where there is one.
        problem: String,
    },
    /// No answer in time.
    #[error("{method} {url}: no answer within {after:?}")]
    TimedOut {
        /// What was asked.
        method: Method,
        /// Where.
        url: ShownUrl,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke.
    #[error("{method} {url}: {problem}")]
    Broken {
        /// What was asked.
        method: Method,
        /// Where.
        url: ShownUrl,
        /// The cause.
        problem: String,
    },
    /// The server answered with an error.
    #[error("{method} {url}: the server answered {status}{}", said(.body))]
    Status {
        /// What was asked.
        method: Method,
        /// Where.
        url: ShownUrl,
        /// The status.
        status: StatusCode,
        /// The beginning of the body.
        body: String,
    },
    /// The answer is larger than allowed.
    #[error("{method} {url}: the answer is larger than {limit} bytes")]
    TooLarge {
        /// What was asked.
        method: Method,
        /// Where.
        url: ShownUrl,
        /// The limit.
        limit: usize,
    },
    /// The answer is not the expected JSON.
    #[error(
        "{method} {url}: the answer cannot be understood ({problem}): are both ends of the same version?"
    )]
    Decode {
        /// What was asked.
        method: Method,
        /// Where.
        url: ShownUrl,
        /// What is wrong.
        problem: String,
    },
}

fn said(body: &str) -> String {
    if body.is_empty() {
        String::new()
    } else {
        format!(": {body}")
    }
}

/// An error with everything beneath it, each cause once.
pub(super) fn causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}
