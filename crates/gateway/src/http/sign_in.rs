//! Signing a browser in with a one-time link, and out. Opening the link shows a form and nothing else, because mail and
//! chat programs open links to show a preview, which must not use them up. Sending the form does it.

use airlock_control_plane::limits::SESSION_MS;
use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Request, State as With};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::answer::Problem;
use super::auth::{SESSION_COOKIE, from_own_pages, session_cookie, tells_where_from};
use super::input::Queries;
use super::limits;
use super::state::State;
use crate::pages::{self, Shell};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    shell: Shell,
    token: Option<&'a str>,
    refused: bool,
}

impl SignInPage<'_> {
    fn answer(&self, status: StatusCode) -> Result<Response, Problem> {
        pages::answer(status, self)
    }
}

fn shell() -> Shell {
    Shell::outside("Sign in", "")
}

/// What the form sends.
#[derive(Deserialize)]
struct SignInForm {
    token: String,
}

pub(crate) fn router() -> Router<State> {
    Router::new()
        .route("/sign-in", get(form).post(sign_in))
        .route("/sign-out", post(sign_out))
        .layer(DefaultBodyLimit::max(limits::FORM_BYTES))
}

/// `GET /sign-in?token=…`
async fn form(query: Queries) -> Result<Response, Problem> {
    SignInPage {
        shell: shell(),
        token: query.text("token"),
        refused: false,
    }
    .answer(StatusCode::OK)
}

/// `POST /sign-in`
async fn sign_in(With(state): With<State>, request: Request) -> Result<Response, Problem> {
    // The link itself is the proof, so programs that are no browsers may send the form too.
    if tells_where_from(request.headers()) {
        own_page(&request)?;
    }
    let bad = || Problem::bad("the sign-in form is not complete: open the link again");
    let read = tokio::time::timeout(limits::BODY_READ, Form::from_request(request, &())).await;
    let Form(SignInForm { token }) = read.map_err(|_elapsed| bad())?.map_err(|_rejection| bad())?;
    let Some(session) = state.plane.sign_in(&token, (state.random)()).await? else {
        return SignInPage {
            shell: shell(),
            token: None,
            refused: true,
        }
        .answer(StatusCode::FORBIDDEN);
    };
    let value = session
        .token
        .expose_text()
        .ok_or_else(|| Problem::internal("a fresh session is no text"))?;
    redirect("/", &cookie(value, SESSION_MS / 1000))
}

/// `POST /sign-out`
async fn sign_out(With(state): With<State>, request: Request) -> Result<Response, Problem> {
    own_page(&request)?;
    if let Some(session) = session_cookie(request.headers()) {
        state.plane.sign_out(session).await?;
    }
    redirect("/sign-in", &cookie("", 0))
}

/// Another site must neither sign a browser out nor sign it in as somebody else.
fn own_page(request: &Request) -> Result<(), Problem> {
    if from_own_pages(request.method(), request.uri(), request.headers()) {
        return Ok(());
    }
    let text = "this form was not sent by one of Airlock's own pages: open the link again in your browser";
    Err(Problem::new(StatusCode::FORBIDDEN, text))
}

fn cookie(value: &str, seconds: i64) -> String {
    format!("{SESSION_COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax")
}

fn redirect(to: &'static str, cookie: &str) -> Result<Response, Problem> {
    let mut cookie = HeaderValue::try_from(cookie)
        .map_err(|error| Problem::internal(format!("the session's cookie: {error}")))?;
    cookie.set_sensitive(true);
    let mut response = StatusCode::SEE_OTHER.into_response();
    response
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static(to));
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_cannot_leave_its_field() {
        let page = SignInPage {
            shell: shell(),
            token: Some("\"><script>alert(1)</script>"),
            refused: false,
        };
        let text = page.render().expect("rendered");
        assert!(!text.contains("<script"), "{text}");
        let plain = SignInPage {
            shell: shell(),
            token: Some("als_1"),
            refused: false,
        }
        .render()
        .expect("rendered");
        assert!(plain.contains("value=\"als_1\""), "{plain}");
    }

    #[test]
    fn the_cookie_is_for_this_host_and_no_script() {
        let cookie = cookie("alb_1", 60);
        for part in [
            "__Host-airlock=alb_1;",
            "Path=/;",
            "HttpOnly",
            "Secure",
            "SameSite=Lax",
            "Max-Age=60",
        ] {
            assert!(cookie.contains(part), "{part}");
        }
        assert!(!cookie.contains("Domain"));
    }
}
