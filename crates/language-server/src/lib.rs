//! The language server of the CircleCI config language, without its streams: messages of the editor protocol in,
//! answers out.
//!
//! A [`Session`] is one editor's conversation. It holds the open documents, takes requests and notifications as JSON, and
//! says which diagnostics are due. `app` reads and writes the messages (`airlock lsp`) and lends a [`Library`], through
//! which orbs are found; nothing here touches a file, a stream, a clock or a thread.
//!
//! How it works. The text being typed is broken most of the time. The tree is therefore read from a repaired copy (`repair`),
//! positions are understood by a grammar of the language's places (`place`), and names are collected without compiling
//! (`names`, `index`). Completion does not trust the tree at all: it finds its place by indentation (`cursor`). The compiler
//! is asked for two things only, diagnostics and what a workflow's job becomes.

mod actions;
mod analysis;
mod becomes;
mod completion;
mod cursor;
mod diagnostics;
mod document;
mod expressions;
mod hover;
mod index;
mod library;
pub mod limits;
mod names;
mod outline;
mod place;
mod rename;
mod repair;
mod session;
mod text;

pub use library::{Library, NoLibrary};
pub use session::{Failure, Session, Settings};
