//! The newest pipelines, of all projects or of one: what runs, what failed and why, what waits for whom.

use airlock_control_plane::queries::PipelineView;
use airlock_control_plane::rows::{JobRow, PipelineRow, ProjectRow, Selection, TriggerKind};
use airlock_control_plane::{ControlPlane, Reference, TriggerRequest};
use airlock_domain::state::{JobKind, JobStatus, PipelineState, WorkflowStatus};
use airlock_domain::trust::EventTrust;
use airlock_domain::{BranchName, PipelineId, ProjectSlug, Timestamp};
use askama::Template;
use axum::extract::State as With;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Redirect, Response};

use super::access::Viewer;
use super::first_steps::FirstSteps;
use super::form::Fields;
use super::shell::{Shell, answer, answer_living};
use super::words::{Lasting, Mark, Moment, one_line, timestamp};
use super::workflow::went_wrong;
use super::{graph, limits};
use crate::http::answer::Problem;
use crate::http::input::{PathParts, Queries};
use crate::http::state::State;

/// The ways to narrow the list, as `?show=`.
const FILTERS: [(&str, &str); 4] = [
    ("", "All"),
    ("running", "Running"),
    ("failed", "Failed"),
    ("hold", "Needs approval"),
];

#[derive(Template)]
#[template(path = "pipelines.html", blocks = ["live"])]
struct PipelinesPage {
    shell: Shell,
    project: Option<ProjectHead>,
    filters: Vec<Filter>,
    items: Vec<Item>,
    older: Option<String>,
    first_steps: Option<FirstSteps>,
    problem: Option<String>,
    branch: String,
}

/// What stands above the pipelines of one project.
struct ProjectHead {
    name: String,
    path: String,
}

struct Filter {
    label: &'static str,
    href: String,
    on: bool,
}

/// One pipeline of the list.
pub(crate) struct Item {
    id: PipelineId,
    number: u64,
    mark: Mark,
    subject: String,
    project: String,
    project_path: String,
    reference: String,
    sha: String,
    author: String,
    workflows: Vec<Dots>,
    note: String,
    lasting: Option<Lasting>,
    created: Moment,
}

/// The jobs of a workflow as small marks, by column.
struct Dots {
    label: String,
    columns: Vec<Vec<Mark>>,
}

/// `GET /`
pub(crate) async fn all(
    With(state): With<State>,
    viewer: Viewer,
    query: Queries,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut page = page(&state, &viewer, None, &query).await?;
    if page.items.is_empty() && query.text("show").is_none() && query.text("before").is_none() {
        let project = state.plane.projects().await?.into_iter().next();
        page.first_steps = Some(FirstSteps::new(state.plane.addresses()?, project.as_ref()));
    }
    answer_living!(&headers, page)
}

/// `GET /projects/{org}/{repo}`
pub(crate) async fn of_project(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    query: Queries,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let project = project_in(&state.plane, &path).await?;
    let mut page = page(&state, &viewer, Some(&project), &query).await?;
    if page.items.is_empty() && query.text("show").is_none() && query.text("before").is_none() {
        page.first_steps = Some(FirstSteps::new(state.plane.addresses()?, Some(&project)));
    }
    answer_living!(&headers, page)
}

/// `POST /projects/{org}/{repo}/run`
pub(crate) async fn run(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    fields: Fields,
) -> Result<Response, Problem> {
    let project = project_in(&state.plane, &path).await?;
    let branch = fields.text("branch");
    let started = match BranchName::new(branch) {
        Ok(branch) => {
            let request = TriggerRequest {
                project: project.slug.clone(),
                reference: Reference::Branch(branch),
                sha: None,
                parameters: Vec::new(),
                only: Selection::default(),
                again: None,
                actor: viewer.0.clone(),
                kind: TriggerKind::Api,
                trust: EventTrust::Member,
                delivery: None,
            };
            state.plane.trigger(request).await.map_err(Problem::from)
        }
        Err(error) => Err(Problem::bad(error.to_string())),
    };
    match started {
        Ok(row) => Ok(Redirect::to(&format!("/pipelines/{}", row.id)).into_response()),
        Err(problem) if problem.is_the_callers() => {
            let query = Queries::none();
            let mut page = page(&state, &viewer, Some(&project), &query).await?;
            page.problem = Some(problem.message().to_owned());
            branch.clone_into(&mut page.branch);
            answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
        Err(problem) => Err(problem),
    }
}

/// The project in `/projects/{org}/{repo}`.
pub(crate) async fn project_in(plane: &ControlPlane, path: &PathParts) -> Result<ProjectRow, Problem> {
    let text = format!("{}/{}", path.text("org"), path.text("repo"));
    let missing = || Problem::not_found(&format!("project {text}"));
    let slug = ProjectSlug::parse(&text).map_err(|_| missing())?;
    let found = plane.projects().await?.into_iter().find(|row| row.slug == slug);
    found.ok_or_else(missing)
}

async fn page(
    state: &State,
    viewer: &Viewer,
    project: Option<&ProjectRow>,
    query: &Queries,
) -> Result<PipelinesPage, Problem> {
    let show = query.text("show").unwrap_or_default();
    let (items, older) = read(state, project, show, query.get("before")?).await?;
    let head = project.map(|row| ProjectHead {
        name: row.slug.short(),
        path: format!("/projects/{}", row.slug.short()),
    });
    let base = head.as_ref().map_or("/", |head| head.path.as_str());
    let address = |show: &str, before: Option<PipelineId>| {
        let mut parts = Vec::new();
        if !show.is_empty() {
            parts.push(format!("show={show}"));
        }
        parts.extend(before.map(|id| format!("before={id}")));
        if parts.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", parts.join("&"))
        }
    };
    let filters = FILTERS.iter().map(|(word, label)| Filter {
        label,
        href: address(word, None),
        on: *word == show,
    });
    let title = head.as_ref().map_or("Pipelines", |head| head.name.as_str());
    let here = if head.is_some() { "projects" } else { "pipelines" };
    Ok(PipelinesPage {
        shell: Shell::new(title, here, viewer).live(vec!["private-pipelines".to_owned()]),
        filters: filters.collect(),
        older: older.map(|id| address(show, Some(id))),
        project: head,
        items,
        first_steps: None,
        problem: None,
        branch: String::new(),
    })
}

/// One page of items, and the id to go on after, if there may be more.
async fn read(
    state: &State,
    project: Option<&ProjectRow>,
    show: &str,
    mut before: Option<PipelineId>,
) -> Result<(Vec<Item>, Option<PipelineId>), Problem> {
    let now = timestamp((state.now)());
    let slug = project.map(|row| &row.slug);
    let (mut items, mut scanned) = (Vec::new(), 0);
    loop {
        let batch = state.plane.pipelines(slug, before, limits::SCAN_ITEMS).await?;
        let last_batch = batch.len() < limits::SCAN_ITEMS as usize;
        for view in batch {
            if items.len() == limits::PIPELINES || scanned == limits::SCANNED_PIPELINES {
                return Ok((items, before));
            }
            before = Some(view.pipeline.id);
            scanned += 1;
            let item = item(&state.plane, view, now).await?;
            if shown_under(show, item.mark) {
                items.push(item);
            }
        }
        if last_batch {
            return Ok((items, None));
        }
    }
}

fn shown_under(show: &str, mark: Mark) -> bool {
    match show {
        "running" => [Mark::RUNNING, Mark::FAILING, Mark::QUEUED, Mark::PLANNING].contains(&mark),
        "failed" => [Mark::FAILED, Mark::FAILING, Mark::ERRORED].contains(&mark),
        "hold" => mark == Mark::ON_HOLD,
        _ => true,
    }
}

async fn item(plane: &ControlPlane, view: PipelineView, now: Timestamp) -> Result<Item, Problem> {
    let (mut jobs, mut dots) = (Vec::new(), Vec::new());
    for workflow in &view.workflows {
        let of_it = plane.jobs(workflow.id).await?;
        let columns = graph::columns(&of_it);
        let marks = columns
            .iter()
            .map(|column| column.iter().map(|job| Mark::of_job(job.status)).collect());
        let words: Vec<String> = of_it
            .iter()
            .map(|job| format!("{} {}", job.name, Mark::of_job(job.status).word))
            .collect();
        dots.push(Dots {
            label: format!("{}: {}", workflow.name, words.join(", ")),
            columns: marks.collect(),
        });
        jobs.extend(of_it);
    }
    let mark = overall(&view, &jobs);
    let stopped = view
        .workflows
        .iter()
        .map(|workflow| workflow.stopped_at)
        .collect::<Option<Vec<_>>>();
    let stopped = stopped.and_then(|ends| ends.into_iter().max());
    let began = jobs.iter().filter_map(|job| job.started_at).min();
    let PipelineView {
        pipeline, project, ..
    } = view;
    Ok(Item {
        id: pipeline.id,
        number: pipeline.number,
        mark,
        subject: subject(&pipeline),
        project: project.slug.short(),
        project_path: format!("/projects/{}", project.slug.short()),
        reference: reference(&pipeline),
        sha: pipeline.revision.sha.as_str().chars().take(7).collect(),
        author: one_line(&pipeline.revision.author, 60),
        workflows: dots,
        note: note(&pipeline, mark, &jobs),
        // Waiting for a person is no work.
        lasting: Lasting::new(began.filter(|_| mark != Mark::ON_HOLD), stopped, now),
        created: Moment::new(pipeline.created_at, now),
    })
}

/// The first line of the commit, or a word for its absence.
pub(crate) fn subject(pipeline: &PipelineRow) -> String {
    let text = one_line(&pipeline.revision.subject, 200);
    if text.is_empty() {
        "(no commit message)".to_owned()
    } else {
        text
    }
}

/// Branch or tag.
pub(crate) fn reference(pipeline: &PipelineRow) -> String {
    let revision = &pipeline.revision;
    let branch = revision.branch.as_ref().map(ToString::to_string);
    branch
        .or_else(|| revision.tag.as_ref().map(ToString::to_string))
        .unwrap_or_default()
}

/// One status for a pipeline: the most urgent of its workflows.
pub(crate) fn overall(view: &PipelineView, jobs: &[JobRow]) -> Mark {
    match view.pipeline.state {
        PipelineState::Pending => return Mark::PLANNING,
        PipelineState::Errored => return Mark::ERRORED,
        PipelineState::Created => {}
    }
    let any = |status| view.workflows.iter().any(|workflow| workflow.status == status);
    let begun = |job: &JobRow| !matches!(job.status, JobStatus::Queued | JobStatus::Blocked);
    if any(WorkflowStatus::Failing) {
        Mark::FAILING
    } else if any(WorkflowStatus::Running) {
        if jobs.iter().any(begun) {
            Mark::RUNNING
        } else {
            Mark::QUEUED
        }
    } else if any(WorkflowStatus::OnHold) {
        Mark::ON_HOLD
    } else if any(WorkflowStatus::Failed) {
        Mark::FAILED
    } else if any(WorkflowStatus::Canceled) {
        Mark::CANCELED
    } else if any(WorkflowStatus::Success) {
        Mark::SUCCESS
    } else {
        Mark::NOT_RUN
    }
}

/// What one would ask next: what failed, what is waited for, how far it is.
fn note(pipeline: &PipelineRow, mark: Mark, jobs: &[JobRow]) -> String {
    let named = |wanted: fn(JobStatus) -> bool| {
        let names = jobs
            .iter()
            .filter(|job| wanted(job.status))
            .map(|job| job.name.as_str());
        names.collect::<Vec<_>>()
    };
    match mark {
        Mark::ERRORED => {
            let message = pipeline.errors.first().map(|error| error.message.as_str());
            let line = one_line(message.unwrap_or("the config cannot be used"), 120);
            // The compiler's `error[kind]: ` says nothing that the mark does not say.
            let words = line
                .strip_prefix("error[")
                .and_then(|rest| rest.split_once("]: "));
            words.map_or(line.clone(), |(_, words)| words.to_owned())
        }
        Mark::FAILED | Mark::FAILING => match named(went_wrong).as_slice() {
            [] => String::new(),
            [one] => format!("{one} failed"),
            [one, rest @ ..] => format!("{one} and {} more failed", rest.len()),
        },
        Mark::ON_HOLD => format!(
            "{} waits for approval",
            named(|status| status == JobStatus::OnHold).join(", ")
        ),
        Mark::RUNNING => {
            let ended = jobs.iter().filter(|job| job.status.outcome().is_some()).count();
            format!("{ended} of {} jobs", jobs.len())
        }
        Mark::QUEUED => "waits for an agent".to_owned(),
        Mark::PLANNING => "reads the config".to_owned(),
        Mark::NOT_RUN => {
            let count = jobs.iter().filter(|job| job.kind == JobKind::Build).count();
            if count == 0 {
                "nothing to run for this trigger".to_owned()
            } else {
                "every job was left out".to_owned()
            }
        }
        _ => String::new(),
    }
}
