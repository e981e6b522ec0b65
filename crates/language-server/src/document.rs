//! One open document: its text, its version, and whether it is a config at all.

use std::cell::OnceCell;
use std::rc::Rc;

use airlock_pipeline_config as config;
use airlock_yaml_tree::{FileId, Mapping, Node, Tree};
use gen_lsp_types::Diagnostic;

use crate::analysis::Analysis;
use crate::becomes::Becomes;
use crate::repair;
use crate::text::Text;

/// A document an editor has open.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) uri: String,
    pub(crate) version: i32,
    pub(crate) text: Text,
    pub(crate) analysis: Option<Rc<Analysis>>,
    pub(crate) checked: Option<Checked>,
    config: OnceCell<bool>,
}

/// What the compiler says of one version of a document.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) found: Rc<[config::Diagnostic]>,
    /// The same, as the editor shows them.
    pub(crate) shown: Rc<[Diagnostic]>,
    pub(crate) becomes: Rc<Becomes>,
}

impl Document {
    pub(crate) fn new(uri: String, version: i32, text: Text) -> Self {
        Self {
            uri,
            version,
            text,
            analysis: None,
            checked: None,
            config: OnceCell::new(),
        }
    }

    /// Forgets what was known of the text before.
    pub(crate) fn changed(&mut self) {
        self.analysis = None;
        self.checked = None;
        self.config = OnceCell::new();
    }

    /// The tree of the text, as far as it can be read.
    pub(crate) fn tree(&self) -> Tree {
        repair::tree(self.text.source(), FileId(0))
    }

    /// Whether this is a config. Folders called `.circleci` hold other files too (Kubernetes manifests, lists of tests,
    /// templates), and editors send every YAML file they open: those get no answers.
    pub(crate) fn is_config(&self) -> bool {
        *self.config.get_or_init(|| self.judge())
    }

    fn judge(&self) -> bool {
        let path = self.uri.split(['?', '#']).next().unwrap_or_default();
        let mut parts = path.rsplit('/');
        let file = parts.next().unwrap_or_default();
        let folder = parts.next().unwrap_or_default();
        if matches!((folder, file), (".circleci", "config.yml" | "config.yaml")) || file == "circle.yml" {
            return true;
        }
        if has_more_documents(self.text.source()) {
            return false;
        }
        let tree = self.tree();
        let Some(top) = tree.root().and_then(Node::as_mapping) else {
            return false;
        };
        let in_folder = path.contains("/.circleci/");
        looks_like_config(top, in_folder)
    }
}

/// The marks of a config: a version of the language, and something to run.
fn looks_like_config(top: Mapping<'_>, in_folder: bool) -> bool {
    let has = |name: &str| top.get(name).is_some();
    let version = top
        .get("version")
        .and_then(|entry| entry.value().as_scalar())
        .is_some_and(|scalar| matches!(scalar.text.trim(), "2" | "2.0" | "2.1"));
    if has("apiVersion") || has("display") || has("examples") {
        return false;
    }
    let runs = has("workflows") || has("jobs");
    let circleci = has("orbs") || has("setup") || has("executors") || has("commands");
    if in_folder {
        (version && (runs || circleci)) || (has("workflows") && has("jobs"))
    } else {
        version && runs
    }
}

/// A line `---` after the first content. The parser would say so too, but as an error of a config.
fn has_more_documents(source: &str) -> bool {
    let content = |line: &&str| {
        let line = line.trim_end();
        !(line.is_empty() || line.starts_with('#') || line.starts_with('%'))
    };
    source
        .lines()
        .filter(content)
        .skip(1)
        .any(|line| line == "---" || line.starts_with("--- "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Encoding;

    fn is_config(uri: &str, source: &str) -> bool {
        let text = Text::new(source.to_owned(), Encoding::Utf16);
        Document::new(uri.to_owned(), 1, text).is_config()
    }

    #[test]
    fn the_config_is_known_by_its_path() {
        assert!(is_config("file:///w/.circleci/config.yml", ""));
        assert!(is_config("file:///w/circle.yml", "what: ever\n"));
        assert!(!is_config(
            "file:///w/docker-compose.yml",
            "version: 2\nservices: {}\n"
        ));
    }

    #[test]
    fn other_files_are_known_by_what_they_hold() {
        let config = "version: 2.1\njobs: {}\n";
        assert!(is_config("file:///w/.circleci/release.yml", config));
        assert!(is_config("untitled:Untitled-1", config));
        let manifest = "apiVersion: v1\nkind: Pod\n";
        assert!(!is_config("file:///w/.circleci/pod.yml", manifest));
        let suites = "---\nname: a\n---\nname: b\n";
        assert!(!is_config("file:///w/.circleci/test-suites.yml", suites));
        let orb = "version: 2.1\ndisplay: {}\njobs: {}\n";
        assert!(!is_config("file:///w/.circleci/orb.yml", orb));
        assert!(!is_config("file:///w/.circleci/x.yml", "{{> partial}}\n"));
    }

    #[test]
    fn a_config_stays_one_while_it_is_broken() {
        let source = "version: 2.1\njobs:\n  build:\n    ste\nworkflows: {}\n";
        assert!(is_config("file:///w/.circleci/release.yml", source));
    }
}
