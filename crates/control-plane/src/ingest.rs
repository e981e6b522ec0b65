//! Takes in what agents say: steps, log bytes, artifacts, ends. The fence was checked before; every message may come
//! twice.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use airlock_agent_protocol::{
    ArtifactHeader, ArtifactStored, FinishRequest, LogAck, LogHeader, StepReport, limits::ARTIFACT_BYTES,
};
use airlock_domain::events::{Happening, HappeningKind};
use airlock_domain::state::{Event, SliceEnd, StepStatus};
use airlock_domain::{AgentId, ArtifactId, JobId, Timestamp};
use airlock_driver_interfaces::BlobKey;
use airlock_driver_interfaces::rows::{ArtifactRow, StepRow};
use bytes::Bytes;

use crate::agents::ArtifactBody;
use crate::notices::JobWords;
use crate::{ControlPlane, UseCaseError, limits};

/// What ingest remembers of jobs so that a log chunk costs no extra reads. Losing it loses nothing, so it is dropped
/// whole when it grows: jobs are also asked for after their end, and those of lost agents never end here.
#[derive(Default)]
pub(crate) struct Running {
    words: Mutex<HashMap<JobId, Arc<JobWords>>>,
    /// The incomplete character at the end of what was last published of a step's log.
    tails: Mutex<HashMap<(JobId, u32, u32), Vec<u8>>>,
    /// When each agent was last written down.
    agents: Mutex<HashMap<AgentId, Timestamp>>,
}

impl Running {
    /// Whether it is time to write down that this agent was heard.
    pub(crate) fn heard(&self, agent: AgentId, now: Timestamp) -> bool {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let due = agents
            .get(&agent)
            .is_none_or(|last| now.millis_since(*last) >= limits::AGENT_SEEN_MS);
        if due {
            agents.insert(agent, now);
        }
        due
    }

    fn forget(&self, job: JobId, slice: u32) {
        self.words
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&job);
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        tails.retain(|(tail_job, tail_slice, _), _| (*tail_job, *tail_slice) != (job, slice));
    }

    fn known(&self, job: JobId) -> Option<Arc<JobWords>> {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.get(&job).map(Arc::clone)
    }

    fn remember(&self, words: &Arc<JobWords>) {
        let mut known = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::REMEMBERED_JOBS {
            known.clear();
        }
        known.insert(words.job, Arc::clone(words));
    }

    /// The text that can be shown now; an incomplete character waits for its rest.
    fn text(&self, key: (JobId, u32, u32), bytes: &[u8]) -> (String, usize) {
        let mut tails = self.tails.lock().unwrap_or_else(PoisonError::into_inner);
        let mut whole = tails.remove(&key).unwrap_or_default();
        let carried = whole.len();
        whole.extend_from_slice(bytes);
        let keep = incomplete_tail(&whole);
        let tail = whole.split_off(whole.len() - keep);
        if !tail.is_empty() {
            if tails.len() >= limits::REMEMBERED_TAILS {
                tails.clear();
            }
            tails.insert(key, tail);
        }
        (String::from_utf8_lossy(&whole).into_owned(), carried)
    }
}

/// How many bytes at the end begin a UTF-8 character that is not complete.
pub(crate) fn incomplete_tail(bytes: &[u8]) -> usize {
    match std::str::from_utf8(&bytes[bytes.len().saturating_sub(4)..]) {
        Ok(_) => 0,
        Err(_) => (1..=3.min(bytes.len()))
            .find(|back| {
                let lead = bytes[bytes.len() - back];
                let length = match lead {
                    0xC2..=0xDF => 2,
                    0xE0..=0xEF => 3,
                    0xF0..=0xF4 => 4,
                    _ => 0,
                };
                length > *back
            })
            .unwrap_or(0),
    }
}

impl ControlPlane {
    pub(crate) async fn words(&self, job: JobId) -> Result<Arc<JobWords>, UseCaseError> {
        if let Some(words) = self.inner.running.known(job) {
            return Ok(words);
        }
        let missing = || UseCaseError::NotFound(format!("job {job}"));
        let row = self.store().job(job).await?.ok_or_else(missing)?;
        let workflow = self.store().workflow(row.workflow).await?.ok_or_else(missing)?;
        let words = Arc::new(JobWords {
            pipeline: row.pipeline,
            workflow: row.workflow,
            workflow_name: workflow.name.to_string(),
            job,
            job_name: row.name.to_string(),
        });
        self.inner.running.remember(&words);
        Ok(words)
    }

    pub(crate) async fn take_step(&self, report: &StepReport) -> Result<(), UseCaseError> {
        let words = self.words(report.lease.job).await?;
        let running = report.status == StepStatus::Running;
        let skipped = report.status == StepStatus::Skipped;
        let row = StepRow {
            job: report.lease.job,
            slice: report.lease.slice,
            step: report.step,
            name: report.name.clone(),
            status: report.status,
            exit_code: report.exit_code,
            reason: report.reason.clone(),
            started_at: running.then_some(report.at),
            stopped_at: (!running && !skipped).then_some(report.at),
        };
        self.store().put_step(&row).await?;
        self.announce_step(&words, &row, running, report.at.to_rfc3339());
        Ok(())
    }

    pub(crate) async fn take_log(&self, header: &LogHeader, bytes: Bytes) -> Result<LogAck, UseCaseError> {
        if bytes.len() > airlock_agent_protocol::limits::LOG_CHUNK_BYTES {
            return Err(UseCaseError::Invalid(format!(
                "a log chunk has {} bytes, too many",
                bytes.len()
            )));
        }
        let lease = header.lease;
        let key = BlobKey::step_log(lease.job, lease.slice, header.step);
        let before = self.drivers().blobs.len(&key).await?;
        let next = self
            .drivers()
            .blobs
            .append(&key, header.offset, bytes.clone())
            .await?;
        // Only what is new is told; a repeated chunk is old.
        let known = usize::try_from(before.saturating_sub(header.offset)).unwrap_or(usize::MAX);
        if let Some(fresh) = bytes.get(known..).filter(|fresh| !fresh.is_empty()) {
            let words = self.words(lease.job).await?;
            let (text, carried) = self
                .inner
                .running
                .text((lease.job, lease.slice, header.step), fresh);
            let offset = before.max(header.offset).saturating_sub(carried as u64);
            self.publish(Happening {
                step_index: Some(header.step),
                text: Some(text),
                offset: Some(offset),
                ..words.happening(HappeningKind::Output, self.now().to_rfc3339(), Some(lease.slice))
            });
        }
        Ok(LogAck { next })
    }

    pub(crate) async fn take_artifact(
        &self,
        header: &ArtifactHeader,
        body: &mut dyn ArtifactBody,
    ) -> Result<ArtifactStored, UseCaseError> {
        check_artifact_path(&header.path)?;
        if header.size > ARTIFACT_BYTES {
            let text = format!(
                "artifact '{}' has {} bytes, more than {ARTIFACT_BYTES}",
                header.path, header.size
            );
            return Err(UseCaseError::Invalid(text));
        }
        let id = ArtifactId::new(self.new_id());
        let key = BlobKey::artifact(header.lease.job, id);
        let mut writer = self.drivers().blobs.create(&key).await?;
        let mut size = 0u64;
        while let Some(piece) = body.next().await.map_err(UseCaseError::Invalid)? {
            size += piece.len() as u64;
            if size > header.size {
                break;
            }
            writer.write(piece).await?;
        }
        if size != header.size {
            let text = format!(
                "artifact '{}' has {size} bytes, not the {} announced",
                header.path, header.size
            );
            return Err(UseCaseError::Invalid(text));
        }
        // An upload can outlive its claim.
        let lease = header.lease;
        let held = self.store().lease(lease.job, lease.slice, lease.fence).await?;
        if held.is_none() {
            return Err(UseCaseError::Conflict(format!(
                "the claim ended before artifact '{}' was there",
                header.path
            )));
        }
        writer.finish().await?;
        let row = ArtifactRow {
            id,
            job: header.lease.job,
            slice: header.lease.slice,
            path: header.path.clone(),
            size,
            created_at: self.now(),
        };
        if let Some(replaced) = self.store().put_artifact(&row).await? {
            self.drivers()
                .blobs
                .remove(&BlobKey::artifact(replaced.job, replaced.id))
                .await?;
        }
        Ok(ArtifactStored { id })
    }

    pub(crate) async fn take_finish(&self, request: &FinishRequest) -> Result<(), UseCaseError> {
        let lease = request.lease;
        let job = self.store().job(lease.job).await?;
        let job = job.ok_or_else(|| UseCaseError::NotFound(format!("job {}", lease.job)))?;
        self.keep_records(request).await?;
        let end = SliceEnd {
            status: request.status,
            reason: request.reason.clone(),
        };
        let event = Event::SliceEnded {
            job: lease.job,
            slice: lease.slice,
            fence: lease.fence,
            end,
        };
        self.advance(job.workflow, event).await?;
        self.inner.running.forget(lease.job, lease.slice);
        tracing::info!(job = %lease.job, slice = lease.slice, status = %request.status, usage = ?request.usage, "a slice ended");
        Ok(())
    }
}

/// Artifact paths are shown in URLs and written to disks of those who download them.
fn check_artifact_path(path: &str) -> Result<(), UseCaseError> {
    let bad = path.is_empty()
        || path.len() > 4096
        || path.starts_with('/')
        || path.contains('\0')
        || path
            .split('/')
            .any(|part| part.is_empty() || part == "." || part == "..");
    if bad {
        return Err(UseCaseError::Invalid(format!(
            "'{path}' cannot be the path of an artifact"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_cut_in_two_is_shown_whole() {
        let running = Running::default();
        let key = (JobId::new(uuid::Uuid::nil()), 0, 1);
        let bytes = "aé😀z".as_bytes();
        for cut in 0..=bytes.len() {
            let (first, carried) = running.text(key, &bytes[..cut]);
            assert_eq!(carried, 0);
            let (second, _) = running.text(key, &bytes[cut..]);
            assert_eq!(format!("{first}{second}"), "aé😀z", "cut at {cut}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_wait_for_ever() {
        let running = Running::default();
        let key = (JobId::new(uuid::Uuid::nil()), 0, 1);
        assert_eq!(running.text(key, &[0xff, b'a', 0x80]).0, "\u{fffd}a\u{fffd}");
        assert_eq!(running.text(key, b"b").0, "b");
    }

    #[test]
    fn what_is_remembered_does_not_grow_for_ever() {
        let running = Running::default();
        let job = |number: usize| JobId::new(uuid::Uuid::from_u128(number as u128));
        for number in 0..=limits::REMEMBERED_JOBS * 2 {
            let words = Arc::new(JobWords {
                pipeline: airlock_domain::PipelineId::new(uuid::Uuid::nil()),
                workflow: airlock_domain::WorkflowId::new(uuid::Uuid::nil()),
                workflow_name: "ci".to_owned(),
                job: job(number),
                job_name: "test".to_owned(),
            });
            running.remember(&words);
            assert!(running.known(job(number)).is_some());
            running.text((job(number), 0, 0), &[0xc3]);
        }
        assert!(running.words.lock().expect("a lock").len() <= limits::REMEMBERED_JOBS);
        assert!(running.tails.lock().expect("a lock").len() <= limits::REMEMBERED_TAILS);
    }

    #[test]
    fn artifact_paths_stay_below_their_root() {
        for bad in ["", "/a", "../a", "a/../b", "a//b", "a/", "./a", "a\0b"] {
            assert!(check_artifact_path(bad).is_err(), "{bad:?} was taken");
        }
        assert!(check_artifact_path("dist/hello.txt").is_ok());
    }
}
