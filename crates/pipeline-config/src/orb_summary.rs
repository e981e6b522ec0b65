//! What an orb offers, for pages and lists: its own words, its commands, jobs and executors with their parameters, and its
//! examples. Reads the text as it stands and complains about nothing; what is wrong with an orb is
//! [`OrbCheck`](crate::OrbCheck)'s business.

use std::rc::Rc;

use airlock_yaml_tree::{FileId, Node, parse_file};
use serde::Serialize;

use crate::compile::{Compiler, Definitions};
use crate::inputs::{Inputs, Source};
use crate::limits::MAX_SHOWN_DEFAULT;
use crate::scope::{Map, Pair, Shape, View};
use crate::sink::Sink;

/// What an orb offers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrbSummary {
    /// What it says of itself.
    pub description: String,
    /// Where it is explained.
    pub home_url: String,
    /// Where its source is.
    pub source_url: String,
    /// Its commands, by name.
    pub commands: Vec<OrbElement>,
    /// Its jobs, by name.
    pub jobs: Vec<OrbElement>,
    /// Its executors, by name.
    pub executors: Vec<OrbElement>,
    /// How to use it, by name.
    pub examples: Vec<OrbExample>,
}

/// A command, a job or an executor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrbElement {
    /// Its name, without the orb's.
    pub name: String,
    /// What it says of itself.
    pub description: String,
    /// Its parameters, in the order they are written.
    pub parameters: Vec<OrbParameter>,
}

/// A parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrbParameter {
    /// Its name.
    pub name: String,
    /// Its type, as written.
    pub kind: String,
    /// What it says of itself.
    pub description: String,
    /// The values of an enum.
    pub members: Vec<String>,
    /// Its default as written, cut where it is long; without one the parameter must be given.
    pub default: Option<String>,
}

/// An example of its use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OrbExample {
    /// Its name.
    pub name: String,
    /// What it shows.
    pub description: String,
    /// A config, as text.
    pub usage: String,
}

/// Reads what an orb offers. A text that is no orb offers nothing.
pub fn summarise_orb(source: &Source) -> OrbSummary {
    let parsed = parse_file(FileId(0), &source.bytes);
    let inputs = Inputs::default();
    let reader = Reader {
        compiler: Compiler::new(&inputs, Sink::new(vec![(&source.file, &parsed.tree)])),
    };
    let scope = Compiler::outer_scope(Rc::new(Definitions::default()), false);
    let Some(root) = parsed.tree.root() else {
        return OrbSummary::default();
    };
    let Some(top) = reader.map(&View::new(root, &scope)) else {
        return OrbSummary::default();
    };
    let display = reader.inner(&top, "display");
    let address = |name: &str| {
        display
            .as_ref()
            .map(|display| reader.text(display, name))
            .filter(|address| address.starts_with("https://") || address.starts_with("http://"))
            .unwrap_or_default()
    };
    OrbSummary {
        description: reader.text(&top, "description"),
        home_url: address("home_url"),
        source_url: address("source_url"),
        commands: reader.elements(&top, "commands"),
        jobs: reader.elements(&top, "jobs"),
        executors: reader.elements(&top, "executors"),
        examples: reader.examples(&top),
    }
}

/// Where the configs of an orb's examples stand, in bytes.
pub(crate) fn example_spans(source: &Source) -> Vec<std::ops::Range<usize>> {
    let parsed = parse_file(FileId(0), &source.bytes);
    let inputs = Inputs::default();
    let reader = Reader {
        compiler: Compiler::new(&inputs, Sink::new(vec![(&source.file, &parsed.tree)])),
    };
    let scope = Compiler::outer_scope(Rc::new(Definitions::default()), false);
    let top = parsed
        .tree
        .root()
        .and_then(|root| reader.map(&View::new(root, &scope)));
    let Some(examples) = top.and_then(|top| reader.inner(&top, "examples")) else {
        return Vec::new();
    };
    let usages = examples.iter().filter_map(|pair| {
        let usage = Reader::pair(&reader.map(&pair.value)?, "usage")?.value.node;
        // Elsewhere stands what an alias means, and only a map is a config.
        (usage.alias().is_none() && usage.as_mapping().is_some()).then(|| usage.span().range())
    });
    usages.collect()
}

struct Reader<'s> {
    compiler: Compiler<'s>,
}

impl<'s> Reader<'s> {
    fn map(&self, view: &View<'s>) -> Option<Map<'s>> {
        match self.compiler.resolve(view).shape {
            Shape::Map(map) => Some(map),
            Shape::Written(_) | Shape::Computed(_) | Shape::List(_) => None,
        }
    }

    fn pair(map: &Map<'s>, name: &str) -> Option<Pair<'s>> {
        map.iter().find(|pair| pair.name == name)
    }

    fn inner(&self, map: &Map<'s>, name: &str) -> Option<Map<'s>> {
        self.map(&Self::pair(map, name)?.value)
    }

    fn text(&self, map: &Map<'s>, name: &str) -> String {
        Self::pair(map, name).map_or_else(String::new, |pair| self.scalar(&pair.value))
    }

    fn scalar(&self, view: &View<'s>) -> String {
        match self.compiler.resolve(view).shape {
            Shape::Written(scalar) if !scalar.is_null() => scalar.text.trim().to_owned(),
            Shape::Written(_) | Shape::Computed(_) | Shape::List(_) | Shape::Map(_) => String::new(),
        }
    }

    fn elements(&self, top: &Map<'s>, name: &str) -> Vec<OrbElement> {
        let Some(map) = self.inner(top, name) else {
            return Vec::new();
        };
        let mut elements: Vec<OrbElement> = map
            .iter()
            .map(|pair| match self.map(&pair.value) {
                Some(map) => OrbElement {
                    name: pair.name.to_owned(),
                    description: self.text(&map, "description"),
                    parameters: self.parameters(&map),
                },
                // Another element's name stands for it.
                None => OrbElement {
                    name: pair.name.to_owned(),
                    description: match self.scalar(&pair.value) {
                        text if text.is_empty() => text,
                        other => format!("The same as {other}."),
                    },
                    parameters: Vec::new(),
                },
            })
            .collect();
        elements.sort_by(|a, b| a.name.cmp(&b.name));
        elements
    }

    fn parameters(&self, element: &Map<'s>) -> Vec<OrbParameter> {
        let Some(map) = self.inner(element, "parameters") else {
            return Vec::new();
        };
        map.iter()
            .filter_map(|pair| {
                let map = self.map(&pair.value)?;
                let default = Self::pair(&map, "default").map(|pair| self.written(&pair.value));
                let members =
                    match Self::pair(&map, "enum").map(|pair| self.compiler.resolve(&pair.value).shape) {
                        Some(Shape::List(list)) => list.iter().map(|item| self.scalar(&item)).collect(),
                        Some(Shape::Written(_) | Shape::Computed(_) | Shape::Map(_)) | None => Vec::new(),
                    };
                Some(OrbParameter {
                    name: pair.name.to_owned(),
                    kind: self.text(&map, "type"),
                    description: self.text(&map, "description"),
                    members,
                    default,
                })
            })
            .collect()
    }

    /// A value as its author wrote it.
    fn written(&self, view: &View<'s>) -> String {
        let text = match self.compiler.resolve(view).shape {
            Shape::Written(scalar) => scalar.text.to_owned(),
            Shape::Computed(_) | Shape::List(_) | Shape::Map(_) => dedented(view.node),
        };
        match text.char_indices().nth(MAX_SHOWN_DEFAULT) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    fn examples(&self, top: &Map<'s>) -> Vec<OrbExample> {
        let Some(map) = self.inner(top, "examples") else {
            return Vec::new();
        };
        let mut examples: Vec<OrbExample> = map
            .iter()
            .filter_map(|pair| {
                let map = self.map(&pair.value)?;
                Some(OrbExample {
                    name: pair.name.to_owned(),
                    description: self.text(&map, "description"),
                    usage: Self::pair(&map, "usage")
                        .map_or_else(String::new, |usage| dedented(usage.value.node)),
                })
            })
            .collect();
        examples.sort_by(|a, b| a.name.cmp(&b.name));
        examples
    }
}

/// A node's text as if it stood at the beginning of its line.
fn dedented(node: Node<'_>) -> String {
    let tree = node.tree();
    let indent = tree.locate(node.span().start).column.saturating_sub(1) as usize;
    let text = tree.slice(node.span()).trim_end();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |mut text, line| {
        let blanks = line.bytes().take(indent).take_while(|byte| *byte == b' ').count();
        text.push('\n');
        text.push_str(&line[blanks..]);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORB: &str = "version: 2.1
description: >
  Says hello.
display: {home_url: https://example.com, source_url: 'javascript:alert(1)'}
commands:
  wave:
    parameters: &both
      to: {type: string, description: Whom.}
      how:
        type: enum
        enum: [softly, loudly]
        default: softly
      after:
        type: steps
        default:
          - run: 'true'
          - run: 'false'
    steps: []
  greet:
    description: Says it.
    parameters:
      <<: *both
      times: {type: integer, default: 1}
    steps: []
jobs:
  alias: other/job
examples:
  simple:
    description: The least.
    usage:
      version: 2.1

      orbs:
        hello: my/hello@1
";

    #[test]
    fn everything_one_needs_to_use_it() {
        let summary = summarise_orb(&Source::new("hello", ORB));
        assert_eq!(summary.description, "Says hello.");
        assert_eq!(
            (summary.home_url.as_str(), summary.source_url.as_str()),
            ("https://example.com", "")
        );
        let names: Vec<&str> = summary
            .commands
            .iter()
            .map(|command| command.name.as_str())
            .collect();
        assert_eq!(names, ["greet", "wave"]);
        let wave = &summary.commands[1];
        let how = &wave.parameters[1];
        assert_eq!(
            (how.kind.as_str(), how.default.as_deref()),
            ("enum", Some("softly"))
        );
        assert_eq!(how.members, ["softly", "loudly"]);
        assert_eq!(wave.parameters[0].default, None);
        assert_eq!(
            wave.parameters[2].default.as_deref(),
            Some("- run: 'true'\n- run: 'false'")
        );
        let greet: Vec<&str> = summary.commands[0]
            .parameters
            .iter()
            .map(|p| p.name.as_str())
            .collect();
        assert!(
            ["to", "how", "times"].iter().all(|name| greet.contains(name)),
            "{greet:?}"
        );
        assert_eq!(summary.jobs[0].description, "The same as other/job.");
        assert_eq!(
            summary.examples[0].usage,
            "version: 2.1\n\norbs:\n  hello: my/hello@1"
        );
    }

    #[test]
    fn what_is_no_orb_offers_nothing() {
        for text in [
            "",
            "- a",
            "x",
            "commands: [a]",
            "{",
            "commands: {a: {parameters: 3}}",
        ] {
            let summary = summarise_orb(&Source::new("x", text));
            assert!(
                summary
                    .commands
                    .iter()
                    .all(|command| command.parameters.is_empty()),
                "{text}"
            );
        }
    }

    #[test]
    fn a_long_default_is_cut_between_characters() {
        let text = format!(
            "commands: {{a: {{parameters: {{p: {{default: '{}'}}}}}}}}",
            "ü".repeat(5_000)
        );
        let summary = summarise_orb(&Source::new("x", text));
        let default = summary.commands[0].parameters[0]
            .default
            .clone()
            .unwrap_or_default();
        assert_eq!(default.chars().count(), MAX_SHOWN_DEFAULT + 1);
    }
}
