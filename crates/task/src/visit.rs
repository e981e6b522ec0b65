//! `airlock-task enter`: what somebody who enters a sandbox runs there. `sandbox::enter` brings a confined child into
//! the namespaces; here it gets what a step of the job has (variables, user, directory) and becomes the shell, the
//! command or the program. Knows nothing of who that person is.

use std::ffi::CString;
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::path::Path;

use airlock_sandbox::channel::Configure;
use airlock_sandbox::enter::{self, RunInside, What};

use crate::pid1::{JobEnvironment, Settings, become_user, for_exec};

/// Where the agent leaves the control socket.
const CONTROL_FD: i32 = 3;

/// Shells in the order they are tried, as for a step that names none.
const SHELLS: [&str; 2] = ["/bin/bash", "/bin/sh"];

/// Serves one visit.
pub(crate) fn run() -> ! {
    // SAFETY: by contract the agent leaves the control socket here, and nothing in this process has touched it.
    let control = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
    enter::serve(&control, become_program)
}

/// One way to start: the program's file and all its words.
struct Attempt {
    file: CString,
    words: Vec<CString>,
}

/// Becomes the program; returns only with the reason why not.
fn become_program(run: &RunInside) -> String {
    match prepare(run) {
        Ok((attempts, environment)) => exec(&attempts, &environment),
        Err(reason) => reason,
    }
}

fn prepare(run: &RunInside) -> Result<(Vec<Attempt>, Vec<CString>), String> {
    let mut job = JobEnvironment::default();
    job.configure(Configure {
        env: run.env.clone(),
        masks: Vec::new(),
        home: run.home.clone(),
        user: run.user.clone(),
    });
    let mut variables = job.of_step(&[], &Settings::inside());
    if let Some(shell) = SHELLS.iter().find(|shell| Path::new(shell).exists()) {
        variables
            .entry("SHELL".to_owned())
            .or_insert_with(|| (*shell).to_owned());
    }
    let attempts = attempts(&run.what).map_err(|_| "a command cannot hold a NUL byte".to_owned())?;
    become_user(&run.user).map_err(|error| format!("becoming the job's user: {error}"))?;
    // A home that is not there, or not to be entered, is no reason to stay out.
    if rustix::process::chdir(job.home()).is_err() {
        rustix::process::chdir("/").map_err(|error| format!("entering /: {error}"))?;
    }
    Ok((attempts, for_exec(&variables)?))
}

fn attempts(what: &What) -> Result<Vec<Attempt>, std::ffi::NulError> {
    let with = |file: &str, words: &[&str]| -> Result<Attempt, std::ffi::NulError> {
        Ok(Attempt {
            file: CString::new(file)?,
            words: words
                .iter()
                .map(|word| CString::new(*word))
                .collect::<Result<_, _>>()?,
        })
    };
    match what {
        What::Shell => SHELLS.iter().map(|shell| with(shell, &[shell])).collect(),
        What::Command(line) => SHELLS
            .iter()
            .map(|shell| with(shell, &[shell, "-c", line]))
            .collect(),
        What::Program(words) => {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            words.first().map(|file| with(file, &words)).into_iter().collect()
        }
    }
}

fn exec(attempts: &[Attempt], environment: &[CString]) -> String {
    let environment = pointers(environment);
    let mut refused = String::from("the image has neither /bin/bash nor /bin/sh");
    for Attempt { file, words } in attempts {
        let words = pointers(words);
        // SAFETY: both lists end with a null pointer and point to strings that outlive the call.
        unsafe { libc::execve(file.as_ptr(), words.as_ptr(), environment.as_ptr()) };
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::NotFound {
            refused = format!("starting {}: {error}", file.to_string_lossy());
        }
    }
    refused
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    let strings = strings.iter().map(|string| string.as_ptr());
    strings.chain([std::ptr::null()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(what: &What) -> Vec<Vec<String>> {
        let attempts = attempts(what).expect("no NUL");
        let words = |attempt: &Attempt| {
            let words = attempt.words.iter();
            words.map(|word| word.to_string_lossy().into_owned()).collect()
        };
        attempts.iter().map(words).collect()
    }

    #[test]
    fn a_command_is_one_word_for_the_shell() {
        assert_eq!(
            words(&What::Command("echo 'a b'; exit 3".into()))[0],
            ["/bin/bash", "-c", "echo 'a b'; exit 3"]
        );
        assert_eq!(words(&What::Shell), [["/bin/bash"], ["/bin/sh"]]);
        assert_eq!(
            words(&What::Program(vec!["/x".into(), "y".into()])),
            [["/x", "y"]]
        );
        assert!(attempts(&What::Command("a\0b".into())).is_err());
    }
}
