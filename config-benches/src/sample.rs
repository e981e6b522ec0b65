//! A config of any length that uses what real ones use: anchors, commands with parameters, executors, caches, conditions,
//! workflows with requirements and filters.

use std::fmt::Write as _;

const HEAD: &str = "\
version: 2.1
parameters:
  release: {type: boolean, default: false}
references:
  save: &save
    save_cache:
      key: v1-{{ checksum \"package-lock.json\" }}
      paths: [~/.npm, node_modules]
executors:
  node:
    parameters:
      tag: {type: string, default: \"20.1\"}
    docker:
      - image: cimg/node:<< parameters.tag >>
        environment: {CI: true, JOBS: 2}
    resource_class: medium
commands:
  prepare:
    description: What every job begins with
    parameters:
      cache: {type: string, default: v1}
      after: {type: steps, default: []}
    steps:
      - checkout
      - restore_cache:
          keys:
            - << parameters.cache >>-{{ checksum \"package-lock.json\" }}
            - << parameters.cache >>-
      - run: {name: Install, command: npm ci --cache << parameters.cache >>}
      - when:
          condition: {and: [<< pipeline.parameters.release >>, {not: {equal: [main, << pipeline.git.branch >>]}}]}
          steps: [run: npm version]
      - steps: << parameters.after >>
jobs:
";

/// A config of about so many lines.
pub(crate) fn config(lines: usize) -> String {
    let mut text = HEAD.to_owned();
    // A job has 18 lines here and 6 in the workflow.
    let jobs = lines.saturating_sub(HEAD.lines().count() + 4).div_ceil(24).max(1);
    for job in 0..jobs {
        let _ = write!(
            text,
            "  test-{job}:
    executor:
      name: node
      tag: \"18.{job}\"
    working_directory: ~/project
    environment:
      NAME: test-{job}
      NUMBER: {job}
    parallelism: 2
    steps:
      - prepare:
          cache: v{job}
          after: [run: npm run lint -- --part << pipeline.number >>]
      - run:
          name: Test part {job}
          command: |
            npm test -- --part {job}
      - *save
"
        );
    }
    text.push_str("workflows:\n  all:\n    jobs:\n");
    for job in 0..jobs {
        let after = if job == 0 {
            String::new()
        } else {
            format!("test-{}", job / 2)
        };
        let after = if after == format!("test-{job}") {
            "test-0".to_owned()
        } else {
            after
        };
        let _ = write!(
            text,
            "      - test-{job}:
          requires: [{after}]
          context: [one, two]
          filters:
            branches: {{only: [main, /release-.*/]}}
            tags: {{only: '/v[0-9]+\\..*/'}}
"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use airlock_pipeline_config::{Source, compile};

    use super::*;

    #[test]
    fn the_config_is_planned_and_as_long_as_asked() {
        for lines in [100, 300, 2866] {
            let text = config(lines);
            assert!(
                text.lines().count().abs_diff(lines) < 24,
                "{}",
                text.lines().count()
            );
            let (plan, told) = compile(&Source::new("config.yml", text), &crate::series::push());
            let plan = plan.unwrap_or_else(|| panic!("{told:?}"));
            assert!(plan.workflows[0].jobs.len() > 1);
        }
    }
}
