//! Takes triggers in: a push, a call, a local run. What is answered is durable; planning follows in its own loop.

use std::collections::HashSet;
use std::time::Duration;

use airlock_domain::state::PipelineState;
use airlock_domain::trust::EventTrust;
use airlock_domain::{BranchName, CommitSha, DeliveryId, PipelineId, ProjectSlug, TagName};
use airlock_driver_interfaces::rows::{PipelineRow, ProjectRow, Revision, Selection, Trigger, TriggerKind};

use crate::{Actor, ControlPlane, UseCaseError, limits};

/// A request to build something.
#[derive(Debug, Clone)]
pub struct TriggerRequest {
    /// The project.
    pub project: ProjectSlug,
    /// What to build.
    pub reference: Reference,
    /// The commit; the head of the branch when absent.
    pub sha: Option<CommitSha>,
    /// Pipeline parameters.
    pub parameters: Vec<(String, serde_json::Value)>,
    /// Only this part of the config.
    pub only: Selection,
    /// The pipeline that is built again: its orbs stay what they were.
    pub again: Option<PipelineId>,
    /// Who asks.
    pub actor: Actor,
    /// How it came.
    pub kind: TriggerKind,
    /// How far it is trusted.
    pub trust: EventTrust,
    /// Makes the request idempotent; fresh when absent.
    pub delivery: Option<DeliveryId>,
}

/// What a pipeline builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A branch.
    Branch(BranchName),
    /// A tag.
    Tag(TagName),
}

/// One ref that a push changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedRef {
    /// Such as `refs/heads/main`.
    pub name: String,
    /// The commit it now points to; `None` when it was deleted.
    pub new: Option<CommitSha>,
}

/// What a project's newest pipelines were started for, as far back as they were read.
#[derive(Default)]
struct Built {
    heads: HashSet<(String, CommitSha)>,
    oldest: Option<PipelineId>,
}

impl ControlPlane {
    /// Accepts a trigger: the pipeline row is durable when this returns.
    pub async fn trigger(&self, request: TriggerRequest) -> Result<PipelineRow, UseCaseError> {
        let project = self.project_named(&request.project).await?;
        let forge = &self.drivers().forge;
        let (branch, tag) = match request.reference {
            Reference::Branch(branch) => (Some(branch), None),
            Reference::Tag(tag) => (None, Some(tag)),
        };
        let sha = match (request.sha, &branch) {
            (Some(sha), _) => sha,
            (None, Some(branch)) => forge
                .branch_head(&request.project, branch)
                .await?
                .ok_or_else(|| {
                    UseCaseError::NotFound(format!("branch '{branch}' of {}", request.project.short()))
                })?,
            (None, None) => {
                let name = tag.as_ref().map(ToString::to_string).unwrap_or_default();
                self.tag_head(&request.project, &name).await?
            }
        };
        let commit = forge.commit(&request.project, &sha).await?;
        let delivery = request.delivery.unwrap_or_else(|| DeliveryId::new(self.new_id()));
        let row = PipelineRow {
            id: PipelineId::new(self.new_id()),
            project: project.id,
            number: 0,
            state: PipelineState::Pending,
            revision: Revision {
                sha,
                branch,
                tag,
                subject: commit.subject,
                author: commit.author,
            },
            trigger: Trigger {
                delivery,
                kind: request.kind,
                actor: request.actor.name.clone(),
                trust: request.trust,
                parameters: request.parameters,
                only: request.only,
                again: request.again,
            },
            errors: Vec::new(),
            created_at: self.now(),
        };
        let (row, fresh) = self.store().add_pipeline(&row).await?;
        if fresh {
            let target = format!("{} #{}", project.slug, row.number);
            self.audit("pipeline.start", &request.actor.name, &target).await?;
            self.inner.news.notify_one();
            self.inner.planning.notify_one();
        }
        Ok(row)
    }

    /// Takes a push to the built-in remote in and answers with the lines the pusher reads.
    pub async fn pushed(&self, project: &ProjectSlug, actor: &Actor, refs: &[PushedRef]) -> Vec<String> {
        let mut lines = Vec::new();
        for pushed in refs {
            let Some(sha) = pushed.new.clone() else { continue };
            let reference = match reference_of(&pushed.name) {
                Ok(Some(reference)) => reference,
                Ok(None) => continue,
                Err(error) => {
                    lines.push(format!("{} starts no pipeline: {error}", pushed.name));
                    continue;
                }
            };
            let (line, started) = self.pushed_one(project, actor, reference, sha).await;
            lines.push(line);
            if let Some(row) = started {
                lines.extend(self.problems_of(&row).await);
            }
        }
        lines
    }

    async fn pushed_one(
        &self,
        project: &ProjectSlug,
        actor: &Actor,
        reference: Reference,
        sha: CommitSha,
    ) -> (String, Option<PipelineRow>) {
        let what = match &reference {
            Reference::Branch(branch) => format!("branch {branch}"),
            Reference::Tag(tag) => format!("tag {tag}"),
        };
        match self.drivers().forge.commit(project, &sha).await {
            Ok(commit) if asks_to_skip(&commit.subject) => {
                let line = format!("{what}: the commit message says skip, so no pipeline was started");
                return (line, None);
            }
            Ok(_) | Err(_) => {}
        }
        let request = TriggerRequest {
            project: project.clone(),
            reference,
            sha: Some(sha),
            parameters: Vec::new(),
            only: Selection::default(),
            again: None,
            actor: actor.clone(),
            kind: TriggerKind::Push,
            trust: EventTrust::Member,
            delivery: None,
        };
        match self.trigger(request).await {
            Ok(row) => {
                let line = format!("Pipeline #{} for {what}: {}", row.number, self.pipeline_url(&row));
                (line, Some(row))
            }
            Err(error) => (format!("{what}: no pipeline could be started: {error}"), None),
        }
    }

    /// What is wrong with a pipeline's config, if planning says so soon.
    async fn problems_of(&self, row: &PipelineRow) -> Vec<String> {
        let mut follow = self.follow(row.id);
        let planned = async {
            while let Ok(Some(happening)) = follow.next().await {
                match happening.status.as_deref() {
                    Some("pending") => {}
                    Some("errored") => return happening.reason,
                    _ => return None,
                }
            }
            None
        };
        let patience = Duration::from_millis(limits::PUSH_PLANNING_MS);
        match tokio::time::timeout(patience, planned).await {
            Ok(Some(reason)) => std::iter::once("Nothing runs, because:".to_owned())
                .chain(reason.lines().map(str::to_owned))
                .collect(),
            Ok(None) | Err(_) => Vec::new(),
        }
    }

    /// Starts what was pushed while nobody was there to hear: a process that dies between git's moving a ref and the
    /// pipeline's row leaves a commit that no pipeline has built. Called once, before the doors open.
    pub async fn reconcile_pushes(&self) -> Result<(), UseCaseError> {
        for project in self.store().projects().await? {
            let mut built = Built::default();
            for (name, object) in self.drivers().remote.heads(&project.slug).await? {
                // A name that starts no pipeline must not keep the server from starting.
                let Ok(Some(reference)) = reference_of(&name) else {
                    continue;
                };
                if !self
                    .was_built(&project, &mut built, (name, object.clone()))
                    .await?
                {
                    let actor = Actor::new("a push that was interrupted");
                    let (line, _) = self.pushed_one(&project.slug, &actor, reference, object).await;
                    tracing::warn!(project = %project.slug, "taken up again: {line}");
                }
            }
        }
        Ok(())
    }

    /// Whether any pipeline was ever started for this ref at this commit, however long ago: an old tag must not be
    /// deployed again. Reads on only until it is found.
    async fn was_built(
        &self,
        project: &ProjectRow,
        built: &mut Built,
        head: (String, CommitSha),
    ) -> Result<bool, UseCaseError> {
        while !built.heads.contains(&head) {
            let page = self
                .store()
                .pipelines(Some(project.id), built.oldest, limits::RECONCILED_PIPELINES)
                .await?;
            let Some(last) = page.last() else {
                return Ok(false);
            };
            built.oldest = Some(last.id);
            for row in page {
                let Revision { sha, branch, tag, .. } = row.revision;
                let branch = branch.map(|branch| format!("refs/heads/{branch}"));
                let name = branch.or_else(|| tag.map(|tag| format!("refs/tags/{tag}")));
                built.heads.extend(name.map(|name| (name, sha)));
            }
        }
        Ok(true)
    }

    async fn tag_head(&self, project: &ProjectSlug, tag: &str) -> Result<CommitSha, UseCaseError> {
        let wanted = format!("refs/tags/{tag}");
        let heads = self.drivers().remote.heads(project).await?;
        let found = heads
            .into_iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, sha)| sha);
        found.ok_or_else(|| UseCaseError::NotFound(format!("tag '{tag}' of {}", project.short())))
    }

    /// The page of a pipeline.
    #[must_use]
    pub fn pipeline_url(&self, row: &PipelineRow) -> String {
        let web = self
            .inner
            .addresses
            .get()
            .map_or("", |addresses| addresses.web.as_str());
        format!("{web}/pipelines/{}", row.id)
    }

    /// The project of this name.
    pub(crate) async fn project_named(&self, slug: &ProjectSlug) -> Result<ProjectRow, UseCaseError> {
        let found = self.store().project_by_slug(slug).await?;
        found.ok_or_else(|| UseCaseError::NotFound(format!("project {}", slug.short())))
    }
}

/// Branch or tag behind a full ref name; `None` for refs of other kinds.
fn reference_of(name: &str) -> Result<Option<Reference>, UseCaseError> {
    if let Some(branch) = name.strip_prefix("refs/heads/") {
        return Ok(Some(Reference::Branch(BranchName::new(branch)?)));
    }
    if let Some(tag) = name.strip_prefix("refs/tags/") {
        return Ok(Some(Reference::Tag(TagName::new(tag)?)));
    }
    Ok(None)
}

/// CircleCI's marks in a commit message that ask for no pipeline.
fn asks_to_skip(subject: &str) -> bool {
    let head: String = subject.chars().take(250).collect::<String>().to_lowercase();
    head.contains("[ci skip]") || head.contains("[skip ci]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_branches_and_tags_are_built() {
        assert!(matches!(
            reference_of("refs/heads/main"),
            Ok(Some(Reference::Branch(_)))
        ));
        assert!(matches!(
            reference_of("refs/tags/v1"),
            Ok(Some(Reference::Tag(_)))
        ));
        assert!(matches!(reference_of("refs/notes/x"), Ok(None)));
        assert!(reference_of("refs/heads/-x").is_err());
    }

    #[test]
    fn skip_marks_are_read_in_any_case() {
        assert!(
            asks_to_skip("Docs only [CI skip]") && asks_to_skip("[skip ci] x") && !asks_to_skip("skip ci")
        );
    }
}
