//! All tests of the session in one binary: text in, text out, with `‸` where the cursor is.

mod arbitrary;
mod completion;
mod diagnostics;
mod editor;
mod fixes;
mod hover;
mod navigation;
mod orbs;
mod outline;
mod rename;
