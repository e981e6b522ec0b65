//! What can go wrong with a registry, each with a way out. A registry's own words are repeated only where they are its
//! error messages: the body of an answer from anywhere else may be what a job must not read.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use oci_client::errors::{DigestError, OciDistributionError as Oci, OciErrorCode};

use super::{ImageReference, ReferenceError, platform};
use crate::limits;

/// Why an image was not pulled.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The name is none.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The address is none of a registry's.
    #[error("{registry} is no registry: link-local and multicast addresses are not asked for images")]
    Refused {
        /// Its host.
        registry: String,
    },
    /// The registry does not give it to us.
    #[error("pulling {image}: {registry} denied it; {}", denied(*.signed_in))]
    Denied {
        /// The image.
        image: String,
        /// Who denied.
        registry: String,
        /// Whether we signed in.
        signed_in: bool,
    },
    /// There is no such tag or digest.
    #[error(
        "pulling {image}: {registry} knows no such image; is the name or the tag misspelt? (a registry may also answer so \
         for a repository that needs signing in)"
    )]
    Unknown {
        /// The image.
        image: String,
        /// Who does not know it.
        registry: String,
    },
    /// Nobody answers.
    #[error(
        "the registry {registry} cannot be reached: {problem}; check the network of this machine, let an [images.mirrors] \
         entry of airlock.toml name a nearer registry, or give this machine the image with `airlock image import` or \
         `airlock image build-base --name NAME`"
    )]
    Away {
        /// Its host.
        registry: String,
        /// The cause.
        problem: String,
    },
    /// We asked too often.
    #[error(
        "{registry} asks for patience (429, too many requests): sign in with `auth:` in the config, or let a mirror be asked \
         first with [images.mirrors] in airlock.toml"
    )]
    TooMany {
        /// Its host.
        registry: String,
    },
    /// Not for this machine.
    #[error(
        "{image} is not there for {}, the platform of this machine (it is for: {}); choose another tag or image", platform(),
        .have.join(", ")
    )]
    Platform {
        /// The image.
        image: String,
        /// What it is there for.
        have: Vec<String>,
    },
    /// It breaks the rules.
    #[error("pulling {image}: {problem}")]
    Format {
        /// The image.
        image: String,
        /// Which.
        problem: String,
    },
    /// What came is not what was asked for.
    #[error(
        "pulling {image}: {digest} arrived damaged ({problem}); nothing of it was kept, try again; if it stays so, the \
         registry's copy is damaged"
    )]
    Damaged {
        /// The image.
        image: String,
        /// Of what.
        digest: String,
        /// How it differs.
        problem: String,
    },
    /// It broke off.
    #[error("pulling {image}: the connection to {registry} broke: {problem}")]
    Broken {
        /// The image.
        image: String,
        /// Its host.
        registry: String,
        /// The cause.
        problem: String,
    },
    /// The operator's certificates cannot be read.
    #[error(
        "the certificates of `ca` in [images] of airlock.toml, {}, cannot be read: {problem}", .path.display()
    )]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// Anything else.
    #[error("the registry {registry}: {problem}")]
    Other {
        /// Its host.
        registry: String,
        /// What.
        problem: String,
    },
}

impl RegistryError {
    /// Whether the same question may be answered in a moment.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Away { .. } | Self::Broken { .. } => true,
            Self::Reference(_)
            | Self::Refused { .. }
            | Self::Denied { .. }
            | Self::Unknown { .. }
            | Self::TooMany { .. }
            | Self::Platform { .. }
            | Self::Format { .. }
            | Self::Damaged { .. }
            | Self::Ca { .. }
            | Self::Other { .. } => false,
        }
    }
}

fn denied(signed_in: bool) -> &'static str {
    if signed_in {
        "check username and password of the image's `auth:`, and that this user may pull it"
    } else {
        "the name is misspelt, or it needs signing in: give the image `auth: {username: …, password: $NAME}` in the config"
    }
}

/// The library's error in our words.
pub(super) fn explain(image: &ImageReference, signed_in: bool, error: Oci) -> RegistryError {
    let registry = image.registry().to_owned();
    let shown = image.to_string();
    let format = |problem: String| RegistryError::Format {
        image: shown.clone(),
        problem,
    };
    let no = || RegistryError::Denied {
        image: shown.clone(),
        registry: registry.clone(),
        signed_in,
    };
    let unknown = || RegistryError::Unknown {
        image: shown.clone(),
        registry: registry.clone(),
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's own list, most of it about pushing"
    )]
    match error {
        Oci::AuthenticationFailure(_)
        | Oci::UnauthorizedError { .. }
        | Oci::ServerError { code: 401 | 403, .. } => no(),
        Oci::ServerError { code: 404, .. } => unknown(),
        Oci::ServerError { code: 429, .. } => RegistryError::TooMany { registry },
        Oci::ServerError { code, .. } => RegistryError::Away {
            registry,
            problem: format!("it answered {code}"),
        },
        Oci::RegistryError { envelope, .. } => {
            let has = |wanted: &[OciErrorCode]| envelope.errors.iter().any(|one| wanted.contains(&one.code));
            if has(&[OciErrorCode::Unauthorized, OciErrorCode::Denied]) {
                no()
            } else if has(&[
                OciErrorCode::ManifestUnknown,
                OciErrorCode::NameUnknown,
                OciErrorCode::NotFound,
                OciErrorCode::BlobUnknown,
            ]) {
                unknown()
            } else if has(&[OciErrorCode::Toomanyrequests]) {
                RegistryError::TooMany { registry }
            } else {
                let said: Vec<String> = envelope.errors.iter().map(|one| one.message.clone()).collect();
                let mut said = said.join("; ");
                said.truncate(said.floor_char_boundary(limits::HTTP_ERROR_BYTES));
                RegistryError::Other {
                    registry,
                    problem: said,
                }
            }
        }
        Oci::RequestError(error) => RegistryError::Away {
            registry,
            problem: causes(&error.without_url()),
        },
        Oci::DigestError(error) => RegistryError::Damaged {
            image: shown,
            digest: "the manifest".into(),
            problem: error.to_string(),
        },
        Oci::UnsupportedSchemaVersionError(1) | Oci::UnsupportedMediaTypeError(_) => format(
            "its manifest has a form that went out of use with Docker 1.10; push it again with a current tool".into(),
        ),
        Oci::ManifestEncodingError(_)
        | Oci::ManifestParsingError(_)
        | Oci::VersionedParsingError(_)
        | Oci::UnsupportedSchemaVersionError(_)
        | Oci::JsonError(_)
        | Oci::ImageManifestNotFoundError(_) => {
            format("what the registry answered is no manifest; is this address a registry?".into())
        }
        // Texts of these hold no part of an answer but header values.
        other => RegistryError::Other {
            registry,
            problem: match other {
                Oci::RegistryTokenDecodeError(_) => "its sign-in service gave no token".into(),
                other => {
                    let mut text = other.to_string();
                    text.truncate(text.floor_char_boundary(limits::HTTP_ERROR_BYTES));
                    text
                }
            },
        },
    }
}

/// An error in the middle of a blob.
pub(super) fn of_stream(image: &str, registry: &str, digest: &str, error: &io::Error) -> RegistryError {
    let inner = error.get_ref();
    if let Some(wrong) = inner.and_then(|inner| inner.downcast_ref::<DigestError>()) {
        return RegistryError::Damaged {
            image: image.to_owned(),
            digest: digest.to_owned(),
            problem: wrong.to_string(),
        };
    }
    RegistryError::Broken {
        image: image.to_owned(),
        registry: registry.to_owned(),
        problem: causes(error),
    }
}

/// An error with what lies beneath it, each once.
fn causes(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(error: Oci, signed_in: bool) -> String {
        let image: ImageReference = "registry.example/team/tools:1".parse().expect("a name");
        explain(&image, signed_in, error).to_string()
    }

    #[test]
    fn each_refusal_has_a_way_out() {
        let url = || "https://registry.example/v2/".to_owned();
        let denied = said(Oci::UnauthorizedError { url: url() }, false);
        assert!(denied.contains("`auth: {username"), "{denied}");
        let denied = said(Oci::AuthenticationFailure("canary-4711".into()), true);
        assert!(
            denied.contains("check username") && !denied.contains("canary"),
            "{denied}"
        );
        let server = |code| Oci::ServerError {
            code,
            url: url(),
            message: "canary-4711".into(),
        };
        for (code, way_out) in [
            (404, "misspelt"),
            (429, "[images.mirrors]"),
            (503, "airlock image import"),
        ] {
            let text = said(server(code), false);
            assert!(text.contains(way_out) && !text.contains("canary"), "{text}");
        }
    }
}
