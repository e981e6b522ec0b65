//! Keys that slid out of the list item they belong to:
//!
//! ```text
//! - deploy:
//!   requires: [build]
//! ```
//!
//! It is right YAML and wrong config, and packing would move it out of sight of whoever wrote it.

use airlock_yaml_tree::{Entry, Mapping, Node, NodeKind};

use crate::diagnostic::Code;
use crate::sink::{Draft, Sink};

/// Keys that only mean something below a job's or a step's name. One too many here would warn of right configs.
const ATTACHED: [&str; 11] = [
    "command",
    "context",
    "filters",
    "matrix",
    "name",
    "parameters",
    "post-steps",
    "pre-steps",
    "requires",
    "serial-group",
    "type",
];

/// Warns of every such item below a node.
pub(super) fn warn(node: Node<'_>, sink: &Sink<'_>) {
    if node.alias().is_some() {
        return;
    }
    match node.kind() {
        NodeKind::Scalar(_) => {}
        NodeKind::Sequence(sequence) => {
            for item in sequence.iter() {
                if let NodeKind::Mapping(mapping) = item.kind() {
                    check(mapping, sink);
                }
                warn(item, sink);
            }
        }
        NodeKind::Mapping(mapping) => mapping.iter().for_each(|entry| warn(entry.value(), sink)),
    }
}

fn check(item: Mapping<'_>, sink: &Sink<'_>) {
    let attached = |entry: &Entry<'_>| ATTACHED.contains(&entry.name());
    let owner = item
        .iter()
        .next()
        .filter(|entry| !attached(entry) && entry.value().is_null());
    let slid = item
        .iter()
        .find(|entry| attached(entry) && !entry.value().is_null());
    let (Some(owner), Some(slid)) = (owner, slid) else {
        return;
    };
    let (name, key) = (owner.name(), slid.name());
    let message = format!("`{key}` stands beside `{name}`, which has nothing below it");
    let draft = Draft::warning(Code::MISINDENTED, slid.key().place(), message)
        .related(owner.key().place(), "has nothing below it")
        .hint(format!("indent `{key}` two columns more than `{name}`"));
    sink.emit(draft);
}
