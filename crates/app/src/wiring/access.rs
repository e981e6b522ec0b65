//! The git door asks the control plane who may do what.

use airlock_control_plane::{Actor, ControlPlane, PushedRef};
use airlock_domain::ProjectSlug;
use airlock_forges::PlainGit;
use airlock_gateway::ssh::{BareRepo, Denied, GitAccess, GitAction, PrincipalName, RefUpdate};
use airlock_transport::ssh::SshPublicKey;
use async_trait::async_trait;

/// A key that some project knows.
#[derive(Debug, Clone)]
pub(crate) struct KeyHolder {
    fingerprint: String,
    name: String,
}

impl PrincipalName for KeyHolder {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Answers the git door from the control plane's rows.
pub(crate) struct PlaneAccess {
    pub(crate) plane: ControlPlane,
    pub(crate) git: PlainGit,
}

#[async_trait]
impl GitAccess for PlaneAccess {
    type Principal = KeyHolder;

    async fn authenticate(&self, key: &SshPublicKey) -> Option<KeyHolder> {
        let fingerprint = key.fingerprint();
        match self.plane.key_is_known(&fingerprint).await {
            Ok(true) => Some(KeyHolder {
                name: format!("key {fingerprint}"),
                fingerprint,
            }),
            Ok(false) => None,
            Err(error) => {
                tracing::error!(%error, "a key could not be looked up");
                None
            }
        }
    }

    async fn open(
        &self,
        principal: &KeyHolder,
        repo: &ProjectSlug,
        action: GitAction,
    ) -> Result<BareRepo, Denied> {
        let grant = self
            .plane
            .repository_grant(&principal.fingerprint, repo)
            .await
            .map_err(|error| {
                tracing::error!(%error, project = %repo, "a grant could not be looked up");
                Denied::new("Airlock could not look up what this key may do. Its log says why.")
            })?;
        let unknown = || {
            Denied::new(format!(
                "There is no repository {0}, or this key may not use it.\n\
                 Make it with: airlock project create {0} --key FILE.pub",
                repo.short()
            ))
        };
        let grant = grant.ok_or_else(unknown)?;
        match action {
            GitAction::Push if !grant.may_push => Err(Denied::new(format!(
                "This key may read {} but not push to it.",
                repo.short()
            ))),
            GitAction::Push | GitAction::Fetch => Ok(BareRepo {
                path: self.git.folder(repo),
            }),
        }
    }

    async fn pushed(
        &self,
        principal: &KeyHolder,
        repo: &ProjectSlug,
        updates: Vec<RefUpdate>,
    ) -> Vec<String> {
        let refs: Vec<PushedRef> = updates
            .into_iter()
            .map(|update| PushedRef {
                name: update.name.to_string(),
                new: update.new,
            })
            .collect();
        self.plane
            .pushed(repo, &Actor::new(principal.name.clone()), &refs)
            .await
    }
}
