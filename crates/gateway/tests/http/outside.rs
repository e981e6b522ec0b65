//! What is not under test: a repository that holds one config, and keys that are only texts.

use std::sync::Mutex;

use airlock_domain::{BranchName, CommitSha, ProjectSlug, Secret};
use airlock_driver_interfaces::forge::CommitInfo;
use airlock_driver_interfaces::{Forge, ForgeError, KeyError, NewKey, PublicKeyInfo, Remote, SshKeys};
use async_trait::async_trait;

/// A build, an approval, and a second build after it.
pub(crate) const CONFIG: &str = "\
version: 2.1
parameters:
  greeting: { type: string, default: hello }
jobs:
  build:
    docker: [{ image: airlock/base }]
    steps:
      - run: { name: Say hello, command: echo hello }
      - store_artifacts: { path: out, destination: dist }
workflows:
  ci:
    jobs:
      - build
      - hold: { type: approval, requires: [build] }
      - build: { name: ship, requires: [hold] }
";

/// A forge whose every commit holds this config. Some branches are odd on purpose.
pub(crate) struct OneConfig(pub(crate) Mutex<String>);

#[async_trait]
impl Forge for OneConfig {
    async fn file_at(
        &self,
        _project: &ProjectSlug,
        _sha: &CommitSha,
        _path: &str,
    ) -> Result<Option<Vec<u8>>, ForgeError> {
        Ok(Some(self.0.lock().expect("not poisoned").clone().into_bytes()))
    }

    async fn commit(&self, _project: &ProjectSlug, _sha: &CommitSha) -> Result<CommitInfo, ForgeError> {
        Ok(CommitInfo {
            subject: "Say hello".into(),
            author: "Ada".into(),
        })
    }

    async fn branch_head(
        &self,
        project: &ProjectSlug,
        branch: &BranchName,
    ) -> Result<Option<CommitSha>, ForgeError> {
        match branch.as_str() {
            "gone" => Ok(None),
            "panic" => panic!("the branch that panics, canary-4711"),
            "broken" => Err(ForgeError::Failed {
                doing: "reading canary-4711".into(),
                project: project.to_string(),
                reason: "disk full".into(),
            }),
            _ => Ok(Some(CommitSha::new("a".repeat(40)).expect("a commit"))),
        }
    }
}

/// A remote that makes nothing.
pub(crate) struct NoRemote;

#[async_trait]
impl Remote for NoRemote {
    async fn create_repository(&self, _project: &ProjectSlug) -> Result<(), ForgeError> {
        Ok(())
    }

    async fn heads(&self, _: &ProjectSlug) -> Result<Vec<(String, CommitSha)>, ForgeError> {
        Ok(Vec::new())
    }
}

/// Keys that are only texts.
pub(crate) struct TextKeys;

impl SshKeys for TextKeys {
    fn generate(&self, comment: &str) -> Result<NewKey, KeyError> {
        let public = self.parse_public(&format!("ssh-ed25519 AAAA {comment}"))?;
        Ok(NewKey {
            public,
            private: Secret::new("private"),
        })
    }

    fn parse_public(&self, text: &str) -> Result<PublicKeyInfo, KeyError> {
        if !text.starts_with("ssh-ed25519 ") {
            return Err(KeyError("this is no public key in OpenSSH form".into()));
        }
        let (openssh, comment) = (
            text.to_owned(),
            text.rsplit(' ').next().unwrap_or_default().to_owned(),
        );
        Ok(PublicKeyInfo {
            fingerprint: format!("SHA256:{text}"),
            openssh,
            comment,
        })
    }
}
