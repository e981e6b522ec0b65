//! All tests of the session in one binary: text in, text out, with `‸` where the cursor is.

#![expect(clippy::disallowed_methods, reason = "tests read real configs from files")]

mod arbitrary;
mod completion;
mod corpus;
#[path = "../../yaml-tree/tests/corpus_folder.rs"]
mod corpus_folder;
mod diagnostics;
mod editor;
mod fixes;
mod hover;
mod navigation;
mod orbs;
mod outline;
mod rename;
