//! What a person or a program sees of a running pipeline: lines with the job's name before them, spinners for what
//! runs when a terminal is attached, or one JSON object a line.

mod lines;
mod summary;
#[cfg(test)]
mod tests;

use airlock_domain::events::Happening;

use crate::terminal;

pub(crate) use lines::Lines;

/// Where happenings go.
pub(crate) enum Show {
    /// For people.
    People(Box<People>),
    /// For programs.
    Json,
}

/// The display for people.
pub(crate) struct People {
    lines: Lines,
    spinners: Option<spinners::Spinners>,
}

impl Show {
    /// The display that fits: JSON if asked for, spinners if standard output is a terminal.
    pub(crate) fn new(json: bool) -> Self {
        if json {
            return Self::Json;
        }
        let is_terminal = terminal::is_terminal();
        let lines = Lines::new(terminal::colour(&std::io::stdout()));
        Self::People(Box::new(People {
            lines,
            spinners: is_terminal.then(spinners::Spinners::new),
        }))
    }

    /// Shows one happening.
    pub(crate) fn happening(&mut self, happening: &Happening) {
        match self {
            Self::Json => match serde_json::to_string(happening) {
                Ok(text) => terminal::line(&text),
                Err(error) => terminal::error(&format!("an event could not be written: {error}")),
            },
            Self::People(people) => {
                let text = people.lines.take(happening);
                match &mut people.spinners {
                    Some(spinners) => spinners.show(happening, &text),
                    None => text.iter().for_each(|line| terminal::line(line)),
                }
            }
        }
    }

    /// Shows the summary at the end.
    pub(crate) fn finish(&mut self) {
        match self {
            Self::Json => {}
            Self::People(people) => {
                if let Some(spinners) = &people.spinners {
                    spinners.clear();
                }
                people
                    .lines
                    .summary()
                    .iter()
                    .for_each(|line| terminal::line(line));
            }
        }
    }
}

mod spinners {
    //! One spinner for each slice that runs, below the lines that scroll by.

    use std::collections::HashMap;
    use std::time::Duration;

    use airlock_domain::events::{Happening, HappeningKind};
    use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

    use super::lines::label;

    pub(crate) struct Spinners {
        bars: MultiProgress,
        running: HashMap<String, ProgressBar>,
        style: ProgressStyle,
    }

    impl Spinners {
        pub(crate) fn new() -> Self {
            let style = ProgressStyle::with_template("  {spinner} {prefix}  {msg}  {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            Self {
                bars: MultiProgress::new(),
                running: HashMap::new(),
                style,
            }
        }

        pub(crate) fn show(&mut self, happening: &Happening, lines: &[String]) {
            for line in lines {
                let _terminal_may_be_gone = self.bars.println(line);
            }
            let name = label(happening);
            match happening.kind {
                HappeningKind::StepStart => {
                    let (bars, style) = (&self.bars, &self.style);
                    let bar = self.running.entry(name.clone()).or_insert_with(|| {
                        let bar = bars.add(
                            ProgressBar::new_spinner()
                                .with_style(style.clone())
                                .with_prefix(name),
                        );
                        bar.enable_steady_tick(Duration::from_millis(120));
                        bar
                    });
                    bar.set_message(happening.step.clone().unwrap_or_default());
                    bar.reset_elapsed();
                }
                HappeningKind::Slice if happening.status.as_deref() != Some("running") => {
                    if let Some(bar) = self.running.remove(&name) {
                        bar.finish_and_clear();
                    }
                }
                HappeningKind::Slice
                | HappeningKind::Pipeline
                | HappeningKind::Workflow
                | HappeningKind::Job
                | HappeningKind::StepEnd
                | HappeningKind::Output => {}
            }
        }

        pub(crate) fn clear(&self) {
            let _terminal_may_be_gone = self.bars.clear();
        }
    }
}
