//! YAML to nodes with byte spans.
//!
//! [`parse`] turns the bytes of one file into a [`Tree`] and a list of [`Problem`]s. It never fails: a file
//! that breaks off half-way gives the half that could be read, and the problem says where it broke.
//!
//! What the tree keeps, because the config language needs it:
//!
//! - a byte [`Span`] on every value and every key, which [`Tree::locate`] turns into line and column;
//! - scalars as *text and style*. `on`, `010` and `1.10` stay what was written; [`Scalar`] resolves them when the
//!   reader of the field says what it wants (YAML 1.1 booleans, whole numbers, null);
//! - anchors, aliases and merge keys **resolved but not copied**: an alias is a link to the same node, which
//!   remembers the place of the `*name`, and a merged entry remembers the `<<` it came through;
//! - duplicate keys: the last one wins, with a warning that shows the first;
//! - comments, beside the tree: those above a key and the one behind a value are found by place ([`Comment`]).
//!
//! The other way, [`Data`] is a value without places, typed as YAML 1.1 does, and writes itself as YAML in a [`Layout`].
//!
//! What it refuses: more than [`limits`] allow, aliases that contain themselves, several documents in one file,
//! keys that are not text, tags that mean nothing in a config. It knows nothing of CircleCI; `pipeline-config` is its only
//! caller in the product.
//!
//! ```
//! let parsed = airlock_yaml_tree::parse(b"steps:\n  - checkout\n");
//! assert!(parsed.problems.is_empty());
//! let root = parsed.tree.root().expect("the file has a document");
//! let steps = root.as_mapping().and_then(|map| map.get("steps")).expect("the key is there");
//! assert_eq!(steps.value().as_sequence().map(|list| list.len()), Some(1));
//! ```

mod builder;
mod characters;
mod comments;
mod data;
mod dump;
mod events;
mod explain;
mod indentation;
pub mod limits;
mod merge;
mod node;
mod parse;
mod problem;
mod quoting;
mod scalar;
mod span;
mod tags;
mod tree;
mod write;

pub use comments::Comment;
pub use data::Data;
pub use node::{Entry, Mapping, Node, NodeKind, Scalar, Sequence};
pub use parse::{Parsed, parse, parse_file};
pub use problem::{Fix, Problem, ProblemCode, Severity};
pub use scalar::{Style, Value};
pub use span::{FileId, Location, Place, Span};
pub use tree::{Merged, Tree};
pub use write::Layout;
