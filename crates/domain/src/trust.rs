//! The one function that decides which secrets a job may see. Default deny: what is not listed as allowed is refused
//! with a reason that pages can show.

use serde::{Deserialize, Serialize};

/// How far the event that started a pipeline is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventTrust {
    /// Somebody with write access to the project's own repository, or its administrators.
    Member,
    /// Code from a fork or an unknown sender.
    Outsider,
}

/// Whether a job gets its project's secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretsDecision {
    /// It gets them.
    Allow,
    /// It does not, for this reason.
    Deny(&'static str),
}

/// What the decision looks at.
#[derive(Debug, Clone, Copy)]
pub struct SecretsQuestion {
    /// How the pipeline started.
    pub trust: EventTrust,
    /// The project's policy for code from outside.
    pub pass_to_outsiders: bool,
}

/// Decides whether a job may see its project's variables and keys.
#[must_use]
pub const fn may_see_secrets(question: SecretsQuestion) -> SecretsDecision {
    match (question.trust, question.pass_to_outsiders) {
        (EventTrust::Member, _) | (EventTrust::Outsider, true) => SecretsDecision::Allow,
        (EventTrust::Outsider, false) => SecretsDecision::Deny(
            "the code comes from outside the project, which does not pass secrets to such pipelines",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outsiders_get_nothing_unless_the_project_says_so() {
        let ask = |trust, pass_to_outsiders| {
            may_see_secrets(SecretsQuestion {
                trust,
                pass_to_outsiders,
            })
        };
        assert_eq!(ask(EventTrust::Member, false), SecretsDecision::Allow);
        assert_eq!(ask(EventTrust::Outsider, true), SecretsDecision::Allow);
        assert!(matches!(
            ask(EventTrust::Outsider, false),
            SecretsDecision::Deny(_)
        ));
    }
}
