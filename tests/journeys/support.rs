//! What several journeys need: checkouts with a config, and `airlock` with its own data directory and a shared image.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use airlock_testkit::{
    DataDir, Finished, Git, PATIENCE, Remote, Run, SshKey, Watched, airlock_binary, wait_for,
};
use anyhow::Context as _;
use serde_json::Value;

/// A folder with a config.
pub(crate) struct Checkout {
    pub(crate) folder: PathBuf,
}

impl Checkout {
    /// A checkout with this config.
    pub(crate) fn new(data: &DataDir, config: &str) -> anyhow::Result<Self> {
        let number = std::fs::read_dir(data.path())
            .context("reading the test's folder")?
            .count();
        let folder = data.join(format!("checkout-{number}"));
        let circleci = folder.join(".circleci");
        std::fs::create_dir_all(&circleci).context("making a checkout")?;
        std::fs::write(circleci.join("config.yml"), config).context("writing a config")?;
        Ok(Self { folder })
    }

    /// A checkout with one job `build` of these steps, on `airlock/base`.
    pub(crate) fn with_steps(data: &DataDir, steps: &str) -> anyhow::Result<Self> {
        Self::new(data, &one_job(steps))
    }
}

/// `airlock run` on a data directory of this test.
pub(crate) fn airlock_run(data: &DataDir) -> anyhow::Result<Run> {
    Ok(airlock(data)?
        .arg("run")
        .arg("--data-dir")
        .arg(data.join("airlock")))
}

/// `airlock`, with the image cache that all tests of this machine share.
pub(crate) fn airlock(data: &DataDir) -> anyhow::Result<Run> {
    Ok(Run::new(airlock_binary()?)
        .directory(data.path())
        .variable("AIRLOCK_IMAGE_CACHE", image_cache()))
}

/// Images are built once per machine.
pub(crate) fn image_cache() -> PathBuf {
    std::env::var_os("AIRLOCK_IMAGE_CACHE")
        .map_or_else(|| PathBuf::from("/var/cache/airlock-images"), PathBuf::from)
}

/// A repository of `examples/`.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name)
}

/// A config with one job `build` of these steps, on `airlock/base`.
pub(crate) fn one_job(steps: &str) -> String {
    let steps = if steps.starts_with('\n') {
        steps.to_owned()
    } else {
        format!("\n      {steps}")
    };
    format!("version: 2.1\njobs:\n  build:\n    docker: [{{image: airlock/base}}]\n    steps:{steps}\n")
}

/// The id of a job, out of the output of `--json`.
pub(crate) fn job_id(events: &str, name: &str) -> Option<String> {
    let mut events = events
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let job = events.rfind(|event| event["job"] == name)?;
    Some(job["job_id"].as_str()?.to_owned())
}

/// A running `airlock up` on free ports.
pub(crate) struct Instance<'d> {
    data: &'d DataDir,
    up: Mutex<Watched>,
    key: SshKey,
    endpoint: Value,
}

impl<'d> Instance<'d> {
    /// Starts it and waits until it serves.
    pub(crate) fn start(data: &'d DataDir) -> anyhow::Result<Self> {
        Self::start_with(data, |up| up)
    }

    /// The same with more of a command line or environment.
    pub(crate) fn start_with(data: &'d DataDir, more: impl FnOnce(Run) -> Run) -> anyhow::Result<Self> {
        let folder = data.join("airlock");
        let up = airlock(data)?
            .args([
                "up",
                "--https",
                "127.0.0.1:0",
                "--ssh",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(&folder);
        let mut up = Watched::start(&more(up))?;
        up.wait_for_line("the end of the greeting", PATIENCE, |line| {
            line.text.contains("Stop with Ctrl-C")
        })?;
        let endpoint = std::fs::read(folder.join("run/endpoint.json")).context("reading endpoint.json")?;
        let key = data.join("keys");
        std::fs::create_dir_all(&key).context("making a folder for keys")?;
        let key = if key.join("pusher").exists() {
            SshKey::open(&key, "pusher")
        } else {
            SshKey::generate(&key, "pusher")?
        };
        Ok(Self {
            data,
            up: Mutex::new(up),
            key,
            endpoint: serde_json::from_slice(&endpoint)?,
        })
    }

    /// `airlock` for this instance.
    pub(crate) fn airlock(&self) -> anyhow::Result<Run> {
        Ok(airlock(self.data)?.variable("AIRLOCK_DATA_DIR", self.data.join("airlock")))
    }

    /// Ends it as Ctrl-C would.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let mut up = self
            .up
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let status = up.stop()?;
        anyhow::ensure!(
            status.success(),
            "airlock up ended with {status}:\n{}",
            up.transcript()
        );
        Ok(())
    }

    /// Kills one of its processes as a crash would.
    pub(crate) fn kill(&self, service: &str) -> anyhow::Result<()> {
        let supervisor = self.endpoint["pid"]
            .as_u64()
            .context("the endpoint names no process")?
            .to_string();
        let find = || -> anyhow::Result<String> {
            let found = Run::new("pgrep")
                .args(["-P", &supervisor, "-f", &format!(" {service} --data-dir")])
                .directory(self.data.path())
                .finish()?;
            Ok(found.stdout.trim().to_owned())
        };
        let process = find()?;
        anyhow::ensure!(
            !process.is_empty(),
            "no process 'airlock {service}' below {supervisor}"
        );
        Run::new("kill")
            .args(["-9", &process])
            .directory(self.data.path())
            .finish()?
            .success()?;
        wait_for("the process to run again", PATIENCE, || {
            let now = find().ok()?;
            (!now.is_empty() && now != process).then_some(())
        })
    }

    /// `127.0.0.1:<port>` of the web door.
    pub(crate) fn https_address(&self) -> anyhow::Result<String> {
        Ok(format!("127.0.0.1:{}", port(&self.endpoint["url"])?))
    }

    /// Makes a project that this test's key may push to.
    pub(crate) fn create_project(&self, project: &str) -> anyhow::Result<()> {
        self.airlock()?
            .args(["project", "create", project, "--key"])
            .arg(self.key.public())
            .finish()?
            .success()?;
        Ok(())
    }

    /// Where a project is pushed to.
    pub(crate) fn git_url(&self, project: &str) -> anyhow::Result<String> {
        Ok(format!(
            "ssh://git@localhost:{}/{project}.git",
            port(&self.endpoint["ssh"])?
        ))
    }

    /// A file for ssh's known hosts.
    pub(crate) fn known_hosts(&self) -> anyhow::Result<PathBuf> {
        self.data.write("known_hosts", "")
    }

    /// Makes a project and pushes an example to it.
    pub(crate) fn push_example(&self, project: &str, name: &str) -> anyhow::Result<Finished> {
        self.create_project(project)?;
        let checkout = self.data.join(format!("checkout-{name}"));
        Run::new("cp")
            .arg("-r")
            .arg(example(name))
            .arg(&checkout)
            .directory(self.data.path())
            .finish()?
            .success()?;
        self.push(project, &checkout)
    }

    /// Pushes a repository with nothing but a config.
    pub(crate) fn push_config(&self, project: &str, config: &str) -> anyhow::Result<Finished> {
        self.push_files(project, &[(".circleci/config.yml", config)])
    }

    /// Pushes a repository with these files.
    pub(crate) fn push_files(&self, project: &str, files: &[(&str, &str)]) -> anyhow::Result<Finished> {
        let checkout = self.data.join(project.replace('/', "-"));
        for (name, text) in files {
            let file = checkout.join(name);
            std::fs::create_dir_all(file.parent().context("a file has a folder")?)
                .context("making a folder")?;
            std::fs::write(file, text).context("writing a file")?;
        }
        self.push(project, &checkout)
    }

    /// A checkout that shows the key which projects were made with.
    pub(crate) fn with_remote(&self, git: Git) -> anyhow::Result<Git> {
        let known_hosts = self.known_hosts()?;
        Ok(git.with_remote(&Remote {
            key: &self.key,
            known_hosts: &known_hosts,
        }))
    }

    fn push(&self, project: &str, checkout: &Path) -> anyhow::Result<Finished> {
        let git = self.with_remote(Git::init(checkout)?)?;
        git.commit_all("A change")?;
        git.push(&self.git_url(project)?, "main")?.success()
    }

    /// The id of the newest pipeline's job `build`.
    pub(crate) fn newest_job(&self, project: &str) -> anyhow::Result<Option<String>> {
        let done = self
            .airlock()?
            .args(["pipeline", "watch", project, "--json"])
            .finish()?;
        Ok(job_id(&done.stdout, "build"))
    }
}

fn port(url: &Value) -> anyhow::Result<u16> {
    let url = url.as_str().context("the endpoint names no address")?;
    Ok(url.rsplit(':').next().unwrap_or_default().parse()?)
}
