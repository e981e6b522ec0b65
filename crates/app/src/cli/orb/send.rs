//! Orbs on their way to an instance: read, ordered so that what is used comes first, and sent in pieces that one call takes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use airlock_domain::{OrbDigest, OrbName, OrbVersion};
use airlock_pipeline_config::{OrbReference, Source, needs};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::layout::OrbFile;
use crate::client::{Client, items};
use crate::terminal;

/// Bytes of text that one call carries: a fraction of what the server takes, since JSON makes them more.
const BATCH_BYTES: usize = 6 * 1024 * 1024;
/// Versions in one call: the server checks them all before it answers.
const BATCH_ORBS: usize = 200;

/// An orb's text with its name.
#[derive(Debug, Clone)]
pub(crate) struct Orb {
    pub(crate) name: OrbName,
    pub(crate) version: OrbVersion,
    pub(crate) path: PathBuf,
    pub(crate) digest: OrbDigest,
    pub(crate) source: String,
    /// The orbs it uses, by name.
    uses: BTreeSet<String>,
}

impl Orb {
    pub(crate) fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Reads every file.
pub(crate) fn read(files: Vec<OrbFile>) -> anyhow::Result<Vec<Orb>> {
    files
        .into_iter()
        .map(|file| {
            let source = super::text_of(&file.path)?;
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, source.as_bytes());
            let hash: [u8; 32] = hash.as_ref().try_into().context("SHA-256 has 32 bytes")?;
            let uses = needs(&Source::new("", source.as_bytes())).orbs;
            let uses = uses
                .iter()
                .filter_map(|need| match OrbReference::parse(&need.reference) {
                    Ok(OrbReference::Registry { name, .. }) => Some(name.to_string()),
                    Ok(OrbReference::Url(_)) | Err(_) => None,
                });
            Ok(Orb {
                uses: uses.collect(),
                digest: OrbDigest::of_sha256(&hash),
                name: file.name,
                version: file.version,
                path: file.path,
                source,
            })
        })
        .collect()
}

/// Pieces that one call takes each, what is used before what uses it.
pub(crate) fn batches(orbs: Vec<Orb>) -> Vec<Vec<Orb>> {
    let mut batches: Vec<Vec<Orb>> = Vec::new();
    let mut bytes = 0;
    for orb in in_order(orbs) {
        bytes += orb.source.len();
        match batches.last_mut() {
            Some(last) if bytes <= BATCH_BYTES && last.len() < BATCH_ORBS => last.push(orb),
            Some(_) | None => {
                bytes = orb.source.len();
                batches.push(vec![orb]);
            }
        }
    }
    batches
}

/// All versions of an orb come before the orbs that use it. Orbs that use each other in a circle keep their order.
fn in_order(orbs: Vec<Orb>) -> Vec<Orb> {
    let mut by_name: BTreeMap<String, Vec<Orb>> = BTreeMap::new();
    for orb in orbs {
        by_name.entry(orb.name.to_string()).or_default().push(orb);
    }
    let uses: BTreeMap<String, BTreeSet<String>> = by_name
        .iter()
        .map(|(name, orbs)| {
            (
                name.clone(),
                orbs.iter().flat_map(|orb| orb.uses.clone()).collect(),
            )
        })
        .collect();
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    for name in uses.keys() {
        // A list of what is still to be done instead of calls: a chain may be as long as the folder is large.
        let mut open = vec![(name.clone(), false)];
        while let Some((name, done)) = open.pop() {
            if done {
                order.push(name);
            } else if seen.insert(name.clone()) {
                open.push((name.clone(), true));
                open.extend(
                    uses.get(&name)
                        .into_iter()
                        .flatten()
                        .map(|used| (used.clone(), false)),
                );
            }
        }
    }
    order
        .iter()
        .filter_map(|name| by_name.remove(name))
        .flatten()
        .collect()
}

/// Sends one piece; what became of each version.
pub(crate) async fn import(client: &Client, orbs: &[Orb]) -> anyhow::Result<Vec<Value>> {
    let orbs: Vec<Value> = orbs
        .iter()
        .map(|orb| json!({ "name": orb.name.as_str(), "version": orb.version.to_string(), "source": orb.source }))
        .collect();
    let answer: Value = client.post("/airlock/orb", &json!({ "orbs": orbs })).await?;
    let taken = answer.get("orbs").and_then(Value::as_array).cloned();
    taken.context("the server did not say what became of the orbs")
}

/// Every orb of the registry.
pub(crate) async fn all(client: &Client) -> anyhow::Result<Vec<Value>> {
    let (mut orbs, mut page) = (Vec::new(), String::new());
    loop {
        let answer: Value = client.get(&format!("/airlock/orb{page}")).await?;
        orbs.extend(items(&answer).cloned());
        match answer.get("next_page_token").and_then(Value::as_str) {
            Some(next) => page = format!("?page-token={next}"),
            None => return Ok(orbs),
        }
    }
}

/// The digest of every version of the registry, by `<namespace>/<orb>@<version>`.
pub(crate) async fn digests(client: &Client) -> anyhow::Result<BTreeMap<String, OrbDigest>> {
    let mut digests = BTreeMap::new();
    for orb in all(client).await? {
        let name = orb.get("name").and_then(Value::as_str).unwrap_or_default();
        for version in orb
            .get("versions")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = |field| version.get(field).and_then(Value::as_str).unwrap_or_default();
            let digest = OrbDigest::new(text("digest")).context("reading the registry's list")?;
            digests.insert(format!("{name}@{}", text("version")), digest);
        }
    }
    Ok(digests)
}

/// A bar where a person watches.
pub(crate) fn progress(total: usize, quiet: bool) -> ProgressBar {
    if quiet || total < 2 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(total as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} versions") {
        bar.set_style(style);
    }
    bar
}

/// Says what became of each version.
pub(crate) fn tell(taken: &[Value], json: bool) {
    for orb in taken {
        if json {
            terminal::line(&orb.to_string());
            continue;
        }
        let text = |field| orb.get(field).and_then(Value::as_str).unwrap_or("");
        let became = match text("result") {
            "new" => "imported",
            "replaced" => "replaced",
            _ => "was there with the same content",
        };
        terminal::line(&format!(
            "{}@{}  {became}  {}",
            text("name"),
            text("version"),
            text("digest")
        ));
        if !text("warnings").is_empty() {
            terminal::note(text("warnings").trim_end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orb(reference: &str, uses: &[&str], bytes: usize) -> Orb {
        let (name, version) = reference.split_once('@').expect("a reference");
        Orb {
            name: OrbName::new(name).expect("a name"),
            version: version.parse().expect("a version"),
            path: PathBuf::new(),
            digest: OrbDigest::of_sha256(&[0; 32]),
            source: "x".repeat(bytes),
            uses: uses.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn names(orbs: &[Orb]) -> Vec<String> {
        orbs.iter().map(Orb::reference).collect()
    }

    #[test]
    fn what_is_used_comes_first_and_circles_end() {
        let ordered = in_order(vec![
            orb("aa/top@1.0.0", &["zz/base", "mm/mid"], 1),
            orb("bb/one@1.0.0", &["bb/two"], 1),
            orb("bb/two@1.0.0", &["bb/one"], 1),
            orb("mm/mid@1.0.0", &["zz/base", "not/here"], 1),
            orb("zz/base@1.0.0", &[], 1),
            orb("zz/base@1.1.0", &[], 1),
        ]);
        let ordered = names(&ordered);
        assert_eq!(ordered.len(), 6);
        let place = |wanted: &str| ordered.iter().position(|name| name == wanted).expect("there");
        assert!(place("zz/base@1.1.0") < place("mm/mid@1.0.0"), "{ordered:?}");
        assert!(place("mm/mid@1.0.0") < place("aa/top@1.0.0"), "{ordered:?}");
    }

    #[test]
    fn no_piece_is_larger_than_a_call_takes() {
        let orbs: Vec<Orb> = (0..500)
            .map(|number| orb(&format!("a/b@{number}.0.0"), &[], 100_000))
            .collect();
        let batches = batches(orbs);
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 500);
        for batch in &batches {
            assert!(
                batch.len() <= BATCH_ORBS
                    && batch.iter().map(|orb| orb.source.len()).sum::<usize>() <= BATCH_BYTES
            );
        }
        assert!(batches.len() > 5);
    }
}
