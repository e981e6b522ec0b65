//! All tests of the session in one binary: text in, text out, with `‸` where the cursor is.

mod diagnostics;
mod editor;
