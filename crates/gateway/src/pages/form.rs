//! What a form sends: fields by name, each at most once. Values that may be secret are never repeated in an error.

use airlock_domain::Secret;
use axum::Form;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;

use crate::http::answer::Problem;
use crate::http::limits::BODY_READ;

/// The fields of a form.
pub(crate) struct Fields(Vec<(String, String)>);

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match tokio::time::timeout(BODY_READ, Form::from_request(request, state)).await {
            Ok(Ok(Form(fields))) => Ok(Self(fields)),
            Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the form is larger than this page takes: a secret has at most 32 kB",
            )),
            Ok(Err(_rejection)) => Err(Problem::bad(
                "the form cannot be read: open the page and send it again",
            )),
            Err(_elapsed) => Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "the form did not arrive in time: send it again",
            )),
        }
    }
}

impl Fields {
    /// One field without the white space around it; an absent one is empty.
    pub(crate) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// One field as it stands, so that a place in it is one on the page; an absent one is empty.
    pub(crate) fn whole(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }

    /// One field as it stands. Browsers send line ends as CR LF; a secret has LF.
    pub(crate) fn take_secret(&mut self, name: &str) -> Secret {
        let found = self.0.iter_mut().find(|(known, _)| known == name);
        let value = Secret::new(found.map(|(_, value)| std::mem::take(value)).unwrap_or_default());
        match value.expose_text() {
            Some(text) if text.contains("\r\n") => Secret::new(text.replace("\r\n", "\n")),
            Some(_) | None => value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_as_it_stands_but_for_line_ends() {
        let mut fields = Fields(vec![
            ("name".into(), " A ".into()),
            ("value".into(), " a\r\nb\n ".into()),
        ]);
        assert_eq!((fields.text("name"), fields.whole("name")), ("A", " A "));
        assert_eq!(fields.take_secret("value").expose(), b" a\nb\n ");
        assert!(fields.take_secret("value").is_empty() && fields.take_secret("other").is_empty());
    }
}
