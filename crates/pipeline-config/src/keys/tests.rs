//! The tables hold what they promise.

use std::collections::BTreeSet;

use super::{BUILT_IN_STEPS, Kind, STEPS};

#[test]
fn every_key_says_what_it_is_for() {
    let missing: Vec<String> = Kind::ALL
        .iter()
        .flat_map(|kind| kind.keys().iter().map(move |key| (kind, key)))
        .filter(|(_, key)| !key.about.ends_with('.') || key.about.len() < 10)
        .map(|(kind, key)| format!("{kind:?}.{}", key.name))
        .collect();
    assert!(
        missing.is_empty(),
        "add `.about(\"One sentence.\").of(Shape::…)` to: {missing:?}"
    );
}

#[test]
fn no_kind_has_a_key_twice() {
    for kind in Kind::ALL {
        let names: BTreeSet<&str> = kind.keys().iter().map(|key| key.name).collect();
        assert_eq!(names.len(), kind.keys().len(), "{kind:?}");
    }
}

#[test]
fn every_step_is_described() {
    let described: BTreeSet<&str> = BUILT_IN_STEPS.iter().map(|step| step.name).collect();
    let known: BTreeSet<&str> = STEPS.iter().copied().collect();
    assert_eq!(described, known);
}

#[test]
fn all_kinds_are_listed() {
    let listed: BTreeSet<Kind> = Kind::ALL.into_iter().collect();
    assert_eq!(listed.len(), Kind::ALL.len());
}

#[test]
fn words_are_listed_once_and_described() {
    let mut seen = BTreeSet::new();
    for value in super::PIPELINE_VALUES {
        assert!(
            value.name.starts_with("pipeline.") && value.about.ends_with('.'),
            "{value:?}"
        );
        assert!(seen.insert(value.name), "{value:?}");
    }
    let lists = [
        super::PARAMETER_TYPES,
        super::REQUIRED_STATUSES,
        super::STATEMENTS,
        super::OPERATORS,
    ];
    for list in lists {
        let names: BTreeSet<&str> = list.iter().map(|word| word.name).collect();
        assert_eq!(names.len(), list.len());
        assert!(list.iter().all(|word| word.about.ends_with('.')));
    }
    let mut classes = BTreeSet::new();
    for class in super::RESOURCE_CLASSES {
        assert!(
            classes.insert((class.name, format!("{:?}", class.family))),
            "{class:?}"
        );
        assert!(class.cpus > 0 && class.memory_mb > 0, "{class:?}");
    }
}

#[test]
fn parameter_types_are_those_of_the_table() {
    let types: Vec<&str> = super::PARAMETER_TYPES.iter().map(|word| word.name).collect();
    let key = Kind::Parameter.describe("type").map(|key| key.shape);
    let Some(super::Shape::OneOf(listed)) = key else {
        panic!("`type` is one of several words");
    };
    assert_eq!(types, listed);
}

/// What is said of the last segment where the others lead.
fn about(path: &str) -> Option<&'static str> {
    use super::{Described, Segment, describe};
    let mut segments: Vec<Segment<'_>> = path
        .split('.')
        .map(|segment| match segment {
            "-" => Segment::Item,
            key => Segment::Key(key),
        })
        .collect();
    let Some(Segment::Key(key)) = segments.pop() else {
        return None;
    };
    match describe(segments, key)? {
        Described::Key(key) => Some(key.about),
        Described::Step(step) => Some(step.about),
    }
}

#[test]
fn places_lead_to_descriptions() {
    let says = |path: &str, start: &str| {
        let found = about(path);
        assert!(
            found.is_some_and(|about| about.starts_with(start)),
            "{path}: {found:?}"
        );
    };
    says("version", "Names the version");
    says("jobs.build.docker.-.image", "Names the image");
    says("jobs.build.machine.image", "Names the image of the machine");
    says("jobs.build.steps.-.run", "Runs a command");
    says("jobs.build.steps.-.run.command", "Is what the shell runs");
    says(
        "jobs.build.steps.-.when.steps.-.save_cache.key",
        "Names the cache",
    );
    says(
        "jobs.build.steps.-.when.condition.and.-.matches.pattern",
        "Is the regular",
    );
    says("jobs.l.key", "Names the lock");
    says("commands.c.parameters.p.type", "Says which values");
    says("workflows.w.jobs.-.build.requires", "Lists the jobs to wait for");
    says(
        "workflows.w.jobs.-.build.filters.tags.only",
        "Lists those that run",
    );
    says("workflows.w.jobs.-.build.matrix.alias", "Names all jobs");
    says("workflows.w.triggers.-.schedule.cron", "Says when");
    says("orbs.o.commands.c.steps.-.checkout", "Fetches");
    assert_eq!(about("jobs.build.nonsense"), None);
    assert_eq!(about("anchors.anything.at"), None);
}
