//! What a check has to say: problems that fail it and warnings that do not.
//!
//! Filled by `layers` and `deps`; it decides nothing about either.

use anyhow::{Result, bail};

/// Everything one check found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Each of these fails the check.
    pub(crate) problems: Vec<String>,
    /// Worth a look, but not a failure.
    pub(crate) warnings: Vec<String>,
}

impl Report {
    /// Adds everything another part of the same check found.
    pub(crate) fn extend(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.warnings.extend(other.warnings);
    }

    /// Prints the report and turns problems into a failure of the command.
    pub(crate) fn conclude(self, check: &str, good: &str) -> Result<()> {
        for warning in &self.warnings {
            eprintln!("warning: {warning}");
        }
        for problem in &self.problems {
            eprintln!("error: {problem}");
        }
        if self.problems.is_empty() {
            println!("{check}: {good}");
            return Ok(());
        }
        bail!("{check} found {} problem(s), listed above", self.problems.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn only_problems_fail_a_check() {
        let mut report = Report {
            problems: Vec::new(),
            warnings: vec!["long file".to_owned()],
        };
        report.extend(Report::default());
        report
            .conclude("check", "fine")
            .expect("warnings alone are not a failure");

        let mut report = Report::default();
        report.extend(Report {
            problems: vec!["bad import".to_owned()],
            warnings: Vec::new(),
        });
        let error = report
            .conclude("check", "fine")
            .expect_err("a problem must fail the check");
        assert!(error.to_string().contains("1 problem"), "{error}");
    }
}
