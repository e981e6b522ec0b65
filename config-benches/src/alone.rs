//! One thing in a process of its own: the time it takes of the processor and the most memory the process ever had. This
//! program starts itself for that. The compiler has one thread and waits for nothing, so on a quiet machine this is the
//! time that passes, and on a loaded one it still says something.

use std::path::Path;
use std::process::{Command, Stdio};

use airlock_pipeline_config::{Source, compile, render};
use anyhow::{Context as _, bail, ensure};

use crate::bombs;
use crate::corpus::Corpus;
use crate::series::push;

/// Names the run over all real configs.
pub(crate) const ALL: &str = "all-configs";

/// What is noted of a bomb that gave no error.
const LET_PASS: &str = "LET PASS";

/// What it took.
#[derive(Debug)]
pub(crate) struct Took {
    pub(crate) milliseconds: f64,
    /// Of a million bytes.
    pub(crate) megabytes: f64,
    pub(crate) note: String,
}

impl Took {
    /// As one line between two processes.
    pub(crate) fn line(&self) -> String {
        format!("{}\t{}\t{}", self.milliseconds, self.megabytes, self.note)
    }

    fn of_line(line: &str) -> Option<Self> {
        let mut parts = line.trim().splitn(3, '\t');
        Some(Self {
            milliseconds: parts.next()?.parse().ok()?,
            megabytes: parts.next()?.parse().ok()?,
            note: parts.next().unwrap_or_default().to_owned(),
        })
    }
}

/// Does it in this process.
pub(crate) fn here(what: &str, corpus: Option<&Corpus>) -> anyhow::Result<Took> {
    let inputs = push();
    if what == ALL {
        let corpus = corpus.context("there are no real configs")?;
        let (mut configs, mut planned) = (0, 0);
        let mut end = Ok(());
        let time = processor(|| {
            let each = |source: &Source, inputs: &_| {
                configs += 1;
                planned += usize::from(compile(source, inputs).0.is_some());
            };
            end = corpus.each(each, &inputs);
        });
        end?;
        return Ok(Took {
            milliseconds: time?,
            megabytes: most_memory()?,
            note: format!("{configs} configs, {planned} planned"),
        });
    }
    let Some(bomb) = bombs::all().into_iter().find(|bomb| bomb.name == what) else {
        bail!("there is no bomb named {what}");
    };
    let source = Source::new("config.yml", bomb.text.into_bytes());
    let mut told = Vec::new();
    let mut shown = String::new();
    let time = processor(|| {
        told = compile(&source, &inputs).1;
        shown = render::text(&told, std::slice::from_ref(&source), render::Color::Never);
    });
    let error = told.iter().find(|diagnostic| diagnostic.is_error());
    let note = match error {
        Some(error) => {
            let message: String = error.message.chars().take(60).collect();
            format!("{}:{} {message}", error.position.line, error.position.column)
        }
        None => LET_PASS.to_owned(),
    };
    Ok(Took {
        milliseconds: time?,
        megabytes: most_memory()?,
        note,
    })
}

/// Does it in another process.
pub(crate) fn started(what: &str, corpus: &Path) -> anyhow::Result<Took> {
    let program = std::env::current_exe().context("finding this program")?;
    let output = Command::new(program)
        .args(["--alone", what, "--corpus"])
        .arg(corpus)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting this program again")?;
    ensure!(
        output.status.success(),
        "measuring {what} ended with {}",
        output.status
    );
    Took::of_line(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("{what} said nothing of use"))
}

/// Milliseconds of the processor that something takes.
pub(crate) fn processor(work: impl FnOnce()) -> anyhow::Result<f64> {
    let now = || -> anyhow::Result<f64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat")
            .context("reading the scheduler's figures")?;
        let nanoseconds = text.split(' ').next().unwrap_or_default();
        nanoseconds
            .parse()
            .context("the scheduler's figures are no numbers")
    };
    let begun = now()?;
    work();
    Ok((now()? - begun) / 1_000_000.0)
}

/// The most memory this process ever had.
fn most_memory() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let kilobytes: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse().ok())
        .context("/proc/self/status has no line VmHWM")?;
    Ok(kilobytes * 1024.0 / 1_000_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_all() {
        let took = Took {
            milliseconds: 1.5,
            megabytes: 2.0,
            note: "1:2 a\tword".to_owned(),
        };
        let again = Took::of_line(&took.line()).expect("a line of ours");
        assert_eq!((again.milliseconds, again.megabytes), (1.5, 2.0));
        assert_eq!(again.note, took.note);
    }

    #[test]
    fn every_bomb_is_refused_with_a_place() {
        for bomb in bombs::all() {
            let took = here(bomb.name, None).expect("the bomb is known");
            assert_ne!(took.note, LET_PASS, "{}", bomb.name);
        }
    }
}
