//! What an image's name means: `cimg/base` is `docker.io/cimg/base:latest`. Refuses names that no registry takes and
//! hosts that no registry has.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use oci_client::Reference;

use super::RegistryError;

/// An image in a registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageReference(pub(super) Reference);

/// A text that names no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{name}' does not name an image: {problem}; expected something like cimg/base:2024.01 or \
     registry.example/team/tools@sha256:…"
)]
pub struct ReferenceError {
    name: String,
    problem: String,
}

impl FromStr for ImageReference {
    type Err = ReferenceError;

    fn from_str(name: &str) -> Result<Self, ReferenceError> {
        let wrong = |problem: String| ReferenceError {
            name: name.chars().take(200).collect(),
            problem,
        };
        let reference = Reference::try_from(name).map_err(|error| {
            let upper = name.split([':', '@']).next().unwrap_or_default();
            wrong(if upper.chars().any(|letter| letter.is_ascii_uppercase()) {
                "repositories are written in lower case".into()
            } else {
                error.to_string()
            })
        })?;
        if reference
            .digest()
            .is_some_and(|digest| !digest.starts_with("sha256:"))
        {
            return Err(wrong("only sha256 digests are taken".into()));
        }
        Ok(Self(reference))
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl ImageReference {
    /// The registry's host, with its port where it has one.
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// The digest it is pinned to.
    pub fn digest(&self) -> Option<&str> {
        self.0.digest()
    }

    /// The same repository with a digest in place of the tag.
    #[must_use]
    pub fn pinned(&self, digest: &str) -> String {
        format!("{}/{}@{digest}", self.registry(), self.0.repository())
    }

    /// The same image at a mirror, which may have a path of its own in front: `mirror.example/hub`.
    pub(super) fn at(&self, mirror: &str) -> Self {
        let (host, prefix) = mirror.split_once('/').unwrap_or((mirror, ""));
        let repository = match prefix.trim_matches('/') {
            "" => self.0.repository().to_owned(),
            prefix => format!("{prefix}/{}", self.0.repository()),
        };
        let host = host.to_owned();
        let reference = match (self.0.tag(), self.0.digest()) {
            (_, Some(digest)) => Reference::with_digest(host, repository, digest.to_owned()),
            (tag, None) => Reference::with_tag(host, repository, tag.unwrap_or("latest").to_owned()),
        };
        Self(reference)
    }

    fn host(&self) -> &str {
        let registry = self.registry();
        if let Some(rest) = registry.strip_prefix('[') {
            return rest.split(']').next().unwrap_or_default();
        }
        registry.split(':').next().unwrap_or_default()
    }

    /// Whether the registry is this machine, the one place where plain HTTP is spoken.
    pub(super) fn is_loopback(&self) -> bool {
        let host = self.host();
        host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Addresses that a job could only name to make the agent ask for what the job may not: metadata services.
    pub(super) fn check_address(&self) -> Result<(), RegistryError> {
        let refused = match self.host().parse::<IpAddr>() {
            Ok(IpAddr::V4(v4)) => v4.is_link_local() || v4.is_multicast() || v4.is_unspecified(),
            Ok(IpAddr::V6(v6)) => v6.is_unicast_link_local() || v6.is_multicast() || v6.is_unspecified(),
            Err(_name) => false,
        };
        if refused {
            return Err(RegistryError::Refused {
                registry: self.registry().to_owned(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> ImageReference {
        name.parse().expect(name)
    }

    #[test]
    fn short_names_are_completed() {
        for (name, whole) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("cimg/base:2024.01", "docker.io/cimg/base:2024.01"),
            ("127.0.0.1:5000/test/busybox:1", "127.0.0.1:5000/test/busybox:1"),
            ("registry.example/a/b/c", "registry.example/a/b/c:latest"),
            ("localhost/x", "localhost/x:latest"),
        ] {
            assert_eq!(image(name).to_string(), whole);
        }
        let digest = format!("sha256:{}", "a".repeat(64));
        assert_eq!(
            image(&format!("x:1@{digest}")).pinned(&digest),
            format!("docker.io/library/x@{digest}")
        );
    }

    #[test]
    fn what_is_no_name_says_what_one_looks_like() {
        for (name, problem) in [
            ("Team/Tools", "lower case"),
            ("a//b", "invalid reference format"),
            ("x:", "invalid reference format"),
            ("x@sha256:12", "invalid"),
        ] {
            let text = name.parse::<ImageReference>().expect_err(name).to_string();
            assert!(
                text.contains(problem) && text.contains("cimg/base:2024.01"),
                "{text}"
            );
        }
    }

    #[test]
    fn mirrors_have_the_same_repository() {
        assert_eq!(
            image("busybox:1").at("mirror.example:5000").to_string(),
            "mirror.example:5000/library/busybox:1"
        );
        assert_eq!(
            image("cimg/base:1").at("m.example/hub").to_string(),
            "m.example/hub/cimg/base:1"
        );
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_clear() {
        for (name, loopback) in [
            ("127.0.0.1:5000/x", true),
            ("localhost:5000/x", true),
            ("127.0.0.1.evil.example/x", false),
            ("10.0.0.1:5000/x", false),
            ("localhost.evil.example/x", false),
            ("x", false),
        ] {
            assert_eq!(image(name).is_loopback(), loopback, "{name}");
        }
    }

    #[test]
    fn metadata_services_are_no_registries() {
        for name in [
            "169.254.169.254/latest/meta-data",
            "0.0.0.0:80/x",
            "224.0.0.1:5000/x",
        ] {
            let text = image(name).check_address().expect_err(name).to_string();
            assert!(text.contains("is no registry"), "{text}");
        }
        image("10.0.0.1:5000/x")
            .check_address()
            .expect("a private registry");
    }
}
