//! The language as tables: every kind of map with its keys, every built-in step, every `pipeline.…` value, every type of
//! parameter, status and resource class. The compiler reads a map by its table, so that no key is skipped in silence;
//! the JSON Schema, the editor's completion and its hover are made from the same tables. Nothing here looks at a config.
//!
//! To add a key, put one line into the table of its kind, in the file of its part of the language:
//!
//! ```text
//! yes("name").about("One sentence on what it does.").of(Shape::Text).default("…"),
//! ```
//!
//! `ignored("name", "reason")` is a key that is skipped with a warning. Every key says what it is for and which values it
//! takes; a test holds them to that. A new kind of map is a table and a variant of [`Kind`].

mod built_in_steps;
mod definitions;
mod executors;
mod job;
mod kind;
mod names;
mod path;
mod schema;
mod shape;
mod steps;
#[cfg(test)]
mod tests;
mod values;
mod workflow;

pub use built_in_steps::{BUILT_IN_STEPS, BuiltInStep};
pub(crate) use built_in_steps::{EARLY_STEPS, STEPS, STEPS_OF_2_1};
pub(crate) use definitions::{COMMAND, MATCHES, ORB, PARAMETER, TOP, TOP_OF_2_1};
pub(crate) use executors::{AUTH, AWS_AUTH, DOCKER, EXECUTOR, GCP_AUTH, MACHINE, MACOS};
pub(crate) use job::{
    APPROVAL_JOB, JOB, JOB_GROUP, LOCK_JOB, NO_OP_JOB, RELEASE_JOB, RETENTION, VALIDATION,
    VALIDATION_WEBHOOK, WITHOUT_EFFECT,
};
pub use kind::Kind;
pub use names::{
    Class, Family, OPERATORS, PARAMETER_TYPES, REQUIRED_STATUSES, RESOURCE_CLASSES, STATEMENTS, Word,
};
pub use path::{At, Described, Segment, describe};
pub use schema::{Judged, json_schema};
pub use shape::Shape;
pub(crate) use steps::{
    ADD_SSH_KEYS, ATTACH_WORKSPACE, CHECKOUT, CONDITION, INSTALL_SIGNING_BUNDLE, PERSIST_TO_WORKSPACE,
    RESTORE_CACHE, RUN, SAVE_CACHE, SETUP_REMOTE_DOCKER, STORE_ARTIFACTS, STORE_TEST_RESULTS,
};
pub use values::{PIPELINE_VALUES, PipelineValue, ValueType};
pub(crate) use workflow::{
    APPROVAL_INVOCATION, FILTER, FILTERS, GROUP_INVOCATION, INVOCATION, MATRIX, SCHEDULE, SCHEDULE_FILTERS,
    TRIGGER, WORKFLOW,
};

/// What the compiler does with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It is honoured.
    Yes,
    /// It is skipped with a warning; the text says why that is right.
    Ignored(&'static str),
}

/// Where `<< … >>` may stand in the value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Templates {
    /// Wherever a name of the scope means something: parameters, the matrix, pipeline values.
    Yes,
    /// Only `pipeline.…`: nothing else is known when it is read.
    Pipeline,
    /// Nowhere: it is read as it is written.
    No,
}

/// One key of a kind of map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What the compiler does with it.
    pub support: Support,
    /// What it is for, in one sentence.
    pub about: &'static str,
    /// Which values it takes.
    pub shape: Shape,
    /// Whether its map needs it.
    pub required: bool,
    /// What counts when it is left out.
    pub default: Option<&'static str>,
    /// Where or since when it counts, when not always.
    pub only: Option<&'static str>,
    /// Where `<< … >>` may stand.
    pub templates: Templates,
}

impl Key {
    const fn new(name: &'static str, support: Support) -> Self {
        Self {
            name,
            support,
            about: "",
            shape: Shape::Anything,
            required: false,
            default: None,
            only: None,
            templates: Templates::Yes,
        }
    }

    /// Says what it is for.
    const fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// Says which values it takes.
    const fn of(self, shape: Shape) -> Self {
        Self { shape, ..self }
    }

    /// Its map needs it.
    const fn required(self) -> Self {
        Self {
            required: true,
            ..self
        }
    }

    /// Says what counts when it is left out.
    const fn default(self, default: &'static str) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    /// Says where or since when it counts.
    const fn only(self, only: &'static str) -> Self {
        Self {
            only: Some(only),
            ..self
        }
    }

    /// Says where `<< … >>` may stand.
    const fn templates(self, templates: Templates) -> Self {
        Self { templates, ..self }
    }
}

const fn yes(name: &'static str) -> Key {
    Key::new(name, Support::Yes)
}

const fn ignored(name: &'static str, reason: &'static str) -> Key {
    Key::new(name, Support::Ignored(reason))
}
