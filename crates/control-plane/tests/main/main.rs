//! The control plane on a real database, with a repository and keys made up here.

mod flow;
mod world;
