//! Gathering: which orbs a config is said to need, in which order they are asked for, and what ends it.

use airlock_pipeline_config::{
    Catalogue, Gathering, Inputs, OrbProblem, OrbReference, OrbSource, Orbs, ParameterValue, Source, gather,
    limits, orb_references,
};

use crate::inputs;

fn config(text: &str) -> Source {
    Source::new("config.yml", text.as_bytes())
}

fn orb(reference: &OrbReference, text: &str) -> OrbSource {
    OrbSource::new(
        Source::new(format!("{reference}.yml"), text.as_bytes()),
        reference.to_string(),
    )
}

/// Gathers from a list of references and sources; what is not in it is not found. Also gives the questions in order.
fn gathered(source: &Source, inputs: &Inputs, published: &[(&str, &str)]) -> (Orbs, Vec<String>) {
    let mut asked = Vec::new();
    let orbs = gather(source, inputs, &mut |reference| {
        asked.push(reference.to_string());
        let text = reference.to_string();
        match published.iter().find(|(name, _)| *name == text) {
            Some((_, source)) => Ok(orb(reference, source)),
            None => Err(OrbProblem::NotFound(Catalogue::default())),
        }
    });
    (orbs, asked)
}

fn problem(orbs: &Orbs, reference: &str) -> String {
    let reference = OrbReference::parse(reference).expect("a reference");
    match orbs.get(&reference) {
        Some(Err(problem)) => problem.to_string(),
        Some(Ok(_)) => panic!("{reference} was found"),
        None => panic!("nobody looked for {reference}"),
    }
}

#[test]
fn values_and_parameters_are_filled_in_before_anybody_is_asked() {
    let source = config(
        "version: 2.1\nparameters:\n  v: {type: string, default: dev:alpha}\norbs:\n  \
         a: ns/a@<< pipeline.parameters.v >>\n  b: ns/b@dev:<<pipeline.git.revision>>\n  c: ns/<< pipeline.none >>@1\n",
    );
    let mut inputs = inputs::push();
    let references = |inputs: &Inputs| -> Vec<String> {
        let requests = orb_references(&source, inputs);
        requests
            .iter()
            .map(|request| request.reference.to_string())
            .collect()
    };
    let revision = inputs.pipeline.revision.clone();
    assert_eq!(
        references(&inputs),
        ["ns/a@dev:alpha", &format!("ns/b@dev:{revision}")]
    );
    inputs
        .parameters
        .insert("v".to_owned(), ParameterValue::Text("1.2.3".to_owned()));
    assert_eq!(references(&inputs)[0], "ns/a@1.2.3");
}

#[test]
fn a_file_of_version_2_has_no_orbs() {
    let source = config("version: 2\norbs: {a: ns/a@1}\n");
    assert_eq!(orb_references(&source, &inputs::push()), []);
}

#[test]
fn imports_of_orbs_are_followed_and_each_is_asked_for_once() {
    let source = config(
        "version: 2.1\norbs:\n  a: ns/a@1\n  again: ns/a@1\n  own:\n    orbs: {b: ns/b@2, deep: {orbs: {c: ns/c@3}}}\n",
    );
    let published = [
        ("ns/a@1", "version: 2.1\norbs: {b: ns/b@2, d: ns/d@4}"),
        ("ns/b@2", "version: 2.1\norbs: {a: ns/a@1}"),
        ("ns/c@3", "version: 2.1"),
    ];
    let (orbs, asked) = gathered(&source, &inputs::push(), &published);
    assert_eq!(asked, ["ns/a@1", "ns/b@2", "ns/c@3", "ns/d@4"]);
    assert_eq!(orbs.found().count(), 3);
    assert_eq!(problem(&orbs, "ns/d@4"), "there is no such orb or version");
    let files: Vec<&str> = orbs.sources().map(|source| source.file.as_str()).collect();
    assert_eq!(files, ["ns/a@1.yml", "ns/b@2.yml", "ns/c@3.yml"]);
}

#[test]
fn what_was_settled_when_an_orb_was_published_holds() {
    let pinned = OrbReference::parse("ns/b@2.0.7").expect("a reference");
    let mut asked = Vec::new();
    gather(
        &config("version: 2.1\norbs: {a: ns/a@1}"),
        &inputs::push(),
        &mut |reference| {
            asked.push(reference.to_string());
            let source = Source::new("a.yml", &b"orbs: {b: ns/b@2}"[..]);
            let pins = [("ns/b@2".to_owned(), pinned.clone())].into();
            Ok(OrbSource::with_pins(source, "ns/a@1.0.0", pins))
        },
    );
    assert_eq!(asked, ["ns/a@1", "ns/b@2.0.7"]);
}

#[test]
fn orbs_at_hand_are_not_asked_for_again() {
    let source = config("version: 2.1\norbs: {a: ns/a@1, b: ns/b@1}\n");
    let mut inputs = inputs::push();
    let (first, asked) = gathered(&source, &inputs, &[("ns/a@1", "{}")]);
    assert_eq!(asked, ["ns/a@1", "ns/b@1"]);
    inputs.orbs = first.clone();
    let (second, asked) = gathered(&source, &inputs, &[]);
    assert_eq!(asked, ["ns/b@1"], "one that was missing may be there now");
    assert_eq!(first, second);
    let (third, _) = gathered(&config("version: 2.1\norbs: {}\n"), &inputs, &[]);
    assert_eq!(third, Orbs::default(), "what is needed no longer is dropped");
}

#[test]
fn addresses_are_asked_for_only_below_an_allowed_prefix() {
    let source =
        config("version: 2.1\norbs: {a: https://example.com/orbs/a.yml, b: https://example.org/b.yml}\n");
    let mut inputs = inputs::push();
    inputs.orb_url_prefixes = vec!["https://example.com/orbs/".to_owned()];
    let (orbs, asked) = gathered(&source, &inputs, &[]);
    assert_eq!(asked, ["https://example.com/orbs/a.yml"]);
    assert!(problem(&orbs, "https://example.org/b.yml").contains("no allowed prefix"));
}

#[test]
fn imports_without_end_end() {
    let mut asked = 0;
    let orbs = gather(
        &config("version: 2.1\norbs: {a: ns/a0@1}\n"),
        &inputs::push(),
        &mut |reference| {
            asked += 1;
            Ok(orb(reference, &format!("orbs: {{a: ns/a{asked}@1}}")))
        },
    );
    assert_eq!(asked, limits::MAX_ORB_DEPTH);
    assert!(problem(&orbs, "ns/a10@1").contains("more than 10 deep"));

    let all: Vec<String> = (0..200).map(|n| format!("a{n}: ns/a{n}@1")).collect();
    let source = config(&format!("version: 2.1\norbs: {{{}}}\n", all.join(", ")));
    let (orbs, asked) = gathered(&source, &inputs::push(), &[]);
    assert_eq!(asked.len(), limits::MAX_ORBS);
    assert!(problem(&orbs, "ns/a100@1").contains("at most 100 orbs"));
}

#[test]
fn orbs_too_large_together_are_not_kept() {
    let source = config("version: 2.1\norbs: {a: ns/a@1, b: ns/b@1, c: ns/c@1, d: ns/d@1}\n");
    let large = format!("# {}", "x".repeat(limits::MAX_ORB_BYTES / 3));
    let orbs = gather(&source, &inputs::push(), &mut |reference| {
        Ok(orb(reference, &large))
    });
    assert_eq!(orbs.found().count(), 2);
    assert!(problem(&orbs, "ns/c@1").contains("bytes together"));
}

#[test]
fn step_by_step_the_question_stays_until_it_is_answered() {
    let source = config("version: 2.1\norbs: {a: ns/a@1}\n");
    let mut gathering = Gathering::begin(&source, &inputs::push());
    let first = gathering.wanted().cloned().expect("an orb is wanted");
    assert_eq!(gathering.wanted(), Some(&first));
    gathering.answer(Ok(orb(&first, "{}")));
    assert_eq!(gathering.wanted(), None);
    gathering.answer(Ok(orb(&first, "orbs: {b: ns/b@1}")));
    let orbs = gathering.finish();
    assert_eq!(orbs.found().count(), 1);
    assert_eq!(
        orbs.get(&OrbReference::parse("ns/b@1").expect("a reference")),
        None
    );
}
