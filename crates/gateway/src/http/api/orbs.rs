//! The instance's own orb registry: what is in it, the text of a version, bringing versions in, and which of them a
//! pipeline was built with.

use airlock_control_plane::orbs::{AddedOrb, ImportedOrb, OrbImport, OrbRow, PipelineOrb as Taken};
use airlock_domain::{OrbDigest, OrbName, OrbVersion, PipelineId};
use axum::Json as Reply;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::paging::Page;
use super::shapes::{Time, shapes};
use crate::http::answer::Problem;
use crate::http::auth::Caller;
use crate::http::input::{self, PathParts, Queries};
use crate::http::limits;
use crate::http::state::State;

shapes! { reply:
    /// An orb with its versions.
    Orb {
        /// Its name, <namespace>/<orb>.
        name: String,
        /// Its versions, newest first, development versions last.
        versions: Vec<OrbVersionItem>,
    }

    /// A version of an orb, without its text.
    OrbVersionItem {
        /// 1.2.3, or dev:<label>.
        version: String,
        /// Of its text: sha256: and hexadecimal digits.
        digest: String,
        /// Bytes of its text.
        size: u64,
        /// What it says of itself, in one line.
        description: String,
        /// The orbs it uses, as they were settled when it came in.
        uses: Vec<UsedOrb>,
        /// When it came in.
        imported_at: Time,
        /// Who brought it.
        imported_by: String,
        /// When it ends by itself; for development versions only.
        expires_at: Option<Time>,
    }

    /// A reference to an orb, and what it was answered with.
    UsedOrb {
        /// The reference as written.
        reference: String,
        /// The orb.
        name: String,
        /// The version.
        version: String,
        /// Its digest.
        digest: String,
    }

    /// An orb that a pipeline was built with.
    PipelineOrb {
        /// The reference as written; an address for an orb that was fetched from one.
        reference: String,
        /// The orb, when it is one of the registry.
        name: Option<String>,
        /// The version it was answered with, when it is one of the registry.
        version: Option<String>,
        /// The digest of its text.
        digest: String,
    }

    /// A version of an orb with its text.
    OrbSource {
        /// Its name, <namespace>/<orb>.
        name: String,
        /// The version that was found.
        found: OrbVersionItem,
        /// Its text.
        source: String,
    }

    /// What an import led to.
    ImportedOrbs {
        /// One entry for each version, in the order of the request.
        orbs: Vec<ImportedOrbItem>,
    }

    /// One version of an import.
    ImportedOrbItem {
        /// Its name, <namespace>/<orb>.
        name: String,
        /// Its version.
        version: String,
        /// The digest of its text.
        digest: String,
        /// new, same (it was there with this text) or replaced (a development version).
        result: &'static str,
        /// What somebody should look at; empty when there is nothing.
        warnings: String,
    }
}

shapes! { request:
    /// Versions to bring into the registry, all or none.
    ImportOrbs {
        /// The versions.
        orbs: Vec<OrbToImport>,
    }

    /// A version to bring in.
    OrbToImport {
        /// Its name, <namespace>/<orb>.
        name: String,
        /// 1.2.3, or dev:<label>.
        version: String,
        /// Its text, at most 1 MiB.
        source: String,
    }
}

/// `GET /airlock/orb`
pub(crate) async fn list(With(state): With<State>, query: Queries) -> Result<Reply<Page<Orb>>, Problem> {
    let after: Option<OrbName> = query.get("page-token")?;
    let rows = state.plane.orbs().await?;
    let mut items: Vec<Orb> = Vec::new();
    let mut more = false;
    for row in rows
        .into_iter()
        .filter(|row| after.as_ref().is_none_or(|after| row.name > *after))
    {
        let full = items.len() == limits::ORB_ITEMS;
        match items.last_mut() {
            Some(last) if last.name == row.name.as_str() => last.versions.push(item(row)),
            Some(_) if full => {
                more = true;
                break;
            }
            Some(_) | None => items.push(Orb {
                name: row.name.to_string(),
                versions: vec![item(row)],
            }),
        }
    }
    let next = items.last().filter(|_| more).map(|orb| orb.name.clone());
    Ok(Page::with_next(items, next))
}

/// `GET /airlock/orb/{namespace}/{orb}`
pub(crate) async fn get(With(state): With<State>, path: PathParts) -> Result<Reply<Orb>, Problem> {
    let name = name_in(&path)?;
    let rows = state.plane.orb_versions(&name).await?;
    Ok(Json(Orb {
        name: name.to_string(),
        versions: rows.into_iter().map(item).collect(),
    }))
}

/// `GET /airlock/orb/{namespace}/{orb}/{version}`
pub(crate) async fn source(With(state): With<State>, path: PathParts) -> Result<Reply<OrbSource>, Problem> {
    let name = name_in(&path)?;
    let (row, source) = state.plane.orb(&name, path.text("version")).await?;
    Ok(Json(OrbSource {
        name: name.to_string(),
        found: item(row),
        source,
    }))
}

/// `POST /airlock/orb`
pub(crate) async fn import(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    input::Json(wanted): input::Json<ImportOrbs>,
) -> Result<(StatusCode, Reply<ImportedOrbs>), Problem> {
    let read = wanted.orbs.into_iter().map(|orb| {
        Ok(OrbImport {
            name: OrbName::new(orb.name).map_err(|error| Problem::bad(error.to_string()))?,
            version: orb
                .version
                .parse::<OrbVersion>()
                .map_err(|error| Problem::bad(error.to_string()))?,
            source: orb.source,
        })
    });
    let orbs = read.collect::<Result<Vec<_>, Problem>>()?;
    let imported = state.plane.import_orbs(orbs, &actor).await?;
    let orbs = imported.into_iter().map(imported_item).collect();
    Ok((StatusCode::CREATED, Json(ImportedOrbs { orbs })))
}

/// `GET /airlock/pipeline/{id}/orbs`
pub(crate) async fn of_pipeline(
    With(state): With<State>,
    path: PathParts,
    query: Queries,
) -> Result<Reply<Page<PipelineOrb>>, Problem> {
    query.only_page()?;
    let id = path.get::<PipelineId>("id")?;
    let view = state.plane.pipeline(id).await?;
    let orbs = state.plane.pipeline_orbs(view.pipeline.id).await?;
    let at_addresses = state.plane.fetched_orbs(view.pipeline.id).await?;
    let orbs = orbs.into_iter().map(taken);
    Ok(Page::only(
        orbs.chain(at_addresses.into_iter().map(fetched)).collect(),
    ))
}

fn name_in(path: &PathParts) -> Result<OrbName, Problem> {
    let name = format!("{}/{}", path.text("namespace"), path.text("orb"));
    OrbName::new(name).map_err(|error| Problem::bad(error.to_string()))
}

fn item(row: OrbRow) -> OrbVersionItem {
    OrbVersionItem {
        version: row.version.to_string(),
        digest: row.digest.to_string(),
        size: row.size,
        description: row.description,
        uses: row
            .nested
            .into_iter()
            .map(|nested| UsedOrb {
                reference: nested.reference,
                name: nested.name.to_string(),
                version: nested.version.to_string(),
                digest: nested.digest.to_string(),
            })
            .collect(),
        imported_at: Time::at(row.imported_at),
        imported_by: row.imported_by,
        expires_at: row.expires_at.map(Time::at),
    }
}

fn imported_item(orb: ImportedOrb) -> ImportedOrbItem {
    ImportedOrbItem {
        name: orb.row.name.to_string(),
        version: orb.row.version.to_string(),
        digest: orb.row.digest.to_string(),
        result: match orb.added {
            AddedOrb::New => "new",
            // Another text of a release is an error, so it never comes this far.
            AddedOrb::Same | AddedOrb::Differs { .. } => "same",
            AddedOrb::Replaced { .. } => "replaced",
        },
        warnings: orb.warnings,
    }
}

fn taken(orb: Taken) -> PipelineOrb {
    PipelineOrb {
        reference: orb.reference,
        name: Some(orb.name.to_string()),
        version: Some(orb.version.to_string()),
        digest: orb.digest.to_string(),
    }
}

fn fetched((url, digest): (String, OrbDigest)) -> PipelineOrb {
    PipelineOrb {
        reference: url,
        name: None,
        version: None,
        digest: digest.to_string(),
    }
}
