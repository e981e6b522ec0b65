//! `tests run`: this node's share of a list of tests, as `tests split` chooses it, handed to a command on its standard
//! input, one name a line. A node without tests runs nothing and is green. The command's output and exit code are
//! this one's.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::arguments::Arguments;
use super::split::{self, VALUED};
use super::{HelperError, World, failed, read_text, usage};
use crate::limits::TEST_NAMES;

/// The shells a command is handed to, in the order they are tried.
const SHELLS: [&str; 2] = ["/bin/bash", "/bin/sh"];

/// Runs the command.
pub(super) fn command(world: &mut World<'_>, words: &[&str]) -> Result<(), HelperError> {
    let valued: Vec<&str> = VALUED.iter().copied().chain(["command"]).collect();
    let arguments = Arguments::parse(words, &valued, &["show-counts", "verbose"])?;
    let Some(text) = arguments.value("command").filter(|text| !text.trim().is_empty()) else {
        return Err(usage(
            "`tests run` needs a command: circleci tests glob \"test/**/*.py\" | circleci tests run --command=\"xargs pytest\"",
        ));
    };
    if let [extra, ..] = arguments.operands.as_slice() {
        return Err(usage(format!(
            "`tests run` reads the tests from standard input, but got `{extra}`; quote the whole command"
        )));
    }
    let list = read_text(world.input, "standard input", TEST_NAMES)?;
    let share = split::share(world, &arguments, &list)?;
    if share.is_empty() {
        return Ok(writeln!(
            world.errors,
            "There are no tests for this node; nothing was run."
        )?);
    }
    world.output.flush()?;
    let mut input = share.join("\n");
    input.push('\n');
    run(world, text, input)
}

fn run(world: &World<'_>, text: &str, input: String) -> Result<(), HelperError> {
    let shell = SHELLS.iter().find(|shell| std::path::Path::new(shell).exists());
    let shell = shell.ok_or_else(|| failed("neither /bin/bash nor /bin/sh exists in this image"))?;
    let mut child = Command::new(shell)
        .args(["-c", text])
        .current_dir(&world.directory)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("starting {shell}: {error}")))?;
    if let Some(mut pipe) = child.stdin.take() {
        // On its own: a command may write before it reads. One that reads none of it is no failure of ours.
        std::thread::spawn(move || pipe.write_all(input.as_bytes()));
    }
    let status = child
        .wait()
        .map_err(|error| failed(format!("waiting for the command: {error}")))?;
    match exit_code(status) {
        0 => Ok(()),
        code => Err(HelperError::Ended(code)),
    }
}

/// As a shell tells it: 128 and the signal's number for one that was killed.
fn exit_code(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(words: &[&str], list: &str, directory: &std::path::Path) -> (Result<(), HelperError>, String) {
        let mut errors = Vec::new();
        let mut input = list.as_bytes();
        let mut world = World {
            env: [("CIRCLE_NODE_INDEX".to_owned(), "1".to_owned())].into(),
            directory: directory.to_owned(),
            run_dir: std::path::PathBuf::new(),
            input: &mut input,
            output: &mut std::io::sink(),
            errors: &mut errors,
        };
        let result = command(&mut world, words);
        (result, String::from_utf8(errors).expect("text"))
    }

    #[test]
    fn a_share_goes_to_the_command_and_its_exit_code_comes_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let run = |words: &[&str], list: &str| ran(words, list, directory.path());
        let (result, _) = run(&["--command=cat > got", "--total=2"], "c\na\nb\n");
        assert_eq!(result, Ok(()));
        let got = std::fs::read_to_string(directory.path().join("got")).expect("written");
        assert_eq!(got, "b\n");
        assert_eq!(
            run(&["--command", "exit 3", "--total=2"], "a b").0,
            Err(HelperError::Ended(3))
        );
        assert_eq!(
            run(&["--command=kill -9 $$", "--total=2"], "a b").0,
            Err(HelperError::Ended(137))
        );
        // One that does not read its list, which is longer than a pipe holds.
        let long = "name\n".repeat(100_000);
        assert_eq!(run(&["--command=true", "--total=2"], &long).0, Ok(()));
    }

    #[test]
    fn a_node_without_tests_is_green() {
        let directory = tempfile::tempdir().expect("a directory");
        let (result, errors) = ran(&["--command=exit 1", "--total=2"], "only\n", directory.path());
        assert_eq!(
            (result, errors.as_str()),
            (Ok(()), "There are no tests for this node; nothing was run.\n")
        );
    }

    #[test]
    fn what_is_missing_is_said() {
        let nowhere = std::path::Path::new("/nowhere");
        for words in [&[][..], &["--command="], &["--command=x", "y"], &["--nope"]] {
            assert!(
                matches!(ran(words, "", nowhere).0, Err(HelperError::Usage(_))),
                "{words:?}"
            );
        }
    }
}
