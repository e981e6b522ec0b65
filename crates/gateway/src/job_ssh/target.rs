//! The user name of a login: which slice of which job. `0198c2f4-….1` is slice 1; without a number it is slice 0.

use std::fmt;
use std::str::FromStr;

use airlock_domain::JobId;

/// One slice of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Target {
    /// The job.
    pub job: JobId,
    /// The slice, from 0.
    pub slice: u32,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.job, self.slice)
    }
}

/// A user name that names no slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected the user name JOB-ID or JOB-ID.SLICE")]
pub struct NoTarget;

impl FromStr for Target {
    type Err = NoTarget;

    fn from_str(user: &str) -> Result<Self, NoTarget> {
        let (job, slice) = user.split_once('.').unwrap_or((user, "0"));
        Ok(Self {
            job: job.parse().map_err(|_| NoTarget)?,
            slice: slice.parse().map_err(|_| NoTarget)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_jobs_with_slices() {
        let job = "0198c2f4-0000-7000-8000-000000000001";
        let target: Target = format!("{job}.3").parse().expect("a target");
        assert_eq!((target.slice, target.to_string()), (3, format!("{job}.3")));
        assert_eq!(job.parse::<Target>().expect("a target").slice, 0);
        for bad in [
            "",
            "git",
            "root",
            "x.1",
            &format!("{job}."),
            &format!("{job}.-1"),
            &format!("{job}.1.2"),
        ] {
            assert_eq!(bad.parse::<Target>(), Err(NoTarget), "{bad}");
        }
    }
}
