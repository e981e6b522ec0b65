//! Pipelines: listing, reading and triggering them, and who the caller is.

use std::collections::BTreeMap;

use airlock_control_plane::queries::PipelineView;
use airlock_control_plane::rows::{Selection, TriggerKind};
use airlock_control_plane::{Reference, TriggerRequest};
use airlock_domain::state::PipelineState;
use airlock_domain::trust::EventTrust;
use airlock_domain::{BranchName, PipelineId, ProjectSlug, TagName};
use aws_lc_rs::digest::{SHA256, digest};
use axum::Json as Reply;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde_json::Value;

use super::paging::Page;
use super::shapes::{Id, Nullable, Object, Time, shapes};
use super::workflows::{Workflow, workflow_shape};
use crate::http::answer::Problem;
use crate::http::auth::Caller;
use crate::http::input::{self, PathParts, Queries};
use crate::http::limits;
use crate::http::state::State;

/// What a trigger without branch and tag builds: the branch that new repositories of the built-in remote begin with.
const DEFAULT_BRANCH: &str = "main";

shapes! { reply:
    /// A person, as the API names one.
    User {
        /// The same for the same login, for ever.
        id: Id,
        /// The name to sign in with.
        login: String,
        /// The name to show.
        name: String,
    }

    /// A pipeline: what one trigger started.
    Pipeline {
        /// Its id.
        id: Id,
        /// Its number in the project.
        number: u64,
        /// Its project.
        project_slug: String,
        /// Its state.
        state: PipelineState,
        /// When it was accepted.
        created_at: Time,
        /// What is wrong with its config.
        errors: Vec<PipelineError>,
        /// What started it.
        trigger: Trigger,
        /// Parameters given with the trigger.
        trigger_parameters: Option<Object>,
        /// What it builds.
        vcs: Vcs,
    }

    /// One problem of a pipeline's config.
    PipelineError {
        /// Its kind, such as config.
        r#type: String,
        /// What is wrong, where, and what to do.
        message: String,
    }

    /// What started a pipeline.
    Trigger {
        /// webhook for a push, api, or explicit for a local run.
        r#type: &'static str,
        /// When it arrived.
        received_at: Time,
        /// Who.
        actor: TriggerActor,
    }

    /// Who started a pipeline.
    TriggerActor {
        /// The user, or the key that pushed.
        login: String,
        /// No pictures here.
        avatar_url: Nullable<String>,
    }

    /// What a pipeline builds.
    Vcs {
        /// The kind of forge.
        provider_name: &'static str,
        /// Where to push and clone.
        target_repository_url: String,
        /// The same: there are no forks.
        origin_repository_url: String,
        /// The commit.
        revision: String,
        /// The branch, on branch builds.
        branch: Option<String>,
        /// The tag, on tag builds.
        tag: Option<String>,
        /// The commit's message.
        commit: VcsCommit,
    }

    /// A commit's message.
    VcsCommit {
        /// Its first line.
        subject: String,
        /// The rest, which is not kept.
        body: Nullable<String>,
    }

    /// A pipeline that was just accepted.
    NewPipeline {
        /// Its id.
        id: Id,
        /// Its state.
        state: PipelineState,
        /// Its number in the project.
        number: u64,
        /// When it was accepted.
        created_at: Time,
    }
}

shapes! { request:
    /// What to build. Without branch and tag it is the branch main.
    TriggerPipeline {
        /// The branch whose newest commit is built.
        branch: Option<String>,
        /// The tag that is built; not together with branch.
        tag: Option<String>,
        /// Values of pipeline parameters: text, numbers, booleans.
        parameters: Option<Object>,
    }
}

/// `GET /me`
pub(crate) async fn me(Extension(Caller(actor)): Extension<Caller>) -> Reply<User> {
    Json(User {
        id: user_id(&actor.name),
        login: actor.name.clone(),
        name: actor.name,
    })
}

/// The id that goes with a login. There are no rows of users; the id is made of the login.
pub(crate) fn user_id(login: &str) -> Id {
    let hash = digest(&SHA256, format!("airlock user {login}").as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.as_ref()[..16]);
    Id::of(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

/// `GET /pipeline`
pub(crate) async fn list(
    With(state): With<State>,
    Extension(Caller(caller)): Extension<Caller>,
    query: Queries,
) -> Result<Reply<Page<Pipeline>>, Problem> {
    let org = query.text("org-slug").map(org_of).transpose()?;
    let mine = query.get::<bool>("mine")?.unwrap_or(false);
    page(&state, None, &query, |view| {
        org.is_none_or(|org| view.project.slug.org.as_str() == org)
            && (!mine || view.pipeline.trigger.actor == caller.name)
    })
    .await
}

fn org_of(slug: &str) -> Result<&str, Problem> {
    slug.strip_prefix("git/")
        .filter(|org| !org.is_empty() && !org.contains('/'))
        .ok_or_else(|| {
            Problem::bad(format!(
                "'org-slug' in the query: '{slug}' is not of the form git/<org>"
            ))
        })
}

/// `GET /project/{vcs}/{org}/{repo}/pipeline`
pub(crate) async fn list_of_project(
    With(state): With<State>,
    path: PathParts,
    query: Queries,
) -> Result<Reply<Page<Pipeline>>, Problem> {
    let slug = path.slug()?;
    let branch = query.text("branch");
    page(&state, Some(&slug), &query, |view| {
        let built = view.pipeline.revision.branch.as_ref().map(BranchName::as_str);
        branch.is_none_or(|branch| built == Some(branch))
    })
    .await
}

/// A page of those pipelines that fit, newest first.
async fn page(
    state: &State,
    project: Option<&ProjectSlug>,
    query: &Queries,
    fits: impl Fn(&PipelineView) -> bool,
) -> Result<Reply<Page<Pipeline>>, Problem> {
    let mut before = query.get::<PipelineId>("page-token")?;
    let (mut items, mut scanned) = (Vec::new(), 0);
    loop {
        let views = state.plane.pipelines(project, before, limits::SCAN_ITEMS).await?;
        let last = views.len() < limits::SCAN_ITEMS as usize;
        scanned += views.len();
        for view in views {
            // Past everything that was looked at, whether it fits or not.
            let (here, fit) = (view.pipeline.id, fits(&view));
            if fit && items.len() == limits::PAGE_ITEMS {
                return Ok(Page::with_next(items, before.map(|id| id.to_string())));
            }
            if fit {
                items.push(pipeline_shape(state, view)?);
            }
            before = Some(here);
        }
        if last {
            return Ok(Page::only(items));
        }
        if scanned >= limits::SCANNED_PIPELINES {
            return Ok(Page::with_next(items, before.map(|id| id.to_string())));
        }
    }
}

/// `GET /pipeline/{id}`
pub(crate) async fn get(With(state): With<State>, path: PathParts) -> Result<Reply<Pipeline>, Problem> {
    let view = state.plane.pipeline(path.get("id")?).await?;
    pipeline_shape(&state, view).map(Json)
}

/// `GET /pipeline/{id}/workflow`
pub(crate) async fn workflows(
    With(state): With<State>,
    path: PathParts,
    query: Queries,
) -> Result<Reply<Page<Workflow>>, Problem> {
    query.only_page()?;
    let view = state.plane.pipeline(path.get("id")?).await?;
    Ok(Page::only(
        view.workflows
            .iter()
            .map(|row| workflow_shape(row, &view))
            .collect(),
    ))
}

/// `POST /project/{vcs}/{org}/{repo}/pipeline`
pub(crate) async fn trigger(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    path: PathParts,
    input::Json(wanted): input::Json<TriggerPipeline>,
) -> Result<(StatusCode, Reply<NewPipeline>), Problem> {
    let request = TriggerRequest {
        project: path.slug()?,
        reference: reference(wanted.branch, wanted.tag)?,
        sha: None,
        parameters: parameters(wanted.parameters.unwrap_or_default())?,
        only: Selection::default(),
        again: None,
        actor,
        kind: TriggerKind::Api,
        trust: EventTrust::Member,
        delivery: None,
    };
    let row = state.plane.trigger(request).await?;
    let reply = NewPipeline {
        id: Id::of(row.id),
        state: row.state,
        number: row.number,
        created_at: Time::at(row.created_at),
    };
    Ok((StatusCode::CREATED, Json(reply)))
}

fn reference(branch: Option<String>, tag: Option<String>) -> Result<Reference, Problem> {
    let bad = |error: airlock_domain::NameError| Problem::bad(error.to_string());
    match (branch, tag) {
        (Some(_), Some(_)) => Err(Problem::bad(
            "either 'branch' or 'tag' is built, not both: leave one out",
        )),
        (None, Some(tag)) => TagName::new(tag).map(Reference::Tag).map_err(bad),
        (branch, None) => {
            let branch = branch.unwrap_or_else(|| DEFAULT_BRANCH.to_owned());
            BranchName::new(branch).map(Reference::Branch).map_err(bad)
        }
    }
}

fn parameters(given: Object) -> Result<Vec<(String, Value)>, Problem> {
    if given.0.len() > limits::TRIGGER_PARAMETERS {
        let text = format!(
            "there are {} parameters, at most {} may be given",
            given.0.len(),
            limits::TRIGGER_PARAMETERS
        );
        return Err(Problem::bad(text));
    }
    let check = |(name, value): (String, Value)| {
        let kind = match value {
            Value::String(_) | Value::Number(_) | Value::Bool(_) => return Ok((name, value)),
            Value::Null => "null",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        Err(Problem::bad(format!(
            "parameter '{name}' is {kind}: expected text, a number or a boolean"
        )))
    };
    given.0.into_iter().map(check).collect()
}

/// A pipeline as the API shows it.
pub(crate) fn pipeline_shape(state: &State, view: PipelineView) -> Result<Pipeline, Problem> {
    let PipelineView {
        pipeline,
        project,
        workflows: _,
    } = view;
    let url = state.plane.addresses()?.git_url(&project.slug);
    let errors = pipeline.errors.into_iter();
    let given: BTreeMap<String, Value> = pipeline.trigger.parameters.into_iter().collect();
    Ok(Pipeline {
        id: Id::of(pipeline.id),
        number: pipeline.number,
        project_slug: project.slug.to_string(),
        state: pipeline.state,
        created_at: Time::at(pipeline.created_at),
        errors: errors
            .map(|error| PipelineError {
                r#type: error.kind,
                message: error.message,
            })
            .collect(),
        trigger: Trigger {
            r#type: match pipeline.trigger.kind {
                TriggerKind::Push => "webhook",
                TriggerKind::Api => "api",
                TriggerKind::Local => "explicit",
            },
            received_at: Time::at(pipeline.created_at),
            actor: TriggerActor {
                login: pipeline.trigger.actor,
                avatar_url: Nullable(None),
            },
        },
        trigger_parameters: (!given.is_empty()).then(|| Object(given.into_iter().collect())),
        vcs: Vcs {
            provider_name: "git",
            target_repository_url: url.clone(),
            origin_repository_url: url,
            revision: pipeline.revision.sha.to_string(),
            branch: pipeline.revision.branch.map(String::from),
            tag: pipeline.revision.tag.map(String::from),
            commit: VcsCommit {
                subject: pipeline.revision.subject,
                body: Nullable(None),
            },
        },
    })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_login_has_one_id() {
        let text = |login| serde_json::to_string(&user_id(login)).expect("JSON");
        assert_eq!(text("ada"), text("ada"));
        assert_ne!(text("ada"), text("bob"));
        assert!(text("ada").trim_matches('"').parse::<Uuid>().is_ok());
    }

    #[test]
    fn a_trigger_names_one_thing_to_build() {
        assert!(matches!(reference(None, None), Ok(Reference::Branch(branch)) if branch.as_str() == "main"));
        assert!(matches!(
            reference(None, Some("v1".into())),
            Ok(Reference::Tag(_))
        ));
        assert!(reference(Some("a".into()), Some("b".into())).is_err());
        assert!(reference(Some("--upload-pack=x".into()), None).is_err());
    }
}
