//! All projects, and making one.

use airlock_control_plane::UseCaseError;
use airlock_domain::ProjectSlug;
use askama::Template;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::access::Viewer;
use super::form::Fields;
use super::shell::{Shell, answer};
use super::words::{Mark, Moment, timestamp};
use crate::http::answer::Problem;
use crate::http::state::State;

#[derive(Template)]
#[template(path = "projects.html")]
struct ProjectsPage {
    shell: Shell,
    projects: Vec<ProjectItem>,
}

struct ProjectItem {
    name: String,
    path: String,
    git_url: String,
    newest: Option<Newest>,
}

struct Newest {
    path: String,
    mark: Mark,
    number: u64,
    created: Moment,
}

#[derive(Template)]
#[template(path = "new_project.html")]
struct NewProjectPage {
    shell: Shell,
    name: String,
    name_error: Option<String>,
    key: String,
    key_error: Option<String>,
}

/// `GET /projects`
pub(crate) async fn list(With(state): With<State>, viewer: Viewer) -> Result<Response, Problem> {
    let now = timestamp((state.now)());
    let addresses = state.plane.addresses()?;
    let mut projects = Vec::new();
    for row in state.plane.projects().await? {
        let newest = state
            .plane
            .pipelines(Some(&row.slug), None, 1)
            .await?
            .into_iter()
            .next();
        let newest = match newest {
            None => None,
            Some(view) => {
                let mut jobs = Vec::new();
                for workflow in &view.workflows {
                    jobs.extend(state.plane.jobs(workflow.id).await?);
                }
                Some(Newest {
                    path: format!("/pipelines/{}", view.pipeline.id),
                    mark: super::pipelines::overall(&view, &jobs),
                    number: view.pipeline.number,
                    created: Moment::new(view.pipeline.created_at, now),
                })
            }
        };
        projects.push(ProjectItem {
            name: row.slug.short(),
            path: format!("/projects/{}", row.slug.short()),
            git_url: addresses.git_url(&row.slug),
            newest,
        });
    }
    let page = ProjectsPage {
        shell: Shell::new("Projects", "projects", &viewer),
        projects,
    };
    answer(StatusCode::OK, &page)
}

/// `GET /projects/new`
pub(crate) async fn new_form(viewer: Viewer) -> Result<Response, Problem> {
    answer(StatusCode::OK, &NewProjectPage::new(&viewer))
}

/// `POST /projects/new`
pub(crate) async fn create(
    With(state): With<State>,
    viewer: Viewer,
    fields: Fields,
) -> Result<Response, Problem> {
    let key = fields.text("key");
    let mut page = NewProjectPage {
        name: fields.text("name").to_owned(),
        key: key.to_owned(),
        ..NewProjectPage::new(&viewer)
    };
    let slug = match ProjectSlug::parse(fields.text("name")) {
        Ok(slug) => slug,
        Err(error) => {
            page.name_error = Some(error.to_string());
            return answer(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    if state.plane.projects().await?.iter().any(|row| row.slug == slug) {
        let text = format!("{} is there already: add a key in its settings", slug.short());
        page.name_error = Some(text);
        return answer(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    let key = Some(key).filter(|key| !key.is_empty());
    match state.plane.create_project(&slug, key, &viewer.0).await {
        Ok(_info) => Ok(Redirect::to(&format!("/projects/{}", slug.short())).into_response()),
        // The name was read already, so what is invalid is the key.
        Err(UseCaseError::Invalid(text)) => {
            page.key_error = Some(text);
            answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(error) => Err(error.into()),
    }
}

impl NewProjectPage {
    fn new(viewer: &Viewer) -> Self {
        Self {
            shell: Shell::new("New project", "projects", viewer),
            name: String::new(),
            name_error: None,
            key: String::new(),
            key_error: None,
        }
    }
}
