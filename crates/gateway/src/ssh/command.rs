//! The one line an SSH client sends to have git run: `git-upload-pack '/org/repo.git'`. Reads exactly the forms git
//! writes and refuses everything else. No shell ever sees it.

use airlock_domain::names::{NameError, ProjectSlug};

use super::access::GitAction;
use super::limits;

/// A command that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GitCommand {
    pub(super) action: GitAction,
    pub(super) repo: ProjectSlug,
}

/// A command that is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    #[error("this door takes 'git-upload-pack' and 'git-receive-pack' only: use git clone, fetch or push")]
    Program,
    #[error("git archive --remote is not offered here: clone with --depth 1 instead")]
    Archive,
    #[error("the repository's address is not understood: use ssh://git@HOST:PORT/<org>/<repo>.git")]
    Path,
    #[error("no such repository: {0}")]
    Name(#[from] NameError),
}

impl GitAction {
    /// The git program for it.
    pub(super) const fn program(self) -> &'static str {
        match self {
            Self::Fetch => "upload-pack",
            Self::Push => "receive-pack",
        }
    }
}

/// Reads a command line as git writes it.
pub(super) fn parse(line: &[u8]) -> Result<GitCommand, CommandError> {
    if line.len() > limits::COMMAND_BYTES {
        return Err(CommandError::Path);
    }
    let line = std::str::from_utf8(line).map_err(|_| CommandError::Path)?;
    // Git writes `git-upload-pack`, some clients `git upload-pack`.
    let Some(rest) = line
        .strip_prefix("git")
        .and_then(|rest| rest.strip_prefix(['-', ' ']))
    else {
        return Err(CommandError::Program);
    };
    let (program, argument) = rest.split_once(' ').ok_or(CommandError::Program)?;
    let action = match program {
        "upload-pack" => GitAction::Fetch,
        "receive-pack" => GitAction::Push,
        "upload-archive" => return Err(CommandError::Archive),
        _ => return Err(CommandError::Program),
    };
    Ok(GitCommand {
        action,
        repo: repository(unquote(argument)?)?,
    })
}

/// The content of one single-quoted word, or of one bare word. What a name may hold needs no escapes, so a quote inside
/// is a mistake or an attempt.
fn unquote(argument: &str) -> Result<&str, CommandError> {
    let word = match argument.strip_prefix('\'') {
        Some(rest) => rest.strip_suffix('\'').ok_or(CommandError::Path)?,
        None => argument,
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'-' | b'_');
    if word.bytes().all(plain) {
        Ok(word)
    } else {
        Err(CommandError::Path)
    }
}

fn repository(path: &str) -> Result<ProjectSlug, CommandError> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix(".git").unwrap_or(path);
    // The names' own rules refuse "..", a leading dash or dot, and a second ".git".
    let (org, repo) = path.split_once('/').ok_or(CommandError::Path)?;
    if repo.contains('/') {
        return Err(CommandError::Path);
    }
    Ok(ProjectSlug {
        org: org.parse()?,
        repo: repo.parse()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_writes_is_understood() {
        for line in [
            "git-upload-pack '/demo/hello.git'",
            "git-upload-pack 'demo/hello.git'",
            "git-upload-pack '/demo/hello'",
            "git upload-pack '/demo/hello.git'",
            "git-upload-pack /demo/hello.git",
        ] {
            let command = parse(line.as_bytes()).expect(line);
            assert_eq!(
                (command.action, command.repo.short().as_str()),
                (GitAction::Fetch, "demo/hello")
            );
        }
        let push = parse(b"git-receive-pack '/git/x.y_z-1.git'").expect("push");
        assert_eq!(
            (push.action, push.repo.short().as_str()),
            (GitAction::Push, "git/x.y_z-1")
        );
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("git-upload-pack '/a/{}'", "x".repeat(600));
        for line in [
            "",
            "ls",
            "git",
            "git-upload-pack",
            "git-upload-pack ",
            "git-shell -c x",
            "git-upload-pack  '/demo/hello.git'",
            "git-upload-pack '/demo/hello.git' --strict",
            "git-upload-pack --upload-pack=x '/demo/hello.git'",
            "git-upload-pack '--help'",
            "git-upload-pack '-x/hello'",
            "git-upload-pack '/demo/-hello'",
            "git-upload-pack '/demo/hello.git",
            "git-upload-pack '/demo/hello.git'; id",
            "git-upload-pack '/demo/hel'\\''lo.git'",
            "git-upload-pack \"/demo/hello.git\"",
            "git-upload-pack '/demo/$(id)'",
            "git-upload-pack '/demo/`id`'",
            "git-upload-pack '~/hello.git'",
            "git-upload-pack '/~git/hello.git'",
            "git-upload-pack '/../hello.git'",
            "git-upload-pack '/demo/..'",
            "git-upload-pack '/demo/../../etc'",
            "git-upload-pack '/demo/.git'",
            "git-upload-pack '/demo/hello.git.git'",
            "git-upload-pack '//demo/hello.git'",
            "git-upload-pack '/demo//hello.git'",
            "git-upload-pack '/demo/hello.git/'",
            "git-upload-pack '/demo'",
            "git-upload-pack '/etc/passwd/x'",
            "git-upload-pack '/demo/hello\n.git'",
            "git-upload-pack '/demo/h%2e%2e'",
            "git-upload-archive '/demo/hello.git'",
            &long,
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line:?} was taken");
        }
        assert!(parse(b"git-upload-pack '/demo/\xff'").is_err());
        assert!(parse(b"git-upload-pack '/demo/hello\0'").is_err());
    }

    #[test]
    fn a_refusal_has_a_way_out() {
        let told = |line: &str| parse(line.as_bytes()).expect_err("refused").to_string();
        assert!(told("scp -t /tmp").contains("use git clone, fetch or push"));
        assert!(told("git-upload-pack 'hello'").contains("ssh://git@HOST:PORT/<org>/<repo>.git"));
        assert!(told("git-upload-archive 'a/b'").contains("--depth 1"));
    }
}
