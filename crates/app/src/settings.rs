//! `airlock.toml`: what an operator settles for this machine. It lies in the data directory unless `AIRLOCK_CONFIG` names
//! another file; every key may also be a variable, `AIRLOCK_<SECTION>_<KEY>`, whose value is read as TOML where it is
//! some and as text otherwise. A key nobody knows is an error.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use airlock_agent::ImageSettings;
use anyhow::Context as _;
use serde::Deserialize;
use toml::{Table, Value};

/// The file's name in a data directory.
const FILE: &str = "airlock.toml";

/// Everything that can be settled.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) images: ImageSettings,
}

/// Sections that variables may write into.
const SECTIONS: &[&str] = &["images"];

/// The settings of a data directory; none is as good as an empty file.
pub(crate) fn read(data_dir: &Path) -> anyhow::Result<Settings> {
    let named = std::env::var_os("AIRLOCK_CONFIG").map(PathBuf::from);
    let file = named.clone().unwrap_or_else(|| data_dir.join(FILE));
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => String::new(),
        other => other.with_context(|| format!("reading {}", file.display()))?,
    };
    parse(&text, std::env::vars_os()).with_context(|| format!("the settings in {}", file.display()))
}

fn parse(text: &str, variables: impl IntoIterator<Item = (OsString, OsString)>) -> anyhow::Result<Settings> {
    // By itself first: here an error knows its line.
    let _sound: Settings = toml::from_str(text)?;
    let mut all: Table = toml::from_str(text)?;
    for (name, value) in variables {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else {
            continue;
        };
        for section in SECTIONS {
            let prefix = format!("AIRLOCK_{}_", section.to_uppercase());
            let Some(key) = name.strip_prefix(&prefix) else {
                continue;
            };
            let table = all
                .entry((*section).to_owned())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(table) = table {
                table.insert(key.to_lowercase(), value_of(value));
            }
            Settings::deserialize(all.clone()).with_context(|| format!("the variable {name}"))?;
        }
    }
    Ok(Settings::deserialize(all)?)
}

/// `50` is a number, `{ a = "b" }` a table, everything else is text.
fn value_of(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok();
    parsed
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(text: &str, variables: &[(&str, &str)]) -> anyhow::Result<Settings> {
        parse(
            text,
            variables.iter().map(|(name, value)| (name.into(), value.into())),
        )
    }

    #[test]
    fn variables_win_over_the_file() {
        let text = "[images]\nquota_gb = 5\nkeep_days = 2\nmap = { 'cimg/*' = 'airlock/base' }\n";
        let variables = [
            ("AIRLOCK_IMAGES_QUOTA_GB", "7"),
            ("AIRLOCK_IMAGES_CA", "/etc/ca.pem"),
            ("AIRLOCK_IMAGES_MIRRORS", "{ 'docker.io' = ['mirror.example'] }"),
            ("AIRLOCK_IMAGE_CACHE", "/elsewhere"),
        ];
        let images = with(text, &variables).expect("read").images;
        assert_eq!((images.quota_gb, images.keep_days), (7, 2));
        assert_eq!(images.ca.as_deref(), Some(Path::new("/etc/ca.pem")));
        assert_eq!(images.mirrors["docker.io"], ["mirror.example"]);
        assert_eq!(images.mapped("cimg/base:1").as_deref(), Some("airlock/base"));
        assert_eq!(with("", &[]).expect("empty"), Settings::default());
    }

    #[test]
    fn a_key_nobody_knows_is_named_with_its_place() {
        let file = format!("{:#}", with("[images]\nquota = 5\n", &[]).expect_err("unknown"));
        assert!(file.contains("line 2") && file.contains("quota_gb"), "{file}");
        let variable = with("", &[("AIRLOCK_IMAGES_QUOTA", "5")]).expect_err("unknown");
        assert!(
            format!("{variable:#}").contains("AIRLOCK_IMAGES_QUOTA"),
            "{variable:#}"
        );
    }
}
