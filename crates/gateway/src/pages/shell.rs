//! What stands around every page: title, navigation, who is signed in, which channels the page listens to. Turns a
//! page into an answer: whole, or only its living part when the browser's own script asks for that.

use askama::Template;
use axum::http::header::VARY;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse as _, Response};

use super::access::Viewer;
use super::assets;
use crate::http::answer::Problem;
use crate::live::APP_KEY;

/// Asks for the living part of a page instead of all of it.
const FRAGMENT: HeaderName = HeaderName::from_static("airlock-fragment");

/// The frame of a page.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// For the browser's tab.
    pub(crate) title: String,
    /// Which entry of the navigation is this one.
    pub(crate) here: &'static str,
    /// Who is signed in.
    pub(crate) user: Option<String>,
    /// The live channels of this page.
    pub(crate) channels: Vec<String>,
    /// The script of this page, if it has one of its own.
    pub(crate) script: Option<&'static str>,
    /// Whether it shows logs.
    pub(crate) logs: bool,
}

impl Shell {
    /// The frame for somebody who is signed in.
    pub(crate) fn new(title: impl Into<String>, here: &'static str, viewer: &Viewer) -> Self {
        Self {
            user: Some(viewer.0.name.clone()),
            ..Self::outside(title, here)
        }
    }

    /// The frame for anybody.
    pub(crate) fn outside(title: impl Into<String>, here: &'static str) -> Self {
        Self {
            title: title.into(),
            here,
            user: None,
            channels: Vec::new(),
            script: None,
            logs: false,
        }
    }

    /// The same, listening.
    pub(crate) fn live(mut self, channels: Vec<String>) -> Self {
        self.channels = channels;
        self
    }

    /// The same for a page with logs.
    pub(crate) fn with_logs(mut self) -> Self {
        self.logs = true;
        self.script = Some("log-view.js");
        self
    }

    /// Where a static file is.
    #[expect(clippy::unused_self, reason = "templates call it on what they have")]
    pub(crate) fn asset(&self, name: &str) -> String {
        assets::url(name)
    }

    /// The key in the live channel's address.
    #[expect(clippy::unused_self, reason = "templates call it on what they have")]
    pub(crate) fn live_key(&self) -> &'static str {
        APP_KEY
    }

    /// The channels as one text.
    pub(crate) fn channel_list(&self) -> String {
        self.channels.join(" ")
    }

    /// The letter in the circle.
    pub(crate) fn initial(&self) -> String {
        let user = self.user.as_deref().unwrap_or_default();
        user.chars().take(1).flat_map(char::to_uppercase).collect()
    }
}

/// Whether only the living part is wanted.
pub(crate) fn wants_fragment(headers: &HeaderMap) -> bool {
    headers.get(FRAGMENT).is_some_and(|value| value == "live")
}

/// Renders a page into an answer.
pub(crate) fn answer(status: StatusCode, page: &impl Template) -> Result<Response, Problem> {
    let text = page
        .render()
        .map_err(|error| Problem::internal(format!("rendering a page: {error}")))?;
    let mut response = (status, Html(text)).into_response();
    response
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("airlock-fragment"));
    Ok(response)
}

/// Renders a page or its living part, as the request asks: `answer_living!(headers, page)`.
macro_rules! answer_living {
    ($headers:expr, $page:expr) => {{
        let page = $page;
        if $crate::pages::shell::wants_fragment($headers) {
            $crate::pages::shell::answer(axum::http::StatusCode::OK, &page.as_live())
        } else {
            $crate::pages::shell::answer(axum::http::StatusCode::OK, &page)
        }
    }};
}
pub(crate) use answer_living;
