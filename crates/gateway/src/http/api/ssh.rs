//! Entering jobs over SSH: the caller's public keys, letting the caller into a job, and how a job is entered.

use airlock_control_plane::ssh::{SshStart, UserKeyRow};
use airlock_domain::JobId;
use axum::Json as Reply;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::paging::Page;
use super::shapes::{Id, Time, shapes};
use super::workflows::Message;
use crate::http::answer::Problem;
use crate::http::auth::Caller;
use crate::http::input::{self, PathParts, Queries};
use crate::http::state::State;
use crate::job_ssh::Target;

shapes! { reply:
    /// A public SSH key of the caller.
    UserKey {
        /// SHA256:…, as ssh-keygen -l prints it.
        fingerprint: String,
        /// The key in OpenSSH form.
        public_key: String,
        /// Its comment.
        label: String,
        /// When it was added.
        created_at: Time,
    }

    /// How a job is entered over SSH.
    JobSsh {
        /// The job.
        id: Id,
        /// Who was let in.
        users: Vec<String>,
        /// Whether the caller is one of them.
        enabled: bool,
        /// The slices that have a sandbox to enter, or will have.
        slices: Vec<SshSlice>,
    }

    /// One slice.
    SshSlice {
        /// From 0.
        index: u32,
        /// Whether it can be entered now.
        open: bool,
        /// The user name of a login.
        user: String,
        /// The door's host.
        host: String,
        /// The door's port.
        port: u32,
        /// The command line to enter it with.
        command: String,
        /// The line for a known_hosts file.
        known_hosts: String,
    }

    /// What the wish to enter a job led to.
    SshStarted {
        /// What happens now.
        message: String,
        /// The job that can be entered, while it runs.
        job_id: Option<Id>,
        /// The pipeline that runs the job again, if it had ended.
        pipeline_id: Option<Id>,
    }
}

shapes! { request:
    /// A public SSH key to add.
    AddUserKey {
        /// One line in OpenSSH form, the content of a .pub file.
        public_key: String,
    }

    /// The wish to enter a job.
    StartSsh {
        /// Must be true: whoever enters a job sees its secrets.
        acknowledge_secret_access: Option<bool>,
    }
}

fn shape(row: UserKeyRow) -> UserKey {
    UserKey {
        fingerprint: row.fingerprint,
        public_key: row.public_key,
        label: row.label,
        created_at: Time::at(row.created_at),
    }
}

/// `GET /airlock/ssh-key`
pub(crate) async fn keys(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    query: Queries,
) -> Result<Reply<Page<UserKey>>, Problem> {
    query.only_page()?;
    let rows = state.plane.user_keys(&actor).await?;
    Ok(Page::only(rows.into_iter().map(shape).collect()))
}

/// `POST /airlock/ssh-key`
pub(crate) async fn add_key(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    input::Json(wanted): input::Json<AddUserKey>,
) -> Result<(StatusCode, Reply<UserKey>), Problem> {
    let row = state.plane.add_user_key(&wanted.public_key, &actor).await?;
    Ok((StatusCode::CREATED, Json(shape(row))))
}

/// `DELETE /airlock/ssh-key?fingerprint=F`
pub(crate) async fn remove_key(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    query: Queries,
) -> Result<Reply<Message>, Problem> {
    let fingerprint = query
        .text("fingerprint")
        .ok_or_else(|| Problem::bad("'fingerprint' in the query says which key: SHA256:…"))?;
    state.plane.remove_user_key(fingerprint, &actor).await?;
    Ok(Json(Message {
        message: "The key is removed.",
    }))
}

/// `GET /airlock/job/{id}/ssh`
pub(crate) async fn show(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    path: PathParts,
) -> Result<Reply<JobSsh>, Problem> {
    let job = state.plane.job(path.get("id")?).await?;
    let users = state.plane.ssh_users(&job).await?;
    let address = state.plane.ssh_address();
    let slices = job.slices.iter().filter(|row| !row.status.is_final());
    let slices = slices.filter_map(|row| {
        let target = Target {
            job: job.id,
            slice: row.index,
        };
        let address = address?;
        let (host, port) = (&address.host, address.port);
        Some(SshSlice {
            index: row.index,
            open: state.lines.is_open(target),
            user: target.to_string(),
            command: format!("ssh -p {port} {target}@{host}"),
            known_hosts: format!("[{host}]:{port} {}", address.host_key),
            host: host.clone(),
            port: u32::from(port),
        })
    });
    Ok(Json(JobSsh {
        id: Id::of(job.id),
        enabled: users.contains(&actor.name),
        slices: slices.collect(),
        users,
    }))
}

/// `POST /airlock/job/{id}/ssh`
pub(crate) async fn start(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    path: PathParts,
    input::Json(wanted): input::Json<StartSsh>,
) -> Result<(StatusCode, Reply<SshStarted>), Problem> {
    let job: JobId = path.get("id")?;
    let acknowledged = wanted.acknowledge_secret_access.unwrap_or(false);
    let started = match state.plane.start_ssh(job, acknowledged, &actor).await? {
        SshStart::Enabled => SshStarted {
            message: "The job can be entered as soon as its sandbox is there.".to_owned(),
            job_id: Some(Id::of(job)),
            pipeline_id: None,
        },
        SshStart::Rerun(row) => SshStarted {
            message: format!(
                "The job had ended: pipeline #{} runs it again, to be entered.",
                row.number
            ),
            job_id: None,
            pipeline_id: Some(Id::of(row.id)),
        },
    };
    Ok((StatusCode::ACCEPTED, Json(started)))
}
