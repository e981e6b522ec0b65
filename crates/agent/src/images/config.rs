//! An image's configuration: what a container of it would run, as whom and with which variables. Read from the
//! registry's JSON, of which only this is kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layers::DiffId;

/// The label that lets an image's entrypoint run beside the steps.
const PRESERVE_ENTRYPOINT: &str = "com.circleci.preserve-entrypoint";

/// What an image says of containers made from it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImageConfig {
    /// ENV, in order.
    pub environment: Vec<(String, String)>,
    /// ENTRYPOINT.
    pub entrypoint: Vec<String>,
    /// CMD.
    pub command: Vec<String>,
    /// USER: a name or number, and a group after a colon.
    pub user: Option<String>,
    /// WORKDIR.
    pub working_directory: Option<String>,
    /// Whether the entrypoint of a primary container runs although the config names none.
    pub preserve_entrypoint: bool,
}

/// A configuration as registries keep it.
#[derive(Debug, Deserialize)]
struct Stored {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    config: Option<Container>,
    rootfs: Rootfs,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Container {
    env: Option<Vec<String>>,
    entrypoint: Option<Vec<String>>,
    cmd: Option<Vec<String>>,
    user: Option<String>,
    working_dir: Option<String>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct Rootfs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

/// What a configuration says.
#[derive(Debug)]
pub(super) struct Read {
    /// `linux/amd64`.
    pub(super) platform: String,
    pub(super) config: ImageConfig,
    /// Lowest first.
    pub(super) layers: Vec<DiffId>,
}

/// Reads a configuration, or says what is wrong with it.
pub(super) fn read(json: &[u8]) -> Result<Read, String> {
    let stored: Stored =
        serde_json::from_slice(json).map_err(|error| format!("its configuration cannot be read: {error}"))?;
    let container = stored.config.unwrap_or_default();
    let layers = stored.rootfs.diff_ids.unwrap_or_default();
    let layers = layers
        .iter()
        .map(|text| DiffId::parse(text).ok_or_else(|| format!("'{text}' is not the digest of a layer")))
        .collect::<Result<_, _>>()?;
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let preserve_entrypoint = container.labels.is_some_and(|labels| {
        labels
            .get(PRESERVE_ENTRYPOINT)
            .is_some_and(|value| value == "true")
    });
    Ok(Read {
        platform: format!("{}/{}", stored.os, stored.architecture),
        config: ImageConfig {
            environment: container
                .env
                .unwrap_or_default()
                .iter()
                .filter_map(|line| line.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            entrypoint: container.entrypoint.unwrap_or_default(),
            command: container.cmd.unwrap_or_default(),
            user: some(container.user),
            working_directory: some(container.working_dir),
            preserve_entrypoint,
        },
        layers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read_as_docker_writes_it() {
        let diff = "ab".repeat(32);
        let text = format!(
            r#"{{"architecture":"amd64","os":"linux","history":[],
            "config":{{"Env":["PATH=/opt/bin:/bin","EMPTY=","X=a=b"],"Entrypoint":null,"Cmd":["sh"],"User":"circleci",
                "WorkingDir":"/srv","Labels":{{"com.circleci.preserve-entrypoint":"true"}},"ExposedPorts":{{"80/tcp":{{}}}}}},
            "rootfs":{{"type":"layers","diff_ids":["sha256:{diff}"]}}}}"#
        );
        let Read {
            platform,
            config,
            layers,
        } = read(text.as_bytes()).expect("read");
        assert_eq!(platform, "linux/amd64");
        assert_eq!(layers[0].hex(), diff);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            config,
            ImageConfig {
                environment: vec![pair("PATH", "/opt/bin:/bin"), pair("EMPTY", ""), pair("X", "a=b")],
                entrypoint: Vec::new(),
                command: vec!["sh".into()],
                user: Some("circleci".into()),
                working_directory: Some("/srv".into()),
                preserve_entrypoint: true,
            }
        );
    }

    #[test]
    fn layers_cannot_become_paths() {
        for bad in [
            "sha256:../../etc",
            "sha512:ab",
            "sha256:AB",
            &format!("sha256:{}", "G".repeat(64)),
        ] {
            let text = format!(r#"{{"rootfs":{{"diff_ids":["{bad}"]}}}}"#);
            assert!(
                read(text.as_bytes()).expect_err(bad).contains("not the digest"),
                "{bad}"
            );
        }
        assert!(read(b"[]").expect_err("no object").contains("cannot be read"));
    }
}
