//! Orbs: packages of jobs, commands and executors that a config imports.
//!
//! The way of an orb: [`crate::needs`] lists the references of a config; [`gather`] (or [`Gathering`], step by step) asks
//! its caller for each, follows the orbs' own imports and gives [`Orbs`]; the caller puts them into
//! [`Inputs::orbs`](crate::Inputs::orbs), and [`crate::compile`] does the rest. A missing orb is no failure of gathering:
//! why it is missing travels with it and is reported where the config declares it.
//!
//! This module owns references, the choice among versions and the collecting. It refuses to fetch: folders, registries
//! and networks are the callers'. How an orb's elements are named and called is `compile`'s.

mod advice;
mod gather;
mod reference;
mod select;
mod source;

pub use advice::OrbAdvice;
pub use gather::{Gathering, gather};
pub use reference::{OrbName, OrbReference, OrbReferenceError, OrbVersion, Version, url_is_allowed};
pub use select::{published, select};
pub use source::{Catalogue, OrbProblem, OrbSource, Orbs};
