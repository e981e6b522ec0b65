//! The jobs of a workflow in columns: what needs nothing stands first, everything else after the last job it needs.
//! Pure: rows in, places out.

use std::collections::HashMap;

use airlock_control_plane::rows::JobRow;

/// The jobs by column, each column in the order of the config. Requirements on jobs that are not there, and circles,
/// which the compiler refuses, count as none.
pub(crate) fn columns(jobs: &[JobRow]) -> Vec<Vec<&JobRow>> {
    let mut depths: HashMap<&str, usize> = jobs.iter().map(|job| (job.name.as_str(), 0)).collect();
    // As many rounds as a chain can have links.
    for _ in 0..jobs.len() {
        let mut moved = false;
        for job in jobs {
            let after = job
                .requires
                .iter()
                .filter_map(|wanted| depths.get(wanted.job.as_str()));
            let depth = after.map(|depth| depth + 1).max().unwrap_or(0).min(jobs.len());
            if depths.insert(job.name.as_str(), depth) != Some(depth) {
                moved = true;
            }
        }
        if !moved {
            break;
        }
    }
    let mut columns: Vec<Vec<&JobRow>> = Vec::new();
    for job in jobs {
        let depth = depths.get(job.name.as_str()).copied().unwrap_or(0);
        if columns.len() <= depth {
            columns.resize_with(depth + 1, Vec::new);
        }
        columns[depth].push(job);
    }
    columns.retain(|column| !column.is_empty());
    columns
}

#[cfg(test)]
mod tests {
    use airlock_domain::plan::{Outcome, Requirement};
    use airlock_domain::state::{JobKind, JobStatus};
    use airlock_domain::{JobId, JobName, PipelineId, ProjectId, WorkflowId};
    use uuid::Uuid;

    use super::*;

    fn job(name: &str, requires: &[&str]) -> JobRow {
        let named = |text: &str| JobName::new(text).expect("a name");
        let requires = requires.iter().map(|wanted| Requirement {
            job: named(wanted),
            outcomes: [Outcome::Success].into(),
        });
        JobRow {
            id: JobId::new(Uuid::nil()),
            workflow: WorkflowId::new(Uuid::nil()),
            pipeline: PipelineId::new(Uuid::nil()),
            project: ProjectId::new(Uuid::nil()),
            number: None,
            name: named(name),
            kind: JobKind::Build,
            requires: requires.collect(),
            status: JobStatus::Blocked,
            reason: None,
            body: None,
            started_at: None,
            stopped_at: None,
            slices: Vec::new(),
        }
    }

    fn drawn(jobs: &[JobRow]) -> String {
        let column = |jobs: &Vec<&JobRow>| {
            let names = jobs.iter().map(|job| job.name.as_str());
            names.collect::<Vec<_>>().join(" ")
        };
        columns(jobs).iter().map(column).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn a_job_stands_after_the_last_that_it_needs() {
        let jobs = [
            job("deploy", &["hold", "lint"]),
            job("build", &[]),
            job("test", &["build"]),
            job("lint", &[]),
            job("hold", &["test"]),
        ];
        assert_eq!(drawn(&jobs), "build lint | test | hold | deploy");
        assert_eq!(drawn(&[]), "");
    }

    #[test]
    fn circles_and_unknown_names_end() {
        let jobs = [job("a", &["b"]), job("b", &["a"]), job("c", &["gone"])];
        let drawn = drawn(&jobs);
        assert!(
            drawn.starts_with('c') && drawn.contains('a') && drawn.contains('b'),
            "{drawn}"
        );
    }
}
