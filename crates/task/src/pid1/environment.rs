//! What a step finds in its environment: the job's variables, over them the step's, and the few that only PID 1
//! can know. Owns the file behind `BASH_ENV`. Precedence among a job's sources was decided by the agent.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use airlock_sandbox::channel::{Configure, StepUser};

use super::Settings;

/// What `PATH` is when nobody says.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The part of a job's configuration that concerns a step's start.
#[derive(Default)]
pub(crate) struct JobEnvironment {
    variables: BTreeMap<String, String>,
    home: String,
    /// Who the steps run as.
    pub(super) user: StepUser,
    /// The file behind `BASH_ENV`, made before the first step, and not yet the steps' user's.
    ahead: Option<(PathBuf, fs::File)>,
}

impl JobEnvironment {
    /// Adds what the agent sent.
    pub(crate) fn configure(&mut self, configure: Configure) {
        self.variables.extend(configure.env);
        self.home = configure.home;
        self.user = configure.user;
    }

    /// The home directory, the root if none was named.
    pub(crate) fn home(&self) -> &Path {
        Path::new(if self.home.is_empty() { "/" } else { &self.home })
    }

    /// All variables of a step.
    pub(crate) fn of_step(&self, step: &[(String, String)], settings: &Settings) -> BTreeMap<String, String> {
        let mut all = self.variables.clone();
        all.extend(step.iter().cloned());
        let mut default = |name: &str, value: &str| {
            all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        };
        default("HOME", &self.home().to_string_lossy());
        default("TERM", "xterm");
        default("BASH_ENV", &default_bash_env(settings).to_string_lossy());
        let bash_env = all["BASH_ENV"].clone();
        all.entry("CIRCLE_SHELL_ENV".to_owned()).or_insert(bash_env);
        let ours = settings.run_dir.join("bin");
        let path = all.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        let path = format!("{}:{path}", ours.display());
        all.insert("PATH".to_owned(), path);
        all
    }

    /// All variables of a program that is no step: its own, and where its home and programs are.
    pub(super) fn of_program(&self, own: &[(String, String)]) -> BTreeMap<String, String> {
        let mut all: BTreeMap<_, _> = own.iter().cloned().collect();
        let home = self.home().to_string_lossy().into_owned();
        all.entry("HOME".to_owned()).or_insert(home);
        all.entry("PATH".to_owned())
            .or_insert_with(|| DEFAULT_PATH.to_owned());
        all
    }

    /// A working directory as written, as a path: `~` is the home directory and what is relative is below it.
    pub(super) fn resolve(&self, directory: &str) -> PathBuf {
        match directory.strip_prefix('~') {
            Some("") => self.home().to_owned(),
            Some(rest) if rest.starts_with('/') => self.home().join(rest.trim_start_matches('/')),
            Some(_) | None => self.home().join(directory),
        }
    }

    /// Makes the file behind `BASH_ENV` that steps have when nobody says otherwise, where there is a place for it. A new
    /// file on an overlay takes half a millisecond, which the first step then does not wait for.
    pub(super) fn make_bash_env_ahead(&mut self, settings: &Settings) {
        let path = default_bash_env(settings);
        self.ahead = new_file(&path).ok().map(|file| (path, file));
    }

    /// Forgets it, before a root comes in which it would be another layer's.
    pub(super) fn forget_bash_env(&mut self) {
        if let Some((path, _)) = self.ahead.take() {
            // Made anew for the first step.
            let _stays = fs::remove_file(path);
        }
    }

    /// Creates the file behind `BASH_ENV` if there is none. Whatever the job put in its place is left alone: the
    /// name is never followed and nothing that exists is opened.
    pub(super) fn ensure_bash_env(&mut self, variables: &BTreeMap<String, String>) -> io::Result<()> {
        let Some(path) = variables.get("BASH_ENV").filter(|path| path.starts_with('/')) else {
            return Ok(());
        };
        let path = Path::new(path);
        let give = |file: &fs::File| fchown(file, Some(self.user.uid), Some(self.user.gid));
        if let Some((_, file)) = self.ahead.take().filter(|(made, _)| made == path) {
            return give(&file);
        }
        if let Some(parent) = path.parent().filter(|parent| !parent.exists()) {
            fs::create_dir_all(parent)?;
            fs::set_permissions(parent, fs::Permissions::from_mode(0o1777))?;
        }
        match new_file(path) {
            Ok(file) => give(&file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn default_bash_env(settings: &Settings) -> PathBuf {
    settings.temp_dir.join(".bash_env-airlock")
}

fn new_file(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
}

/// Variables as `execve` takes them.
pub(crate) fn for_exec(variables: &BTreeMap<String, String>) -> Result<Vec<CString>, String> {
    variables
        .iter()
        .map(|(name, value)| {
            if name.is_empty() || name.contains('=') {
                return Err(format!("`{name}` cannot be the name of an environment variable"));
            }
            CString::new(format!("{name}={value}")).map_err(|_| {
                format!("the environment variable {name} holds a NUL byte, which no process can receive")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn environment(home: &str, env: &[(&str, &str)]) -> JobEnvironment {
        let mut environment = JobEnvironment::default();
        environment.configure(Configure {
            env: pairs(env),
            home: home.to_owned(),
            ..Configure::default()
        });
        environment
    }

    #[test]
    fn a_step_overrides_the_job_and_gets_what_is_missing() {
        let job = environment(
            "/home/circleci",
            &[("A", "job"), ("B", "job"), ("PATH", "/opt/bin:/bin")],
        );
        let all = job.of_step(&pairs(&[("A", "step")]), &Settings::inside());
        assert_eq!(all["A"], "step");
        assert_eq!(all["B"], "job");
        assert_eq!(all["PATH"], "/run/airlock/bin:/opt/bin:/bin");
        assert_eq!(all["HOME"], "/home/circleci");
        assert_eq!(all["TERM"], "xterm");
        assert_eq!(all["BASH_ENV"], "/tmp/.bash_env-airlock");
        assert_eq!(all["CIRCLE_SHELL_ENV"], all["BASH_ENV"]);
    }

    #[test]
    fn what_the_agent_says_is_kept_and_added_to() {
        let mut job = environment(
            "/root",
            &[("BASH_ENV", "/tmp/x"), ("HOME", "/elsewhere"), ("A", "1")],
        );
        job.configure(Configure {
            env: pairs(&[("B", "2")]),
            home: "/root".to_owned(),
            ..Configure::default()
        });
        let all = job.of_step(&[], &Settings::inside());
        assert_eq!((all["A"].as_str(), all["B"].as_str()), ("1", "2"));
        assert_eq!(all["HOME"], "/elsewhere");
        assert_eq!(all["CIRCLE_SHELL_ENV"], "/tmp/x");
        assert_eq!(all["PATH"], format!("/run/airlock/bin:{DEFAULT_PATH}"));
    }

    #[test]
    fn a_program_gets_its_own_and_nothing_of_the_job() {
        let job = environment("/root", &[("TOKEN", "x"), ("HOME", "/elsewhere")]);
        let all: Vec<_> = job.of_program(&pairs(&[("A", "1")])).into_iter().collect();
        assert_eq!(
            all,
            pairs(&[("A", "1"), ("HOME", "/root"), ("PATH", DEFAULT_PATH)])
        );
    }

    #[test]
    fn directories_are_below_home_unless_they_say_otherwise() {
        let job = environment("/home/me", &[]);
        let cases = [
            ("~", "/home/me"),
            ("~/project", "/home/me/project"),
            ("~//project", "/home/me/project"),
            ("project", "/home/me/project"),
            ("/srv/x", "/srv/x"),
            ("~other", "/home/me/~other"),
        ];
        for (written, expected) in cases {
            assert_eq!(job.resolve(written), Path::new(expected), "{written}");
        }
        assert_eq!(environment("", &[]).resolve("~"), Path::new("/"));
    }

    #[test]
    fn what_no_process_can_receive_is_refused_by_name() {
        let bad =
            |name: &str, value: &str| for_exec(&[(name.to_owned(), value.to_owned())].into()).unwrap_err();
        assert!(bad("A=B", "x").contains("A=B"));
        let nul = bad("TOKEN", "sec\0ret");
        assert!(nul.contains("TOKEN") && !nul.contains("sec"), "{nul}");
    }
}
