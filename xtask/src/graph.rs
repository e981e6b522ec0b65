//! Which packages are really compiled, out of what `cargo metadata` lists.
//!
//! The resolved graph of `cargo metadata` also shows optional dependencies that only a weak feature (`name?/feature`)
//! mentions and that nothing switches on. They are neither built nor shipped, so an arrow counts here only when its
//! dependency is mandatory or one of the package's enabled features activates it.

use std::collections::{BTreeMap, BTreeSet};

use crate::metadata::{Edge, Metadata, Node, Package};

/// Which arrows to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// Only what is linked into the package itself.
    Normal,
    /// Linked code and what build scripts need.
    NormalAndBuild,
    /// All of it, tests included.
    Everything,
}

impl Follow {
    fn takes(self, kind: Option<&str>) -> bool {
        match self {
            Self::Normal => kind.is_none(),
            Self::NormalAndBuild => kind != Some("dev"),
            Self::Everything => true,
        }
    }
}

/// The packages by id, with only the arrows that are active.
pub(crate) struct Graph<'a> {
    packages: BTreeMap<&'a str, &'a Package>,
    nodes: BTreeMap<&'a str, &'a Node>,
}

impl<'a> Graph<'a> {
    /// Indexes what cargo printed.
    pub(crate) fn new(metadata: &'a Metadata) -> Self {
        Self {
            packages: metadata
                .packages
                .iter()
                .map(|package| (package.id.as_str(), package))
                .collect(),
            nodes: metadata
                .resolve
                .nodes
                .iter()
                .map(|node| (node.id.as_str(), node))
                .collect(),
        }
    }

    /// The package with this id.
    pub(crate) fn package(&self, id: &str) -> Option<&'a Package> {
        self.packages.get(id).copied()
    }

    /// The packages that this one compiles against directly.
    pub(crate) fn direct(&self, id: &str, follow: Follow) -> Vec<&'a Package> {
        let (Some(node), Some(package)) = (self.nodes.get(id), self.packages.get(id)) else {
            return Vec::new();
        };
        node.deps
            .iter()
            .filter(|edge| {
                edge.dep_kinds
                    .iter()
                    .any(|kind| follow.takes(kind.kind.as_deref()))
            })
            .filter(|edge| self.is_active(package, node, edge))
            .filter_map(|edge| self.packages.get(edge.pkg.as_str()).copied())
            .collect()
    }

    /// Everything reachable from these packages, themselves included. Dev-dependencies of others are never followed.
    pub(crate) fn closure<'b>(
        &self,
        roots: impl IntoIterator<Item = &'b str>,
        follow: Follow,
    ) -> BTreeSet<&'a str> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&'a str> = Vec::new();
        for root in roots {
            if let Some(package) = self.packages.get(root) {
                open.push(&package.id);
            }
        }
        while let Some(id) = open.pop() {
            if seen.insert(id) {
                open.extend(
                    self.direct(id, follow)
                        .into_iter()
                        .map(|package| package.id.as_str()),
                );
            }
        }
        seen
    }

    fn is_active(&self, package: &Package, node: &Node, edge: &Edge) -> bool {
        let Some(target) = self.packages.get(edge.pkg.as_str()) else {
            return false;
        };
        let mut declared = package
            .dependencies
            .iter()
            .filter(|entry| entry.name == target.name)
            .peekable();
        if declared.peek().is_none() {
            return true;
        }
        declared.any(|entry| {
            let key = entry.rename.as_deref().unwrap_or(&entry.name);
            !entry.optional
                || node
                    .features
                    .iter()
                    .any(|feature| switches_on(package, feature, key))
        })
    }
}

/// Whether an enabled feature of a package activates the optional dependency `key`.
fn switches_on(package: &Package, feature: &str, key: &str) -> bool {
    let Some(values) = package.features.get(feature) else {
        return false;
    };
    values.iter().any(|value| match value.strip_prefix("dep:") {
        Some(name) => name == key,
        // `name/feature` activates, `name?/feature` does not: its name part would end in a question mark.
        None => value.split_once('/').is_some_and(|(name, _)| name == key),
    })
}

#[cfg(test)]
mod tests {
    use super::{Follow, Graph};
    use crate::metadata::Metadata;

    fn metadata(features: &str, enabled: &str) -> Metadata {
        let json = format!(
            r#"{{
              "workspace_members": ["app"], "workspace_root": "/w",
              "packages": [
                {{"id":"app","name":"app","version":"0.1.0","license":null,"manifest_path":"/w/app/Cargo.toml",
                  "features":{{}},"dependencies":[
                    {{"name":"tls","rename":null,"kind":null,"optional":false}},
                    {{"name":"probe","rename":null,"kind":"dev","optional":false}}]}},
                {{"id":"tls","name":"tls","version":"1.0.0","license":"MIT","manifest_path":"/r/tls/Cargo.toml",
                  "features":{features},
                  "dependencies":[{{"name":"ring","rename":null,"kind":null,"optional":true}}]}},
                {{"id":"ring","name":"ring","version":"0.17.0","license":"MIT","manifest_path":"/r/ring/Cargo.toml",
                  "features":{{}},"dependencies":[]}},
                {{"id":"probe","name":"probe","version":"1.0.0","license":"MIT","manifest_path":"/r/p/Cargo.toml",
                  "features":{{}},"dependencies":[]}}
              ],
              "resolve": {{"nodes": [
                {{"id":"app","features":[],"deps":[
                  {{"pkg":"tls","dep_kinds":[{{"kind":null}}]}}, {{"pkg":"probe","dep_kinds":[{{"kind":"dev"}}]}}]}},
                {{"id":"tls","features":{enabled},"deps":[{{"pkg":"ring","dep_kinds":[{{"kind":null}}]}}]}},
                {{"id":"ring","features":[],"deps":[]}}, {{"id":"probe","features":[],"deps":[]}}
              ]}}
            }}"#
        );
        Metadata::parse(json.as_bytes()).expect("the made-up metadata is well formed")
    }

    fn compiled(metadata: &Metadata, follow: Follow) -> Vec<&str> {
        Graph::new(metadata)
            .closure(["app"], follow)
            .into_iter()
            .collect()
    }

    #[test]
    fn a_weak_feature_does_not_activate_an_optional_dependency() {
        let metadata = metadata(r#"{"std":["ring?/std"],"ring":["dep:ring"]}"#, r#"["std"]"#);
        assert_eq!(compiled(&metadata, Follow::Normal), ["app", "tls"]);
    }

    #[test]
    fn an_enabled_feature_activates_it() {
        for (features, enabled) in [
            (r#"{"ring":["dep:ring"]}"#, r#"["ring"]"#),
            (r#"{"std":["ring/std"],"ring":["dep:ring"]}"#, r#"["std"]"#),
        ] {
            let metadata = metadata(features, enabled);
            assert_eq!(
                compiled(&metadata, Follow::Normal),
                ["app", "ring", "tls"],
                "{features}"
            );
        }
    }

    #[test]
    fn dev_dependencies_count_only_when_asked_for() {
        let metadata = metadata("{}", "[]");
        assert_eq!(compiled(&metadata, Follow::NormalAndBuild), ["app", "tls"]);
        assert_eq!(compiled(&metadata, Follow::Everything), ["app", "probe", "tls"]);
    }
}
