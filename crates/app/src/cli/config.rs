//! `airlock config`: the compiler on the command line.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use airlock_pipeline_config::{Inputs, ParameterValue, PipelineValues, Source, compile, render};
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};

use crate::cli::exit;
use crate::terminal;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a config is right: exit code 0 when it is, 1 when it has errors.
    #[command(after_help = "Example:\n  airlock config validate .circleci/config.yml --branch main")]
    Validate(CompileArguments),
    /// Print what a config means for one trigger.
    #[command(
        after_help = "Example:\n  airlock config process .circleci/config.yml --format json | jq '.workflows[].jobs[].name'"
    )]
    Process(CompileArguments),
    /// Print the JSON Schema of the config language, for editors.
    #[command(after_help = "Example:\n  airlock config schema > circleci.schema.json")]
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct CompileArguments {
    /// The config; `-` reads standard input.
    #[arg(default_value = ".circleci/config.yml")]
    file: PathBuf,
    /// A pipeline parameter.
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = super::run::key_value)]
    parameters: Vec<(String, String)>,
    /// Compile as for this branch.
    #[arg(long, default_value = "main", conflicts_with = "tag")]
    branch: String,
    /// Compile as for this tag.
    #[arg(long)]
    tag: Option<String>,
    /// How problems, or the plan, are written.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

pub(crate) fn run(command: ConfigCommand) -> anyhow::Result<ExitCode> {
    let (arguments, process) = match command {
        ConfigCommand::Validate(arguments) => (arguments, false),
        ConfigCommand::Process(arguments) => (arguments, true),
        ConfigCommand::Schema => {
            terminal::line(airlock_pipeline_config::keys::json_schema().trim_end());
            return Ok(exit::OK);
        }
    };
    let source = read(&arguments)?;
    let inputs = inputs(&arguments);
    let (plan, diagnostics) = compile(&source, &inputs);
    let json_problems = !process && arguments.format == Format::Json;
    if json_problems {
        terminal::line(&render::json(&diagnostics));
    } else if !diagnostics.is_empty() {
        let color = if terminal::colour(&std::io::stderr()) {
            render::Color::Always
        } else {
            render::Color::Never
        };
        terminal::note(render::text(&diagnostics, std::slice::from_ref(&source), color).trim_end());
    }
    let Some(plan) = plan else { return Ok(exit::FAILED) };
    match (process, arguments.format) {
        (true, Format::Json) => {
            terminal::line(&serde_json::to_string_pretty(&plan).context("writing the plan")?);
        }
        (true, Format::Text) => anyhow::bail!(
            "the compiled form in YAML is not written yet: use --format json, which prints the whole plan"
        ),
        (false, Format::Text) => terminal::line(&format!("{} is a valid config", source.file)),
        (false, Format::Json) => {}
    }
    Ok(exit::OK)
}

fn read(arguments: &CompileArguments) -> anyhow::Result<Source> {
    if arguments.file.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let limit = airlock_domain::limits::CONFIG_BYTES as u64 + 1;
        std::io::stdin()
            .lock()
            .take(limit)
            .read_to_end(&mut bytes)
            .context("reading standard input")?;
        return Ok(Source::new("<stdin>", bytes));
    }
    let name = arguments.file.display().to_string();
    let bytes = std::fs::read(&arguments.file).with_context(|| format!("reading {name}"))?;
    Ok(Source::new(name, bytes))
}

fn inputs(arguments: &CompileArguments) -> Inputs {
    let pipeline = PipelineValues {
        id: "00000000-0000-0000-0000-000000000001".to_owned(),
        number: 1,
        project_slug: "git/local/project".to_owned(),
        branch: arguments.tag.is_none().then(|| arguments.branch.clone()),
        tag: arguments.tag.clone(),
        revision: "0".repeat(40),
        trigger_source: "api".to_owned(),
        ..PipelineValues::default()
    };
    let parameters: BTreeMap<_, _> = arguments
        .parameters
        .iter()
        .map(|(name, value)| (name.clone(), parameter(value)))
        .collect();
    Inputs {
        pipeline,
        parameters,
        ..Inputs::default()
    }
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
