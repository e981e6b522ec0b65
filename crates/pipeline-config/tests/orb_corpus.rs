//! Real orbs and configs that use them, read where they lie (see `corpus`): a config whose orbs are all there compiles, one
//! that wants an absent orb is told so, once for each, and of nothing that comes of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use airlock_pipeline_config::{Diagnostic, Source, compile, orb_references, render};

use crate::corpus_folder::{corpus_folder, yaml_files};
use crate::inputs;
use crate::orb_folder::OrbFolder;

/// Parts of names of files that are wrong, the codes they get, and why that is right.
const WRONG: &[(&str, &[&str], &str)] = &[
    ("android-orb+test-deploy+d5ad90c", &["unknown-orb"], UNDER_TEST),
    ("aws-cli-orb+test-deploy+c4143ac", &["unknown-orb"], UNDER_TEST),
    ("aws-s3-orb+test-deploy+7c18f79", &["unknown-orb"], UNDER_TEST),
    ("docker-orb+test-deploy+edcf14f", &["unknown-orb"], UNDER_TEST),
    ("github-cli-orb+test-deploy+486485c", &["unknown-orb"], UNDER_TEST),
    ("helm-orb+test-deploy+dbd960e", &["unknown-orb"], UNDER_TEST),
    ("node-orb+test-deploy+88a8654", &["unknown-orb"], UNDER_TEST),
    ("node-orb+test-deploy+c543817", &["unknown-orb"], UNDER_TEST),
    (
        "cypress-io__circleci-orb+test-deploy+4cbec3e",
        &["unknown-job"],
        UNDER_TEST,
    ),
    (
        "continuation-orb+config+b1e9594",
        &["bad-orb"],
        "`<namespace>/<orb-name>` was never filled in",
    ),
    (
        "orb-tools@v12.4.0__step2_test-deploy",
        &["unknown-job", "unknown-orb"],
        "`<my-orb>` is to be filled in",
    ),
    (
        "android@v2.5.0__run-ui-tests-job",
        &["missing-argument"],
        "the job asks for an executor",
    ),
    (
        "android@v2.5.0__test-matrix",
        &["missing-argument"],
        "the job asks for an executor",
    ),
    (
        "android@v3.2.0__test_matrix",
        &["missing-argument"],
        "the job asks for an executor",
    ),
    (
        "android@v3.2.0__run_ui_tests_job",
        &["unknown-argument"],
        "`resource-class` for `resource_class`",
    ),
    (
        "aws-ecr@v9.8.1__build_test_then_push_image",
        &["unknown-value"],
        "a workflow has no parameters",
    ),
    (
        "aws-ecr@v9.8.1__remote_docker_caching",
        &["unknown-argument"],
        "the job has no such parameter",
    ),
    (
        "aws-ecr@v9.8.1__simple_build_and_push",
        &["wrong-type"],
        "`docker` is a map",
    ),
    ("browser-tools@v1.5.3__install_", &["unknown-job"], NO_BUILD),
    ("browser-tools@v2.3.1__install_", &["unknown-job"], NO_BUILD),
    ("kubernetes@v2.0.0__de", &["unknown-job"], NO_BUILD),
    (
        "__custom-pull",
        &["misindented", "unknown-job"],
        "`jobs` stands below `orbs`",
    ),
    (
        "__custom_pull",
        &["misindented", "unknown-job"],
        "`jobs` stands below `orbs`",
    ),
    (
        "__lint-dockerfile",
        &["misindented", "unknown-job"],
        "`jobs` stands below `orbs`",
    ),
    (
        "docker@v0.5.20__hadolint",
        &["unknown-argument"],
        "`dockerfile` for `dockerfiles`",
    ),
    (
        "github-cli@v2.7.1__pr-merge",
        &["unknown-argument", "unknown-job"],
        "two jobs are left out",
    ),
    (
        "helm@v2.0.1__install-helm-chart-with-helm3",
        &["missing-argument"],
        "the command asks for it",
    ),
    (
        "__ruby_rails_sample_app",
        &["unknown-argument"],
        "an argument of an older version of another orb",
    ),
    ("__notify_on_fail_with_template", &["bad-orb"], COLON),
    ("__notify_thread", &["bad-orb"], COLON),
    ("__notify_two_channels", &["bad-orb"], COLON),
    ("__successful_tagged_deployment", &["bad-orb"], COLON),
    (
        "__on_hold_notification",
        &["unknown-job"],
        "two jobs are left out",
    ),
    ("__only_notify_on_branch", &["unknown-job"], "a job is left out"),
    ("codecov@2.0.0__basic_upload", &["unknown-job"], STEP),
    ("codecov@v3.3.0__basic_upload", &["unknown-job"], STEP),
];

const UNDER_TEST: &str = "the orb that the repository makes is put in by the pipeline that packs it";
const STEP: &str = "`checkout` is a step, and here it is a job";
const NO_BUILD: &str = "there are no workflows, and no job is called `build`";
const COLON: &str = "`circleci/node:4.1` has a colon for the `@`";

struct Outcome {
    file: String,
    /// References of the config itself that lead nowhere.
    absent: BTreeSet<String>,
    errors: Vec<Diagnostic>,
    shown: String,
}

fn outcome(root: &Path, file: String, text: &str) -> Outcome {
    let folder = OrbFolder {
        root: root.join("orb-dir"),
        shown: "",
    };
    let source = Source::new(file.clone(), text.as_bytes());
    let mut inputs = inputs::push();
    inputs.orbs = folder.gather(&source, &inputs);
    let (plan, diagnostics) = compile(&source, &inputs);
    let errors: Vec<Diagnostic> = diagnostics.into_iter().filter(Diagnostic::is_error).collect();
    assert_eq!(plan.is_some(), errors.is_empty(), "{file}");
    let absent = orb_references(&source, &inputs)
        .into_iter()
        .filter(|request| !matches!(inputs.orbs.get(&request.reference), Some(Ok(_))))
        .map(|request| request.reference.to_string())
        .collect();
    let sources = [&source].into_iter().chain(inputs.orbs.sources());
    let shown = render::text(&errors, sources, render::Color::Never);
    Outcome {
        file,
        absent,
        errors,
        shown,
    }
}

fn files(folder: &Path) -> Vec<(String, String)> {
    let mut files = Vec::new();
    yaml_files(folder, &mut files);
    files.sort();
    let read = |path: &PathBuf| {
        let name = path.file_name().expect("a file has a name").to_string_lossy();
        let text = std::fs::read_to_string(path).expect("a file of the corpus can be read");
        (name.into_owned(), text)
    };
    files.iter().map(read).collect()
}

/// What is wrong with an outcome.
fn complaint(outcome: &Outcome) -> Option<String> {
    let (missing, others): (Vec<&Diagnostic>, Vec<&Diagnostic>) = outcome
        .errors
        .iter()
        .partition(|error| error.code.as_str() == "unknown-orb" && !error.message.contains("is empty"));
    let of_config = missing.iter().filter(|error| error.position.file == outcome.file);
    let told: Vec<&str> = of_config
        .filter_map(|error| error.message.strip_prefix("Cannot find ")?.split(' ').next())
        .collect();
    let told_once: BTreeSet<String> = told.iter().map(|text| (*text).to_owned()).collect();
    if told_once != outcome.absent {
        return Some(format!("absent: {:?}, told of: {told:?}", outcome.absent));
    }
    let codes: BTreeSet<&str> = others.iter().map(|error| error.code.as_str()).collect();
    let wanted = WRONG.iter().find(|(part, ..)| outcome.file.contains(part));
    let wanted: BTreeSet<&str> =
        wanted.map_or_else(BTreeSet::new, |(_, codes, _)| codes.iter().copied().collect());
    (codes != wanted).then(|| format!("errors: {codes:?}, wanted {wanted:?}"))
}

fn check(outcomes: impl Iterator<Item = Outcome>, at_least: usize) {
    let mut complaints = String::new();
    let mut compiled = 0;
    for outcome in outcomes {
        compiled += usize::from(outcome.errors.is_empty());
        if let Some(complaint) = complaint(&outcome) {
            let _ = writeln!(complaints, "{}: {complaint}\n{}", outcome.file, outcome.shown);
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
    assert!(compiled >= at_least, "only {compiled} compile");
}

/// The example's own orb is meant in the version it is an example of, whatever stands there: many say `x.y`.
fn of_its_version(file: &str, text: &str) -> String {
    let mut parts = file.split("__");
    let (Some(namespace), Some(rest)) = (parts.next(), parts.next()) else {
        panic!("{file} is no name of an example");
    };
    let (orb, version) = rest.split_once('@').expect("an example is of a version");
    let version = version.trim_start_matches('v');
    let name = format!("{namespace}/{orb}@");
    let mut pieces = text.split(name.as_str());
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(['"', '\'', '\n', ' ', '#']).unwrap_or(piece.len());
        let _ = write!(out, "{name}{version}{}", &piece[end..]);
    }
    out
}

#[test]
fn examples_of_orbs_compile() {
    let Some(root) = corpus_folder() else { return };
    let files = files(&root.join("cases/orb-usage"));
    check(
        files.into_iter().map(|(file, text)| {
            let text = of_its_version(&file, &text);
            let text = text.replace("@x.y.z", "@volatile").replace("@x.y", "@volatile");
            outcome(&root, file, &text)
        }),
        240,
    );
}

#[test]
fn configs_with_orbs_compile() {
    let Some(root) = corpus_folder() else { return };
    let files = files(&root.join("configs"));
    let with_orbs = files.into_iter().filter(|(_, text)| text.contains("\norbs:"));
    check(with_orbs.map(|(file, text)| outcome(&root, file, &text)), 10);
}
