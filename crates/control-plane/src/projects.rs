//! Projects: making them, their keys, their secret variables.

use airlock_domain::limits::ENV_VALUE_BYTES;
use airlock_domain::{EgressPolicy, EnvName, OrgId, ProjectId, ProjectSlug, Secret};
use airlock_driver_interfaces::rows::{EnvironmentRow, ProjectRow, RepositoryKeyRow};
use airlock_driver_interfaces::{PublicKeyInfo, SealingContext};

use crate::{Actor, ControlPlane, UseCaseError, limits};

/// What somebody who made a project wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectInfo {
    /// The project.
    pub project: ProjectRow,
    /// Where to push and clone.
    pub git_url: String,
}

impl ControlPlane {
    /// Makes a project with its repository and deploy key; `key` may push to it. A project that is there stays as it
    /// is, and the key is added.
    pub async fn create_project(
        &self,
        slug: &ProjectSlug,
        key: Option<&str>,
        actor: &Actor,
    ) -> Result<ProjectInfo, UseCaseError> {
        let key = key
            .map(|text| self.drivers().keys.parse_public(text))
            .transpose()?;
        let project = match self.store().project_by_slug(slug).await? {
            Some(project) => project,
            None => self.make_project(slug, actor).await?,
        };
        self.drivers().remote.create_repository(slug).await?;
        if let Some(key) = key {
            self.grant(&project, &key, true).await?;
            self.audit(
                "project.key_add",
                &actor.name,
                &format!("{slug} {}", key.fingerprint),
            )
            .await?;
        }
        let git_url = self.addresses()?.git_url(slug);
        Ok(ProjectInfo { project, git_url })
    }

    async fn make_project(&self, slug: &ProjectSlug, actor: &Actor) -> Result<ProjectRow, UseCaseError> {
        let id = ProjectId::new(self.new_id());
        let pair = self
            .drivers()
            .keys
            .generate(&format!("deploy key of {}", slug.short()))?;
        let deploy_key = self
            .drivers()
            .vault
            .seal(limits::SEAL_KEY, &deploy_key_context(id), &pair.private)
            .await?;
        let row = ProjectRow {
            id,
            org: OrgId::new(self.new_id()),
            slug: slug.clone(),
            pass_secrets_to_outsiders: false,
            deploy_key_public: pair.public.openssh.clone(),
            deploy_key,
            created_at: self.now(),
        };
        let row = self.store().add_project(&row).await?;
        // The deploy key may only read: a job must not be able to change what it is built from.
        self.grant(&row, &pair.public, false).await?;
        self.audit("project.create", &actor.name, &slug.to_string())
            .await?;
        Ok(row)
    }

    async fn grant(
        &self,
        project: &ProjectRow,
        key: &PublicKeyInfo,
        may_push: bool,
    ) -> Result<(), UseCaseError> {
        let row = RepositoryKeyRow {
            project: project.id,
            fingerprint: key.fingerprint.clone(),
            public_key: key.openssh.clone(),
            may_push,
            label: key.comment.clone(),
            created_at: self.now(),
        };
        Ok(self.store().put_repository_key(&row).await?)
    }

    /// What the key with this fingerprint may do with a repository: `None` when the project does not exist or the key
    /// has no grant there, which must look the same from outside.
    pub async fn repository_grant(
        &self,
        fingerprint: &str,
        slug: &ProjectSlug,
    ) -> Result<Option<RepositoryKeyRow>, UseCaseError> {
        let Some(project) = self.store().project_by_slug(slug).await? else {
            return Ok(None);
        };
        let grants = self.store().repository_keys(fingerprint).await?;
        Ok(grants.into_iter().find(|grant| grant.project == project.id))
    }

    /// Whether any project knows this key.
    pub async fn key_is_known(&self, fingerprint: &str) -> Result<bool, UseCaseError> {
        Ok(!self.store().repository_keys(fingerprint).await?.is_empty())
    }

    /// Seals and stores a secret variable of a project.
    pub async fn set_secret(
        &self,
        slug: &ProjectSlug,
        name: &EnvName,
        value: &Secret,
        actor: &Actor,
    ) -> Result<(), UseCaseError> {
        let project = self.project_named(slug).await?;
        let size = value.expose().len();
        if size > ENV_VALUE_BYTES {
            let text = format!(
                "the value of {name} has {size} bytes, more than the {ENV_VALUE_BYTES} a variable may have"
            );
            return Err(UseCaseError::Invalid(text));
        }
        if value.expose_text().is_none_or(|text| text.contains('\0')) {
            let text = format!(
                "the value of {name} is not UTF-8 text without NUL, as an environment variable must be: encode it, for example with base64"
            );
            return Err(UseCaseError::Invalid(text));
        }
        let context = environment_context(project.id, name);
        let sealed = self
            .drivers()
            .vault
            .seal(limits::SEAL_KEY, &context, value)
            .await?;
        let row = EnvironmentRow {
            project: project.id,
            name: name.clone(),
            value: sealed,
            updated_at: self.now(),
        };
        self.store().put_environment(&row).await?;
        self.audit("secret.set", &actor.name, &format!("{slug} {name}"))
            .await
    }

    /// Removes a secret variable.
    pub async fn remove_secret(
        &self,
        slug: &ProjectSlug,
        name: &EnvName,
        actor: &Actor,
    ) -> Result<(), UseCaseError> {
        let project = self.project_named(slug).await?;
        if !self.store().remove_environment(project.id, name).await? {
            return Err(UseCaseError::NotFound(format!(
                "variable {name} of {}",
                slug.short()
            )));
        }
        self.audit("secret.remove", &actor.name, &format!("{slug} {name}"))
            .await
    }

    /// Sets what a project's jobs may reach outside; slices that start from now on get it.
    pub async fn set_egress_policy(
        &self,
        slug: &ProjectSlug,
        policy: &EgressPolicy,
        actor: &Actor,
    ) -> Result<(), UseCaseError> {
        let project = self.project_named(slug).await?;
        self.store().put_egress(project.id, policy, self.now()).await?;
        let what = match policy {
            EgressPolicy::Allow | EgressPolicy::Deny => policy.word().to_owned(),
            EgressPolicy::List(entries) => format!("a list of {}", entries.len()),
        };
        self.audit("project.egress", &actor.name, &format!("{slug} {what}"))
            .await
    }

    /// What a project's jobs may reach outside.
    pub async fn egress_policy(&self, slug: &ProjectSlug) -> Result<EgressPolicy, UseCaseError> {
        let project = self.project_named(slug).await?;
        Ok(self.store().egress(project.id).await?)
    }

    /// The names of a project's secret variables. Values are never given back.
    pub async fn secret_names(&self, slug: &ProjectSlug) -> Result<Vec<EnvName>, UseCaseError> {
        let project = self.project_named(slug).await?;
        Ok(self
            .store()
            .environment(project.id)
            .await?
            .into_iter()
            .map(|row| row.name)
            .collect())
    }
}

pub(crate) fn deploy_key_context(project: ProjectId) -> SealingContext {
    SealingContext {
        table: "projects",
        row: project.to_string(),
        column: "deploy_key",
    }
}

pub(crate) fn environment_context(project: ProjectId, name: &EnvName) -> SealingContext {
    SealingContext {
        table: "environment",
        row: format!("{project}/{name}"),
        column: "value",
    }
}
