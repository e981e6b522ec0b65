//! The table of calls. The router and the OpenAPI document are both made of it.

use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, delete, get, post};
use serde_json::{Map, Value};

use super::paging::Page;
use super::shapes::Shape;
use super::{
    airlock, egress, egress_policy, env_vars, explanation, files, follow, jobs, orbs, pipelines, resources,
    ssh, workflows,
};
use crate::http::limits;
use crate::http::state::State;

/// One call.
#[derive(Debug)]
pub struct Route {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// Its path below `/api/v2`.
    pub path: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    pub(super) query: &'static [&'static str],
    pub(super) request: Option<SchemaOf>,
    pub(super) status: u16,
    pub(super) reply: Reply,
    pub(crate) mount: fn() -> MethodRouter<State>,
}

/// Makes the schema of a body.
pub(super) type SchemaOf = fn(&mut Map<String, Value>) -> Value;

/// What an answer holds.
#[derive(Debug)]
pub(super) enum Reply {
    /// A JSON value.
    Json(SchemaOf),
    /// Lines of JSON.
    Lines,
    /// Bytes.
    Bytes,
}

const fn route(
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    status: u16,
    reply: Reply,
    mount: fn() -> MethodRouter<State>,
) -> Route {
    Route {
        method,
        path,
        summary,
        query: &[],
        request: None,
        status,
        reply,
        mount,
    }
}

impl Route {
    const fn query(mut self, names: &'static [&'static str]) -> Self {
        self.query = names;
        self
    }

    const fn takes(mut self, request: SchemaOf) -> Self {
        self.request = Some(request);
        self
    }
}

/// A JSON answer of this type.
const fn json<T: Shape>() -> Reply {
    Reply::Json(T::schema)
}

const PAGE: &[&str] = &["page-token"];

/// Every call of the API.
pub static ROUTES: &[Route] = &[
    route(
        "GET",
        "/me",
        "Who the token speaks for",
        200,
        json::<pipelines::User>(),
        || get(pipelines::me),
    ),
    route(
        "GET",
        "/pipeline",
        "The newest pipelines of all projects",
        200,
        json::<Page<pipelines::Pipeline>>(),
        || get(pipelines::list),
    )
    .query(&["org-slug", "mine", "page-token"]),
    route(
        "GET",
        "/pipeline/{id}",
        "One pipeline",
        200,
        json::<pipelines::Pipeline>(),
        || get(pipelines::get),
    ),
    route(
        "GET",
        "/pipeline/{id}/workflow",
        "The workflows of a pipeline",
        200,
        json::<Page<workflows::Workflow>>(),
        || get(pipelines::workflows),
    )
    .query(PAGE),
    route(
        "GET",
        "/project/{vcs}/{org}/{repo}/pipeline",
        "The newest pipelines of a project",
        200,
        json::<Page<pipelines::Pipeline>>(),
        || get(pipelines::list_of_project),
    )
    .query(&["branch", "page-token"]),
    route(
        "POST",
        "/project/{vcs}/{org}/{repo}/pipeline",
        "Starts a pipeline",
        201,
        json::<pipelines::NewPipeline>(),
        || post(pipelines::trigger),
    )
    .takes(pipelines::TriggerPipeline::schema),
    route(
        "GET",
        "/workflow/{id}",
        "One workflow",
        200,
        json::<workflows::Workflow>(),
        || get(workflows::get),
    ),
    route(
        "GET",
        "/workflow/{id}/job",
        "The jobs of a workflow",
        200,
        json::<Page<workflows::WorkflowJob>>(),
        || get(workflows::jobs),
    )
    .query(PAGE),
    route(
        "POST",
        "/workflow/{id}/cancel",
        "Stops a workflow",
        202,
        json::<workflows::Message>(),
        || post(workflows::cancel),
    ),
    route(
        "POST",
        "/workflow/{id}/approve/{approval_request_id}",
        "Approves an approval job",
        202,
        json::<workflows::Message>(),
        || post(workflows::approve),
    ),
    route(
        "GET",
        "/project/{vcs}/{org}/{repo}/job/{number}",
        "One job by its number",
        200,
        json::<jobs::Job>(),
        || get(jobs::get),
    ),
    route(
        "GET",
        "/project/{vcs}/{org}/{repo}/{number}/artifacts",
        "The artifacts of a job",
        200,
        json::<Page<jobs::Artifact>>(),
        || get(jobs::artifacts),
    )
    .query(PAGE),
    route(
        "GET",
        "/project/{vcs}/{org}/{repo}/envvar",
        "The environment variables of a project, masked",
        200,
        json::<Page<env_vars::EnvVar>>(),
        || get(env_vars::list),
    )
    .query(PAGE),
    route(
        "POST",
        "/project/{vcs}/{org}/{repo}/envvar",
        "Sets an environment variable",
        201,
        json::<env_vars::EnvVar>(),
        || post(env_vars::set),
    )
    .takes(env_vars::SetEnvVar::schema),
    route(
        "GET",
        "/project/{vcs}/{org}/{repo}/envvar/{name}",
        "One environment variable, masked",
        200,
        json::<env_vars::EnvVar>(),
        || get(env_vars::get),
    ),
    route(
        "DELETE",
        "/project/{vcs}/{org}/{repo}/envvar/{name}",
        "Removes an environment variable",
        200,
        json::<workflows::Message>(),
        || delete(env_vars::remove),
    ),
    route(
        "POST",
        "/airlock/project",
        "Makes a project with its repository",
        201,
        json::<airlock::NewProject>(),
        || post(airlock::create_project),
    )
    .takes(airlock::CreateProject::schema),
    route(
        "GET",
        "/airlock/projects",
        "All projects",
        200,
        json::<Page<airlock::Project>>(),
        || get(airlock::projects),
    )
    .query(PAGE),
    route(
        "GET",
        "/airlock/project/{vcs}/{org}/{repo}/egress",
        "What the jobs of a project may reach outside",
        200,
        json::<egress_policy::ProjectEgress>(),
        || get(egress_policy::get),
    ),
    route(
        "POST",
        "/airlock/project/{vcs}/{org}/{repo}/egress",
        "Sets what the jobs of a project may reach outside",
        200,
        json::<egress_policy::ProjectEgress>(),
        || post(egress_policy::set),
    )
    .takes(egress_policy::SetProjectEgress::schema),
    route(
        "GET",
        "/airlock/job/{id}",
        "One job with the steps of each slice",
        200,
        json::<jobs::JobDetail>(),
        || get(jobs::detail),
    ),
    route(
        "GET",
        "/airlock/job/{id}/egress",
        "Who each slice of a job spoke to",
        200,
        json::<egress::Egress>(),
        || get(egress::show),
    ),
    route(
        "GET",
        "/airlock/job/{id}/resources",
        "What a slice of a job used, over time",
        200,
        json::<resources::Resources>(),
        || get(resources::show),
    )
    .query(&["slice", "points"]),
    route(
        "GET",
        "/airlock/job/{id}/ssh",
        "How a job is entered over SSH, and by whom",
        200,
        json::<ssh::JobSsh>(),
        || get(ssh::show),
    ),
    route(
        "POST",
        "/airlock/job/{id}/ssh",
        "Lets the caller into a job over SSH; a job that has ended is run again for that",
        202,
        json::<ssh::SshStarted>(),
        || post(ssh::start),
    )
    .takes(ssh::StartSsh::schema),
    route(
        "GET",
        "/airlock/ssh-key",
        "The caller's public SSH keys",
        200,
        json::<Page<ssh::UserKey>>(),
        || get(ssh::keys),
    )
    .query(PAGE),
    route(
        "POST",
        "/airlock/ssh-key",
        "Adds a public SSH key of the caller",
        201,
        json::<ssh::UserKey>(),
        || post(ssh::add_key),
    )
    .takes(ssh::AddUserKey::schema),
    route(
        "DELETE",
        "/airlock/ssh-key",
        "Removes a public SSH key of the caller",
        200,
        json::<workflows::Message>(),
        || delete(ssh::remove_key),
    )
    .query(&["fingerprint"]),
    route(
        "GET",
        "/airlock/job/{id}/log",
        "A piece of a step's log",
        200,
        Reply::Bytes,
        || get(files::log),
    )
    .query(&["slice", "step", "offset"]),
    route(
        "GET",
        "/airlock/job/{id}/artifact/{artifact}",
        "The content of an artifact",
        200,
        Reply::Bytes,
        || get(files::artifact),
    ),
    route(
        "GET",
        "/airlock/pipeline/{id}/events",
        "What happens to a pipeline, line by line, to its end",
        200,
        Reply::Lines,
        || get(follow::events),
    ),
    route(
        "POST",
        "/airlock/sign-in-link",
        "Makes a link that signs a browser in once",
        201,
        json::<airlock::SignInLink>(),
        || post(airlock::sign_in_link),
    ),
    route(
        "GET",
        "/airlock/audit",
        "What was done by whom, oldest first",
        200,
        json::<Page<airlock::AuditEntry>>(),
        || get(airlock::audit),
    )
    .query(PAGE),
    route(
        "GET",
        "/airlock/orb",
        "The orbs of the registry with their versions",
        200,
        json::<Page<orbs::Orb>>(),
        || get(orbs::list),
    )
    .query(PAGE),
    route(
        "POST",
        "/airlock/orb",
        "Brings versions of orbs into the registry, all or none",
        201,
        json::<orbs::ImportedOrbs>(),
        || post(orbs::import).layer(DefaultBodyLimit::max(limits::ORB_IMPORT_BYTES)),
    )
    .takes(orbs::ImportOrbs::schema),
    route(
        "GET",
        "/airlock/orb/{namespace}/{orb}",
        "One orb with its versions",
        200,
        json::<orbs::Orb>(),
        || get(orbs::get),
    ),
    route(
        "GET",
        "/airlock/orb/{namespace}/{orb}/{version}",
        "The text of a version; of 1, 1.2 or volatile the newest that fits",
        200,
        json::<orbs::OrbSource>(),
        || get(orbs::source),
    ),
    route(
        "GET",
        "/airlock/pipeline/{id}/orbs",
        "The orbs that a pipeline was built with, of the registry and at addresses",
        200,
        json::<Page<orbs::PipelineOrb>>(),
        || get(orbs::of_pipeline),
    )
    .query(PAGE),
    route(
        "GET",
        "/airlock/pipeline/{id}/explanation",
        "Why each workflow and job of a pipeline runs or does not run",
        200,
        json::<explanation::Explanation>(),
        || get(explanation::of_pipeline),
    ),
];
