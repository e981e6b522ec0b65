//! Where steps run, as the config says it.

use serde::{Deserialize, Serialize};

use super::Place;
use crate::names::ImageName;

/// Where steps run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Executor {
    /// Containers that share one network; steps run in the first.
    Docker {
        /// The primary container's image.
        image: ImageName,
        /// Where the config names it.
        place: Place,
        /// What else the config says of the primary container.
        #[serde(default, skip_serializing_if = "ContainerSettings::is_default")]
        primary: ContainerSettings,
        /// The other containers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        services: Vec<Container>,
    },
    /// A virtual machine.
    Machine(Machine),
    /// A virtual machine with macOS.
    MacOs(MacOs),
}

impl Executor {
    /// Where the config names it.
    #[must_use]
    pub fn place(&self) -> &Place {
        match self {
            Self::Docker { place, .. } => place,
            Self::Machine(machine) => &machine.place,
            Self::MacOs(mac) => &mac.place,
        }
    }
}

/// A container beside the primary one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its image.
    pub image: ImageName,
    /// Where the config names it.
    pub place: Place,
    /// What else the config says of it.
    #[serde(default, skip_serializing_if = "ContainerSettings::is_default")]
    pub settings: ContainerSettings,
}

/// What a config may say of a container beside its image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSettings {
    /// Its host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The program and its first arguments; `None` means the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Further arguments; `None` means the image's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The user it runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its own variables, in order. A container may have names that no shell takes, such as `discovery.type`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<(String, String)>,
    /// How to sign in at its registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth: Option<RegistryAuth>,
}

impl ContainerSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// How to sign in at a registry. Values stay as written: `$NAME` in them is a variable of the job, looked up when the
/// job starts and never before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryAuth {
    /// `auth`.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// `aws_auth` with a key.
    AwsKey {
        /// The key's id.
        access_key_id: String,
        /// The key.
        secret_access_key: String,
    },
    /// `aws_auth` with a role that the job's OIDC token may take on.
    AwsRole {
        /// The role.
        role_arn: String,
    },
    /// `gcp_auth`.
    Gcp {
        /// The service account.
        service_account: String,
        /// The pool.
        workload_identity_pool: String,
        /// The provider.
        workload_identity_provider: String,
    },
}

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its image; `None` for `machine: true` and for machines of one's own, which have none.
    pub image: Option<ImageName>,
    /// Whether layers of Docker images are kept between jobs.
    #[serde(default)]
    pub docker_layer_caching: bool,
    /// Where the config names it.
    pub place: Place,
}

/// A virtual machine with macOS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacOs {
    /// The version of Xcode, as the config writes it: `13.0` is not `13`.
    pub xcode: String,
    /// Names of signing bundles that `install_signing_bundle` may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code_signing: Vec<String>,
    /// Where the config names it.
    pub place: Place,
}
