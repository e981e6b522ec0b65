//! Entering jobs over SSH: whose key is whose, who was let into which job, and starting that. A person is let in by
//! asking for it, after saying that they know what they will see: who is inside sees the job's secrets. Nobody else is,
//! whatever key they have. Called by the API, the pages and the SSH door of the gateway.

use airlock_domain::plan::Executor;
use airlock_domain::state::{JobKind, SliceStatus};
use airlock_domain::{DeliveryId, JobId};
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::rows::{JobRow, PipelineRow, Selection, TriggerKind};
pub use airlock_driver_interfaces::ssh::UserKeyRow;

use crate::{Actor, ControlPlane, Reference, TriggerRequest, UseCaseError, limits};

/// Where people enter jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshAddress {
    /// Host, as people reach it.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The door's public key in OpenSSH form.
    pub host_key: String,
}

/// What the wish to enter a job led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SshStart {
    /// The job has not ended: it can be entered as soon as its sandbox is there.
    Enabled,
    /// The job had ended: this pipeline runs it again, and waits at its end.
    Rerun(Box<PipelineRow>),
}

impl ControlPlane {
    /// Says once where jobs are entered; without it, they are not.
    pub fn set_ssh_address(&self, address: SshAddress) {
        self.inner.ssh_address.get_or_init(|| address);
    }

    /// Where jobs are entered.
    pub fn ssh_address(&self) -> Option<&SshAddress> {
        self.inner.ssh_address.get()
    }

    /// Adds a person's public key, one line in OpenSSH form.
    pub async fn add_user_key(&self, text: &str, actor: &Actor) -> Result<UserKeyRow, UseCaseError> {
        let key = self.drivers().keys.parse_public(text)?;
        if self.store().user_keys(&actor.name).await?.len() >= limits::KEYS_PER_USER {
            return Err(UseCaseError::Invalid(format!(
                "there are {} keys, which is as many as one may have: remove one first",
                limits::KEYS_PER_USER
            )));
        }
        let row = UserKeyRow {
            user: actor.name.clone(),
            fingerprint: key.fingerprint,
            public_key: key.openssh,
            label: key.comment,
            created_at: self.now(),
        };
        match self.store().add_user_key(&row).await {
            Ok(()) => {}
            Err(StoreError::Exists { .. }) => {
                let known = self.store().user_key(&row.fingerprint).await?;
                return match known {
                    Some(known) if known.user == actor.name => Ok(known),
                    // Whose it is, is not said.
                    Some(_) | None => Err(UseCaseError::Conflict(
                        "this key belongs to somebody already: make another with ssh-keygen -t ed25519"
                            .into(),
                    )),
                };
            }
            Err(error) => return Err(error.into()),
        }
        self.audit("user.key_add", &actor.name, &row.fingerprint).await?;
        Ok(row)
    }

    /// A person's keys.
    pub async fn user_keys(&self, actor: &Actor) -> Result<Vec<UserKeyRow>, UseCaseError> {
        Ok(self.store().user_keys(&actor.name).await?)
    }

    /// Removes one of a person's keys.
    pub async fn remove_user_key(&self, fingerprint: &str, actor: &Actor) -> Result<(), UseCaseError> {
        if !self.store().remove_user_key(&actor.name, fingerprint).await? {
            return Err(UseCaseError::NotFound(format!("key {fingerprint}")));
        }
        self.audit("user.key_remove", &actor.name, fingerprint).await
    }

    /// Whose key this is.
    pub async fn user_of_key(&self, fingerprint: &str) -> Result<Option<String>, UseCaseError> {
        Ok(self.store().user_key(fingerprint).await?.map(|row| row.user))
    }

    /// Lets somebody into a job that has not ended, or runs one that has once more, with them let in.
    pub async fn start_ssh(
        &self,
        job: JobId,
        acknowledged: bool,
        actor: &Actor,
    ) -> Result<SshStart, UseCaseError> {
        let row = self.job(job).await?;
        if row.kind != JobKind::Build {
            return Err(UseCaseError::Invalid(
                "only a job that runs steps can be entered: this one has none".into(),
            ));
        }
        let in_container = row
            .body
            .as_ref()
            .is_some_and(|body| matches!(body.executor, Executor::Docker { .. }));
        if !in_container {
            return Err(UseCaseError::Invalid(
                "only jobs of the docker executor can be entered over SSH: machines cannot yet".into(),
            ));
        }
        if !acknowledged {
            return Err(UseCaseError::Invalid(
                "whoever enters a job sees everything in it, its secrets unmasked: say that you know by setting \
                 acknowledge_secret_access to true"
                    .into(),
            ));
        }
        if self.ssh_address().is_none() {
            return Err(UseCaseError::Conflict(
                "this server has no door for entering jobs: start it with --job-ssh ADDRESS:PORT".into(),
            ));
        }
        if self.store().user_keys(&actor.name).await?.is_empty() {
            return Err(UseCaseError::Invalid(
                "you have no SSH key here: add the public half of yours with airlock ssh-key add FILE.pub"
                    .into(),
            ));
        }
        if row.status.outcome().is_none() {
            self.store()
                .grant_ssh(job.as_uuid(), &actor.name, self.now())
                .await?;
            self.audit("job.ssh_enable", &actor.name, &job.to_string())
                .await?;
            return Ok(SshStart::Enabled);
        }
        self.rerun_with_ssh(&row, actor).await
    }

    async fn rerun_with_ssh(&self, row: &JobRow, actor: &Actor) -> Result<SshStart, UseCaseError> {
        let view = self.pipeline(row.pipeline).await?;
        let workflow = self.workflow(row.workflow).await?;
        let revision = view.pipeline.revision;
        let reference = match (revision.branch, revision.tag) {
            (Some(branch), _) => Reference::Branch(branch),
            (None, Some(tag)) => Reference::Tag(tag),
            (None, None) => {
                return Err(UseCaseError::Invalid(
                    "this pipeline was of no branch and no tag, so it cannot be run again".into(),
                ));
            }
        };
        // Before the pipeline is there, so that even a job that takes no time waits.
        let delivery = DeliveryId::new(self.new_id());
        self.store()
            .grant_ssh(delivery.as_uuid(), &actor.name, self.now())
            .await?;
        self.audit("job.ssh_rerun", &actor.name, &row.id.to_string())
            .await?;
        let request = TriggerRequest {
            project: view.project.slug,
            reference,
            sha: Some(revision.sha),
            parameters: view.pipeline.trigger.parameters,
            only: Selection {
                workflow: Some(workflow.name.to_string()),
                job: Some(row.name.to_string()),
            },
            again: Some(row.pipeline),
            actor: actor.clone(),
            kind: TriggerKind::Api,
            // Never more than the commit was trusted before, whoever looks into it.
            trust: view.pipeline.trigger.trust,
            delivery: Some(delivery),
        };
        Ok(SshStart::Rerun(Box::new(self.trigger(request).await?)))
    }

    /// Who was let into a job.
    pub async fn ssh_users(&self, job: &JobRow) -> Result<Vec<String>, UseCaseError> {
        let mut users = self.store().ssh_grants(job.id.as_uuid()).await?;
        if let Some(pipeline) = self.store().pipeline(job.pipeline).await? {
            let delivery = pipeline.trigger.delivery.as_uuid();
            users.extend(self.store().ssh_grants(delivery).await?);
        }
        users.sort();
        users.dedup();
        Ok(users)
    }

    /// Whether somebody may enter a slice now: they were let in, and it has not ended.
    pub async fn may_enter(&self, user: &str, job: JobId, slice: u32) -> Result<bool, UseCaseError> {
        let row = match self.job(job).await {
            Ok(row) => row,
            Err(UseCaseError::NotFound(_)) => return Ok(false),
            Err(error) => return Err(error),
        };
        let there = row
            .slices
            .iter()
            .any(|known| known.index == slice && known.status == SliceStatus::Running);
        Ok(there && self.ssh_users(&row).await?.iter().any(|known| known == user))
    }

    /// Whether somebody asked to enter a running job.
    pub(crate) async fn ssh_is_wanted(&self, job: JobId) -> Result<bool, UseCaseError> {
        Ok(!self.store().ssh_grants(job.as_uuid()).await?.is_empty())
    }

    /// Writes down that somebody came into a slice over SSH, or left.
    pub async fn note_ssh(
        &self,
        what: SshNote,
        user: &str,
        job: JobId,
        slice: u32,
    ) -> Result<(), UseCaseError> {
        self.audit(what.action(), user, &format!("{job} slice {slice}"))
            .await
    }
}

/// What is written down of people in jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SshNote {
    /// Logged in.
    Login,
    /// Logged out, or was sent out.
    Logout,
    /// Had a key of a known person, but may not enter.
    Denied,
}

impl SshNote {
    const fn action(self) -> &'static str {
        match self {
            Self::Login => "job.ssh_login",
            Self::Logout => "job.ssh_logout",
            Self::Denied => "job.ssh_denied",
        }
    }
}
