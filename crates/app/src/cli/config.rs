//! `airlock config`: the compiler on the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use airlock_pipeline_config::keys::{Judged, json_schema};
use airlock_pipeline_config::{
    Inputs, PackKind, ParameterValue, PipelineValues, Source, compile, gather, meant_pipeline_value, needs,
};
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::{exit, files};
use crate::orb_places::{self, OrbPlaceArguments};
use crate::terminal;

/// Most bytes that are read of a config. The compiler refuses far smaller ones, and says how large they are.
const MAX_READ_BYTES: usize = 64 * 1024 * 1024;

/// Where a project keeps its config.
const DEFAULT_FILE: &str = ".circleci/config.yml";

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether configs are right: exit code 0 when they are, 1 when one has errors.
    #[command(
        after_help = "Examples:\n  airlock config validate .circleci/config.yml --branch main\n  \
                      airlock config validate --format sarif > config.sarif\n  airlock config validate --fix"
    )]
    Validate(super::validate::ValidateArguments),
    /// Say which workflows and jobs run for one trigger, and which rule decided.
    #[command(
        after_help = "Examples:\n  airlock config explain --branch feature\n  airlock config explain --tag v1.0 --param nightly=true\n  \
                      git diff --name-only main | airlock config explain --changed-files -"
    )]
    Explain(super::explain::ExplainArguments),
    /// Print the page about a code of `validate`.
    #[command(after_help = "Example:\n  airlock config explain-code unknown-key")]
    ExplainCode(super::validate::ExplainCodeArguments),
    /// Print what a config means for one trigger: in version 2 of the language, with everything expanded.
    #[command(
        after_help = "Examples:\n  airlock config process .circleci/config.yml --param deploy=true --pipeline-value git.tag=v1.2.0\n  \
                      airlock config process .circleci/config.yml --format json | jq '.workflows[].jobs[].name'"
    )]
    Process(ProcessArguments),
    /// Print the JSON Schema of the config language, for editors.
    #[command(
        after_help = "Examples:\n  airlock config schema > circleci.schema.json\n  airlock config schema --strict > circleci.schema.json"
    )]
    Schema(SchemaArguments),
    /// Make one file of a config that is split over a folder.
    #[command(after_help = "Example:\n  airlock config pack .circleci/src | airlock config validate -")]
    Pack(super::pack::PackArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CompileArguments {
    /// The config; `-` reads standard input.
    #[arg(default_value = DEFAULT_FILE)]
    pub(super) file: PathBuf,
    /// A pipeline parameter.
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = super::run::key_value)]
    parameters: Vec<(String, String)>,
    /// A value of the pipeline; the `pipeline.` in front of its name may be left out.
    #[arg(long = "pipeline-value", value_name = "KEY=VALUE", value_parser = pipeline_value)]
    pipeline_values: Vec<(String, String)>,
    /// Compile as for this branch.
    #[arg(long, default_value = "main", conflicts_with = "tag")]
    branch: String,
    /// Compile as for this tag.
    #[arg(long)]
    tag: Option<String>,
    #[command(flatten)]
    orbs: OrbPlaceArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ProcessArguments {
    #[command(flatten)]
    compile: CompileArguments,
    /// What is printed: a config, or with `json` the whole plan.
    #[arg(long, value_enum, default_value = "text")]
    format: Form,
}

#[derive(Debug, Args)]
pub(crate) struct SchemaArguments {
    /// Refuse mistakes also in jobs, commands and executors that nothing may call, and of which the compiler only warns.
    #[arg(long)]
    strict: bool,
}

/// How an answer is written that is no list of problems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(crate) fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Validate(arguments) => super::validate::run(arguments),
        ConfigCommand::Explain(arguments) => super::explain::run(&arguments),
        ConfigCommand::ExplainCode(arguments) => super::validate::explain_code(&arguments),
        ConfigCommand::Process(arguments) => process(&arguments),
        ConfigCommand::Schema(arguments) => {
            let judged = if arguments.strict {
                Judged::Everything
            } else {
                Judged::WhatCompiles
            };
            terminal::line(json_schema(judged).trim_end());
            Ok(exit::OK)
        }
        ConfigCommand::Pack(arguments) => super::pack::run(&arguments, PackKind::Config),
    }
}

fn process(arguments: &ProcessArguments) -> anyhow::Result<ExitCode> {
    let source = read(&arguments.compile.file)?;
    let inputs = inputs(&arguments.compile, &source)?;
    let (outcome, mut diagnostics) = match arguments.format {
        Form::Text => {
            let (processed, diagnostics) = airlock_pipeline_config::process(&source, &inputs);
            (processed.map(|processed| processed.to_yaml()), diagnostics)
        }
        Form::Json => {
            let (plan, diagnostics) = compile(&source, &inputs);
            let plan = plan.map(|plan| serde_json::to_string_pretty(&plan).map(|text| text + "\n"));
            (plan.transpose().context("writing the plan")?, diagnostics)
        }
    };
    orb_places::advice().add_to(&mut diagnostics);
    super::validate::tell(
        &diagnostics,
        std::iter::once(&source).chain(inputs.orbs.sources()),
    );
    let Some(text) = outcome else {
        return Ok(exit::FAILED);
    };
    terminal::raw(text.as_bytes());
    Ok(exit::OK)
}

/// A config. One that is too large is read all the same, so that the compiler says so in every format.
pub(super) fn read(file: &Path) -> anyhow::Result<Source> {
    let name = if file.as_os_str() == "-" {
        "<stdin>".to_owned()
    } else {
        file.display().to_string()
    };
    if file.is_dir() {
        let inside = file.join(".circleci/config.yml");
        if inside.is_file() {
            anyhow::bail!("{name} is a folder: its config is {}", inside.display());
        }
        anyhow::bail!("{name} is a folder: `airlock config pack {name}` makes one config of its files");
    }
    if file == Path::new(DEFAULT_FILE) && !file.exists() {
        anyhow::bail!(
            "there is no file {name} here: name the config, or go to the top folder of its project"
        );
    }
    let bytes = files::read(file, MAX_READ_BYTES)?;
    Ok(Source::new(name, bytes))
}

pub(super) fn inputs(arguments: &CompileArguments, source: &Source) -> anyhow::Result<Inputs> {
    let mut pipeline = PipelineValues {
        branch: arguments.tag.is_none().then(|| arguments.branch.clone()),
        tag: arguments.tag.clone(),
        ..PipelineValues::made_up()
    };
    for (name, value) in &arguments.pipeline_values {
        set_value(&mut pipeline, name, value)?;
    }
    let mut inputs = Inputs {
        pipeline,
        parameters: parameters(source, &arguments.parameters),
        orb_url_prefixes: arguments.orbs.addresses.prefixes(),
        ..Inputs::default()
    };
    let orbs = arguments.orbs.open()?;
    inputs.orbs = gather(source, &inputs, &mut |reference| orbs.find(reference));
    Ok(inputs)
}

/// A name with its `pipeline.`, and a value.
fn pipeline_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = super::run::key_value(text)?;
    let name = match name.strip_prefix("pipeline.") {
        Some(_) => name,
        None => format!("pipeline.{name}"),
    };
    if name.starts_with("pipeline.parameters.") {
        return Err("parameters of the pipeline are given with --param".to_owned());
    }
    if let Some(meant) = meant_pipeline_value(&name) {
        return Err(format!("there is no value `{name}`; did you mean `{meant}`?"));
    }
    Ok((name, value))
}

/// A branch and a tag exclude each other: to give one takes the other away.
fn set_value(pipeline: &mut PipelineValues, name: &str, value: &str) -> anyhow::Result<()> {
    let text = value.to_owned();
    match name {
        "pipeline.id" => pipeline.id = text,
        "pipeline.number" => {
            pipeline.number = value
                .parse()
                .with_context(|| format!("pipeline.number is a whole number, and not `{value}`"))?;
        }
        "pipeline.project.slug" => pipeline.project_slug = text,
        "pipeline.project.git_url" => pipeline.project_git_url = text,
        "pipeline.git.revision" => pipeline.revision = text,
        "pipeline.trigger_source" => pipeline.trigger_source = text,
        "pipeline.git.branch" => (pipeline.branch, pipeline.tag) = (Some(text), None),
        "pipeline.git.tag" => (pipeline.branch, pipeline.tag) = (None, Some(text)),
        _ => {
            pipeline.other.insert(name.to_owned(), parameter(value));
        }
    }
    Ok(())
}

/// Values with the types their parameters are declared with; the compiler says what does not fit.
pub(crate) fn parameters(source: &Source, given: &[(String, String)]) -> BTreeMap<String, ParameterValue> {
    let declared = needs(source).parameters;
    given
        .iter()
        .map(|(name, text)| {
            let kind = declared
                .iter()
                .find(|declared| declared.name == *name)
                .map(|declared| declared.kind);
            let value = match kind {
                Some("string" | "enum") => ParameterValue::Text(text.clone()),
                _ => parameter(text),
            };
            (name.clone(), value)
        })
        .collect()
}

/// A value from the command line has the type it looks like, as in YAML.
pub(crate) fn parameter(text: &str) -> ParameterValue {
    match text {
        "true" => ParameterValue::Bool(true),
        "false" => ParameterValue::Bool(false),
        _ => text
            .parse()
            .map_or_else(|_| ParameterValue::Text(text.to_owned()), ParameterValue::Int),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(values: &[&str]) -> CompileArguments {
        CompileArguments {
            file: PathBuf::from("-"),
            parameters: vec![
                ("text".to_owned(), "5".to_owned()),
                ("flag".to_owned(), "true".to_owned()),
                ("other".to_owned(), "7".to_owned()),
            ],
            pipeline_values: values
                .iter()
                .map(|text| pipeline_value(text).expect("it is a value"))
                .collect(),
            branch: "main".to_owned(),
            tag: None,
            orbs: OrbPlaceArguments::default(),
        }
    }

    fn given(values: &[&str]) -> anyhow::Result<Inputs> {
        let config = "version: 2.1\nparameters:\n  text: {type: string, default: x}\n  flag: {type: boolean, default: false}\n";
        inputs(&arguments(values), &Source::new("c.yml", config))
    }

    #[test]
    fn orbs_come_from_the_folder_once_values_are_known() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir_all(folder.path().join("acme/tools"))?;
        for version in ["7.1.0", "7.2.0", "dev:v1"] {
            let file = folder.path().join(format!("acme/tools/{version}.yml"));
            std::fs::write(file, "commands: {}\n")?;
        }
        let config = "version: 2.1\nparameters: {other: {type: integer, default: 1}}\norbs:\n  \
                      a: acme/tools@<< pipeline.parameters.other >>\n  b: acme/tools@dev:<< pipeline.git.tag >>\n";
        let mut arguments = arguments(&["git.tag=v1"]);
        arguments.parameters.retain(|(name, _)| name == "other");
        arguments.orbs.orb_dir = Some(folder.path().to_owned());
        let source = Source::new("c.yml", config);
        let orbs = inputs(&arguments, &source)?.orbs;
        let found: Vec<&str> = orbs.found().map(|(_, orb)| orb.resolved()).collect();
        assert_eq!(found, ["acme/tools@7.2.0", "acme/tools@dev:v1"]);
        arguments.orbs.orb_dir = Some(folder.path().join("none"));
        assert!(inputs(&arguments, &source).is_err());
        Ok(())
    }

    #[test]
    fn values_of_the_pipeline() {
        let inputs =
            given(&["git.tag=v1", "pipeline.number=12", "git.branch.is_default=true"]).expect("right values");
        assert_eq!((inputs.pipeline.branch, inputs.pipeline.number), (None, 12));
        assert_eq!(inputs.pipeline.tag.as_deref(), Some("v1"));
        let other = inputs.pipeline.other.get("pipeline.git.branch.is_default");
        assert_eq!(other, Some(&ParameterValue::Bool(true)));
        assert!(given(&["number=x"]).is_err());
        assert!(pipeline_value("parameters.x=1").is_err());
        assert!(pipeline_value("x").is_err());
        let told = "there is no value `pipeline.git.brnach`; did you mean `pipeline.git.branch`?";
        assert_eq!(pipeline_value("git.brnach=x"), Err(told.to_owned()));
        assert!(pipeline_value("of.a.future=x").is_ok());
    }

    #[test]
    fn parameters_have_the_type_they_are_declared_with() {
        let parameters = given(&[]).expect("right values").parameters;
        assert_eq!(parameters["text"], ParameterValue::Text("5".to_owned()));
        assert_eq!(parameters["flag"], ParameterValue::Bool(true));
        assert_eq!(parameters["other"], ParameterValue::Int(7));
    }
}
