//! `airlock image`: images on this machine's disk.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use airlock_agent::{BASE_IMAGE, ImageRecord, ImageStore, Progress};
use airlock_domain::Secret;
use airlock_transport::registry::{ImageReference, RegistryLogin};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use super::{exit, places, require_root};
use crate::{settings, terminal};

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
    /// Pull an image from its registry, or look whether its tag has moved.
    #[command(
        after_help = "Examples:\n  airlock image pull cimg/base:2024.01\n  airlock image pull registry.example/team/tools:1 --username me --password-stdin < token"
    )]
    Pull(PullArguments),
    /// Show the images of this machine.
    #[command(after_help = "Example:\n  airlock image list")]
    List(ListArguments),
    /// Give an image a further name, so that configs need no change.
    #[command(after_help = "Example:\n  airlock image map cimg/base:2024.01 airlock/base")]
    Map(MapArguments),
    /// Remove what no name points to and no job uses, and pulled images beyond quota and age.
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
pub(crate) struct PullArguments {
    /// The image as configs name it; the table `[images] map` of airlock.toml is not looked at.
    name: String,
    /// Sign in as this user.
    #[arg(long, requires = "password_stdin")]
    username: Option<String>,
    /// Read the password from standard input.
    #[arg(long, requires = "username")]
    password_stdin: bool,
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
    let data_dir = places::data_dir(data_dir);
    let settings = settings::read(&data_dir)?.images;
    Ok(ImageStore::open(places::image_cache(&data_dir))?.with_settings(settings))
}

pub(crate) async fn run(command: ImageCommand) -> anyhow::Result<ExitCode> {
    require_root("airlock image")?;
    if let ImageCommand::Pull(arguments) = command {
        pull(arguments).await?;
        return Ok(exit::OK);
    }
    // Every other call of the store waits for disks and children.
    tokio::task::spawn_blocking(move || blocking(command)).await??;
    Ok(exit::OK)
}

fn blocking(command: ImageCommand) -> anyhow::Result<()> {
    match command {
        ImageCommand::BuildBase(arguments) => {
            let store = store(arguments.place.data_dir)?;
            let record =
                with_bar(|progress| store.build_base(&arguments.name, &arguments.packages, progress))?;
            tell_of(&record);
        }
        ImageCommand::Import(arguments) => {
            tell_of(&store(arguments.place.data_dir)?.import(&arguments.from, &arguments.name)?);
        }
        ImageCommand::Map(arguments) => {
            tell_of(&store(arguments.place.data_dir)?.map(&arguments.name, &arguments.existing)?);
        }
        ImageCommand::List(arguments) => list(&arguments)?,
        ImageCommand::Prune(place) => {
            let store = store(place.data_dir)?;
            let given_back = store.collect(SystemTime::now())?;
            for removed in store.prune()? {
                terminal::line(&format!("removed {removed}"));
            }
            if given_back > 0 {
                terminal::line(&format!(
                    "removed {} MB of pulled images beyond quota and age",
                    given_back / 1_000_000
                ));
            }
        }
        ImageCommand::Pull(_) => {}
    }
    Ok(())
}

async fn pull(arguments: PullArguments) -> anyhow::Result<()> {
    let login = match arguments.username {
        None => RegistryLogin::Anonymous,
        Some(username) => {
            let mut password = Vec::new();
            std::io::stdin()
                .read_to_end(&mut password)
                .context("reading the password from standard input")?;
            while password.last().is_some_and(u8::is_ascii_whitespace) {
                password.pop();
            }
            RegistryLogin::Password {
                username,
                password: Secret::new(password),
            }
        }
    };
    let reference: ImageReference = arguments.name.parse()?;
    let store = store(arguments.place.data_dir)?;
    let told = Mutex::new(String::new());
    let tell = Arc::new(move |progress: Progress| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != progress.phase {
            terminal::note(&format!("{:>3} %  {}", progress.percent, progress.phase));
            *told = progress.phase;
        }
    });
    let image = store.pull(reference, login, tell).await?;
    tell_of(&image.record);
    Ok(())
}

fn list(arguments: &ListArguments) -> anyhow::Result<()> {
    let records = store(arguments.place.data_dir.clone())?.list_all()?;
    if records.is_empty() && !arguments.json {
        terminal::note("there is no image yet: airlock image build-base makes one");
    }
    for record in records {
        if arguments.json {
            terminal::line(&serde_json::to_string(&record)?);
        } else {
            tell_of(&record);
        }
    }
    Ok(())
}

fn tell_of(record: &ImageRecord) {
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
