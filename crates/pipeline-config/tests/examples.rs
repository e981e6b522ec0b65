//! The example repositories compile without a word.

use std::path::Path;

use airlock_domain::plan::{JobBody, Plan};
use airlock_pipeline_config::{Inputs, Source, compile};

use crate::inputs;

fn example(name: &str, inputs: &Inputs) -> Plan {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name);
    let bytes = std::fs::read(root.join(".circleci/config.yml")).expect("the example has a config");
    let (plan, diagnostics) = compile(&Source::new("config.yml", bytes), inputs);
    assert_eq!(diagnostics, Vec::new());
    plan.expect("there is no error, so there is a plan")
}

fn jobs(plan: &Plan) -> Vec<(String, bool)> {
    plan.workflows
        .iter()
        .flat_map(|workflow| &workflow.jobs)
        .map(|job| (job.name.to_string(), job.left_out.is_none()))
        .collect()
}

fn named(jobs: &[(&str, bool)]) -> Vec<(String, bool)> {
    jobs.iter()
        .map(|(name, runs)| ((*name).to_owned(), *runs))
        .collect()
}

#[test]
fn hello_leaves_deploy_out_except_on_a_release_branch() {
    let plan = example("hello", &inputs::push());
    let on_main = [
        ("test", true),
        ("build", true),
        ("package", true),
        ("deploy", false),
    ];
    assert_eq!(jobs(&plan), named(&on_main));
    let mut release = inputs::push();
    release.pipeline.branch = Some("release-1.0".to_owned());
    assert!(jobs(&example("hello", &release)).iter().all(|(_, runs)| *runs));
}

#[test]
fn approval_holds_between_the_matrix_and_the_release() {
    let plan = example("approval", &inputs::push());
    let workflow = &plan.workflows[0];
    let hold = workflow
        .jobs
        .iter()
        .find(|job| job.body == JobBody::Approval)
        .expect("somebody is asked");
    assert_eq!(hold.requires.len(), 4, "the whole matrix comes first");
    let last = workflow.jobs.last().expect("there are jobs");
    assert!(
        last.requires
            .iter()
            .any(|requirement| requirement.job == hold.name)
    );
}
