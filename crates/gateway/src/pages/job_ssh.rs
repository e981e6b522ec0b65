//! Entering a job over SSH, for people with a browser: first what they will see there, then the button; how a job that is
//! open is entered; and the keys they come with.

use airlock_control_plane::UseCaseError;
use airlock_control_plane::rows::JobRow;
use airlock_control_plane::ssh::{SshStart, UserKeyRow};
use airlock_domain::JobId;
use airlock_domain::plan::Executor;
use askama::Template;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::access::Viewer;
use super::form::Fields;
use super::shell::{Shell, answer};
use crate::http::answer::Problem;
use crate::http::input::PathParts;
use crate::http::state::State;
use crate::job_ssh::Target;

/// What a job's page says of entering it.
pub(super) struct Entry {
    /// What the button says.
    pub(super) button: &'static str,
    /// One for each slice that is open to the viewer now.
    pub(super) commands: Vec<String>,
    /// Whether the viewer waits for that.
    pub(super) waiting: bool,
}

/// The entry of a job, where it has one.
pub(super) async fn entry(state: &State, viewer: &Viewer, job: &JobRow) -> Result<Option<Entry>, Problem> {
    let body = job.body.as_ref();
    let in_container = body.is_some_and(|body| matches!(body.executor, Executor::Docker { .. }));
    let Some(address) = state.plane.ssh_address().filter(|_| in_container) else {
        return Ok(None);
    };
    let ended = job.status.outcome().is_some();
    let let_in = !ended && state.plane.ssh_users(job).await?.contains(&viewer.0.name);
    let open = job.slices.iter().filter(|row| let_in && !row.status.is_final());
    let targets = open.map(|row| Target {
        job: job.id,
        slice: row.index,
    });
    let commands: Vec<String> = targets
        .filter(|target| state.lines.is_open(*target))
        .map(|target| format!("ssh -p {} {target}@{}", address.port, address.host))
        .collect();
    Ok(Some(Entry {
        button: if ended { "Rerun with SSH" } else { "Enter with SSH" },
        waiting: let_in && commands.is_empty(),
        commands,
    }))
}

#[derive(Template)]
#[template(path = "job_ssh.html")]
struct WarningPage {
    shell: Shell,
    id: JobId,
    name: String,
    ended: bool,
    keys: usize,
    error: Option<String>,
}

/// `GET /jobs/{id}/ssh`: what one will see, before anything happens.
pub(crate) async fn warn(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
) -> Result<Response, Problem> {
    let job = job(&state, &path).await?;
    warning(&state, &viewer, &job, None).await
}

async fn warning(
    state: &State,
    viewer: &Viewer,
    job: &JobRow,
    error: Option<String>,
) -> Result<Response, Problem> {
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = WarningPage {
        shell: Shell::new(format!("Enter {}", job.name), "pipelines", viewer),
        id: job.id,
        name: job.name.to_string(),
        ended: job.status.outcome().is_some(),
        keys: state.plane.user_keys(&viewer.0).await?.len(),
        error,
    };
    answer(status, &page)
}

/// `POST /jobs/{id}/ssh`
pub(crate) async fn start(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    fields: Fields,
) -> Result<Response, Problem> {
    let job = job(&state, &path).await?;
    let acknowledged = fields.text("acknowledge_secret_access") == "true";
    match state.plane.start_ssh(job.id, acknowledged, &viewer.0).await {
        Ok(SshStart::Enabled) => Ok(Redirect::to(&format!("/jobs/{}", job.id)).into_response()),
        Ok(SshStart::Rerun(row)) => Ok(Redirect::to(&format!("/pipelines/{}", row.id)).into_response()),
        Err(UseCaseError::Invalid(text)) => warning(&state, &viewer, &job, Some(text)).await,
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "ssh_keys.html")]
struct KeysPage {
    shell: Shell,
    keys: Vec<UserKeyRow>,
    key: String,
    error: Option<String>,
}

/// `GET /ssh-keys`
pub(crate) async fn keys(With(state): With<State>, viewer: Viewer) -> Result<Response, Problem> {
    keys_page(&state, &viewer, String::new(), None).await
}

async fn keys_page(
    state: &State,
    viewer: &Viewer,
    key: String,
    error: Option<String>,
) -> Result<Response, Problem> {
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = KeysPage {
        shell: Shell::new("Your SSH keys".to_owned(), "keys", viewer),
        keys: state.plane.user_keys(&viewer.0).await?,
        key,
        error,
    };
    answer(status, &page)
}

/// `POST /ssh-keys`
pub(crate) async fn add_key(
    With(state): With<State>,
    viewer: Viewer,
    fields: Fields,
) -> Result<Response, Problem> {
    let key = fields.text("key");
    match state.plane.add_user_key(key, &viewer.0).await {
        Ok(_row) => Ok(Redirect::to("/ssh-keys").into_response()),
        Err(UseCaseError::Invalid(text) | UseCaseError::Conflict(text)) => {
            // A private key that was pasted here is not sent back.
            let again = if key.contains("PRIVATE") {
                String::new()
            } else {
                key.to_owned()
            };
            keys_page(&state, &viewer, again, Some(text)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /ssh-keys/remove`
pub(crate) async fn remove_key(
    With(state): With<State>,
    viewer: Viewer,
    fields: Fields,
) -> Result<Response, Problem> {
    match state
        .plane
        .remove_user_key(fields.text("fingerprint"), &viewer.0)
        .await
    {
        // Gone already is as good.
        Ok(()) | Err(UseCaseError::NotFound(_)) => Ok(Redirect::to("/ssh-keys").into_response()),
        Err(error) => Err(error.into()),
    }
}

async fn job(state: &State, path: &PathParts) -> Result<JobRow, Problem> {
    let id = path
        .get("id")
        .map_err(|_| Problem::not_found(&format!("job {}", path.text("id"))))?;
    Ok(state.plane.job(id).await?)
}
