//! Happenings to lines, as a pure function of what came before: text in, text out.

use std::collections::HashMap;

use airlock_domain::events::{Happening, HappeningKind};

use super::summary::{Ending, mark, summary};

/// Turns happenings into lines for people.
pub(crate) struct Lines {
    colour: bool,
    /// The widest label so far: columns stay aligned once a wide one was seen.
    width: usize,
    /// Output without its end of line yet, by label.
    partial: HashMap<String, String>,
    endings: Vec<Ending>,
}

/// `job` or `job/slice` as lines and spinners name it.
pub(crate) fn label(happening: &Happening) -> String {
    let job = happening.job.as_deref().unwrap_or("");
    match happening.slice {
        None | Some(0) => job.to_owned(),
        Some(slice) => format!("{job}/{slice}"),
    }
}

impl Lines {
    pub(crate) fn new(colour: bool) -> Self {
        Self {
            colour,
            width: 0,
            partial: HashMap::new(),
            endings: Vec::new(),
        }
    }

    /// The lines that a happening gives.
    pub(crate) fn take(&mut self, happening: &Happening) -> Vec<String> {
        match happening.kind {
            HappeningKind::Pipeline => self.pipeline(happening),
            HappeningKind::Workflow => self.workflow(happening),
            HappeningKind::Job => self.job(happening),
            HappeningKind::Slice => Vec::new(),
            HappeningKind::StepStart => {
                let step = happening.step.as_deref().unwrap_or("");
                vec![self.line(happening, &self.paint("1", &format!("▸ {}", first_line(step))))]
            }
            HappeningKind::StepEnd => self.step_end(happening),
            HappeningKind::Output => self.output(happening),
        }
    }

    /// What became of every workflow and job.
    pub(crate) fn summary(&self) -> Vec<String> {
        summary(&self.endings, self.colour)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn line(&mut self, happening: &Happening, text: &str) -> String {
        let label = label(happening);
        self.width = self.width.max(label.chars().count());
        let padding = " ".repeat(self.width - label.chars().count());
        format!(
            "{}{padding} │ {text}",
            self.paint(hue(happening.job.as_deref().unwrap_or("")), &label)
        )
    }

    fn pipeline(&self, happening: &Happening) -> Vec<String> {
        let reason = happening
            .reason
            .iter()
            .flat_map(|reason| reason.lines())
            .map(str::to_owned);
        match happening.status.as_deref() {
            Some("errored") => std::iter::once(self.paint("1;31", "✘ The pipeline could not be started."))
                .chain(reason)
                .collect(),
            _ => Vec::new(),
        }
    }

    fn workflow(&mut self, happening: &Happening) -> Vec<String> {
        let name = happening.workflow.clone().unwrap_or_default();
        let status = happening.status.clone().unwrap_or_default();
        let ending = Ending {
            name: name.clone(),
            status: status.clone(),
            reason: happening.reason.clone(),
            job: None,
        };
        Ending::put(&mut self.endings, ending);
        match status.as_str() {
            "running" => vec![self.paint("1", &format!("workflow {name}"))],
            "on_hold" => vec![self.paint("33", &format!("workflow {name} waits for an approval"))],
            _ => Vec::new(),
        }
    }

    fn job(&mut self, happening: &Happening) -> Vec<String> {
        let status = happening.status.clone().unwrap_or_default();
        let ending = Ending {
            name: happening.workflow.clone().unwrap_or_default(),
            status: status.clone(),
            reason: happening.reason.clone(),
            job: happening.job.clone(),
        };
        Ending::put(&mut self.endings, ending);
        let reason = happening
            .reason
            .as_deref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        match status.as_str() {
            "blocked" | "queued" | "running" => Vec::new(),
            _ => {
                let text = format!("{} {status}{reason}", mark(&status).0);
                vec![self.line(happening, &self.paint(mark(&status).1, &text))]
            }
        }
    }

    fn step_end(&mut self, happening: &Happening) -> Vec<String> {
        let mut lines = self.rest_of_output(happening);
        let status = happening.status.as_deref().unwrap_or("");
        let step = first_line(happening.step.as_deref().unwrap_or("")).to_owned();
        let reason = happening
            .reason
            .as_deref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        match status {
            "success" => {}
            "skipped" => lines.push(self.line(happening, &self.paint("2", &format!("○ skipped{reason}")))),
            _ => {
                let reason = if reason.is_empty() {
                    format!(": {step}")
                } else {
                    reason
                };
                let text = format!("✘ {status}{reason}");
                lines.push(self.line(happening, &self.paint("31", &text)));
            }
        }
        lines
    }

    fn output(&mut self, happening: &Happening) -> Vec<String> {
        let key = label(happening);
        let mut text = self.partial.remove(&key).unwrap_or_default();
        text.push_str(happening.text.as_deref().unwrap_or(""));
        let mut lines = Vec::new();
        while let Some(end) = text.find('\n') {
            let rest = text.split_off(end + 1);
            let whole = std::mem::replace(&mut text, rest);
            lines.push(self.line(happening, settled(whole.trim_end_matches(['\n', '\r']))));
        }
        if !text.is_empty() {
            self.partial.insert(key, text);
        }
        lines
    }

    fn rest_of_output(&mut self, happening: &Happening) -> Vec<String> {
        let rest = self.partial.remove(&label(happening));
        rest.map(|text| self.line(happening, settled(&text)))
            .into_iter()
            .collect()
    }
}

/// What a terminal would show of a line that was written over with carriage returns.
fn settled(line: &str) -> &str {
    line.rsplit('\r').find(|part| !part.is_empty()).unwrap_or("")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("")
}

/// A colour for a job, always the same one for the same name.
fn hue(name: &str) -> &'static str {
    const HUES: [&str; 6] = ["36", "35", "34", "32", "33", "96"];
    let sum = name.bytes().fold(0usize, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    HUES[sum % HUES.len()]
}
