//! One job: first why it is as it is and what to do, then its steps with their output, slice by slice, and the files it
//! kept; approving it, if it waits for that.

use std::collections::BTreeMap;

use airlock_agent_protocol::{EgressEntry, EgressReport, EgressVerdict};
use airlock_control_plane::ControlPlane;
use airlock_control_plane::rows::{JobRow, SliceRow, StepRow};
use airlock_domain::bytes::size;
use airlock_domain::plan::Executor;
use airlock_domain::state::{JobKind, JobStatus, StepStatus};
use airlock_domain::{JobId, Timestamp};
use askama::Template;
use axum::extract::State as With;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::access::Viewer;
use super::form::Fields;
use super::job_ssh::{Entry, entry};
use super::limits::AGENT_SILENCE_MS;
use super::resources::{Chart, charts};
use super::shell::{Shell, answer_living, wants_fragment};
use super::steps::{StepView, steps};
use super::words::{Lasting, Mark, Moment, timestamp};
use crate::http::answer::Problem;
use crate::http::input::{PathParts, Queries};
use crate::http::state::State;

#[derive(Template)]
#[template(path = "job.html", blocks = ["live"])]
struct JobPage {
    shell: Shell,
    id: JobId,
    name: String,
    number: Option<u64>,
    approval: bool,
    project: String,
    pipeline: String,
    pipeline_number: u64,
    workflow: String,
    workflow_name: String,
    mark: Mark,
    lasting: Option<Lasting>,
    why: Option<Why>,
    may_approve: bool,
    may_cancel: bool,
    entry: Option<Entry>,
    slices: Vec<SliceTab>,
    slice: u32,
    steps: Vec<StepView>,
    artifacts: Vec<ArtifactLink>,
    places: Vec<Place>,
    /// What is missing among the places.
    places_note: Option<String>,
    charts: Vec<Chart>,
    facts: Vec<Fact>,
    started: Option<Moment>,
}

/// Where the slice connected to.
struct Place {
    address: String,
    protocol: String,
    refused: bool,
    /// How often and how much, or that it was refused.
    words: String,
}

/// Why the job is as it is, and what to do about it.
struct Why {
    heading: &'static str,
    text: String,
    advice: Option<String>,
    /// The line to look at: address and words.
    line: Option<(String, String)>,
}

struct SliceTab {
    href: String,
    label: u32,
    mark: Mark,
    on: bool,
}

struct ArtifactLink {
    href: String,
    path: String,
    size: String,
    slice: u32,
}

struct Fact {
    label: &'static str,
    value: String,
    mono: bool,
}

/// `GET /jobs/{id}`, `GET /jobs/{id}?slice=S`
pub(crate) async fn show(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    query: Queries,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = timestamp((state.now)());
    let job = state.plane.job(id_in(&path)?).await?;
    let view = state.plane.pipeline(job.pipeline).await?;
    let workflow = state.plane.workflow(job.workflow).await?;
    let slice = match query.get::<u32>("slice")? {
        Some(slice) => slice,
        None => worst_slice(&job.slices),
    };
    if job.slices.iter().all(|row| row.index != slice) && !job.slices.is_empty() {
        return Err(Problem::not_found(&format!("slice {slice} of job {}", job.name)));
    }
    let steps = steps(&state.plane, job.id, slice, now, !wants_fragment(&headers)).await?;
    let why = why(&state.plane, &job, &steps, now).await?;
    let mark = Mark::of_job(job.status);
    let project = view.project.slug.short();
    let title = format!(
        "{} · {} · {project} #{}",
        mark.word, job.name, view.pipeline.number
    );
    let channels = vec![
        format!("private-job-{}", job.id),
        format!("private-pipeline-{}", job.pipeline),
    ];
    let tab = |row: &SliceRow| SliceTab {
        href: format!("/jobs/{}?slice={}", job.id, row.index),
        label: row.index,
        mark: Mark::of_slice(row.status),
        on: row.index == slice,
    };
    let artifacts = state.plane.artifacts(job.id).await?.into_iter();
    let egress = state.plane.egress(job.id, slice).await?;
    let resources = state.plane.resources(job.id, slice).await?;
    let page = JobPage {
        shell: Shell::new(title, "pipelines", &viewer).live(channels).with_logs(),
        id: job.id,
        name: job.name.to_string(),
        number: job.number,
        approval: job.kind == JobKind::Approval,
        project,
        pipeline: format!("/pipelines/{}", job.pipeline),
        pipeline_number: view.pipeline.number,
        workflow: format!("/workflows/{}", job.workflow),
        workflow_name: workflow.name.to_string(),
        mark,
        lasting: if job.kind == JobKind::Build {
            Lasting::new(job.started_at, job.stopped_at, now)
        } else {
            None
        },
        why,
        may_approve: job.kind == JobKind::Approval && job.status == JobStatus::OnHold,
        may_cancel: !workflow.status.is_final(),
        entry: entry(&state, &viewer, &job).await?,
        slices: if job.slices.len() > 1 {
            job.slices.iter().map(tab).collect()
        } else {
            Vec::new()
        },
        slice,
        steps,
        artifacts: artifacts
            .map(|row| ArtifactLink {
                href: format!("/api/v2/airlock/job/{}/artifact/{}", row.job, row.id),
                path: row.path,
                size: size(row.size),
                slice: row.slice,
            })
            .collect(),
        places_note: match (egress.beyond, egress.incomplete) {
            (0, false) => None,
            (0, true) => Some("Not every connection could be seen.".to_owned()),
            (beyond, _) => Some(format!(
                "{beyond} more connections to other places are not listed."
            )),
        },
        places: places(&egress),
        charts: resources.as_ref().map(charts).unwrap_or_default(),
        facts: facts(&state.plane, &job, slice).await?,
        started: job.started_at.map(|at| Moment::new(at, now)),
    };
    answer_living!(&headers, page)
}

/// Places with what all steps did there, refused ones first.
fn places(report: &EgressReport) -> Vec<Place> {
    let mut sums: BTreeMap<(bool, String, String), (u64, u64, u64)> = BTreeMap::new();
    for entry in &report.entries {
        let allowed = entry.verdict == EgressVerdict::Allowed;
        let sum = sums
            .entry((allowed, named_place(entry), entry.protocol_name()))
            .or_default();
        sum.0 += entry.connections;
        sum.1 += entry.bytes_out;
        sum.2 += entry.bytes_in;
    }
    let mut places = Vec::with_capacity(sums.len());
    for ((allowed, place, protocol), (count, sent, received)) in sums {
        let words = if allowed {
            format!("{count} × · {} sent · {} received", size(sent), size(received))
        } else {
            format!("refused, {count} ×")
        };
        places.push(Place {
            address: place,
            protocol,
            refused: !allowed,
            words,
        });
    }
    places
}

/// `registry.example.com (192.0.2.1:443)`, or the address where no name led there.
fn named_place(entry: &EgressEntry) -> String {
    match &entry.name {
        Some(name) => format!("{name} ({})", entry.place()),
        None => entry.place(),
    }
}

/// The slice one came for: the first that went wrong, else the first that runs, else the first.
fn worst_slice(slices: &[SliceRow]) -> u32 {
    let with = |class: &str| {
        slices
            .iter()
            .find(|row| Mark::of_slice(row.status).class == class)
    };
    let found = with("bad").or_else(|| with("hold")).or_else(|| with("run"));
    found.or(slices.first()).map_or(0, |row| row.index)
}

async fn facts(plane: &ControlPlane, job: &JobRow, slice: u32) -> Result<Vec<Fact>, Problem> {
    let mut facts = Vec::new();
    let mut fact = |label, value, mono| facts.push(Fact { label, value, mono });
    if let Some(body) = &job.body {
        match &body.executor {
            Executor::Docker { image, .. } => fact("Image", image.to_string(), true),
            Executor::Machine(machine) => {
                let image = machine.image.as_ref().map_or("default", |image| image.as_str());
                fact("Machine", image.to_owned(), true);
            }
            Executor::MacOs(mac) => fact("Xcode", mac.xcode.clone(), true),
        }
        // An agent says what it gave a job that asked for a machine: one, or what it has instead.
        if !matches!(body.executor, Executor::Docker { .. })
            && let Some(StepRow {
                status: StepStatus::Success,
                reason: Some(what),
                ..
            }) = plane.steps(job.id, slice).await?.into_iter().next()
        {
            fact("Runs in", what, false);
        }
        fact("Resource class", body.resource_class.to_string(), true);
        if body.parallelism > 1 {
            fact("Slices", body.parallelism.to_string(), false);
        }
    }
    let agent = job
        .slices
        .iter()
        .find(|row| row.index == slice)
        .and_then(|row| row.agent);
    if let Some(agent) = agent {
        let known = plane.agents().await?.into_iter().find(|row| row.id == agent);
        fact(
            "Agent",
            known.map_or_else(|| agent.to_string(), |row| row.name),
            true,
        );
    }
    if !job.requires.is_empty() {
        let names: Vec<&str> = job.requires.iter().map(|wanted| wanted.job.as_str()).collect();
        fact("Needs", names.join(", "), false);
    }
    Ok(facts)
}

async fn why(
    plane: &ControlPlane,
    job: &JobRow,
    steps: &[StepView],
    now: Timestamp,
) -> Result<Option<Why>, Problem> {
    let reason = || job.reason.clone();
    let why = |heading, text: String, advice: Option<&str>| {
        Some(Why {
            heading,
            text,
            advice: advice.map(str::to_owned),
            line: None,
        })
    };
    let or = |text: &str| reason().unwrap_or_else(|| text.to_owned());
    Ok(match job.status {
        JobStatus::Running | JobStatus::Success if job.kind == JobKind::Build => None,
        JobStatus::Running => None,
        JobStatus::Success if job.kind == JobKind::NoOp => why(
            "Nothing to do",
            or("A job of this type only stands for others to wait for."),
            None,
        ),
        JobStatus::Success => why("Approved", or("Somebody approved it."), None),
        JobStatus::Failed => Some(Why {
            heading: "Why it failed",
            text: or("A step failed."),
            advice: None,
            line: failing_line(steps),
        }),
        JobStatus::TimedOut => why(
            "Why it was stopped",
            or("It ran longer than it may."),
            Some("Split the step, or allow it more time with no_output_timeout."),
        ),
        JobStatus::InfrastructureFail => why(
            "What went wrong",
            or("Airlock, its agent or its sandbox failed."),
            Some(
                "This was not the job's fault. Run the pipeline again; if it happens twice, look at the agent's log.",
            ),
        ),
        JobStatus::Canceled => why("Why it ended", or("Somebody stopped it."), None),
        JobStatus::NotRun => why("Why it did not run", or("Nothing asked for it."), None),
        JobStatus::OnHold => why("What it waits for", or("A person must approve it."), None),
        JobStatus::Blocked => {
            let text = waits_for(plane, job).await?;
            why("What it waits for", reason().unwrap_or(text), None)
        }
        JobStatus::Queued => {
            let agents = plane.agents().await?;
            let there = agents
                .iter()
                .any(|agent| now.millis_since(agent.seen_at) < AGENT_SILENCE_MS);
            let advice = if there {
                "Every agent is busy. It starts as soon as one is free."
            } else {
                "No agent was heard in the last minute and a half. Start one with: airlock agent"
            };
            why("What it waits for", or("It waits for an agent."), Some(advice))
        }
    })
}

/// The jobs that must end first, each with how it stands.
async fn waits_for(plane: &ControlPlane, job: &JobRow) -> Result<String, Problem> {
    let others = plane.jobs(job.workflow).await?;
    let states: BTreeMap<&str, JobStatus> = others
        .iter()
        .map(|other| (other.name.as_str(), other.status))
        .collect();
    let waiting: Vec<String> = job
        .requires
        .iter()
        .filter_map(|wanted| {
            let status = states.get(wanted.job.as_str())?;
            let open = status.outcome().is_none();
            open.then(|| format!("{} ({})", wanted.job, Mark::of_job(*status).word.to_lowercase()))
        })
        .collect();
    Ok(format!("It starts after {}.", waiting.join(", ")))
}

fn failing_line(steps: &[StepView]) -> Option<(String, String)> {
    let step = steps.iter().rfind(|step| step.open)?;
    let number = step.first_hit?;
    Some((
        format!("#s{}-L{number}", step.index),
        format!("Line {number} of “{}”", step.name),
    ))
}

/// `POST /jobs/{id}/approve`
pub(crate) async fn approve(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    fields: Fields,
) -> Result<Response, Problem> {
    let job = state.plane.job(id_in(&path)?).await?;
    state.plane.approve(job.id, &viewer.0).await?;
    let back = match fields.text("from") {
        "pipeline" => format!("/pipelines/{}", job.pipeline),
        "workflow" => format!("/workflows/{}", job.workflow),
        _ => format!("/jobs/{}", job.id),
    };
    Ok(Redirect::to(&back).into_response())
}

/// What is no id at all is not found, as for people there is no difference.
fn id_in(path: &PathParts) -> Result<JobId, Problem> {
    path.get("id")
        .map_err(|_| Problem::not_found(&format!("job {}", path.text("id"))))
}
