//! Who calls: an API token in a header, or a browser's session in a cookie. A cookie is sent by the browser whoever made
//! it send the request, so it counts only for requests that come from our own pages. Decides nothing about what the
//! caller may do.

use airlock_control_plane::Actor;
use airlock_control_plane::rows::TokenPurpose;
use axum::extract::{Request, State as With};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::answer::Problem;
use super::state::State;

/// Name of the session's cookie. The prefix makes browsers insist on `Secure`, `Path=/` and this very host.
pub const SESSION_COOKIE: &str = "__Host-airlock";

/// CircleCI's own header for tokens.
const CIRCLE_TOKEN: &str = "circle-token";

/// Who was recognised. Put into the request's extensions by [`require`].
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) Actor);

/// Lets recognised callers through and nobody else.
pub(crate) async fn require(
    With(state): With<State>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let actor = recognise(&state, &parts).await?;
    parts.extensions.insert(Caller(actor));
    Ok(next.run(Request::from_parts(parts, body)).await)
}

async fn recognise(state: &State, parts: &Parts) -> Result<Actor, Problem> {
    if let Some(token) = sent_token(&parts.headers)? {
        let actor = state.plane.authenticate(TokenPurpose::Api, &token).await?;
        return actor.ok_or_else(|| unauthorized("this API token is not known: it was removed, or mistyped"));
    }
    if let Some(session) = session_cookie(&parts.headers) {
        if !from_own_pages(&parts.method, &parts.uri, &parts.headers) {
            let text =
                "a session counts only for requests from Airlock's own pages: programs send an API token";
            return Err(Problem::new(StatusCode::FORBIDDEN, text));
        }
        let actor = state.plane.authenticate(TokenPurpose::Session, session).await?;
        return actor.ok_or_else(|| unauthorized("this session has ended: sign in again"));
    }
    let in_address = parts
        .uri
        .query()
        .is_some_and(|query| query.contains("circle-token="));
    Err(unauthorized(if in_address {
        "a token in the address is not taken, because addresses are written to logs: send it in the Circle-Token header"
    } else {
        "no token was sent: send an API token in the Circle-Token header or as Authorization: Bearer"
    }))
}

fn unauthorized(text: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, text)
}

/// The token in a header, if the caller sent one at all.
fn sent_token(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let unreadable =
        || unauthorized("the token cannot be read: expected Circle-Token: T or Authorization: Bearer T");
    if let Some(value) = headers.get(CIRCLE_TOKEN) {
        return value
            .to_str()
            .map(|token| Some(token.trim().to_owned()))
            .map_err(|_| unreadable());
    }
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let (scheme, rest) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(unreadable)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Ok(Some(rest.trim().to_owned()));
    }
    if scheme.eq_ignore_ascii_case("basic") {
        // The token is the user's name, the password is empty.
        let decoded = STANDARD
            .decode(rest.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.ok_or_else(unreadable)?;
        let user = pair
            .split_once(':')
            .map_or(pair.as_str(), |(user, _password)| user);
        return Ok(Some(user.to_owned()));
    }
    Err(unreadable())
}

/// The value of the session's cookie.
pub(crate) fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == SESSION_COOKIE).then_some(value))
}

/// Whether a browser says where a request comes from, as every browser does for a form.
pub(crate) fn tells_where_from(headers: &HeaderMap) -> bool {
    headers.contains_key("sec-fetch-site") || headers.contains_key(ORIGIN)
}

/// Whether a browser says that our own pages made this request. What changes something needs the browser's word for
/// it; what only reads may also come from outside browsers, which then say nothing.
pub(crate) fn from_own_pages(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let reads = *method == Method::GET || *method == Method::HEAD;
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some("same-origin"), _) => true,
        // Typed into the address bar or opened from a bookmark.
        (Some("none"), _) | (None, None) => reads,
        (Some(_), _) => false,
        (None, Some(origin)) => {
            // HTTP/2 has the host in the address, HTTP/1.1 in a header.
            let host = uri
                .authority()
                .map(axum::http::uri::Authority::as_str)
                .or_else(|| text(HOST.as_str()));
            host.is_some_and(|host| origin.strip_prefix("https://") == Some(host))
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            (
                axum::http::HeaderName::from_static(name),
                HeaderValue::from_str(value).expect("a header value"),
            )
        });
        pairs.collect()
    }

    #[test]
    fn tokens_are_read_from_all_three_places() {
        for (name, value) in [
            ("circle-token", "alk_1"),
            ("authorization", "Bearer alk_1"),
            ("authorization", "bearer  alk_1"),
            ("authorization", "Basic YWxrXzE6"),
        ] {
            let token = sent_token(&headers(&[(name, value)])).expect("readable");
            assert_eq!(token.as_deref(), Some("alk_1"), "{name}: {value}");
        }
        assert!(sent_token(&HeaderMap::new()).expect("nothing sent").is_none());
        for bad in ["alk_1", "Digest x", "Basic %%%"] {
            assert!(sent_token(&headers(&[("authorization", bad)])).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let found = |line: &str| session_cookie(&headers(&[("cookie", line)])).map(str::to_owned);
        assert_eq!(found("a=b; __Host-airlock=alb_1; c=d").as_deref(), Some("alb_1"));
        assert_eq!(found("airlock=alb_1; x__Host-airlock=alb_2"), None);
    }

    #[test]
    fn only_our_own_pages_may_change_something() {
        let host = ("host", "ci.example:8443");
        let own = |method: &Method, pairs: &[(&'static str, &str)]| {
            let mut headers = headers(pairs);
            headers.insert(HOST, HeaderValue::from_static(host.1));
            from_own_pages(method, &Uri::from_static("/x"), &headers)
        };
        let (get, post) = (&Method::GET, &Method::POST);
        for method in [get, post] {
            assert!(own(method, &[("sec-fetch-site", "same-origin")]));
            assert!(own(method, &[("origin", "https://ci.example:8443")]));
            assert!(!own(method, &[("sec-fetch-site", "cross-site")]));
            assert!(!own(method, &[("sec-fetch-site", "same-site")]));
            assert!(!own(method, &[("origin", "https://evil.example")]));
            assert!(!own(method, &[("origin", "http://ci.example:8443")]));
            assert!(!own(method, &[("origin", "null")]));
            // The newer word counts.
            assert!(!own(
                method,
                &[
                    ("sec-fetch-site", "cross-site"),
                    ("origin", "https://ci.example:8443")
                ]
            ));
        }
        assert!(own(get, &[]) && !own(post, &[]));
        assert!(own(get, &[("sec-fetch-site", "none")]) && !own(post, &[("sec-fetch-site", "none")]));
        assert!(!own(&Method::DELETE, &[]));
    }

    #[test]
    fn http2_has_the_host_in_the_address() {
        let uri = Uri::from_static("https://ci.example:8443/x");
        let own = headers(&[("origin", "https://ci.example:8443")]);
        assert!(from_own_pages(&Method::POST, &uri, &own));
        assert!(!from_own_pages(
            &Method::POST,
            &uri,
            &headers(&[("origin", "https://evil.example")])
        ));
    }
}
