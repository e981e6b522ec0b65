//! The shapes values have, apart from `<< … >>`, which [`super::Templates`] speaks of.

use super::Kind;

/// Which values a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Every value.
    Anything,
    /// Text; numbers and booleans count as the text that was written.
    Text,
    /// `true` or `false`, or one of YAML's other words for them.
    Boolean,
    /// A whole number, least and most included.
    Integer(i64, i64),
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text that a regular expression matches as a whole; the second text is an example.
    Like(&'static str, &'static str),
    /// A number with a unit: `90s`, `20m`, `1.5h`.
    Duration,
    /// A list of texts.
    Texts,
    /// One text or a list of texts.
    TextOrTexts,
    /// Variables: a map of names to texts, or a list of `NAME=value`.
    Environment,
    /// A list of steps.
    Steps,
    /// A list of steps, or one step alone.
    StepOrSteps,
    /// Declarations of parameters.
    Parameters,
    /// The name of an executor, or a map of its `name` and its parameters.
    Executor,
    /// A value or one of `and`, `or`, `not`, `equal`, `matches`.
    Logic,
    /// The jobs of a workflow.
    Entries,
    /// What `requires` lists: names of jobs, each alone or with the statuses waited for.
    Requires,
    /// Names of parameters with lists of values.
    Axes,
    /// A map of this kind.
    Map(Kind),
    /// A list of maps of this kind.
    Maps(Kind),
    /// A map of names to maps of this kind.
    Named(Kind),
    /// A job, of whichever type it says.
    Jobs,
    /// A map of names to references or to orbs written in place.
    Orbs,
    /// One of several shapes.
    Either(&'static [Shape]),
}

impl Shape {
    /// In a few words, for messages and the editor.
    pub fn words(&self) -> String {
        match self {
            Self::Anything => "any value".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Integer(least, i64::MAX) => format!("a whole number from {least}"),
            Self::Integer(least, most) => format!("a whole number from {least} to {most}"),
            Self::OneOf(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                words.join(", ")
            }
            Self::Like(_, example) => format!("text such as `{example}`"),
            Self::Duration => "a time such as `20m`".to_owned(),
            Self::Texts => "a list of texts".to_owned(),
            Self::TextOrTexts => "text or a list of texts".to_owned(),
            Self::Environment => "a map of variables".to_owned(),
            Self::Steps | Self::StepOrSteps => "a list of steps".to_owned(),
            Self::Parameters => "a map of declarations".to_owned(),
            Self::Executor => "an executor's name, or a map of its `name` and parameters".to_owned(),
            Self::Logic => "a value or a logic statement".to_owned(),
            Self::Entries | Self::Requires => "a list of jobs".to_owned(),
            Self::Axes => "a map of lists".to_owned(),
            Self::Map(_) => "a map".to_owned(),
            Self::Maps(_) => "a list of maps".to_owned(),
            Self::Named(_) | Self::Jobs | Self::Orbs => "a map of names".to_owned(),
            Self::Either(shapes) => {
                let words: Vec<String> = shapes.iter().map(Self::words).collect();
                words.join(", or ")
            }
        }
    }
}
