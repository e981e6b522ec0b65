//! Artifacts of a local run: told, and saved where somebody asked for it.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use airlock_control_plane::ControlPlane;
use airlock_domain::PipelineId;
use airlock_driver_interfaces::rows::{ArtifactRow, JobRow};
use anyhow::Context as _;

use crate::terminal;

/// Bytes copied at once.
const PIECE: usize = 1024 * 1024;

/// Tells every artifact of a pipeline and saves it below `save`: `<save>/<job>/<slice>/<path>`.
pub(crate) async fn report(
    plane: &ControlPlane,
    pipeline: PipelineId,
    save: Option<&Path>,
    json: bool,
) -> anyhow::Result<()> {
    for workflow in plane.pipeline(pipeline).await?.workflows {
        for job in plane.jobs(workflow.id).await? {
            for artifact in plane.artifacts(job.id).await? {
                let saved = match save {
                    Some(folder) => Some(write(plane, folder, &job, &artifact).await?),
                    None => None,
                };
                if !json {
                    let place = saved
                        .map(|path| format!(" → {}", path.display()))
                        .unwrap_or_default();
                    terminal::line(&format!(
                        "  artifact {} ({} bytes) of {}{place}",
                        artifact.path, artifact.size, job.name
                    ));
                }
            }
        }
    }
    Ok(())
}

async fn write(
    plane: &ControlPlane,
    folder: &Path,
    job: &JobRow,
    artifact: &ArtifactRow,
) -> anyhow::Result<PathBuf> {
    // The path was checked when it was stored: relative, without dots. The job's name is free text.
    let job_folder = job.name.as_str().replace('/', "-");
    let path = folder
        .join(job_folder)
        .join(artifact.slice.to_string())
        .join(&artifact.path);
    let doing = || format!("saving {}", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).with_context(doing)?;
    }
    let mut file = std::fs::File::create(&path).with_context(doing)?;
    let mut offset = 0;
    while offset < artifact.size {
        let piece = plane.artifact_bytes(artifact, offset, PIECE).await?;
        anyhow::ensure!(
            !piece.is_empty(),
            "artifact {} ends at byte {offset} of {}",
            artifact.path,
            artifact.size
        );
        file.write_all(&piece).with_context(doing)?;
        offset += piece.len() as u64;
    }
    Ok(path)
}
