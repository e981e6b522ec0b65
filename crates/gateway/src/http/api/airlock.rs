//! Our own calls that administer the instance: projects, sign-in links, the audit log.

use airlock_control_plane::rows::TokenPurpose;
use airlock_domain::ProjectSlug;
use axum::Json as Reply;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::paging::Page;
use super::shapes::{Id, Time, shapes};
use crate::http::answer::Problem;
use crate::http::auth::Caller;
use crate::http::input::{self, Queries};
use crate::http::limits;
use crate::http::state::State;

shapes! { reply:
    /// A project that is there now.
    NewProject {
        /// Its slug.
        slug: String,
        /// Where to push and clone.
        git_url: String,
    }

    /// A project.
    Project {
        /// Its id.
        id: Id,
        /// Its slug.
        slug: String,
        /// Its name.
        name: String,
        /// Where to push and clone.
        git_url: String,
        /// The public half of the key that jobs clone with.
        deploy_key: String,
        /// When it was made.
        created_at: Time,
    }

    /// A link that signs a browser in once.
    SignInLink {
        /// The link. Whoever opens it first is signed in as the caller.
        url: String,
    }

    /// Something an auditor asks about.
    AuditEntry {
        /// Its number, in order.
        number: u64,
        /// What was done.
        action: String,
        /// Who did it.
        actor: String,
        /// To what.
        target: String,
        /// When.
        at: Time,
    }
}

shapes! { request:
    /// A project to make. One that is there stays as it is, and the key is added.
    CreateProject {
        /// <org>/<repo>, or git/<org>/<repo>.
        slug: String,
        /// A public SSH key that may push, in OpenSSH form.
        key: Option<String>,
    }
}

/// `POST /airlock/project`
pub(crate) async fn create_project(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    input::Json(wanted): input::Json<CreateProject>,
) -> Result<(StatusCode, Reply<NewProject>), Problem> {
    let slug = ProjectSlug::parse(&wanted.slug).map_err(|error| Problem::bad(error.to_string()))?;
    let info = state
        .plane
        .create_project(&slug, wanted.key.as_deref(), &actor)
        .await?;
    let reply = NewProject {
        slug: info.project.slug.to_string(),
        git_url: info.git_url,
    };
    Ok((StatusCode::CREATED, Json(reply)))
}

/// `GET /airlock/projects`
pub(crate) async fn projects(
    With(state): With<State>,
    query: Queries,
) -> Result<Reply<Page<Project>>, Problem> {
    query.only_page()?;
    let addresses = state.plane.addresses()?;
    let rows = state.plane.projects().await?.into_iter();
    let items = rows.map(|row| Project {
        id: Id::of(row.id),
        git_url: addresses.git_url(&row.slug),
        name: row.slug.repo.to_string(),
        slug: row.slug.to_string(),
        deploy_key: row.deploy_key_public,
        created_at: Time::at(row.created_at),
    });
    Ok(Page::only(items.collect()))
}

/// `POST /airlock/sign-in-link`
pub(crate) async fn sign_in_link(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
) -> Result<(StatusCode, Reply<SignInLink>), Problem> {
    let token = state
        .plane
        .issue_token(TokenPurpose::SignIn, &actor.name, (state.random)())
        .await?;
    let token = token
        .expose_text()
        .ok_or_else(|| Problem::internal("a fresh token is no text"))?;
    let url = format!("{}/sign-in?token={token}", state.plane.addresses()?.web);
    Ok((StatusCode::CREATED, Json(SignInLink { url })))
}

/// `GET /airlock/audit`
pub(crate) async fn audit(
    With(state): With<State>,
    query: Queries,
) -> Result<Reply<Page<AuditEntry>>, Problem> {
    let after = query.get("page-token")?.unwrap_or(0);
    let rows = state.plane.audit_log(after, limits::AUDIT_ITEMS + 1).await?;
    let more = rows.len() > limits::AUDIT_ITEMS as usize;
    let items: Vec<AuditEntry> = rows
        .into_iter()
        .take(limits::AUDIT_ITEMS as usize)
        .map(|row| AuditEntry {
            number: row.number,
            action: row.action,
            actor: row.actor,
            target: row.target,
            at: Time::at(row.at),
        })
        .collect();
    let next = items
        .last()
        .filter(|_| more)
        .map(|entry| entry.number.to_string());
    Ok(Page::with_next(items, next))
}
