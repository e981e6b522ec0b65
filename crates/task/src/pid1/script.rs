//! A step's script as a file and the shell it is handed to. The file lies in the runner's own directory, where
//! neither an image without `/tmp` nor a root switch reaches it, and goes when the step ends.

use std::ffi::CString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The shells of a step that names none, in the order they are tried.
const DEFAULT_SHELLS: [&str; 2] = ["/bin/bash", "/bin/sh"];

/// A script on disk; removed when dropped.
pub(super) struct ScriptFile(PathBuf);

impl ScriptFile {
    /// Writes the script of this step. It is readable and executable for everyone inside, as a shell may be told
    /// to read it or to run it.
    pub(super) fn write(run_dir: &Path, step: u32, text: &str) -> io::Result<Self> {
        let directory = run_dir.join("steps");
        if !directory.exists() {
            fs::create_dir(&directory)?;
            fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))?;
        }
        let path = directory.join(format!("step-{step}.sh"));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let file = Self(path);
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file.0)?;
        out.write_all(text.as_bytes())?;
        out.set_permissions(fs::Permissions::from_mode(0o555))?;
        Ok(file)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScriptFile {
    fn drop(&mut self) {
        // It lies on the sandbox's own tmpfs; one that stays goes with the sandbox.
        let _stays = fs::remove_file(&self.0);
    }
}

/// One way to start a step: the program's file and its arguments, itself included.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) program: CString,
    pub(super) arguments: Vec<CString>,
}

/// The ways to start a step, in order, and what to say when none exists.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shell {
    pub(super) attempts: Vec<Attempt>,
    pub(super) missing: String,
}

impl Shell {
    /// For this `shell:`, empty for the default. A shell that is given replaces the default's flags with it; one
    /// without a slash is looked up in `path`.
    pub(super) fn new(shell: &[String], path: &str, script: &Path) -> Result<Self, String> {
        let script = CString::new(script.as_os_str().as_bytes())
            .map_err(|_| "the script's file name holds a NUL byte".to_owned())?;
        let words: Result<Vec<CString>, _> = shell.iter().map(|word| CString::new(word.as_str())).collect();
        let words = words.map_err(|_| "`shell` holds a NUL byte".to_owned())?;
        let Some(name) = shell.first() else {
            return Ok(Self::default_shells(&script));
        };
        if name.is_empty() {
            return Err("`shell` begins with an empty word".to_owned());
        }
        let arguments: Vec<CString> = words.iter().cloned().chain([script]).collect();
        let attempt = |program: CString| Attempt {
            program,
            arguments: arguments.clone(),
        };
        if name.contains('/') {
            let missing = format!("the shell `{name}` does not exist in this image or cannot be executed");
            return Ok(Self {
                attempts: vec![attempt(words[0].clone())],
                missing,
            });
        }
        let attempts = path
            .split(':')
            .filter(|directory| !directory.is_empty())
            .filter_map(|directory| CString::new(format!("{directory}/{name}")).ok())
            .map(attempt)
            .collect();
        Ok(Self {
            attempts,
            missing: format!("the shell `{name}` was not found in PATH ({path})"),
        })
    }

    /// For a program that is run as it is.
    pub(super) fn program(words: &[String], path: &str) -> Result<Self, String> {
        let mut shell = Self::new(words, path, Path::new("unused"))?;
        for attempt in &mut shell.attempts {
            // The script's name, which a shell would be given last.
            attempt.arguments.pop();
        }
        let name = words.first().map_or("", String::as_str);
        shell.missing = if name.contains('/') {
            format!("`{name}` does not exist in this image or cannot be executed")
        } else {
            format!("`{name}` was not found in PATH ({path})")
        };
        Ok(shell)
    }

    fn default_shells(script: &CString) -> Self {
        let attempts = DEFAULT_SHELLS
            .iter()
            .filter_map(|shell| {
                let program = CString::new(*shell).ok()?;
                let arguments = vec![
                    program.clone(),
                    c"-eo".to_owned(),
                    c"pipefail".to_owned(),
                    script.clone(),
                ];
                Some(Attempt { program, arguments })
            })
            .collect();
        let missing =
            "neither /bin/bash nor /bin/sh exists in this image: use an image that has one, or set \
                       `shell:` to a program it has"
                .to_owned();
        Self { attempts, missing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(shell: &Shell) -> Vec<String> {
        let text = |c: &CString| c.to_string_lossy().into_owned();
        shell
            .attempts
            .iter()
            .map(|a| {
                format!(
                    "{}: {}",
                    text(&a.program),
                    a.arguments.iter().map(text).collect::<Vec<_>>().join(" ")
                )
            })
            .collect()
    }

    fn shell(words: &[&str]) -> Shell {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Shell::new(&words, "/a:/b::", Path::new("/s.sh")).expect("a shell")
    }

    #[test]
    fn the_default_is_bash_and_then_sh() {
        assert_eq!(
            lines(&shell(&[])),
            [
                "/bin/bash: /bin/bash -eo pipefail /s.sh",
                "/bin/sh: /bin/sh -eo pipefail /s.sh"
            ]
        );
    }

    #[test]
    fn a_given_shell_replaces_the_flags() {
        assert_eq!(lines(&shell(&["/bin/bash"])), ["/bin/bash: /bin/bash /s.sh"]);
        assert_eq!(
            lines(&shell(&["python3", "-u"])),
            ["/a/python3: python3 -u /s.sh", "/b/python3: python3 -u /s.sh"]
        );
    }

    #[test]
    fn a_program_is_run_as_it_is() {
        let words = ["postgres".to_owned(), "-c".to_owned(), "a=b".to_owned()];
        let program = Shell::program(&words, "/a:/b").expect("a program");
        assert_eq!(
            lines(&program),
            ["/a/postgres: postgres -c a=b", "/b/postgres: postgres -c a=b"]
        );
        assert_eq!(program.missing, "`postgres` was not found in PATH (/a:/b)");
    }

    #[test]
    fn what_cannot_be_executed_is_said() {
        assert!(Shell::new(&[String::new()], "/bin", Path::new("/s")).is_err());
        assert!(Shell::new(&["a\0b".to_owned()], "/bin", Path::new("/s")).is_err());
        assert!(
            shell(&["fish"])
                .missing
                .contains("`fish` was not found in PATH (/a:/b::)")
        );
    }

    #[test]
    fn a_script_is_written_anew_and_removed() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = ScriptFile::write(directory.path(), 3, "one").expect("written");
        let path = first.path().to_owned();
        std::mem::forget(first);
        let second = ScriptFile::write(directory.path(), 3, "two").expect("written over");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "two");
        assert_eq!(
            fs::metadata(&path).expect("there").permissions().mode() & 0o777,
            0o555
        );
        drop(second);
        assert!(!path.exists());
    }
}
