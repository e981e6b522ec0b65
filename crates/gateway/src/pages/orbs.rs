//! The orb registry for people: what is there, and for one version what it offers and how a config uses it. What the text
//! of an orb offers is the compiler's to say; this page only shows it.

use airlock_control_plane::orbs::OrbRow;
use airlock_control_plane::{ControlPlane, UseCaseError};
use airlock_domain::{OrbName, OrbVersion};
use askama::Template;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::response::Response;

use super::access::Viewer;
use super::shell::{Shell, answer};
use super::words::{Moment, timestamp};
use crate::http::answer::Problem;
use crate::http::input::{PathParts, Queries};
use crate::http::percent::encoded;
use crate::http::state::State;

#[derive(Template)]
#[template(path = "orbs.html")]
struct OrbsPage {
    shell: Shell,
    groups: Vec<Group>,
}

/// The orbs of one namespace.
struct Group {
    namespace: String,
    orbs: Vec<OrbItem>,
}

struct OrbItem {
    name: String,
    path: String,
    newest: String,
    versions: usize,
    description: String,
    imported: Moment,
}

#[derive(Template)]
#[template(path = "orb.html")]
struct OrbPage {
    shell: Shell,
    name: String,
    version: String,
    description: String,
    links: Vec<Link>,
    usage: String,
    sections: Vec<Section>,
    examples: Vec<Example>,
    versions: Vec<VersionItem>,
    digest: String,
    size: String,
    imported: Moment,
    imported_by: String,
    /// The day on which it ends.
    ends: Option<String>,
    uses: Vec<Used>,
    source: String,
}

struct Link {
    word: &'static str,
    address: String,
}

struct Section {
    heading: &'static str,
    elements: Vec<Element>,
}

struct Element {
    id: String,
    name: String,
    description: String,
    parameters: Vec<Parameter>,
}

struct Parameter {
    name: String,
    kind: String,
    description: String,
    default: Option<String>,
}

struct Example {
    name: String,
    description: String,
    usage: String,
}

struct VersionItem {
    version: String,
    path: String,
    here: bool,
    imported: Moment,
}

struct Used {
    reference: String,
    path: String,
    exact: String,
}

/// `GET /orbs`
pub(crate) async fn list(With(state): With<State>, viewer: Viewer) -> Result<Response, Problem> {
    let now = timestamp((state.now)());
    let mut groups: Vec<Group> = Vec::new();
    let mut last: Option<OrbName> = None;
    for row in state.plane.orbs().await? {
        if groups
            .last()
            .is_none_or(|group| group.namespace != row.name.namespace())
        {
            groups.push(Group {
                namespace: row.name.namespace().to_owned(),
                orbs: Vec::new(),
            });
        }
        let Some(group) = groups.last_mut() else { continue };
        match group.orbs.last_mut().filter(|_| last.as_ref() == Some(&row.name)) {
            Some(orb) => orb.versions += 1,
            None => group.orbs.push(OrbItem {
                name: row.name.to_string(),
                path: format!("/orbs/{}", row.name),
                newest: row.version.to_string(),
                versions: 1,
                description: row.description.clone(),
                imported: Moment::new(row.imported_at, now),
            }),
        }
        last = Some(row.name);
    }
    let page = OrbsPage {
        shell: Shell::new("Orbs", "orbs", &viewer),
        groups,
    };
    answer(StatusCode::OK, &page)
}

/// `GET /orbs/{namespace}/{orb}`, with `?version=` for one that is not the newest.
pub(crate) async fn show(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    query: Queries,
) -> Result<Response, Problem> {
    let now = timestamp((state.now)());
    let text = format!("{}/{}", path.text("namespace"), path.text("orb"));
    let missing = || Problem::not_found(&format!("orb {text}"));
    let name = OrbName::new(text.as_str()).map_err(|_| missing())?;
    let rows = state.plane.orb_versions(&name).await?;
    let wanted = match query.text("version") {
        Some(version) => version.to_owned(),
        None => rows.first().ok_or_else(missing)?.version.to_string(),
    };
    let (row, source) = state.plane.orb(&name, &wanted).await.map_err(|error| {
        // What is no version names none.
        if matches!(error, UseCaseError::Invalid(_)) {
            return Problem::not_found(&format!("orb {name}@{wanted}"));
        }
        error.into()
    })?;
    let offered = ControlPlane::orb_summary(&source);
    let version = row.version.to_string();
    let links = [("Home page", offered.home_url), ("Source", offered.source_url)];
    let sections = [
        ("Jobs", offered.jobs),
        ("Commands", offered.commands),
        ("Executors", offered.executors),
    ];
    let page = OrbPage {
        shell: Shell::new(format!("{name}@{version}"), "orbs", &viewer),
        usage: usage(&name, &row.version),
        description: offered.description,
        links: links
            .into_iter()
            .filter(|(_, address)| !address.is_empty())
            .map(|(word, address)| Link { word, address })
            .collect(),
        sections: sections
            .into_iter()
            .filter(|(_, elements)| !elements.is_empty())
            .map(|(heading, elements)| Section {
                heading,
                elements: elements
                    .into_iter()
                    .map(|element| Element {
                        id: format!("{}-{}", heading.to_lowercase(), element.name),
                        name: element.name,
                        description: element.description,
                        parameters: element
                            .parameters
                            .into_iter()
                            .map(|parameter| Parameter {
                                kind: if parameter.members.is_empty() {
                                    parameter.kind
                                } else {
                                    parameter.members.join(" | ")
                                },
                                name: parameter.name,
                                description: parameter.description,
                                default: parameter.default,
                            })
                            .collect(),
                    })
                    .collect(),
            })
            .collect(),
        examples: offered
            .examples
            .into_iter()
            .map(|example| Example {
                name: example.name,
                description: example.description,
                usage: example.usage,
            })
            .collect(),
        versions: rows
            .iter()
            .map(|other| VersionItem {
                path: address_of(&name, &other.version),
                here: other.version == row.version,
                imported: Moment::new(other.imported_at, now),
                version: other.version.to_string(),
            })
            .collect(),
        digest: row.digest.to_string(),
        size: format!("{} bytes", row.size),
        imported: Moment::new(row.imported_at, now),
        ends: row
            .expires_at
            .map(|at| at.to_rfc3339().chars().take(10).collect()),
        uses: used(&row),
        imported_by: row.imported_by,
        name: name.to_string(),
        version,
        source,
    };
    answer(StatusCode::OK, &page)
}

fn used(row: &OrbRow) -> Vec<Used> {
    let uses = row.nested.iter().map(|nested| Used {
        reference: nested.reference.clone(),
        path: address_of(&nested.name, &nested.version),
        exact: format!("{}@{}", nested.name, nested.version),
    });
    uses.collect()
}

/// What to write into a config.
fn usage(name: &OrbName, version: &OrbVersion) -> String {
    format!("orbs:\n  {}: {name}@{version}", name.orb())
}

/// Where the page of a version is.
pub(crate) fn address_of(name: &OrbName, version: &OrbVersion) -> String {
    format!("/orbs/{name}?version={}", encoded(&version.to_string()))
}
