//! SSH keys for the control plane, by the one crate that speaks SSH.

use airlock_domain::Secret;
use airlock_driver_interfaces::{KeyError, NewKey, PublicKeyInfo, SshKeys};
use airlock_transport::ssh::{SshPrivateKey, SshPublicKey};

/// Keys made and read by `airlock-transport`.
pub(crate) struct TransportKeys;

impl SshKeys for TransportKeys {
    fn generate(&self, comment: &str) -> Result<NewKey, KeyError> {
        let key = SshPrivateKey::generate(comment).map_err(|error| KeyError(error.to_string()))?;
        let private: Secret = key.to_openssh().map_err(|error| KeyError(error.to_string()))?;
        Ok(NewKey {
            public: info(&key.public()),
            private,
        })
    }

    fn parse_public(&self, text: &str) -> Result<PublicKeyInfo, KeyError> {
        SshPublicKey::parse(text)
            .map(|key| info(&key))
            .map_err(|error| KeyError(error.to_string()))
    }
}

fn info(key: &SshPublicKey) -> PublicKeyInfo {
    PublicKeyInfo {
        fingerprint: key.fingerprint(),
        openssh: key.to_line(),
        comment: key.comment(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_reads_back() {
        let made = TransportKeys.generate("deploy key").expect("made");
        let read = TransportKeys
            .parse_public(&made.public.openssh)
            .expect("read back");
        assert_eq!(read.fingerprint, made.public.fingerprint);
        assert_eq!(made.public.comment, "deploy key");
        assert!(TransportKeys.parse_public("ssh-rsa nonsense").is_err());
    }
}
