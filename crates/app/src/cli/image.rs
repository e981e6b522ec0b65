//! `airlock image`: images on this machine's disk.

use std::path::PathBuf;
use std::process::ExitCode;

use airlock_agent::{BASE_IMAGE, ImageRecord, ImageStore, Progress};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{exit, places, require_root};
use crate::terminal;

#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// Build an image from this machine's own Debian packages.
    #[command(
        after_help = "Examples:\n  airlock image build-base\n  airlock image build-base --name team/python --packages python3,python3-pytest"
    )]
    BuildBase(BuildArguments),
    /// Take a root file system from a folder or a tar archive.
    #[command(after_help = "Example:\n  airlock image import rootfs.tar.gz --name team/tools:1")]
    Import(ImportArguments),
    /// Show the images of this machine.
    #[command(after_help = "Example:\n  airlock image list")]
    List(ListArguments),
    /// Give an image a further name, so that configs need no change.
    #[command(after_help = "Example:\n  airlock image map cimg/base:2024.01 airlock/base")]
    Map(MapArguments),
    /// Remove what no name points to and no job uses.
    #[command(after_help = "Example:\n  airlock image prune")]
    Prune(Place),
}

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Where everything is kept; images below it unless AIRLOCK_IMAGE_CACHE says otherwise.
    #[arg(long, value_name = "DIR", env = "AIRLOCK_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// What configs will call it.
    #[arg(long, default_value = BASE_IMAGE)]
    name: String,
    /// Debian packages besides the usual ones.
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    packages: Vec<String>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// A folder, or a tar archive (.tar, .tar.gz).
    from: PathBuf,
    /// What configs will call it.
    #[arg(long)]
    name: String,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct MapArguments {
    /// The name that configs use.
    name: String,
    /// An image that is here.
    existing: String,
    #[command(flatten)]
    place: Place,
}

/// The image store of a data directory.
pub(crate) fn store(data_dir: Option<PathBuf>) -> anyhow::Result<ImageStore> {
    Ok(ImageStore::open(places::image_cache(&places::data_dir(
        data_dir,
    )))?)
}

pub(crate) async fn run(command: ImageCommand) -> anyhow::Result<ExitCode> {
    require_root("airlock image")?;
    // Every call of the store waits for disks and children.
    tokio::task::spawn_blocking(move || blocking(command)).await??;
    Ok(exit::OK)
}

fn blocking(command: ImageCommand) -> anyhow::Result<()> {
    match command {
        ImageCommand::BuildBase(arguments) => {
            let store = store(arguments.place.data_dir)?;
            let record =
                with_bar(|progress| store.build_base(&arguments.name, &arguments.packages, progress))?;
            tell(&record);
        }
        ImageCommand::Import(arguments) => {
            tell(&store(arguments.place.data_dir)?.import(&arguments.from, &arguments.name)?);
        }
        ImageCommand::Map(arguments) => {
            tell(&store(arguments.place.data_dir)?.map(&arguments.name, &arguments.existing)?);
        }
        ImageCommand::List(arguments) => list(&arguments)?,
        ImageCommand::Prune(place) => {
            for removed in store(place.data_dir)?.prune()? {
                terminal::line(&format!("removed {removed}"));
            }
        }
    }
    Ok(())
}

fn list(arguments: &ListArguments) -> anyhow::Result<()> {
    let records = store(arguments.place.data_dir.clone())?.list()?;
    if records.is_empty() && !arguments.json {
        terminal::note("there is no image yet: airlock image build-base makes one");
    }
    for record in records {
        if arguments.json {
            terminal::line(&serde_json::to_string(&record)?);
        } else {
            tell(&record);
        }
    }
    Ok(())
}

fn tell(record: &ImageRecord) {
    let short: String = record.digest.chars().take(12).collect();
    let megabytes = record.size / 1_000_000;
    terminal::line(&format!(
        "{}  sha256:{short}  {megabytes} MB  {}",
        record.name, record.origin
    ));
}

/// Shows progress as a bar on a terminal, as lines elsewhere.
fn with_bar<T>(work: impl FnOnce(&mut dyn FnMut(Progress)) -> T) -> T {
    if !terminal::is_terminal() {
        let mut told = None;
        return work(&mut |progress: Progress| {
            if told.as_ref() != Some(&progress.phase) {
                terminal::note(&format!("{:>3} %  {}", progress.percent, progress.phase));
                told = Some(progress.phase);
            }
        });
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(100).with_style(style);
    let result = work(&mut |progress: Progress| {
        bar.set_position(u64::from(progress.percent));
        bar.set_message(progress.phase);
    });
    bar.finish_and_clear();
    result
}
