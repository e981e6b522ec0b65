//! Follows one pipeline to its end without losing a line: live messages only wake it, rows and logs are what it reads.
//! `airlock run` and `airlock pipeline watch` print what it gives.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use airlock_domain::events::{Happening, HappeningKind};
use airlock_domain::state::{JobStatus, PipelineState, SliceStatus, StepStatus, WorkflowStatus};
use airlock_domain::{JobId, PipelineId, WorkflowId};
use airlock_driver_interfaces::Subscription;
use airlock_driver_interfaces::bus::Heard;
use airlock_driver_interfaces::rows::{JobRow, StepRow, WorkflowRow};

use crate::ingest::incomplete_tail;
use crate::{ControlPlane, UseCaseError, limits};

type StepKey = (JobId, u32, u32);

/// One reader of a pipeline's happenings.
pub struct Follow {
    plane: ControlPlane,
    pipeline: PipelineId,
    subscription: Box<dyn Subscription>,
    ready: VecDeque<Happening>,
    state: Option<PipelineState>,
    workflows: HashMap<WorkflowId, WorkflowStatus>,
    jobs: HashMap<JobId, JobStatus>,
    slices: HashMap<(JobId, u32), SliceStatus>,
    steps: HashMap<StepKey, StepStatus>,
    /// Bytes of each step's log that were given out.
    given: HashMap<StepKey, u64>,
    /// Jobs of which everything was given out.
    settled: HashSet<JobId>,
    ended: bool,
}

impl ControlPlane {
    /// Follows a pipeline from its beginning.
    #[must_use]
    pub fn follow(&self, pipeline: PipelineId) -> Follow {
        Follow {
            plane: self.clone(),
            pipeline,
            subscription: self.listen(Some(pipeline)),
            ready: VecDeque::new(),
            state: None,
            workflows: HashMap::new(),
            jobs: HashMap::new(),
            slices: HashMap::new(),
            steps: HashMap::new(),
            given: HashMap::new(),
            settled: HashSet::new(),
            ended: false,
        }
    }
}

impl Follow {
    /// The next happening; `None` when the pipeline has ended and everything was given out.
    pub async fn next(&mut self) -> Result<Option<Happening>, UseCaseError> {
        if self.state.is_none() {
            self.read_rows().await?;
        }
        loop {
            if let Some(happening) = self.ready.pop_front() {
                return Ok(Some(happening));
            }
            if self.ended {
                return Ok(None);
            }
            let patience = Duration::from_millis(limits::FOLLOW_POLL_MS);
            match tokio::time::timeout(patience, self.subscription.next()).await {
                Ok(Heard::Happening(happening)) => self.heard(&happening).await?,
                // Lost messages, a closed bus or a long silence: the rows tell.
                Ok(Heard::Missed(_)) | Err(_) => self.read_rows().await?,
                Ok(Heard::Closed) => {
                    self.read_rows().await?;
                    self.ended = true;
                }
            }
        }
    }

    async fn heard(&mut self, happening: &Happening) -> Result<(), UseCaseError> {
        let output = happening.kind == HappeningKind::Output;
        let step = (happening.job_id, happening.slice, happening.step_index);
        match step {
            (Some(job), Some(slice), Some(step))
                if output && self.steps.contains_key(&(job, slice, step)) =>
            {
                let words = self.plane.words(job).await?;
                let name = happening.step.clone();
                let base = words.happening(HappeningKind::Output, self.at(), Some(slice));
                self.read_log((job, slice, step), name, &base, false).await
            }
            _ => self.read_rows().await,
        }
    }

    fn at(&self) -> String {
        self.plane.now().to_rfc3339()
    }

    fn base(&self, kind: HappeningKind) -> Happening {
        Happening::new(kind, self.at(), self.pipeline)
    }

    async fn read_rows(&mut self) -> Result<(), UseCaseError> {
        let view = self.plane.pipeline(self.pipeline).await?;
        if self.state != Some(view.pipeline.state) {
            self.state = Some(view.pipeline.state);
            let reason = view.pipeline.errors.iter().map(|error| error.message.as_str());
            let reason = reason.collect::<Vec<_>>().join("\n");
            self.ready.push_back(Happening {
                status: Some(view.pipeline.state.to_string()),
                reason: Some(reason).filter(|reason| !reason.is_empty()),
                ..self.base(HappeningKind::Pipeline)
            });
        }
        match view.pipeline.state {
            PipelineState::Pending => return Ok(()),
            PipelineState::Errored => {
                self.ended = true;
                return Ok(());
            }
            PipelineState::Created => {}
        }
        let mut open = false;
        for workflow in &view.workflows {
            for job in self.plane.jobs(workflow.id).await? {
                open |= job.status.outcome().is_none();
                if !self.settled.contains(&job.id) {
                    self.read_job(workflow, &job).await?;
                }
            }
            open |= !workflow.status.is_final();
            if self.workflows.insert(workflow.id, workflow.status) != Some(workflow.status) {
                self.ready.push_back(Happening {
                    workflow: Some(workflow.name.to_string()),
                    workflow_id: Some(workflow.id),
                    status: Some(workflow.status.to_string()),
                    reason: workflow.left_out.clone(),
                    ..self.base(HappeningKind::Workflow)
                });
            }
        }
        self.ended = !open;
        Ok(())
    }

    async fn read_job(&mut self, workflow: &WorkflowRow, job: &JobRow) -> Result<(), UseCaseError> {
        let base = Happening {
            workflow: Some(workflow.name.to_string()),
            workflow_id: Some(workflow.id),
            job: Some(job.name.to_string()),
            job_id: Some(job.id),
            ..self.base(HappeningKind::Job)
        };
        let ended = job.status.outcome().is_some();
        let news = Happening {
            status: Some(job.status.to_string()),
            reason: job.reason.clone(),
            ..base.clone()
        };
        let changed = self.jobs.insert(job.id, job.status) != Some(job.status);
        if changed && !ended {
            self.ready.push_back(news.clone());
        }
        for slice in &job.slices {
            let known = self.slices.insert((job.id, slice.index), slice.status);
            let steps_may_exist = slice.status == SliceStatus::Running || slice.status.is_final();
            let about = Happening {
                kind: HappeningKind::Slice,
                slice: Some(slice.index),
                status: Some(slice.status.to_string()),
                ..base.clone()
            };
            let slice_changed = known != Some(slice.status);
            if slice_changed && !slice.status.is_final() {
                self.ready.push_back(about.clone());
            }
            if steps_may_exist {
                for step in self.plane.steps(job.id, slice.index).await? {
                    self.read_step(&step, &about).await?;
                }
            }
            if slice_changed && slice.status.is_final() {
                self.ready.push_back(about);
            }
        }
        if ended {
            self.settled.insert(job.id);
            if changed {
                self.ready.push_back(news);
            }
        }
        Ok(())
    }

    async fn read_step(&mut self, step: &StepRow, base: &Happening) -> Result<(), UseCaseError> {
        let key = (step.job, step.slice, step.step);
        let known = self.steps.insert(key, step.status);
        let news = Happening {
            step: Some(step.name.clone()),
            step_index: Some(step.step),
            status: Some(step.status.to_string()),
            exit_code: step.exit_code,
            reason: step.reason.clone(),
            ..base.clone()
        };
        if known.is_none() {
            let status = Some(StepStatus::Running.to_string());
            let start = Happening {
                kind: HappeningKind::StepStart,
                status,
                exit_code: None,
                reason: None,
                ..news.clone()
            };
            self.ready.push_back(start);
        }
        let ended = step.status != StepStatus::Running;
        if known != Some(step.status) || !ended {
            let output = Happening {
                kind: HappeningKind::Output,
                status: None,
                ..base.clone()
            };
            self.read_log(key, Some(step.name.clone()), &output, ended)
                .await?;
        }
        if ended && known != Some(step.status) {
            self.ready.push_back(Happening {
                kind: HappeningKind::StepEnd,
                ..news
            });
        }
        Ok(())
    }

    /// Gives out what the log holds beyond what was given. An incomplete character waits unless the log is at its end.
    async fn read_log(
        &mut self,
        key: StepKey,
        name: Option<String>,
        base: &Happening,
        at_end: bool,
    ) -> Result<(), UseCaseError> {
        loop {
            let given = self.given.get(&key).copied().unwrap_or(0);
            let (bytes, length) = self.plane.log(key.0, key.1, key.2, given).await?;
            let last = given + bytes.len() as u64 >= length;
            let keep = if at_end && last {
                0
            } else {
                incomplete_tail(&bytes)
            };
            let whole = &bytes[..bytes.len() - keep];
            if whole.is_empty() {
                return Ok(());
            }
            self.given.insert(key, given + whole.len() as u64);
            self.ready.push_back(Happening {
                step: name.clone(),
                step_index: Some(key.2),
                text: Some(String::from_utf8_lossy(whole).into_owned()),
                offset: Some(given),
                ..base.clone()
            });
            if last {
                return Ok(());
            }
        }
    }
}
