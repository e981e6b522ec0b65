//! Reads what callers send: JSON bodies, parts of the path, the query. Everything that does not fit is answered with
//! 400 and a text that names it. Values are never repeated in that text where they may be secret.

use std::fmt::Display;
use std::str::FromStr;

use airlock_domain::{ProjectSlug, Secret};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::answer::Problem;
use super::limits;

/// The whole body, within the limit of its route and within time.
pub(crate) async fn whole_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    match tokio::time::timeout(limits::BODY_READ, Bytes::from_request(request, state)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than this call takes",
        )),
        Ok(Err(rejection)) => Err(Problem::bad(format!(
            "the body broke off: {}",
            rejection.body_text()
        ))),
        Err(_elapsed) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive in time",
        )),
    }
}

/// A JSON body. No body at all counts as `{}`.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        check_content_type(request.headers())?;
        let body = whole_body(request, state).await?;
        let text: &[u8] = if body.trim_ascii().is_empty() {
            b"{}"
        } else {
            &body
        };
        parse_json(text)
            .map(Self)
            .map_err(|problem| Problem::bad(format!("the body is wrong: {problem}")))
    }
}

/// Reads JSON; the error says which field is wrong.
pub(crate) fn parse_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.into_inner());
        if path == "." {
            inner.to_string()
        } else {
            format!("{path}: {inner}")
        }
    })?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

/// A form of another site can send text and forms without asking, but not JSON.
fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return Ok(());
    };
    let kind = value
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let text = format!("the body is '{kind}', expected Content-Type: application/json");
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text))
}

/// A secret in a JSON body. Reading it never shows it, not even in errors.
#[derive(Debug)]
pub(crate) struct SecretText(pub(crate) Secret);

impl<'de> serde::Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(Self(Secret::new(text))),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::Array(_)
            | serde_json::Value::Object(_) => Err(serde::de::Error::custom("expected a string")),
        }
    }
}

/// The named parts of the path.
#[derive(Debug)]
pub(crate) struct PathParts(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for PathParts {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let raw = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::bad(format!("the path is wrong: {}", rejection.body_text())))?;
        Ok(Self(
            raw.iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        ))
    }
}

impl PathParts {
    /// One part as it stands.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    /// One part as an id, name or number.
    pub(crate) fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<T, Problem> {
        let text = self.text(name);
        text.parse()
            .map_err(|error| Problem::bad(format!("'{name}' in the path: {error}")))
    }

    /// The project in `{vcs}/{org}/{repo}`.
    pub(crate) fn slug(&self) -> Result<ProjectSlug, Problem> {
        let (vcs, org, repo) = (self.text("vcs"), self.text("org"), self.text("repo"));
        if vcs != "git" {
            let text = format!(
                "the project '{vcs}/{org}/{repo}' is of no forge known here: expected git/<org>/<repo>"
            );
            return Err(Problem::bad(text));
        }
        ProjectSlug::parse(&format!("{org}/{repo}")).map_err(|error| Problem::bad(error.to_string()))
    }
}

/// The query. Names that a call does not know are left alone, as CircleCI does.
#[derive(Debug)]
pub(crate) struct Queries(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Queries {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Query(pairs) = Query::try_from_uri(&parts.uri)
            .map_err(|rejection| Problem::bad(format!("the query is wrong: {}", rejection.body_text())))?;
        Ok(Self(pairs))
    }
}

impl Queries {
    /// A query with nothing in it.
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// One value as it stands; an empty one counts as none.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// One value as an id, name or number.
    pub(crate) fn get<T: FromStr<Err: Display>>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let value = text.parse();
        value
            .map(Some)
            .map_err(|error| Problem::bad(format!("'{name}' in the query: {error}")))
    }

    /// The token of a further page of a list that has only one.
    pub(crate) fn only_page(&self) -> Result<(), Problem> {
        match self.text("page-token") {
            None => Ok(()),
            Some(_) => Err(Problem::bad("this list has one page only: leave page-token out")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[expect(dead_code, reason = "only its reading is tested")]
        branch: Option<String>,
        #[expect(dead_code, reason = "only its reading is tested")]
        value: Option<SecretText>,
    }

    #[test]
    fn a_wrong_field_is_named() {
        let error = |text: &str| parse_json::<Sample>(text.as_bytes()).expect_err("refused");
        assert!(error(r#"{"brnach":"x"}"#).contains("unknown field `brnach`"));
        assert!(error(r#"{"branch":5}"#).starts_with("branch: invalid type"));
        assert!(error("{").contains("line 1"));
        assert!(error("{} {}").contains("trailing"));
        assert!(parse_json::<Sample>(b"{}").is_ok());
    }

    #[test]
    fn a_secret_of_the_wrong_type_is_not_repeated() {
        for text in [
            r#"{"value":4711}"#,
            r#"{"value":["4711"]}"#,
            r#"{"value":{"4711":1}}"#,
            r#"{"value":"4711""#,
        ] {
            let error = parse_json::<Sample>(text.as_bytes()).expect_err("refused");
            assert!(!error.contains("4711"), "{error}");
        }
        let good = parse_json::<Sample>(br#"{"value":"4711"}"#).expect("read");
        assert!(!format!("{good:?}").contains("4711"));
    }
}
