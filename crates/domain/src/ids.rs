//! Identifiers. Each is a UUID (version 7 where we make it, so that ids sort by age) in a type of its own, because a
//! job's id in a workflow's place is a mistake the compiler can catch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID made elsewhere.
            #[must_use]
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The UUID inside.
            #[must_use]
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::parse_str(text).map(Self).map_err(|_| IdError {
                    kind: stringify!($name),
                    text: text.chars().take(64).collect(),
                })
            }
        }
    )*};
}

id! {
    /// An organisation.
    OrgId,
    /// A project: one repository that is built.
    ProjectId,
    /// One pipeline: what one trigger started.
    PipelineId,
    /// One workflow run inside a pipeline.
    WorkflowId,
    /// One job of a workflow run; its slices share it.
    JobId,
    /// One sandbox: used by one slice of one job, once.
    SandboxId,
    /// One machine's agent process registration.
    AgentId,
    /// One stored artifact.
    ArtifactId,
    /// One accepted trigger (a push, a webhook, a call); makes intake idempotent.
    DeliveryId,
}

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {kind}: expected a UUID such as 0198c2f4-…")]
pub struct IdError {
    kind: &'static str,
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_through_text() {
        let id = JobId::new(Uuid::from_u128(7));
        assert_eq!(id.to_string().parse::<JobId>(), Ok(id));
    }

    #[test]
    fn a_wrong_text_is_named_and_cut() {
        let error = "x".repeat(500).parse::<JobId>().expect_err("no uuid");
        assert!(error.to_string().starts_with("'xxx"));
        assert!(error.to_string().len() < 150);
    }
}
