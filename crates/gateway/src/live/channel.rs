//! The channels there are, and their names. All are private: nobody listens without having been allowed to.

use std::fmt;

use airlock_domain::{JobId, PipelineId};

/// What one can listen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Channel {
    /// Every pipeline, without output.
    Pipelines,
    /// One pipeline, without output.
    Pipeline(PipelineId),
    /// One job with its output.
    Job(JobId),
}

impl Channel {
    /// Reads a name. Only the one spelling that [`fmt::Display`] writes is taken, so that a channel has one name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let channel = match name.strip_prefix("private-")? {
            "pipelines" => Self::Pipelines,
            rest => match rest.split_once('-')? {
                ("pipeline", id) => Self::Pipeline(id.parse().ok()?),
                ("job", id) => Self::Job(id.parse().ok()?),
                _ => return None,
            },
        };
        (channel.to_string() == name).then_some(channel)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pipelines => f.write_str("private-pipelines"),
            Self::Pipeline(id) => write!(f, "private-pipeline-{id}"),
            Self::Job(id) => write!(f, "private-job-{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_has_one_name() {
        let id = "0198c2f4-0000-7000-8000-000000000001";
        for name in [
            "private-pipelines".to_owned(),
            format!("private-pipeline-{id}"),
            format!("private-job-{id}"),
        ] {
            assert_eq!(Channel::parse(&name).expect("a channel").to_string(), name);
        }
        for name in [
            "pipelines",
            "presence-pipelines",
            "private-",
            "private-job-",
            "private-job-1",
            "private-workflow-0198c2f4-0000-7000-8000-000000000001",
            "private-job-0198C2F4-0000-7000-8000-000000000001",
            "private-job-0198c2f400007000800000000000000 1",
            "private-job-0198c2f4000070008000000000000001",
        ] {
            assert_eq!(Channel::parse(name), None, "{name}");
        }
    }
}
