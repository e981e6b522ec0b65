//! What a project's jobs may reach outside.

use airlock_domain::EgressPolicy;
use axum::Json as Reply;
use axum::extract::State as With;
use axum::{Extension, Json};

use super::shapes::shapes;
use crate::http::answer::Problem;
use crate::http::auth::Caller;
use crate::http::input::{self, PathParts};
use crate::http::state::State;

shapes! { reply:
    /// What the jobs of a project may reach outside.
    ProjectEgress {
        /// allow, deny or list.
        egress: &'static str,
        /// The names and addresses of a list.
        list: Vec<String>,
    }
}

shapes! { request:
    /// What the jobs of a project may reach outside. Slices that start from now on get it.
    SetProjectEgress {
        /// allow: the outside world; deny: nothing; list: the names and addresses of the list.
        egress: String,
        /// Of a list: example.com, *.example.com, 192.0.2.7 or 192.0.2.0/24.
        list: Option<Vec<String>>,
    }
}

fn shape(policy: &EgressPolicy) -> Reply<ProjectEgress> {
    let list = match policy {
        EgressPolicy::Allow | EgressPolicy::Deny => Vec::new(),
        EgressPolicy::List(entries) => entries.iter().map(ToString::to_string).collect(),
    };
    Json(ProjectEgress {
        egress: policy.word(),
        list,
    })
}

/// `GET /airlock/project/{vcs}/{org}/{repo}/egress`
pub(crate) async fn get(With(state): With<State>, path: PathParts) -> Result<Reply<ProjectEgress>, Problem> {
    Ok(shape(&state.plane.egress_policy(&path.slug()?).await?))
}

/// `POST /airlock/project/{vcs}/{org}/{repo}/egress`
pub(crate) async fn set(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    path: PathParts,
    input::Json(wanted): input::Json<SetProjectEgress>,
) -> Result<Reply<ProjectEgress>, Problem> {
    let policy = policy(&wanted).map_err(Problem::bad)?;
    state
        .plane
        .set_egress_policy(&path.slug()?, &policy, &actor)
        .await?;
    Ok(shape(&policy))
}

fn policy(wanted: &SetProjectEgress) -> Result<EgressPolicy, String> {
    match (wanted.egress.as_str(), &wanted.list) {
        ("allow", None) => Ok(EgressPolicy::Allow),
        ("deny", None) => Ok(EgressPolicy::Deny),
        ("list", Some(list)) => EgressPolicy::from_items(list).map_err(|error| format!("list: {error}")),
        ("list", None) => Err("list: the names and addresses are missing".to_owned()),
        (word @ ("allow" | "deny"), Some(_)) => Err(format!(
            "list: with egress `{word}` there is none; leave it out or choose `list`"
        )),
        (word, _) => Err(format!("egress: `{word}` is none of allow, deny and list")),
    }
}
