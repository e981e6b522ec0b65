//! `airlock run`: a checkout's pipeline on this machine, by the same compiler, engine, agent and sandbox as on a server.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use airlock_control_plane::{Actor, ControlPlane, Reference, TriggerRequest};
use airlock_domain::events::{Happening, HappeningKind};
use airlock_domain::state::JobStatus;
use airlock_domain::trust::EventTrust;
use airlock_domain::{BranchName, CommitSha, EnvName, PipelineId, ProjectSlug, Secret, TagName};
use airlock_driver_interfaces::rows::{Selection, TriggerKind};
use airlock_pipeline_config::OrbReference;
use anyhow::Context as _;
use clap::Args;

use super::config::parameter;
use super::{artifacts, exit, places, require_root};
use crate::orb_places::{self, OrbPlaceArguments};
use crate::show::Show;
use crate::wiring::local::LocalInstance;
use crate::wiring::snapshot;
use crate::{processes, terminal};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  airlock run                          the checkout in this folder\n  \
    airlock run examples/hello           another one\n  \
    airlock run --job test --branch main only one job, as on that branch\n\nExit code: 0 only if every workflow is green."
)]
pub(crate) struct RunArguments {
    /// The checkout: a folder with .circleci/config.yml.
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Only this workflow.
    #[arg(long, value_name = "W")]
    workflow: Option<String>,
    /// Only this job, without what it requires.
    #[arg(long, value_name = "J")]
    job: Option<String>,
    /// A pipeline parameter.
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = key_value)]
    parameters: Vec<(String, String)>,
    /// Run as on this branch; without it, the branch that is checked out.
    #[arg(long, value_name = "B", conflicts_with = "tag")]
    branch: Option<String>,
    /// Run as for this tag.
    #[arg(long, value_name = "T")]
    tag: Option<String>,
    #[command(flatten)]
    orbs: OrbPlaceArguments,
    /// Approve this approval job when it is reached; may be given several times.
    #[arg(long, value_name = "J")]
    approve: Vec<String>,
    /// Secret variables of the project, one NAME=VALUE a line; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// Save artifacts here.
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    /// Where images are kept between runs.
    #[arg(long, value_name = "DIR", env = "AIRLOCK_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// `KEY=VALUE`.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    if key.is_empty() {
        return Err("the key before '=' is empty".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

pub(crate) async fn run(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let folder = checkout(&arguments.folder)?;
    let orbs = orb_places::open_folder(arguments.orbs.orb_dir.as_deref())?;
    let addresses = arguments.orbs.addresses.open()?;
    require_root("airlock run")?;
    let secrets = arguments
        .secrets
        .as_deref()
        .map(read_secrets)
        .transpose()?
        .unwrap_or_default();
    let data_dir = places::data_dir(arguments.data_dir.clone());
    let instance = LocalInstance::start(&data_dir).await?;
    let find = move |reference: &OrbReference| orb_places::in_folder(orbs.as_ref(), reference);
    instance
        .plane
        .set_local_orbs(Arc::new(find), orb_places::advice());
    if let Some(addresses) = addresses {
        instance.plane.set_orb_addresses(Arc::new(addresses));
    }
    let ended = tokio::select! {
        ended = drive(&instance, &arguments, &folder, secrets) => ended,
        () = processes::asked_to_stop() => {
            terminal::note("stopping: sandboxes are being destroyed");
            Ok(false)
        }
    };
    instance.stop().await?;
    Ok(if ended? { exit::OK } else { exit::FAILED })
}

/// The folder, if it holds a config.
fn checkout(folder: &Path) -> anyhow::Result<PathBuf> {
    let config = folder.join(".circleci/config.yml");
    if !config.is_file() {
        anyhow::bail!(
            "there is no {}: airlock run wants a checkout with a config. Give its folder, or try `airlock run examples/hello`",
            config.display()
        );
    }
    std::fs::canonicalize(folder).with_context(|| format!("opening {}", folder.display()))
}

/// Starts the pipeline and shows it to its end; whether every workflow is green.
async fn drive(
    instance: &LocalInstance,
    arguments: &RunArguments,
    folder: &Path,
    secrets: Vec<(EnvName, Secret)>,
) -> anyhow::Result<bool> {
    let plane = &instance.plane;
    let actor = Actor::new(std::env::var("USER").unwrap_or_else(|_| "you".to_owned()));
    let project = project_of(folder)?;
    plane.create_project(&project, None, &actor).await?;
    for (name, value) in &secrets {
        plane.set_secret(&project, name, value, &actor).await?;
    }
    let request = request(instance, arguments, folder, project, actor.clone()).await?;
    let pipeline = plane.trigger(request).await?.id;
    let green = show(plane, pipeline, arguments, &actor).await?;
    artifacts::report(plane, pipeline, arguments.artifacts.as_deref(), arguments.json).await?;
    Ok(green)
}

async fn request(
    instance: &LocalInstance,
    arguments: &RunArguments,
    folder: &Path,
    project: ProjectSlug,
    actor: Actor,
) -> anyhow::Result<TriggerRequest> {
    let repository = instance.git.folder(&project);
    // Git takes its time with a large tree, and Ctrl-C must be heard meanwhile.
    let known = tokio::task::spawn_blocking({
        let (folder, repository) = (folder.to_owned(), repository.clone());
        move || snapshot::inspect(&folder, &repository)
    })
    .await
    .context("looking at the checkout")?;
    let reference = match (&arguments.tag, &arguments.branch) {
        (Some(tag), _) => Reference::Tag(TagName::new(tag.as_str())?),
        (None, Some(branch)) => Reference::Branch(BranchName::new(branch.as_str())?),
        (None, None) => Reference::Branch(BranchName::new(
            known.branch.unwrap_or_else(|| "main".to_owned()),
        )?),
    };
    let full_name = match &reference {
        Reference::Branch(branch) => format!("refs/heads/{branch}"),
        Reference::Tag(tag) => format!("refs/tags/{tag}"),
    };
    let message = known.subject.unwrap_or_else(|| "local run".to_owned());
    let folder = folder.to_owned();
    let taking =
        tokio::task::spawn_blocking(move || snapshot::commit(&folder, &repository, &full_name, &message));
    let sha: CommitSha = taking.await.context("taking a snapshot")??;
    Ok(TriggerRequest {
        project,
        reference,
        sha: Some(sha),
        parameters: arguments
            .parameters
            .iter()
            .map(|(name, value)| (name.clone(), json_value(value)))
            .collect(),
        only: Selection {
            workflow: arguments.workflow.clone(),
            job: arguments.job.clone(),
        },
        again: None,
        actor,
        kind: TriggerKind::Local,
        trust: EventTrust::Member,
        delivery: None,
    })
}

/// A value from the command line as JSON.
pub(crate) fn json_value(text: &str) -> serde_json::Value {
    use airlock_pipeline_config::ParameterValue;
    match parameter(text) {
        ParameterValue::Text(text) => text.into(),
        ParameterValue::Bool(flag) => flag.into(),
        ParameterValue::Int(number) => number.into(),
    }
}

async fn show(
    plane: &ControlPlane,
    pipeline: PipelineId,
    arguments: &RunArguments,
    actor: &Actor,
) -> anyhow::Result<bool> {
    let mut show = Show::new(arguments.json);
    let mut follow = plane.follow(pipeline);
    let mut green = true;
    while let Some(happening) = follow.next().await? {
        show.happening(&happening);
        match happening.kind {
            HappeningKind::Job if happening.status.as_deref() == Some(JobStatus::OnHold.as_str()) => {
                decide_approval(plane, &happening, arguments, actor).await?;
            }
            HappeningKind::Pipeline => green &= happening.status.as_deref() != Some("errored"),
            HappeningKind::Workflow => {
                let ended_badly = ["failed", "canceled"]
                    .iter()
                    .any(|bad| happening.status.as_deref() == Some(bad));
                green &= !ended_badly;
            }
            HappeningKind::Job
            | HappeningKind::Slice
            | HappeningKind::StepStart
            | HappeningKind::StepEnd
            | HappeningKind::Output => {}
        }
    }
    show.finish();
    Ok(green)
}

/// An approval that was announced on the command line is given; any other ends the run, because nobody could give it.
async fn decide_approval(
    plane: &ControlPlane,
    happening: &Happening,
    arguments: &RunArguments,
    actor: &Actor,
) -> anyhow::Result<()> {
    let (Some(job), Some(name), Some(workflow)) = (happening.job_id, &happening.job, happening.workflow_id)
    else {
        return Ok(());
    };
    if arguments.approve.contains(name) {
        plane.approve(job, actor).await?;
    } else {
        terminal::note(&format!(
            "job '{name}' waits for an approval: run again with --approve '{name}' to give it"
        ));
        plane
            .cancel(
                workflow,
                &Actor::new("airlock run, since nobody can approve here"),
            )
            .await?;
    }
    Ok(())
}

/// `local/<folder>`, with characters that a name cannot hold replaced.
fn project_of(folder: &Path) -> anyhow::Result<ProjectSlug> {
    let name = folder
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let safe: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
                c
            } else {
                '-'
            }
        })
        .collect();
    let safe = safe.trim_start_matches('-');
    let short: String = if safe.is_empty() {
        "project".to_owned()
    } else {
        safe.chars().take(80).collect()
    };
    Ok(ProjectSlug::parse(&format!("local/{short}"))?)
}

fn read_secrets(file: &Path) -> anyhow::Result<Vec<(EnvName, Secret)>> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin().lock()).context("reading secrets from standard input")?
    } else {
        std::fs::read_to_string(file).with_context(|| format!("reading secrets from {}", file.display()))?
    };
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|(number, line)| {
            // The line itself is not shown: it may be a secret that lost its name.
            let place = || format!("{}, line {}", file.display(), number + 1);
            let (name, value) = line
                .split_once('=')
                .with_context(|| format!("{}: expected NAME=VALUE", place()))?;
            Ok((EnvName::new(name.trim()).with_context(place)?, Secret::new(value)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_become_project_names() {
        let name = |folder: &str| project_of(Path::new(folder)).expect("a name").short();
        assert_eq!(name("/x/hello"), "local/hello");
        assert_eq!(name("/x/.my repo.git"), "local/my-repo-git");
        assert_eq!(name("/"), "local/project");
    }

    #[test]
    fn secrets_are_read_and_a_bad_line_is_named_but_not_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("secrets");
        std::fs::write(&file, "# comment\n\nTOKEN=a=b\n").expect("written");
        let secrets = read_secrets(&file).expect("read");
        assert_eq!(secrets[0].0.as_str(), "TOKEN");
        assert_eq!(secrets[0].1.expose(), b"a=b");
        std::fs::write(&file, "canary-4711\n").expect("written");
        let error = format!("{:#}", read_secrets(&file).expect_err("refused"));
        assert!(
            error.contains("line 1: expected NAME=VALUE") && !error.contains("canary"),
            "{error}"
        );
    }
}
