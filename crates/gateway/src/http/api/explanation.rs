//! Why the parts of a pipeline run or do not run: what `airlock config explain --format json` says of a file, for the
//! trigger that a pipeline had.

use airlock_domain::explanation::{self, Decision};
use airlock_domain::{PipelineId, plan};
use axum::Json as Reply;
use axum::Json;
use axum::extract::State as With;

use super::shapes::{Nullable, Object, shapes};
use crate::http::answer::Problem;
use crate::http::input::PathParts;
use crate::http::state::State;

shapes! { reply:
    /// What one trigger starts of a config, and why.
    Explanation {
        /// The config's path.
        file: String,
        /// Its workflows, in the order of the config.
        workflows: Vec<ExplainedWorkflow>,
        /// What circleci/path-filtering is set up to do.
        path_filtering: Vec<Object>,
    }

    /// Whether a workflow runs, and why.
    ExplainedWorkflow {
        /// Its name.
        name: String,
        /// Whether it runs.
        runs: bool,
        /// Why, in one sentence.
        reason: String,
        /// The rule that decided, if one of the config did.
        place: Nullable<ConfigPlace>,
        /// The line of that place as it is written.
        line: Nullable<String>,
        /// What the rule saw, outermost first.
        values: Vec<SeenValue>,
        /// Its jobs; those of a workflow that is left out are not looked at.
        jobs: Vec<ExplainedJob>,
    }

    /// Whether a job runs, and why.
    ExplainedJob {
        /// Its name in the workflow.
        name: String,
        /// The key under jobs.
        definition: String,
        /// Whether a person must approve it.
        approval: bool,
        /// The jobs it waits for.
        requires: Vec<String>,
        /// Whether it runs.
        runs: bool,
        /// Why, in one sentence.
        reason: String,
        /// The rule that decided, if one of the config did.
        place: Nullable<ConfigPlace>,
        /// The line of that place as it is written.
        line: Nullable<String>,
        /// What the rule saw, outermost first.
        values: Vec<SeenValue>,
    }

    /// A part of a condition with its value.
    SeenValue {
        /// How deep it stands in the condition.
        depth: u64,
        /// As it is written.
        text: String,
        /// What it is for this trigger; text in quotes.
        value: String,
        /// Where it stands.
        place: ConfigPlace,
    }

    /// A place in the config.
    ConfigPlace {
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
        /// Where in which orb it stands; line and column are then those of the config's call that led there.
        orb: Option<OrbPlace>,
    }

    /// A place in an orb.
    OrbPlace {
        /// The orb.
        file: String,
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
    }
}

/// `GET /airlock/pipeline/{id}/explanation`
pub(crate) async fn of_pipeline(
    With(state): With<State>,
    path: PathParts,
) -> Result<Reply<Explanation>, Problem> {
    let id = path.get::<PipelineId>("id")?;
    let view = state.plane.pipeline(id).await?;
    let found = state.plane.explanation(view.pipeline.id).await?;
    let found = found.ok_or_else(|| Problem::not_found(&format!("an explanation of pipeline {id}")))?;
    Ok(Json(shape(found)))
}

fn shape(found: explanation::Explanation) -> Explanation {
    let filters = found.path_filtering.iter().filter_map(|filter| {
        let value = serde_json::to_value(filter).ok()?;
        value.as_object().cloned().map(Object)
    });
    Explanation {
        path_filtering: filters.collect(),
        file: found.file,
        workflows: found.workflows.into_iter().map(workflow).collect(),
    }
}

fn workflow(found: explanation::ExplainedWorkflow) -> ExplainedWorkflow {
    let (place, line, values) = rule(&found.decision);
    ExplainedWorkflow {
        name: found.name,
        runs: found.decision.runs,
        reason: found.decision.reason,
        place,
        line,
        values,
        jobs: found.jobs.into_iter().map(job).collect(),
    }
}

fn job(found: explanation::ExplainedJob) -> ExplainedJob {
    let (place, line, values) = rule(&found.decision);
    ExplainedJob {
        name: found.name,
        definition: found.definition,
        approval: found.approval,
        requires: found.requires,
        runs: found.decision.runs,
        reason: found.decision.reason,
        place,
        line,
        values,
    }
}

fn rule(decision: &Decision) -> (Nullable<ConfigPlace>, Nullable<String>, Vec<SeenValue>) {
    let values = decision.values.iter().map(|seen| SeenValue {
        depth: seen.depth as u64,
        text: seen.text.clone(),
        value: seen.value.clone(),
        place: place(&seen.place),
    });
    (
        Nullable(decision.place.as_ref().map(place)),
        Nullable(decision.line.clone()),
        values.collect(),
    )
}

fn place(found: &plan::Place) -> ConfigPlace {
    ConfigPlace {
        line: found.line,
        column: found.column,
        orb: found.orb.as_ref().map(|orb| OrbPlace {
            file: orb.file.clone(),
            line: orb.line,
            column: orb.column,
        }),
    }
}
