//! The HTTPS door.

mod agents;
mod answers;
mod auth;
mod client;
mod flow;
mod input;
mod lists;
mod orbs;
mod outside;
mod schema;
mod sign_in;
mod stopping;
mod world;
