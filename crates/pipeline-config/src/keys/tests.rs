//! The tables hold what they promise.

use std::collections::BTreeSet;

use super::{BUILT_IN_STEPS, Kind, LATER_STEPS, STEPS};

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
    let known: BTreeSet<&str> = STEPS
        .iter()
        .copied()
        .chain(LATER_STEPS.iter().map(|(name, _)| *name))
        .collect();
    assert_eq!(described, known);
}

#[test]
fn all_kinds_are_listed() {
    let listed: BTreeSet<Kind> = Kind::ALL.into_iter().collect();
    assert_eq!(listed.len(), Kind::ALL.len());
}
