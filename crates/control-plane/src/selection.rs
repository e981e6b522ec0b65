//! `--workflow W` and `--job J`: keeps the part of a plan that somebody asked for. What was not asked for stays in the
//! plan with that reason, so that nobody wonders where it is.

use airlock_domain::plan::{LeftOut, Place, Plan, PlannedWorkflow};
use airlock_driver_interfaces::rows::Selection;

/// Leaves out what was not asked for. The error names what there is.
pub(crate) fn select(mut plan: Plan, only: &Selection) -> Result<Plan, String> {
    if plan.workflows.is_empty() {
        return Err("The config has no workflow.".to_owned());
    }
    if let Some(wanted) = &only.workflow {
        let names: Vec<String> = plan
            .workflows
            .iter()
            .map(|workflow| workflow.name.to_string())
            .collect();
        if !names.contains(wanted) {
            return Err(format!(
                "There is no workflow '{wanted}'. There is: {}.",
                names.join(", ")
            ));
        }
        for workflow in plan
            .workflows
            .iter_mut()
            .filter(|workflow| workflow.name.as_str() != wanted)
        {
            leave_out(&mut workflow.left_out, "another workflow was asked for");
        }
    }
    if let Some(wanted) = &only.job {
        select_job(&mut plan.workflows, wanted)?;
    }
    Ok(plan)
}

fn select_job(workflows: &mut [PlannedWorkflow], wanted: &str) -> Result<(), String> {
    let open = || workflows.iter().filter(|workflow| workflow.left_out.is_none());
    let names: Vec<String> = open()
        .flat_map(|workflow| workflow.jobs.iter().map(|job| job.name.to_string()))
        .collect();
    if !names.iter().any(|name| name == wanted) {
        return Err(format!(
            "There is no job '{wanted}'. There is: {}.",
            names.join(", ")
        ));
    }
    for workflow in workflows {
        if !workflow.jobs.iter().any(|job| job.name.as_str() == wanted) {
            leave_out(&mut workflow.left_out, "another job was asked for");
        }
        for job in &mut workflow.jobs {
            if job.name.as_str() == wanted {
                job.requires.clear();
            } else {
                leave_out(&mut job.left_out, "another job was asked for");
            }
        }
    }
    Ok(())
}

fn leave_out(left_out: &mut Option<LeftOut>, reason: &str) {
    if left_out.is_none() {
        *left_out = Some(LeftOut {
            reason: reason.to_owned(),
            place: Place::default(),
        });
    }
}

#[cfg(test)]
mod tests {
    use airlock_domain::plan::{JobBody, PlannedJob};
    use airlock_domain::{JobName, WorkflowName};

    use super::*;

    fn plan() -> Plan {
        let job = |name: &str| PlannedJob {
            name: JobName::new(name).expect("a name"),
            definition: name.to_owned(),
            place: Place::default(),
            requires: Vec::new(),
            contexts: Vec::new(),
            left_out: None,
            body: JobBody::Approval,
            serial_group: None,
        };
        let workflow = |name: &str, jobs: &[&str]| PlannedWorkflow {
            name: WorkflowName::new(name).expect("a name"),
            left_out: None,
            jobs: jobs.iter().map(|name| job(name)).collect(),
            schedules: Vec::new(),
            auto_reruns: None,
        };
        Plan {
            setup: None,
            workflows: vec![workflow("ci", &["test", "build"]), workflow("nightly", &["test"])],
        }
    }

    fn kept(only: &Selection) -> Result<String, String> {
        let plan = select(plan(), only)?;
        let jobs = plan
            .workflows
            .iter()
            .filter(|workflow| workflow.left_out.is_none())
            .flat_map(|workflow| {
                let jobs = workflow.jobs.iter().filter(|job| job.left_out.is_none());
                jobs.map(|job| format!("{}/{}", workflow.name, job.name))
                    .collect::<Vec<_>>()
            });
        Ok(jobs.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn parts_are_kept_and_unknown_names_are_answered_with_the_known_ones() {
        let only = |workflow: &str, job: &str| Selection {
            workflow: Some(workflow.to_owned()).filter(|name| !name.is_empty()),
            job: Some(job.to_owned()).filter(|name| !name.is_empty()),
        };
        assert_eq!(
            kept(&only("", "")).as_deref(),
            Ok("ci/test ci/build nightly/test")
        );
        assert_eq!(kept(&only("ci", "")).as_deref(), Ok("ci/test ci/build"));
        assert_eq!(kept(&only("", "build")).as_deref(), Ok("ci/build"));
        assert_eq!(kept(&only("nightly", "test")).as_deref(), Ok("nightly/test"));
        assert_eq!(
            kept(&only("", "deploy")).expect_err("unknown"),
            "There is no job 'deploy'. There is: test, build, test."
        );
        assert!(
            kept(&only("nightly", "build"))
                .expect_err("unknown")
                .contains("There is: test.")
        );
    }
}
