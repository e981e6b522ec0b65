//! A machine for one test: the in-job program, images, an agent and its server.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use airlock_agent::{Agent, AgentConfig, AgentOptions, ImageStore, Network};
use airlock_agent_protocol::{Assignment, JobSpec, Lease, SecretValue, StepSpec, StepWork};
use airlock_domain::plan::{AutoRerun, ContainerSettings, StepWhen};
use airlock_domain::{AgentId, EgressPolicy, JobId, PipelineId, Secret, WorkflowId};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::server::Server;

/// The name of the small image.
pub(crate) const IMAGE: &str = "test/busybox";

/// The static in-job program, built once for all tests, as `crates/app/build.rs` builds it.
pub(crate) fn task_exe() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        const TARGET: &str = "x86_64-unknown-linux-gnu";
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .expect("a workspace");
        let target = workspace.join("target/task");
        let status = Command::new(env!("CARGO"))
            .current_dir(workspace)
            .args([
                "build",
                "--quiet",
                "--package",
                "airlock-task",
                "--profile",
                "task",
            ])
            .args(["--target", TARGET, "--target-dir"])
            .arg(&target)
            .env("RUSTFLAGS", "-C target-feature=+crt-static")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status()
            .expect("cargo runs");
        assert!(status.success(), "building airlock-task ended with {status}");
        target.join(TARGET).join("task/airlock-task")
    })
}

/// A root file system with a shell and little else.
pub(crate) fn busybox_root(root: &Path) {
    for directory in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr"] {
        fs::create_dir_all(root.join(directory)).expect("made");
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("changed");
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n").expect("written");
    fs::write(root.join("etc/group"), "root:x:0:\n").expect("written");
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("a static busybox (apt-get install busybox-static)");
    fs::copy(busybox, root.join("bin/busybox")).expect("copied");
    let list = Command::new(busybox)
        .arg("--list")
        .output()
        .expect("busybox runs");
    for applet in String::from_utf8_lossy(&list.stdout).lines() {
        if applet != "busybox" {
            symlink("busybox", root.join("bin").join(applet)).expect("linked");
        }
    }
}

/// The same with bash, which most images have, as the machine's own and its libraries.
pub(crate) fn bash_root(root: &Path) {
    busybox_root(root);
    fs::copy("/bin/bash", root.join("bin/bash")).expect("bash on this machine");
    let needed = Command::new("ldd").arg("/bin/bash").output().expect("ldd runs");
    for library in String::from_utf8_lossy(&needed.stdout)
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
    {
        let inside = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(inside.parent().expect("a directory")).expect("made");
        fs::copy(library, inside).expect("copied");
    }
}

/// A running agent.
pub(crate) struct Machine {
    pub(crate) dir: TempDir,
    pub(crate) server: Arc<Server>,
    stop: Option<oneshot::Sender<()>>,
    agent: Option<JoinHandle<()>>,
}

impl Machine {
    /// With the small image and without network.
    pub(crate) fn start() -> Self {
        Self::with_image(IMAGE, busybox_root)
    }

    /// With the small image and with network.
    pub(crate) fn with_network() -> Self {
        Self::with(Network::Egress, IMAGE, busybox_root)
    }

    /// With an image that `fill` makes.
    pub(crate) fn with_image(name: &str, fill: impl FnOnce(&Path)) -> Self {
        Self::with(Network::None, name, fill)
    }

    /// With network, of a server at this address.
    pub(crate) fn of_server(server: &str) -> Self {
        let options = AgentOptions {
            network: Network::Egress,
            servers: vec![server.to_owned()],
            ..AgentOptions::default()
        };
        Self::with_options(options, IMAGE, busybox_root)
    }

    pub(crate) fn with(network: Network, name: &str, fill: impl FnOnce(&Path)) -> Self {
        let options = AgentOptions {
            network,
            ..AgentOptions::default()
        };
        Self::with_options(options, name, fill)
    }

    fn with_options(options: AgentOptions, name: &str, fill: impl FnOnce(&Path)) -> Self {
        // On a disk: overlayfs does not take every file system for a writable layer.
        let dir = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let root = tempfile::tempdir_in("/var/tmp").expect("a directory");
        fill(root.path());
        let images = dir.path().join("images");
        ImageStore::open(&images)
            .and_then(|store| store.import(root.path(), name))
            .expect("imported");
        let config = AgentConfig {
            data_dir: dir.path().join("agent"),
            image_cache: images,
            task_exe: task_exe().to_owned(),
            id: AgentId::new(Uuid::from_u128(7)),
            name: "test machine".into(),
            slots: Some(2),
        };
        let server = Server::new(dir.path().join("agent"));
        let agent = Agent::with_options(config, options, Arc::clone(&server) as Arc<_>).expect("an agent");
        let (stop, stopped) = oneshot::channel();
        let agent = tokio::spawn(agent.run(async move {
            // A test that panics drops the sender; that is a shutdown, too.
            let _test_is_over = stopped.await;
        }));
        Self {
            dir,
            server,
            stop: Some(stop),
            agent: Some(agent),
        }
    }

    /// Ends the agent in order.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.agent
            .take()
            .expect("running")
            .await
            .expect("the agent ended well");
        let left = fs::read_dir(self.dir.path().join("agent/sandboxes")).expect("listed");
        assert_eq!(left.count(), 0, "a sandbox is left");
    }
}

/// How many sandboxes of jobs the agent in this directory has on record: all but those that wait for one, or are being
/// made ahead.
pub(crate) fn sandboxes_of_jobs(agent: &Path) -> usize {
    let records = fs::read_dir(agent.join("launcher/sandboxes")).expect("records");
    let of_a_job = |record: fs::DirEntry| {
        // One that ends at this moment is gone.
        let text = fs::read(record.path()).unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let ahead = record["id"].as_str().is_some_and(|id| id.starts_with("warm-"));
        match record["stage"].as_str() {
            Some("m") => !ahead,
            Some("w") | None => false,
            Some(_) => true,
        }
    };
    records.flatten().map(of_a_job).filter(|counts| *counts).count()
}

/// A job of these steps.
pub(crate) fn job(number: u128, steps: Vec<StepSpec>) -> Assignment {
    let spec = JobSpec {
        pipeline: PipelineId::new(Uuid::from_u128(1)),
        workflow: WorkflowId::new(Uuid::from_u128(2)),
        project: "git/demo/hello".into(),
        job_name: "build".into(),
        number: 1,
        parallelism: 1,
        image: IMAGE.into(),
        machine: false,
        primary: ContainerSettings::default(),
        services: Vec::new(),
        logins: Vec::new(),
        resource_class: "small".into(),
        working_directory: "~/project".into(),
        shell: Vec::new(),
        environment: vec![("CI".into(), "true".into())],
        secrets: Vec::new(),
        masks: Vec::new(),
        steps,
        source: None,
        run_time_ms: 600_000,
        egress: EgressPolicy::Allow,
        ssh: false,
    };
    Assignment {
        lease: Lease {
            job: JobId::new(Uuid::from_u128(number)),
            slice: 0,
            fence: 5,
        },
        lease_ms: 20_000,
        spec,
    }
}

/// A step that runs while nothing failed.
pub(crate) fn run(name: &str, command: &str) -> StepSpec {
    StepSpec {
        name: name.into(),
        when: StepWhen::OnSuccess,
        work: StepWork::Run {
            command: command.into(),
            shell: Vec::new(),
            environment: Vec::new(),
            working_directory: None,
            background: false,
            no_output_timeout_ms: 600_000,
            auto_rerun: None,
        },
    }
}

pub(crate) fn when(when: StepWhen, step: StepSpec) -> StepSpec {
    StepSpec { when, ..step }
}

/// The same step in the background.
pub(crate) fn background(mut step: StepSpec) -> StepSpec {
    if let StepWork::Run { background, .. } = &mut step.work {
        *background = true;
    }
    step
}

/// The same step with its own shell.
pub(crate) fn with_shell(words: &[&str], mut step: StepSpec) -> StepSpec {
    if let StepWork::Run { shell, .. } = &mut step.work {
        *shell = words.iter().map(|word| (*word).to_owned()).collect();
    }
    step
}

/// The same step with a variable of its own.
pub(crate) fn with_variable(name: &str, value: &str, mut step: StepSpec) -> StepSpec {
    if let StepWork::Run { environment, .. } = &mut step.work {
        environment.push((name.to_owned(), value.to_owned()));
    }
    step
}

/// The same step in a directory of its own.
pub(crate) fn inside(directory: &str, mut step: StepSpec) -> StepSpec {
    if let StepWork::Run {
        working_directory, ..
    } = &mut step.work
    {
        *working_directory = Some(directory.to_owned());
    }
    step
}

/// The same step, tried again when it fails.
pub(crate) fn again(max: u32, delay_ms: u64, mut step: StepSpec) -> StepSpec {
    if let StepWork::Run { auto_rerun, .. } = &mut step.work {
        *auto_rerun = Some(AutoRerun { max, delay_ms });
    }
    step
}

/// The same step, stopped after this silence.
pub(crate) fn silent_for(ms: u64, mut step: StepSpec) -> StepSpec {
    if let StepWork::Run {
        no_output_timeout_ms, ..
    } = &mut step.work
    {
        *no_output_timeout_ms = ms;
    }
    step
}

pub(crate) fn secret(value: &str) -> SecretValue {
    SecretValue::new(Secret::new(value))
}
