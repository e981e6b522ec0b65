//! The settings of a project: where to push, its deploy key, who may push, what its jobs may reach, and its secrets,
//! whose values go in and never come out.

use airlock_control_plane::UseCaseError;
use airlock_control_plane::rows::ProjectRow;
use airlock_domain::{EgressPolicy, EnvName};
use askama::Template;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::access::Viewer;
use super::form::Fields;
use super::pipelines::project_in;
use super::shell::{Shell, answer};
use crate::http::answer::Problem;
use crate::http::input::PathParts;
use crate::http::state::State;

#[derive(Template)]
#[template(path = "project_settings.html")]
struct SettingsPage {
    shell: Shell,
    name: String,
    path: String,
    git_url: String,
    deploy_key: String,
    secrets: Vec<String>,
    /// `allow`, `deny` or `list`.
    egress: String,
    egress_list: String,
    told: Told,
}

/// What a form that was refused is told, at its field.
#[derive(Default)]
struct Told {
    secret_name: String,
    secret_name_error: Option<String>,
    secret_value_error: Option<String>,
    key: String,
    key_error: Option<String>,
    /// The choice and the list as they were sent.
    egress: Option<(String, String)>,
    egress_error: Option<String>,
}

/// `GET /projects/{org}/{repo}/settings`
pub(crate) async fn show(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
) -> Result<Response, Problem> {
    let project = project_in(&state.plane, &path).await?;
    settings(&state, &viewer, &project, Told::default()).await
}

/// `POST /projects/{org}/{repo}/keys`
pub(crate) async fn add_key(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    fields: Fields,
) -> Result<Response, Problem> {
    let project = project_in(&state.plane, &path).await?;
    let key = fields.text("key");
    // A project that is there stays as it is, and the key is added.
    match state
        .plane
        .create_project(&project.slug, Some(key), &viewer.0)
        .await
    {
        Ok(_info) => Ok(back(&project)),
        Err(UseCaseError::Invalid(text)) => {
            let told = Told {
                key: key.to_owned(),
                key_error: Some(text),
                ..Told::default()
            };
            settings(&state, &viewer, &project, told).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /projects/{org}/{repo}/secrets`
pub(crate) async fn set_secret(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let project = project_in(&state.plane, &path).await?;
    let value = fields.take_secret("value");
    let mut told = Told {
        secret_name: fields.text("name").to_owned(),
        ..Told::default()
    };
    let name = match EnvName::new(fields.text("name")) {
        Ok(name) => name,
        Err(error) => {
            told.secret_name_error = Some(error.to_string());
            return settings(&state, &viewer, &project, told).await;
        }
    };
    if value.is_empty() {
        told.secret_value_error = Some("the value is empty".to_owned());
        return settings(&state, &viewer, &project, told).await;
    }
    match state
        .plane
        .set_secret(&project.slug, &name, &value, &viewer.0)
        .await
    {
        Ok(()) => Ok(back(&project)),
        Err(UseCaseError::Invalid(text)) => {
            told.secret_value_error = Some(text);
            settings(&state, &viewer, &project, told).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /projects/{org}/{repo}/egress`
pub(crate) async fn set_egress(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    fields: Fields,
) -> Result<Response, Problem> {
    let project = project_in(&state.plane, &path).await?;
    let (choice, list) = (fields.text("egress"), fields.whole("list"));
    let policy = match choice {
        "allow" => Ok(EgressPolicy::Allow),
        "deny" => Ok(EgressPolicy::Deny),
        "list" => EgressPolicy::parse_list(list).map_err(|error| error.to_string()),
        _ => Err("choose what jobs may reach".to_owned()),
    };
    match policy {
        Ok(policy) => {
            state
                .plane
                .set_egress_policy(&project.slug, &policy, &viewer.0)
                .await?;
            Ok(back(&project))
        }
        Err(text) => {
            let told = Told {
                egress: Some((choice.to_owned(), list.to_owned())),
                egress_error: Some(text),
                ..Told::default()
            };
            settings(&state, &viewer, &project, told).await
        }
    }
}

/// `POST /projects/{org}/{repo}/secrets/remove`
pub(crate) async fn remove_secret(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    fields: Fields,
) -> Result<Response, Problem> {
    let project = project_in(&state.plane, &path).await?;
    let name = EnvName::new(fields.text("name")).map_err(|error| Problem::bad(error.to_string()))?;
    state.plane.remove_secret(&project.slug, &name, &viewer.0).await?;
    Ok(back(&project))
}

fn back(project: &ProjectRow) -> Response {
    Redirect::to(&format!("/projects/{}/settings", project.slug.short())).into_response()
}

async fn settings(
    state: &State,
    viewer: &Viewer,
    project: &ProjectRow,
    told: Told,
) -> Result<Response, Problem> {
    let refused = [
        &told.secret_name_error,
        &told.secret_value_error,
        &told.key_error,
        &told.egress_error,
    ];
    let status = if refused.iter().any(|error| error.is_some()) {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let name = project.slug.short();
    let secrets = state.plane.secret_names(&project.slug).await?;
    let (egress, egress_list) = if let Some(sent) = &told.egress {
        sent.clone()
    } else {
        let policy = state.plane.egress_policy(&project.slug).await?;
        (policy.word().to_owned(), policy.lines())
    };
    let page = SettingsPage {
        shell: Shell::new(format!("Settings · {name}"), "projects", viewer),
        path: format!("/projects/{name}"),
        git_url: state.plane.addresses()?.git_url(&project.slug),
        deploy_key: project.deploy_key_public.clone(),
        secrets: secrets.iter().map(ToString::to_string).collect(),
        egress,
        egress_list,
        name,
        told,
    };
    answer(status, &page)
}
