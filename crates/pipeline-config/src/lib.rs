//! The CircleCI config language: what a config needs, what it means for one trigger, and what is wrong with it.
//!
//! [`needs`] lists what the caller must fetch or ask for; [`compile`] turns a [`Source`] and [`Inputs`] into a
//! [`Plan`](airlock_domain::plan::Plan) and [`Diagnostic`]s. Both are pure: the same bytes in give the same bytes out.
//! One run reports every problem it can find, each with a stable code, the user's words, its place and, where there is
//! one, the smallest change that mends it. A plan is given only when there is no error.
//!
//! [`process`] gives the same config back in version 2 of the language, with everything expanded; [`pack()`] makes one
//! config or orb of many files.
//!
//! How it works: the file becomes a tree with places (`airlock-yaml-tree`). Nothing is substituted up front. A value is
//! read as a *view*, a node together with the scope that gives its `<< … >>` names their meaning, and is evaluated when
//! a field asks for it, so that every message can point at the text somebody wrote and at the calls that led there.
//! Each kind of map has a table of its keys in `keys`: a key is honoured, skipped with a warning, or unknown.
//! No key is skipped in silence.

mod anchors;
mod budget;
mod compile;
mod diagnostic;
mod explain;
mod expression;
mod fields;
mod fixing;
mod inputs;
pub mod keys;
pub mod limits;
mod mending;
mod needs;
mod orb_check;
mod orb_summary;
mod orbs;
mod pack;
pub mod pages;
mod path_filtering;
mod pipeline_values;
mod processed;
mod regexes;
pub mod render;
mod resolve;
mod scope;
mod sink;
mod suggest;
mod template;
mod value;

pub use compile::{compile, process};
pub use diagnostic::{Code, Diagnostic, Edit, Fix, Position, Related, Severity};
pub use explain::{compile_and_explain, explain};
pub use fixing::apply_fixes;
pub use inputs::{Continuation, Inputs, ParameterValue, PipelineValues, Source};
pub use needs::{DeclaredParameter, Needs, OrbNeed, OrbRequest, needs, orb_references};
pub use orb_check::{OrbCheck, check_orb};
pub use orb_summary::{OrbElement, OrbExample, OrbParameter, OrbSummary, summarise_orb};
pub use orbs::{
    Catalogue, Gathering, OrbAdvice, OrbName, OrbProblem, OrbReference, OrbReferenceError, OrbSource,
    OrbVersion, Orbs, Version, gather, published, select, url_is_allowed,
};
pub use pack::{Included, PackFile, PackKind, included_files, pack};
pub use pipeline_values::meant_pipeline_value;
pub use processed::Processed;
