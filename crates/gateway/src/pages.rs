//! The pages that people open in a browser: rows turned into HTML on the server, readable without JavaScript. Owns what
//! a page says first and how it looks; what may be done and what follows are use cases of `control-plane`. Merged into
//! the HTTPS door, which stands around it with request ids and security headers.
//!
//! Everything a stranger may have written (names, subjects, logs) reaches HTML through askama's escaping and no other
//! way: no template uses `safe`, and a test keeps it so.

mod access;
mod ansi;
mod assets;
mod first_steps;
mod form;
mod graph;
mod job;
mod job_ssh;
mod limits;
mod log;
mod orbs;
mod pipeline;
mod pipelines;
mod problem;
mod project_settings;
mod projects;
mod resources;
mod shell;
mod steps;
mod why;
mod words;
mod workflow;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use crate::http::state::State;

pub(crate) use access::{own_host, signed_in};
pub(crate) use problem::problem_page;
pub(crate) use shell::{Shell, answer};

/// Every page, each for signed-in people only, and the static files, which are for everybody.
pub(crate) fn router(state: &State) -> Router<State> {
    Router::new()
        .route("/", get(pipelines::all))
        .route("/projects", get(projects::list))
        .route("/projects/new", get(projects::new_form).post(projects::create))
        .route("/projects/{org}/{repo}", get(pipelines::of_project))
        .route("/projects/{org}/{repo}/run", post(pipelines::run))
        .route("/projects/{org}/{repo}/settings", get(project_settings::show))
        .route("/projects/{org}/{repo}/keys", post(project_settings::add_key))
        .route(
            "/projects/{org}/{repo}/egress",
            post(project_settings::set_egress),
        )
        .route(
            "/projects/{org}/{repo}/secrets",
            post(project_settings::set_secret),
        )
        .route(
            "/projects/{org}/{repo}/secrets/remove",
            post(project_settings::remove_secret),
        )
        .route("/orbs", get(orbs::list))
        .route("/orbs/{namespace}/{orb}", get(orbs::show))
        .route("/pipelines/{id}", get(pipeline::show))
        .route("/pipelines/{id}/cancel", post(pipeline::cancel))
        .route("/pipelines/{id}/again", post(pipeline::again))
        .route("/workflows/{id}", get(workflow::show))
        .route("/workflows/{id}/cancel", post(workflow::cancel))
        .route("/jobs/{id}", get(job::show))
        .route("/jobs/{id}/approve", post(job::approve))
        .route("/jobs/{id}/log", get(log::whole))
        .route("/jobs/{id}/ssh", get(job_ssh::warn).post(job_ssh::start))
        .route("/ssh-keys", get(job_ssh::keys).post(job_ssh::add_key))
        .route("/ssh-keys/remove", post(job_ssh::remove_key))
        .layer(DefaultBodyLimit::max(limits::FORM_BYTES))
        .route_layer(from_fn_with_state(state.clone(), access::require))
        .layer(from_fn(access::page_policy))
        .merge(assets::router())
}
