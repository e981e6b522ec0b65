//! The words around a step that is tried again: what its log says between two tries, and what its end says of them.
//! Pure; when to try again is `steps`' affair.

use airlock_domain::state::StepStatus;

use crate::verdict::{Verdict, duration};

/// What stands in the log between two tries; `tried` of `max` + 1 are over.
pub(crate) fn announce(tried: u32, max: u32, delay_ms: u64) -> String {
    let begins = if delay_ms == 0 {
        "begins".to_owned()
    } else {
        format!("begins in {}", duration(delay_ms))
    };
    format!("Try {} of {} {begins}.\n", tried + 1, max + 1)
}

/// The verdict on the last try, told with the number of tries where there was more than one.
pub(crate) fn with_tries(judged: Verdict, tried: u32) -> Verdict {
    if tried == 1 || judged.status == StepStatus::Canceled {
        return judged;
    }
    let reason = match judged.reason {
        Some(reason) => format!("{reason} (try {tried})"),
        None => format!("try {tried} succeeded"),
    };
    Verdict {
        reason: Some(reason),
        ..judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(status: StepStatus, reason: Option<&str>) -> Verdict {
        Verdict {
            status,
            exit_code: None,
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn the_log_counts_tries_from_one() {
        assert_eq!(announce(1, 2, 0), "Try 2 of 3 begins.\n");
        assert_eq!(announce(2, 2, 90_000), "Try 3 of 3 begins in 1m30s.\n");
    }

    #[test]
    fn an_end_tells_of_its_tries() {
        let failed = verdict(StepStatus::Failed, Some("step 'x' exited with code 1"));
        assert_eq!(with_tries(failed.clone(), 1), failed);
        let reason = with_tries(failed, 3).reason;
        assert_eq!(reason.as_deref(), Some("step 'x' exited with code 1 (try 3)"));
        let good = with_tries(verdict(StepStatus::Success, None), 2);
        assert_eq!(good.reason.as_deref(), Some("try 2 succeeded"));
        let canceled = verdict(StepStatus::Canceled, None);
        assert_eq!(with_tries(canceled.clone(), 2), canceled);
    }
}
