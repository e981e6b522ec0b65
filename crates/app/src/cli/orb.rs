//! `airlock orb`: the instance's own orb registry from the command line.

mod check;
mod layout;
mod send;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use airlock_domain::limits::ORB_BYTES;
use airlock_domain::{OrbName, OrbVersion};
use airlock_pipeline_config::PackKind;
use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::config::Form;
use super::{exit, files, pack};
use crate::client::AnswerArguments;
use crate::terminal;
use layout::{OrbFile, read_text};

#[derive(Debug, Subcommand)]
pub(crate) enum OrbCommand {
    /// Bring orbs into the instance's registry; a released version never changes afterwards.
    #[command(
        after_help = "Examples:\n  airlock orb import orbs/                        DIR/<namespace>/<orb>/<version>.yml\n  airlock orb import hello.yml my-team/hello@1.0.0\n  airlock orb import hello.yml my-team/hello@dev:try     may be replaced, ends after 90 days\n\nAll of an import is taken or nothing; the same version with the same content is no error."
    )]
    Import(ImportArguments),
    /// Show what the registry holds.
    #[command(
        after_help = "Examples:\n  airlock orb list\n  airlock orb list my-team/hello\n  airlock orb list --json | jq -r .digest"
    )]
    List(ListArguments),
    /// Bring what is new in a folder or git repository into the registry, as a mirror does.
    #[command(
        after_help = "Examples:\n  airlock orb sync /media/usb/orbs\n  airlock orb sync https://git.example.com/ci/orbs.git --path orbs\n\nOnly adds. A version whose content is not the registry's is told with both digests, and the exit code is 1."
    )]
    Sync(SyncArguments),
    /// Make one file of an orb that is split over a folder, with the scripts it includes.
    #[command(after_help = "Example:\n  airlock orb pack src > orb.yml")]
    Pack(pack::PackArguments),
    /// Say whether an orb can be used, before it is brought in.
    #[command(after_help = "Example:\n  airlock orb validate hello.yml --orb-dir orbs/")]
    Validate(ValidateArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// A folder of <namespace>/<orb>/<version>.yml, or the file of one orb; `-` reads standard input.
    #[arg(value_name = "DIR|FILE")]
    from: PathBuf,
    /// What the file is: <namespace>/<orb>@<version>.
    #[arg(value_name = "ORB@VERSION", value_parser = exact)]
    reference: Option<Exact>,
    #[command(flatten)]
    answer: AnswerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only this orb.
    #[arg(value_name = "NAMESPACE/ORB", value_parser = name)]
    orb: Option<OrbName>,
    #[command(flatten)]
    answer: AnswerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    /// A folder of <namespace>/<orb>/<version>.yml, or the URL of a git repository with one.
    #[arg(value_name = "DIR|GIT_URL")]
    from: String,
    /// Where in the repository or folder the namespaces are.
    #[arg(long, value_name = "FOLDER")]
    path: Option<PathBuf>,
    #[command(flatten)]
    answer: AnswerArguments,
}

#[derive(Debug, Args)]
pub(crate) struct ValidateArguments {
    /// The orb; `-` reads standard input.
    file: PathBuf,
    /// Where the orbs are that it uses: <namespace>/<orb>/<version>.yml.
    #[arg(long, value_name = "DIR")]
    orb_dir: Option<PathBuf>,
    /// How problems are written.
    #[arg(long, value_enum, default_value = "text")]
    format: Form,
}

/// An orb and one version of it.
#[derive(Debug, Clone)]
struct Exact {
    name: OrbName,
    version: OrbVersion,
}

fn name(text: &str) -> Result<OrbName, String> {
    OrbName::new(text).map_err(|error| error.to_string())
}

fn exact(text: &str) -> Result<Exact, String> {
    let (orb, version) = text
        .split_once('@')
        .ok_or("expected <namespace>/<orb>@<version>, such as my-team/hello@1.0.0")?;
    Ok(Exact {
        name: name(orb)?,
        version: version
            .parse()
            .map_err(|error: airlock_domain::NameError| error.to_string())?,
    })
}

pub(crate) async fn run(command: OrbCommand) -> anyhow::Result<ExitCode> {
    match command {
        OrbCommand::Import(arguments) => import(arguments).await,
        OrbCommand::List(arguments) => list(arguments).await,
        OrbCommand::Sync(arguments) => sync(arguments).await,
        OrbCommand::Pack(arguments) => pack::run(&arguments, PackKind::Orb),
        OrbCommand::Validate(arguments) => {
            check::check(&arguments.file, arguments.orb_dir.as_deref(), arguments.format)
        }
    }
}

async fn import(arguments: ImportArguments) -> anyhow::Result<ExitCode> {
    let from = arguments.from;
    if from.as_os_str() != "-" {
        std::fs::metadata(&from).map_err(|error| files::told(&from, error))?;
    }
    let files = match (arguments.reference, from.is_dir()) {
        (None, true) => layout::scan(&from)?,
        (Some(exact), false) => vec![OrbFile {
            name: exact.name,
            version: exact.version,
            path: from,
        }],
        (None, false) => anyhow::bail!(
            "{} is no folder: name the orb and its version too, as in `airlock orb import {} my-team/hello@1.0.0`",
            from.display(),
            from.display()
        ),
        (Some(_), true) => anyhow::bail!(
            "{} is a folder: an orb in several files becomes one file by `airlock orb pack`, and a folder of packed orbs \
             is imported without a name",
            from.display()
        ),
    };
    let orbs = send::read(files)?;
    let client = arguments.answer.server.client()?;
    let total = orbs.len();
    let progress = send::progress(total, arguments.answer.json);
    let mut taken = Vec::new();
    for batch in send::batches(orbs) {
        taken.extend(send::import(&client, &batch).await?);
        progress.inc(batch.len() as u64);
    }
    progress.finish_and_clear();
    send::tell(&taken, arguments.answer.json);
    Ok(exit::OK)
}

async fn list(arguments: ListArguments) -> anyhow::Result<ExitCode> {
    let client = arguments.answer.server.client()?;
    let orbs = match &arguments.orb {
        Some(name) => vec![client.get(&format!("/airlock/orb/{name}")).await?],
        None => send::all(&client).await?,
    };
    for orb in &orbs {
        let orb_name = orb.get("name").and_then(Value::as_str).unwrap_or("");
        let versions = orb.get("versions").and_then(Value::as_array);
        for version in versions.into_iter().flatten() {
            if arguments.answer.json {
                let mut line = version.clone();
                if let Some(line) = line.as_object_mut() {
                    line.insert("name".to_owned(), orb_name.into());
                }
                terminal::line(&line.to_string());
            } else {
                let text = |field| version.get(field).and_then(Value::as_str).unwrap_or("");
                let size = version.get("size").and_then(Value::as_u64).unwrap_or(0);
                let day = text("imported_at").get(..10).unwrap_or("");
                terminal::line(&format!(
                    "{:<40} {}  {size:>7} bytes  {day} by {}",
                    format!("{orb_name}@{}", text("version")),
                    text("digest"),
                    text("imported_by")
                ));
            }
        }
    }
    if orbs.is_empty() && !arguments.answer.json {
        terminal::note("The registry holds no orbs yet: `airlock orb import` brings some in.");
    }
    Ok(exit::OK)
}

async fn sync(arguments: SyncArguments) -> anyhow::Result<ExitCode> {
    let client = arguments.answer.server.client()?;
    let local = Path::new(&arguments.from);
    let clone = if local.is_dir() {
        None
    } else {
        Some(layout::clone(&arguments.from)?)
    };
    let root = clone
        .as_ref()
        .map_or_else(|| local.to_owned(), |clone| clone.path().join("orbs"));
    let root = arguments
        .path
        .as_ref()
        .map_or_else(|| root.clone(), |path| root.join(path));
    let files = layout::scan(&root)?;
    let known = send::digests(&client).await?;
    let mut changed = Vec::new();
    let mut new = Vec::new();
    let total = files.len();
    for orb in send::read(files)? {
        match known.get(&orb.reference()) {
            Some(there) if *there == orb.digest => {}
            Some(there) if orb.version.is_release() => changed.push(format!(
                "{} has other content than in the registry, and a released version never changes: the registry has \
                 {there}, {} has {}",
                orb.reference(),
                orb.path.display(),
                orb.digest
            )),
            Some(_) | None => new.push(orb),
        }
    }
    let there = total - new.len() - changed.len();
    let progress = send::progress(new.len(), arguments.answer.json);
    let mut taken = Vec::new();
    for batch in send::batches(new) {
        taken.extend(send::import(&client, &batch).await?);
        progress.inc(batch.len() as u64);
    }
    progress.finish_and_clear();
    send::tell(&taken, arguments.answer.json);
    if !arguments.answer.json {
        terminal::line(&format!("{} new, {there} there already", taken.len()));
    }
    for problem in &changed {
        terminal::error(problem);
    }
    Ok(if changed.is_empty() {
        exit::OK
    } else {
        exit::FAILED
    })
}

/// One orb's text, refused where it is larger than any orb may be.
fn text_of(path: &Path) -> anyhow::Result<String> {
    let text = read_text(path, ORB_BYTES)?;
    text.with_context(|| {
        format!(
            "{} is larger than the {ORB_BYTES} bytes an orb may have",
            path.display()
        )
    })
}
