//! `xtask/dependencies.toml`, read strictly: an unknown key or an unexplained exception is an error.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

/// What the project accepts among its dependencies.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) licences: Vec<String>,
    #[serde(default, rename = "licence-exception")]
    pub(crate) licence_exceptions: Vec<LicenceException>,
    #[serde(default, rename = "ban")]
    pub(crate) bans: Vec<Ban>,
    #[serde(default, rename = "duplicate")]
    pub(crate) duplicates: Vec<Duplicate>,
}

/// A licence that one crate may have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LicenceException {
    #[serde(rename = "crate")]
    pub(crate) name: String,
    pub(crate) licence: String,
    pub(crate) why: String,
}

/// A crate that must not be used.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ban {
    #[serde(rename = "crate")]
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) why: String,
}

/// How far a ban reaches.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scope {
    /// It must not be compiled at all.
    Anywhere,
    /// Our own manifests must not name it.
    Direct,
}

/// A crate that may be linked in several incompatible versions, for now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Duplicate {
    #[serde(rename = "crate")]
    pub(crate) name: String,
    /// The day on which this was accepted, as year-month-day.
    pub(crate) since: String,
    pub(crate) why: String,
}

impl Policy {
    /// Reads and checks the file.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{}", path.display()))
    }

    /// Parses the text of the file.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let policy: Self = toml::from_str(text).context("could not parse the policy")?;
        let bans = policy.bans.iter().map(|entry| (&entry.name, &entry.why));
        let duplicates = policy.duplicates.iter().map(|entry| (&entry.name, &entry.why));
        let licences = policy
            .licence_exceptions
            .iter()
            .map(|entry| (&entry.name, &entry.why));
        for (name, why) in bans.chain(duplicates).chain(licences) {
            ensure!(!why.trim().is_empty(), "the entry for `{name}` does not say why");
        }
        for entry in &policy.duplicates {
            ensure!(
                is_date(&entry.since),
                "`{}` since `{}`: expected a date like 2026-11-22",
                entry.name,
                entry.since
            );
        }
        Ok(policy)
    }
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else {
        return false;
    };
    let within = |part: &str, digits: usize, most: u32| {
        part.len() == digits
            && part
                .parse::<u32>()
                .is_ok_and(|number| (1..=most).contains(&number))
    };
    within(year, 4, 9999) && within(month, 2, 12) && within(day, 2, 31)
}

#[cfg(test)]
mod tests {
    use super::{Policy, is_date};

    #[test]
    fn an_exception_without_reason_or_date_is_refused() {
        let text = |since: &str, why: &str| {
            format!("licences = []\n[[duplicate]]\ncrate = \"syn\"\nsince = \"{since}\"\nwhy = \"{why}\"\n")
        };
        assert!(Policy::parse(&text("2026-11-22", "half the ecosystem is on 2")).is_ok());
        assert!(Policy::parse(&text("2026-11-22", " ")).is_err());
        assert!(Policy::parse(&text("lately", "x")).is_err());
        assert!(Policy::parse("licences = []\nlicense = []\n").is_err());
    }

    #[test]
    fn dates_have_one_form() {
        assert!(is_date("2026-11-22"));
        for wrong in ["2026-13-01", "2026-1-1", "22.11.2026", "2026-11", "2026-11-00"] {
            assert!(!is_date(wrong), "{wrong}");
        }
    }
}
