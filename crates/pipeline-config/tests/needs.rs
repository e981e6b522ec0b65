//! What a config asks of its caller before it is compiled.

use airlock_pipeline_config::{DeclaredParameter, Needs, ParameterValue, Source, needs};

fn of(text: &str) -> Needs {
    needs(&Source::new("config.yml", text.as_bytes()))
}

#[test]
fn parameters_with_type_members_and_default() {
    let needs = of(
        "version: 2.1\nparameters:\n  run: {type: boolean, default: on}\n  n: {type: integer, default: 3}\n  \
         mode: {type: enum, enum: [fast, slow], default: fast}\n  bad: {type: what}\n",
    );
    let parameter = |name: &str, kind, members: &[&str], default| DeclaredParameter {
        name: name.to_owned(),
        kind,
        members: members.iter().map(|member| (*member).to_owned()).collect(),
        default: Some(default),
    };
    assert_eq!(
        needs.parameters,
        [
            parameter("run", "boolean", &[], ParameterValue::Bool(true)),
            parameter("n", "integer", &[], ParameterValue::Int(3)),
            parameter(
                "mode",
                "enum",
                &["fast", "slow"],
                ParameterValue::Text("fast".to_owned())
            ),
        ]
    );
}

#[test]
fn orbs_by_reference_and_not_those_written_in_place() {
    let needs = of(
        "version: 2.1\nsetup: true\norbs:\n  node: circleci/node@5\n  own: {jobs: {}}\n  \
         dev: a/b@dev:<< pipeline.git.revision >>\n",
    );
    assert!(needs.setup);
    let orbs: Vec<(&str, &str, bool, u32)> = needs
        .orbs
        .iter()
        .map(|orb| (orb.alias.as_str(), orb.reference.as_str(), orb.template, orb.line))
        .collect();
    assert_eq!(
        orbs,
        [
            ("node", "circleci/node@5", false, 4),
            ("dev", "a/b@dev:<< pipeline.git.revision >>", true, 6)
        ]
    );
}

#[test]
fn what_cannot_be_read_needs_nothing() {
    for text in ["", "# x", "[]", "a: [", "orbs: []\nparameters: x\nsetup: maybe"] {
        assert_eq!(of(text), Needs::default(), "{text}");
    }
}
