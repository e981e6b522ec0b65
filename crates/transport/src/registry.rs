//! Container registries, as far as images are pulled from them: what an image's name means, its manifest for this
//! machine's platform, and its blobs piece by piece, each verified against its digest. Speaks HTTPS, and plain HTTP to
//! loopback addresses only. Signs in for one pull at a time: a client is made per pull, so no token or password outlives
//! it or serves somebody else. What layers hold is not looked at here. Called by the agent's image store.

mod error;
mod manifest;
mod reference;

use std::fmt;
use std::path::PathBuf;

use airlock_domain::Secret;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use oci_client::client::{
    Certificate, CertificateEncoding, Client, ClientConfig, ClientProtocol, SizedStream,
};
use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageManifest, OciManifest};
use oci_client::secrets::RegistryAuth;
use tokio::time::timeout;

pub use error::RegistryError;
pub use reference::{ImageReference, ReferenceError};

use crate::limits;
use manifest::Problem;

/// What registries are told of whoever asks.
const USER_AGENT: &str = concat!("airlock/", env!("CARGO_PKG_VERSION"));

/// How to sign in.
#[derive(Clone, Debug, Default)]
pub enum RegistryLogin {
    /// Not at all.
    #[default]
    Anonymous,
    /// With a user and a password, or what a registry takes for one.
    Password {
        /// The user.
        username: String,
        /// The password.
        password: Secret,
    },
}

impl RegistryLogin {
    /// Whether there is anything to sign in with.
    #[must_use]
    pub fn is_signed_in(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Password { .. } => true,
        }
    }

    fn auth(&self) -> RegistryAuth {
        match self {
            Self::Anonymous => RegistryAuth::Anonymous,
            Self::Password { username, password } => RegistryAuth::Basic(
                username.clone(),
                password.expose_text().unwrap_or_default().to_owned(),
            ),
        }
    }
}

/// What an operator may say of registries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryOptions {
    /// Registries that are asked before the one an image names, by its host: `docker.io` → `mirror.example`. A mirror is
    /// never shown a job's password.
    pub mirrors: Vec<(String, Vec<String>)>,
    /// Certificates in PEM to trust besides the machine's.
    pub ca: Option<PathBuf>,
}

/// One blob of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobRef {
    /// `sha256:` and hexadecimal digits.
    pub digest: String,
    /// Bytes as they travel.
    pub size: u64,
    /// What it is said to be.
    pub media_type: String,
}

/// An image for this machine's platform, where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageManifest {
    /// The digest that a config may pin: of the list of platforms where there is one, else of the manifest.
    pub pinned: String,
    /// The digest of the manifest for this platform.
    pub digest: String,
    /// Its configuration.
    pub config: BlobRef,
    /// Its layers, lowest first.
    pub layers: Vec<BlobRef>,
    /// Whom to ask for the blobs.
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Source {
    reference: ImageReference,
    is_mirror: bool,
}

/// A client for one pull.
pub struct RegistryClient {
    options: RegistryOptions,
    roots: Vec<Certificate>,
    login: RegistryLogin,
    /// For what the library would read without end.
    http: reqwest::Client,
}

impl fmt::Debug for RegistryClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryClient").finish_non_exhaustive()
    }
}

impl RegistryClient {
    /// Reads the operator's certificates.
    pub fn new(options: RegistryOptions, login: RegistryLogin) -> Result<Self, RegistryError> {
        crate::provider::install();
        let mut roots = Vec::new();
        let mut http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(limits::CONNECT)
            .read_timeout(limits::REGISTRY_SILENCE);
        if let Some(path) = &options.ca {
            let wrong = |problem: String| RegistryError::Ca {
                path: path.clone(),
                problem,
            };
            let data = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
            let certificates =
                reqwest::Certificate::from_pem_bundle(&data).map_err(|error| wrong(error.to_string()))?;
            http = http.tls_certs_merge(certificates);
            roots.push(Certificate {
                encoding: CertificateEncoding::Pem,
                data,
            });
        }
        let http = http.build().map_err(|error| RegistryError::Other {
            registry: "client".into(),
            problem: error.to_string(),
        })?;
        Ok(Self {
            options,
            roots,
            login,
            http,
        })
    }

    /// Asks the mirrors, then the registry itself, what the image is now.
    pub async fn manifest(&self, image: &ImageReference) -> Result<ImageManifest, RegistryError> {
        for mirror in self.mirrors(image) {
            let source = Source {
                reference: mirror,
                is_mirror: true,
            };
            match self.manifest_at(&source).await {
                Ok(found) => return Ok(found),
                Err(error) => {
                    tracing::info!(mirror = source.reference.registry(), %error, "a mirror has not got an image");
                }
            }
        }
        let source = Source {
            reference: image.clone(),
            is_mirror: false,
        };
        self.manifest_at(&source).await
    }

    /// A small blob, such as the configuration, whole, if it is what its digest says.
    pub async fn small_blob(
        &self,
        manifest: &ImageManifest,
        blob: &BlobRef,
        limit: usize,
    ) -> Result<Bytes, RegistryError> {
        let shown = manifest.source.reference.to_string();
        let too_large = || RegistryError::Format {
            image: shown.clone(),
            problem: format!(
                "its configuration is larger than {limit} bytes; build it with fewer labels, variables and steps"
            ),
        };
        if blob.size > limit as u64 {
            return Err(too_large());
        }
        let mut all = BytesMut::new();
        let mut stream = self.blob(manifest, blob).await?;
        while let Some(piece) = stream.next().await? {
            if all.len() + piece.len() > limit {
                return Err(too_large());
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// A blob piece by piece. The last piece is followed by an error when the whole is not what its digest says.
    pub async fn blob(&self, manifest: &ImageManifest, blob: &BlobRef) -> Result<BlobStream, RegistryError> {
        let source = &manifest.source;
        let client = self.client(source)?;
        let reference = &source.reference.0;
        // The address is the registry's own; places that a manifest names besides are not asked.
        let opened = async {
            client
                .store_auth_if_needed(reference.resolve_registry(), &self.login_for(source).auth())
                .await;
            client.pull_blob_stream(reference, blob.digest.as_str()).await
        };
        let stream = match timeout(limits::REGISTRY_ANSWER, opened).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.explain(source, error)),
            Err(_elapsed) => return Err(silent(source)),
        };
        Ok(BlobStream {
            stream,
            image: source.reference.to_string(),
            registry: source.reference.registry().to_owned(),
            digest: blob.digest.clone(),
        })
    }

    fn mirrors(&self, image: &ImageReference) -> Vec<ImageReference> {
        let own = self
            .options
            .mirrors
            .iter()
            .find(|(registry, _)| registry == image.registry());
        own.map(|(_, mirrors)| mirrors.iter().map(|mirror| image.at(mirror)).collect())
            .unwrap_or_default()
    }

    fn login_for(&self, source: &Source) -> RegistryLogin {
        if source.is_mirror {
            RegistryLogin::Anonymous
        } else {
            self.login.clone()
        }
    }

    async fn manifest_at(&self, source: &Source) -> Result<ImageManifest, RegistryError> {
        let reference = &source.reference;
        let (manifest, digest) = self.ask(source, reference).await?;
        let (image, pinned, digest) = match manifest {
            OciManifest::Image(image) => (image, digest.clone(), digest),
            OciManifest::ImageIndex(index) => {
                let entry = choose(&index.manifests).ok_or_else(|| RegistryError::Platform {
                    image: reference.to_string(),
                    have: platforms(&index.manifests),
                })?;
                let own = ImageReference(reference.0.clone_with_digest(entry.digest.clone()));
                match self.ask(source, &own).await? {
                    (OciManifest::Image(image), own) => (image, digest, own),
                    (OciManifest::ImageIndex(_), _) => {
                        return Err(RegistryError::Format {
                            image: reference.to_string(),
                            problem: "its list of platforms names another list".into(),
                        });
                    }
                }
            }
        };
        described(source, &image, pinned, digest)
    }

    async fn ask(
        &self,
        source: &Source,
        reference: &ImageReference,
    ) -> Result<(OciManifest, String), RegistryError> {
        let client = self.client(source)?;
        let auth = self.login_for(source).auth();
        let scheme = if reference.is_loopback() { "http" } else { "https" };
        let asked = manifest::get(&client, &self.http, scheme, &reference.0, &auth);
        match timeout(limits::REGISTRY_ANSWER, asked).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(Problem::Oci(error))) => Err(self.explain(source, *error)),
            Ok(Err(Problem::TooLarge)) => Err(RegistryError::Format {
                image: reference.to_string(),
                problem: format!(
                    "its manifest is larger than {} bytes, which no registry takes; is this address a registry?",
                    limits::MANIFEST_BYTES
                ),
            }),
            Err(_elapsed) => Err(silent(source)),
        }
    }

    fn client(&self, source: &Source) -> Result<Client, RegistryError> {
        source.reference.check_address()?;
        let registry = source.reference.0.resolve_registry().to_owned();
        let protocol = if source.reference.is_loopback() {
            ClientProtocol::HttpsExcept(vec![registry.clone()])
        } else {
            ClientProtocol::Https
        };
        let config = ClientConfig {
            protocol,
            extra_root_certificates: self.roots.clone(),
            connect_timeout: Some(limits::CONNECT),
            read_timeout: Some(limits::REGISTRY_SILENCE),
            user_agent: USER_AGENT,
            ..ClientConfig::default()
        };
        Client::try_from(config).map_err(|error| RegistryError::Other {
            registry,
            problem: error.to_string(),
        })
    }

    fn explain(&self, source: &Source, error: oci_client::errors::OciDistributionError) -> RegistryError {
        error::explain(&source.reference, self.login_for(source).is_signed_in(), error)
    }
}

/// A blob on its way.
pub struct BlobStream {
    stream: SizedStream,
    image: String,
    registry: String,
    digest: String,
}

impl fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStream")
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

impl BlobStream {
    /// The next piece; `None` after the last, when the whole is what its digest says.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RegistryError> {
        match self.stream.next().await {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some(piece)),
            Some(Err(error)) => Err(error::of_stream(
                &self.image,
                &self.registry,
                &self.digest,
                &error,
            )),
        }
    }
}

fn silent(source: &Source) -> RegistryError {
    RegistryError::Away {
        registry: source.reference.registry().to_owned(),
        problem: format!("no answer within {} s", limits::REGISTRY_ANSWER.as_secs()),
    }
}

/// The platform whose programs this build of Airlock runs.
const fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    }
}

/// This machine's platform as images name it: `linux/amd64`.
#[must_use]
pub fn platform() -> String {
    format!("linux/{}", architecture())
}

fn named(entry: &ImageIndexEntry) -> Option<String> {
    let platform = entry.platform.as_ref()?;
    Some(format!("{}/{}", platform.os, platform.architecture))
}

fn choose(entries: &[ImageIndexEntry]) -> Option<&ImageIndexEntry> {
    entries.iter().find(|entry| named(entry) == Some(platform()))
}

/// What a list offers, without what belongs to no platform (attestations).
fn platforms(entries: &[ImageIndexEntry]) -> Vec<String> {
    let mut all: Vec<String> = entries.iter().filter_map(named).collect();
    all.retain(|name| name != "unknown/unknown");
    all.dedup();
    all
}

fn described(
    source: &Source,
    image: &OciImageManifest,
    pinned: String,
    digest: String,
) -> Result<ImageManifest, RegistryError> {
    let blob = |descriptor: &OciDescriptor| BlobRef {
        digest: descriptor.digest.clone(),
        size: u64::try_from(descriptor.size).unwrap_or_default(),
        media_type: descriptor.media_type.clone(),
    };
    if image.layers.len() > limits::IMAGE_LAYERS {
        return Err(RegistryError::Format {
            image: source.reference.to_string(),
            problem: format!(
                "it has {} layers; {} are possible",
                image.layers.len(),
                limits::IMAGE_LAYERS
            ),
        });
    }
    Ok(ImageManifest {
        pinned,
        digest,
        config: blob(&image.config),
        layers: image.layers.iter().map(blob).collect(),
        source: source.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let login = RegistryLogin::Password {
            username: "me".into(),
            password: Secret::new("canary-4711"),
        };
        assert!(!format!("{login:?} {:?}", login.auth()).contains("canary"));
    }

    #[test]
    fn this_platform_is_chosen_from_a_list() {
        let list = |names: &[&str]| -> Vec<ImageIndexEntry> {
            let entries = names.iter().map(|name| {
                let (os, arch) = name.split_once('/').expect("a platform");
                serde_json::json!({
                    "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1,
                    "digest": format!("sha256:{name}"), "platform": {"os": os, "architecture": arch},
                })
            });
            serde_json::from_value(serde_json::Value::Array(entries.collect())).expect("a list")
        };
        let many = list(&["windows/amd64", "linux/s390x", &platform(), "unknown/unknown"]);
        assert_eq!(
            choose(&many).expect("chosen").digest,
            format!("sha256:{}", platform())
        );
        let none = list(&["linux/s390x", "linux/s390x", "windows/amd64", "unknown/unknown"]);
        assert!(choose(&none).is_none());
        assert_eq!(platforms(&none), ["linux/s390x", "windows/amd64"]);
    }
}
