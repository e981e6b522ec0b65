//! What an operator says of images, in `[images]` of `airlock.toml`: which names mean others, which mirrors are asked, how
//! much is kept and for how long.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use airlock_transport::registry::RegistryOptions;
use serde::Deserialize;

use crate::limits;

/// `[images]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageSettings {
    /// Names that configs use and what is taken for them: `"cimg/*" = "registry.example/cimg/*"`. A `*` at the end takes
    /// the rest of the name; the longest that fits wins, and a name without a `*` wins over all.
    pub map: BTreeMap<String, String>,
    /// Registries that are asked before the one a name says.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Certificates in PEM that registries may show besides those this machine trusts.
    pub ca: Option<PathBuf>,
    /// Pulled images are removed, the longest unused first, when they take more than so many gigabytes.
    pub quota_gb: u64,
    /// Pulled images that no job used for so many days are removed.
    pub keep_days: u32,
    /// After so many minutes a tag is looked up again; a digest never is.
    pub refresh_minutes: u32,
}

impl Default for ImageSettings {
    fn default() -> Self {
        Self {
            map: BTreeMap::new(),
            mirrors: BTreeMap::new(),
            ca: None,
            quota_gb: 50,
            keep_days: 30,
            refresh_minutes: 15,
        }
    }
}

impl ImageSettings {
    /// What is taken for a name; `None` where the table says nothing.
    #[must_use]
    pub fn mapped(&self, name: &str) -> Option<String> {
        if let Some(exact) = self.map.get(name) {
            return Some(exact.clone());
        }
        let fits = |pattern: &&String| {
            pattern
                .strip_suffix('*')
                .is_some_and(|start| name.starts_with(start))
        };
        let pattern = self.map.keys().filter(fits).max_by_key(|pattern| pattern.len())?;
        let rest = &name[pattern.len() - 1..];
        self.map
            .get(pattern)
            .map(|target| match target.strip_suffix('*') {
                Some(start) => format!("{start}{rest}"),
                None => target.clone(),
            })
    }

    pub(super) fn quota_bytes(&self) -> u64 {
        self.quota_gb.saturating_mul(1_000_000_000)
    }

    pub(super) fn keep(&self) -> Duration {
        limits::DAY.saturating_mul(self.keep_days)
    }

    pub(super) fn refresh(&self) -> Duration {
        Duration::from_mins(u64::from(self.refresh_minutes))
    }

    pub(super) fn registries(&self) -> RegistryOptions {
        RegistryOptions {
            mirrors: self.mirrors.clone().into_iter().collect(),
            ca: self.ca.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_wins() {
        let table = [
            ("cimg/*", "airlock/base"),
            ("cimg/node:*", "registry.example/node:*"),
            ("cimg/node:20.1", "team/node"),
            ("ubuntu-2204:*", "team/machine"),
        ];
        let settings = ImageSettings {
            map: table
                .into_iter()
                .map(|(name, other)| (name.to_owned(), other.to_owned()))
                .collect(),
            ..ImageSettings::default()
        };
        for (name, other) in [
            ("cimg/base:2024.01", Some("airlock/base")),
            ("cimg/node:18", Some("registry.example/node:18")),
            ("cimg/node:20.1", Some("team/node")),
            ("ubuntu-2204:current", Some("team/machine")),
            ("cimg", None),
            ("busybox", None),
        ] {
            assert_eq!(settings.mapped(name).as_deref(), other, "{name}");
        }
    }
}
