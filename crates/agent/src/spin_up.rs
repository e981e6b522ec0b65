//! The first step of every slice, "Spin up environment": resource class, image, sandbox, environment. Says in its log
//! what the job runs on and what each part took. What fails here is Airlock's failure, not the job's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_agent_protocol::{JobSpec, Lease, RegistryLogin as Login};
use airlock_domain::plan::ContainerSettings;
use airlock_sandbox::channel::ToInit;
use airlock_sandbox::{Limits, Sandbox, SandboxSpec, SeccompProfile, StartError};
use airlock_transport::registry::RegistryLogin;
use tokio::sync::mpsc;

use crate::accounts::{self, Account};
use crate::doors::{Doors, Voice};
use crate::egress::Openings;
use crate::environment;
use crate::images::{ImageDir, Progress};
use crate::inside::{Event, Inside};
use crate::leash::{Leash, StopCause};
use crate::limits;
use crate::machine::{self, Guest, Plan, Wanted};
use crate::reporter::RunningStep;
use crate::resource_class::{self, gibibytes};
use crate::services;
use crate::ssh_agent::KeyAgent;
use crate::surroundings::Surroundings;

/// A sandbox that takes steps.
pub(crate) struct SpunUp {
    pub(crate) inside: Inside,
    /// The first container's settings, with what it runs because its image asks for that.
    pub(crate) own: ContainerSettings,
    pub(crate) limits: Limits,
    pub(crate) key: Option<KeyAgent>,
    pub(crate) voice: Voice,
    /// Who the steps run as.
    pub(crate) account: Account,
    /// The sandbox's name for itself.
    pub(crate) hostname: String,
    /// Service containers that wait for their word.
    pub(crate) services: Vec<services::Ready>,
    /// What the job runs on, where that is not plain.
    pub(crate) ran_in: Option<String>,
    /// The virtual machine, if there is one.
    pub(crate) guest: Option<Guest>,
    /// The image stays while this lives.
    pub(crate) image: ImageDir,
}

/// Why there is no sandbox.
#[derive(Debug)]
pub(crate) enum SpinUpError {
    /// Somebody stopped the slice first.
    Stopped(StopCause),
    /// Something is wrong with this machine or the job's wishes.
    Failed(String),
}

impl<E: std::error::Error> From<E> for SpinUpError {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            let words = next.to_string();
            if !text.contains(&words) {
                text = format!("{text}: {words}");
            }
            cause = next.source();
        }
        Self::Failed(text)
    }
}

/// Makes the sandbox; it is in `held` as soon as it exists.
pub(crate) async fn spin_up(
    here: &Arc<Surroundings>,
    spec: &JobSpec,
    lease: Lease,
    leash: &Leash,
    step: &RunningStep,
    held: &mut Option<Arc<Sandbox>>,
) -> Result<SpunUp, SpinUpError> {
    let log = step.log();
    let uname = rustix::system::uname();
    log.line(&format!(
        "Airlock {} on {}, Linux {}",
        env!("CARGO_PKG_VERSION"),
        here.name,
        uname.release().to_string_lossy()
    ));
    let size = if spec.machine {
        resource_class::machine_size(&spec.resource_class, here.machine)?
    } else {
        resource_class::size(&spec.resource_class, here.machine)?
    };
    let openings = Openings::of(&spec.egress, here.network)?;
    let key = match &spec.source {
        Some(source) => Some(KeyAgent::new(source.deploy_key.secret())?),
        None => None,
    };

    let started = Instant::now();
    let (image, beside) = tokio::select! {
        cause = leash.stopped() => return Err(SpinUpError::Stopped(cause)),
        images = find_images(here, spec, step) => images?,
    };
    let id = format!("{}-{}-{}", lease.job, lease.slice, lease.fence);
    let hostname = format!("airlock-{}", lease.job.to_string().get(..8).unwrap_or("job"));
    let kind = if spec.machine {
        machine_or_container(here, &image, &size.limits, &hostname).await?
    } else {
        Kind::Container
    };
    let image_took = started.elapsed();

    let started = Instant::now();
    let mut sandbox_spec = SandboxSpec {
        id: id.clone(),
        hostname: hostname.clone(),
        layers: image.layers.clone(),
        limits: size.limits,
        local_names: services::names(spec),
        network: openings.network,
        profile: SeccompProfile::Default,
        helper: here.task_exe.clone(),
        work_dir: here.work_dir.clone(),
    };
    match &kind {
        Kind::Container => {}
        Kind::Machine(plan) => (sandbox_spec.layers, sandbox_spec.limits) = plan.sandbox(),
        // Whoever asks for a machine may want to start containers in it.
        Kind::InsteadOfMachine(_) => sandbox_spec.profile = SeccompProfile::Nested,
    }
    let profile = sandbox_spec.profile;
    let ran_in = kind.title();
    let mut sandbox = start(here, sandbox_spec).await?;
    // Before anything of the job runs.
    let opened = sandbox.open_blocks(&openings.blocks);
    sandbox.open_names(&openings.names);
    let channel = sandbox.take_channel();
    let config = &image.record.config;
    let account = match &kind {
        Kind::Machine(plan) => plan.account(),
        Kind::Container | Kind::InsteadOfMachine(_) => Account::find(
            spec.primary.user.as_deref().or(config.user.as_deref()),
            &accounts::read(sandbox.open_in_root("/etc/passwd")),
            &accounts::read(sandbox.open_in_root("/etc/group")),
        ),
    };
    let sandbox = Arc::new(sandbox);
    *held = Some(Arc::clone(&sandbox));
    opened?;
    let account = account?;
    let channel = channel.ok_or_else(|| SpinUpError::Failed(format!("sandbox {id} has no channel")))?;
    let sandbox_took = started.elapsed();
    if let Some(what) = &ran_in {
        log.line(&format!("Executor: {what}"));
    }

    let started = Instant::now();
    let voice = Voice::default();
    let (doors_in, doors_out) = mpsc::channel(limits::DOOR_CONNECTIONS);
    let doors = Doors {
        git_host: spec
            .source
            .as_ref()
            .map(|source| (source.host.clone(), source.port)),
        dialer: Arc::clone(&here.dialer),
        key: key.clone(),
        voice: voice.clone(),
    };
    // Ends by itself when the reading thread drops its end.
    tokio::spawn(doors.serve(doors_out));
    let (guest, channel) = match kind {
        Kind::Machine(plan) => {
            let (guest, channel) = machine::start(*plan, channel, leash).await?;
            (Some(guest), channel)
        }
        Kind::Container | Kind::InsteadOfMachine(_) => (None, channel),
    };
    let mut inside = Inside::attach(channel, doors_in)?;
    match &guest {
        Some(guest) => guest.await_ready(&mut inside, leash).await?,
        None => await_ready(&mut inside).await?,
    }
    for message in environment::configure(spec, lease.slice, &lease.job.to_string(), config, &account) {
        inside.send(ToInit::Configure(message)).await?;
    }
    let services = services::start(spec, &sandbox, size.limits, beside).await?;
    let ready_took = started.elapsed();

    log.line(&format!(
        "Sandbox {}: {} and destroyed after it",
        sandbox.id(),
        if sandbox.id() == id {
            "made for this job alone"
        } else {
            "made ahead, taken by this job alone"
        }
    ));
    if account.user.uid != 0 {
        log.line(&format!("Steps run as {} ({})", account.name, account.user.uid));
    }
    let own = if spec.machine {
        spec.primary.clone()
    } else {
        services::of_primary(&spec.primary, config)
    };
    if own != spec.primary {
        log.line("The image's entrypoint runs beside the steps, as its label com.circleci.preserve-entrypoint asks for");
    }
    log.line(&format!(
        "Resource class {}: {} CPU, {} memory, {} processes{}",
        spec.resource_class,
        size.limits.cpu_millis / 1000,
        gibibytes(size.limits.memory_bytes),
        size.limits.pids,
        size.limits.disk.map_or_else(String::new, |disk| format!(
            ", {} disk for {} files",
            gibibytes(disk.bytes),
            disk.inodes
        ))
    ));
    if let Some(note) = &size.note {
        log.line(note);
    }
    for missing in here.not_enforced() {
        log.line(&format!("This machine cannot enforce the limit on {missing}"));
    }
    log.line(&openings.say());
    log.line(&format!("System calls: filter {}", profile.filter_hash()));
    let millis = |took: Duration| took.as_secs_f64() * 1000.0;
    log.line(&format!(
        "Ready after {:.1} ms: image {:.1}, sandbox {:.1}, step runner {:.1}",
        millis(image_took + sandbox_took + ready_took),
        millis(image_took),
        millis(sandbox_took),
        millis(ready_took)
    ));
    Ok(SpunUp {
        inside,
        own,
        limits: size.limits,
        key,
        voice,
        account,
        hostname,
        services,
        ran_in,
        guest,
        image,
    })
}

/// What a job's sandbox is for.
enum Kind {
    /// The job's processes.
    Container,
    /// The monitor of the job's virtual machine.
    Machine(Box<Plan>),
    /// The job's processes, though it asked for a machine; with the reason.
    InsteadOfMachine(String),
}

impl Kind {
    /// For the job's record.
    fn title(&self) -> Option<String> {
        match self {
            Self::Container => None,
            Self::Machine(plan) => Some(plan.title()),
            Self::InsteadOfMachine(why) => Some(format!(
                "a system container, as this agent has no virtual machine for the job: {why}"
            )),
        }
    }
}

async fn machine_or_container(
    here: &Arc<Surroundings>,
    image: &ImageDir,
    limits: &Limits,
    hostname: &str,
) -> Result<Kind, SpinUpError> {
    let [root] = image.layers.as_slice() else {
        return Ok(Kind::InsteadOfMachine(format!(
            "image '{}' has {} layers, and a disk is made of a whole tree: bring it with `airlock image import`",
            image.record.name,
            image.layers.len()
        )));
    };
    let (images, task_exe, wanted) = (
        here.images.clone(),
        here.task_exe.clone(),
        Wanted {
            image: image.record.clone(),
            root: root.clone(),
            limits: *limits,
            network: here.network,
            hostname: hostname.to_owned(),
        },
    );
    let found = tokio::task::spawn_blocking(move || Plan::find(&images, &task_exe, &wanted)).await??;
    Ok(match found {
        Ok(plan) => Kind::Machine(Box::new(plan)),
        Err(why) => Kind::InsteadOfMachine(why),
    })
}

/// Waits until process 1 takes commands.
pub(crate) async fn await_ready(inside: &mut Inside) -> Result<(), SpinUpError> {
    match tokio::time::timeout(limits::SANDBOX_READY, inside.event()).await {
        Ok(Event::Ready) => Ok(()),
        Ok(Event::Gone(reason)) => Err(SpinUpError::Failed(format!(
            "the sandbox did not start: {reason}"
        ))),
        Ok(Event::Finished { .. } | Event::Halt) => Err(SpinUpError::Failed(
            "process 1 of the sandbox spoke out of turn".into(),
        )),
        Err(_) => Err(SpinUpError::Failed(format!(
            "process 1 of the sandbox was not ready within {} s",
            limits::SANDBOX_READY.as_secs()
        ))),
    }
}

async fn start(here: &Arc<Surroundings>, spec: SandboxSpec) -> Result<Sandbox, SpinUpError> {
    let here = Arc::clone(here);
    let started = tokio::task::spawn_blocking(move || {
        let launcher = here.launcher()?;
        match launcher.start(&spec) {
            Err(StartError::LauncherGone { reason, .. }) => {
                tracing::warn!(%reason, "the launcher is replaced");
                let fresh = here.replace_launcher(launcher)?;
                Ok(fresh.start(&spec)?)
            }
            other => Ok(other?),
        }
    });
    started.await?
}

/// The images of all containers, the first one's apart.
async fn find_images(
    here: &Arc<Surroundings>,
    spec: &JobSpec,
    step: &RunningStep,
) -> Result<(ImageDir, Vec<ImageDir>), SpinUpError> {
    let mut logins = spec.logins.iter().map(Option::as_ref);
    let name = if spec.machine {
        machine::image_name(&spec.image, &here.images)
    } else {
        spec.image.clone()
    };
    if spec.machine && !here.images.knows(&name) {
        // No registry has images of machines; it would only say that it knows none of this name.
        here.images.resolve(&name)?;
    }
    let image = find_image(here, &name, logins.next().flatten(), step).await?;
    tell("Image", &image, step);
    let mut beside = Vec::new();
    for service in &spec.services {
        let login = logins.next().flatten();
        let image = find_image(here, service.image.as_str(), login, step).await?;
        tell("Service container", &image, step);
        beside.push(image);
    }
    Ok((image, beside))
}

fn tell(what: &str, image: &ImageDir, step: &RunningStep) {
    step.log().line(&format!(
        "{what} {} (sha256:{}, {})",
        image.record.name,
        image.record.digest.get(..12).unwrap_or_default(),
        image.record.origin
    ));
}

/// The image, built or pulled first if it is not here yet; the step's log says how far that is.
async fn find_image(
    here: &Arc<Surroundings>,
    name: &str,
    login: Option<&Login>,
    step: &RunningStep,
) -> Result<ImageDir, SpinUpError> {
    let login = login.map_or(RegistryLogin::Anonymous, |login| RegistryLogin::Password {
        username: login.username.clone(),
        password: login.password.secret().clone(),
    });
    let (tell, mut heard) = mpsc::unbounded_channel();
    let told = Arc::new(move |progress| {
        // The slice that waits may have been stopped; the image is made all the same.
        let _nobody_waits = tell.send(progress);
    });
    let finding = here.images.obtain(name, &login, told);
    tokio::pin!(finding);
    let mut last_phase = String::new();
    loop {
        let Progress { percent, phase } = tokio::select! {
            biased;
            Some(progress) = heard.recv() => progress,
            found = &mut finding => return Ok(found?),
        };
        step.note(&format!("{phase}, {percent} %"));
        if phase != last_phase {
            step.log().line(&phase);
            last_phase = phase;
        }
    }
}
