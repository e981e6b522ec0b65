//! A project's environment variables. Values come in and never go out: every answer shows `xxxx`.

use airlock_domain::EnvName;
use axum::Json as Reply;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::paging::Page;
use super::shapes::shapes;
use super::workflows::Message;
use crate::http::answer::Problem;
use crate::http::auth::Caller;
use crate::http::input::{self, PathParts, Queries, SecretText};
use crate::http::state::State;

/// What stands in a value's place.
const MASK: &str = "xxxx";

shapes! { reply:
    /// A variable without its value.
    EnvVar {
        /// Its name.
        name: String,
        /// Always masked.
        value: &'static str,
    }
}

shapes! { request:
    /// A variable to set.
    SetEnvVar {
        /// Its name.
        name: String,
        /// Its value.
        value: SecretText,
    }
}

fn shape(name: &EnvName) -> EnvVar {
    EnvVar {
        name: name.to_string(),
        value: MASK,
    }
}

/// `GET /project/{vcs}/{org}/{repo}/envvar`
pub(crate) async fn list(
    With(state): With<State>,
    path: PathParts,
    query: Queries,
) -> Result<Reply<Page<EnvVar>>, Problem> {
    query.only_page()?;
    let names = state.plane.secret_names(&path.slug()?).await?;
    Ok(Page::only(names.iter().map(shape).collect()))
}

/// `GET /project/{vcs}/{org}/{repo}/envvar/{name}`
pub(crate) async fn get(With(state): With<State>, path: PathParts) -> Result<Reply<EnvVar>, Problem> {
    let (slug, name) = (path.slug()?, path.get::<EnvName>("name")?);
    if !state.plane.secret_names(&slug).await?.contains(&name) {
        return Err(Problem::not_found(&format!(
            "variable {name} of {}",
            slug.short()
        )));
    }
    Ok(Json(shape(&name)))
}

/// `POST /project/{vcs}/{org}/{repo}/envvar`
pub(crate) async fn set(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    path: PathParts,
    input::Json(wanted): input::Json<SetEnvVar>,
) -> Result<(StatusCode, Reply<EnvVar>), Problem> {
    let name = EnvName::new(wanted.name).map_err(|error| Problem::bad(error.to_string()))?;
    state
        .plane
        .set_secret(&path.slug()?, &name, &wanted.value.0, &actor)
        .await?;
    Ok((StatusCode::CREATED, Json(shape(&name))))
}

/// `DELETE /project/{vcs}/{org}/{repo}/envvar/{name}`
pub(crate) async fn remove(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    path: PathParts,
) -> Result<Reply<Message>, Problem> {
    state
        .plane
        .remove_secret(&path.slug()?, &path.get("name")?, &actor)
        .await?;
    Ok(Json(Message {
        message: "Environment variable deleted.",
    }))
}
