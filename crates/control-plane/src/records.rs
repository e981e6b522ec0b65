//! What is kept of a slice beside its steps and files: who it spoke to and what it used. Each is one blob, written with
//! the slice's end, before the end is, so that a job that has ended has its records.

use airlock_agent_protocol::limits::{EGRESS_ENTRIES, RESOURCE_SAMPLES};
use airlock_agent_protocol::{EgressReport, FinishRequest, ResourceReport, Usage};
use airlock_domain::JobId;
use airlock_driver_interfaces::BlobKey;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{ControlPlane, UseCaseError, limits};

/// What a slice used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceResources {
    /// The most it held at once, and sums.
    pub usage: Usage,
    /// Sample by sample.
    pub report: ResourceReport,
}

impl ControlPlane {
    /// Who a slice spoke to; nobody, as long as it runs.
    pub async fn egress(&self, job: JobId, slice: u32) -> Result<EgressReport, UseCaseError> {
        let found = self.read_record(&BlobKey::egress(job, slice)).await?;
        Ok(found.unwrap_or_default())
    }

    /// What a slice used; `None` as long as it runs, and when its agent was lost.
    pub async fn resources(&self, job: JobId, slice: u32) -> Result<Option<SliceResources>, UseCaseError> {
        self.read_record(&BlobKey::resources(job, slice)).await
    }

    pub(crate) async fn keep_records(&self, request: &FinishRequest) -> Result<(), UseCaseError> {
        let FinishRequest {
            lease,
            usage,
            egress,
            resources,
            ..
        } = request;
        let bounded = |what: &str, count: usize, most: usize| {
            if count <= most {
                return Ok(());
            }
            let text = format!("{count} {what}, more than {most}");
            Err(UseCaseError::Invalid(text))
        };
        bounded(
            "places in a record of connections",
            egress.entries.len(),
            EGRESS_ENTRIES,
        )?;
        bounded(
            "samples in a record of resources",
            resources.samples.len(),
            RESOURCE_SAMPLES,
        )?;
        if !egress.is_empty() {
            self.keep_record(&BlobKey::egress(lease.job, lease.slice), egress)
                .await?;
        }
        // A slice whose sandbox never ran has none.
        if resources.samples.is_empty() {
            return Ok(());
        }
        let record = SliceResources {
            usage: *usage,
            report: resources.clone(),
        };
        self.keep_record(&BlobKey::resources(lease.job, lease.slice), &record)
            .await
    }

    async fn keep_record(&self, key: &BlobKey, record: &impl Serialize) -> Result<(), UseCaseError> {
        let text = serde_json::to_vec(record).map_err(|error| UseCaseError::Invalid(error.to_string()))?;
        let mut writer = self.drivers().blobs.create(key).await?;
        writer.write(Bytes::from(text)).await?;
        writer.finish().await?;
        Ok(())
    }

    async fn read_record<T: DeserializeOwned>(&self, key: &BlobKey) -> Result<Option<T>, UseCaseError> {
        let blobs = &self.drivers().blobs;
        let length = blobs.len(key).await?;
        let mut text = Vec::new();
        while (text.len() as u64) < length {
            let piece = blobs.read(key, text.len() as u64, limits::LOG_READ_BYTES).await?;
            if piece.is_empty() {
                break;
            }
            text.extend_from_slice(&piece);
        }
        if text.is_empty() {
            return Ok(None);
        }
        let record = serde_json::from_slice(&text);
        record
            .map(Some)
            .map_err(|error| UseCaseError::Invalid(format!("the record {}: {error}", key.as_str())))
    }
}
