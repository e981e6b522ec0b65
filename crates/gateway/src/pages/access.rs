//! Who looks at a page: the session in the cookie, or a way to sign in. What changes something must come from our own
//! pages. Also says which content a page may load, because that depends on the host one came to.

use airlock_control_plane::Actor;
use airlock_control_plane::rows::TokenPurpose;
use axum::extract::{FromRequestParts, Request, State as With};
use axum::http::header::{CONTENT_SECURITY_POLICY, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::http::answer::Problem;
use crate::http::auth::{from_own_pages, session_cookie};
use crate::http::state::State;

/// Who is signed in. Put into the request's extensions by [`require`].
#[derive(Debug, Clone)]
pub(crate) struct Viewer(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::internal("a page stands outside the check of sessions"))
    }
}

/// Lets signed-in people through; others are shown how to sign in. A page may be opened from anywhere, a form is taken
/// from our own pages only.
pub(crate) async fn require(
    With(state): With<State>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let reads = *request.method() == Method::GET || *request.method() == Method::HEAD;
    if !reads && !from_own_pages(request.method(), request.uri(), request.headers()) {
        let text = "this form was not sent by one of Airlock's own pages, so nothing was done: open the page and send it again";
        return Err(Problem::new(StatusCode::FORBIDDEN, text));
    }
    let Some(actor) = signed_in(&state, request.headers()).await? else {
        return Ok(Redirect::to("/sign-in").into_response());
    };
    request.extensions_mut().insert(Viewer(actor));
    Ok(next.run(request).await)
}

/// Who the session in the cookie speaks for.
pub(crate) async fn signed_in(state: &State, headers: &HeaderMap) -> Result<Option<Actor>, Problem> {
    let Some(session) = session_cookie(headers) else {
        return Ok(None);
    };
    Ok(state.plane.authenticate(TokenPurpose::Session, session).await?)
}

/// The host that a browser came to.
pub(crate) fn own_host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let in_address = uri.authority().map(axum::http::uri::Authority::as_str);
    in_address.or_else(|| headers.get(HOST).and_then(|value| value.to_str().ok()))
}

/// Sets the content policy of pages. `'self'` does not cover `wss:` in every browser, so the live channel's host is
/// named; a host that could end the directive is left out.
pub(crate) async fn page_policy(request: Request, next: Next) -> Response {
    let live = own_host(request.uri(), request.headers())
        .filter(|host| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
            !host.is_empty() && host.bytes().all(plain)
        })
        .map_or_else(String::new, |host| format!(" wss://{host}"));
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'{live}; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    );
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::try_from(policy) {
        response
            .headers_mut()
            .entry(CONTENT_SECURITY_POLICY)
            .or_insert(value);
    }
    response
}
