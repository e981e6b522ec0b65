use super::*;

const LIMITS: Limits = Limits {
    cpu_millis: 2000,
    memory_bytes: 4 << 30,
    pids: 4096,
    disk: Some(airlock_sandbox::DiskLimit {
        bytes: 20 << 30,
        inodes: 1_000_000,
    }),
};

fn counted(oom_kills: u64, pids_refused: u64) -> Counted<'static> {
    let before = Usage {
        oom_kills: 3,
        pids_refused: 5,
        disk_full: 1,
        ..Usage::default()
    };
    Counted {
        before,
        after: Usage {
            memory_peak: 4 << 30,
            oom_kills: 3 + oom_kills,
            pids_refused: 5 + pids_refused,
            disk_full: 1,
            disk_peak: 20 << 30,
            inodes_peak: 999_998,
            pids_peak: 4096,
            ..Usage::default()
        },
        limits: &LIMITS,
    }
}

fn reason(end: &StepEnd, counted: Counted<'_>) -> String {
    of_end("make", end, counted).reason.unwrap_or_default()
}

#[test]
fn reasons_name_step_and_cause() {
    let fine = counted(0, 0);
    assert_eq!(reason(&StepEnd::Exited(0), fine), "");
    assert_eq!(
        reason(&StepEnd::Exited(2), fine),
        "step 'make' exited with code 2"
    );
    assert_eq!(
        reason(&StepEnd::Exited(137), fine),
        "step 'make' exited with code 137 (128 + signal 9, KILL)"
    );
    assert_eq!(
        reason(&StepEnd::Signaled(9), fine),
        "step 'make' was killed by signal 9 (KILL)"
    );
    assert_eq!(
        reason(&StepEnd::NoOutput { after_ms: 600_000 }, fine),
        "step 'make' was stopped: it wrote no output for 10m"
    );
    assert_eq!(
        reason(&StepEnd::CouldNotStart("no shell".into()), fine),
        "step 'make' could not start: no shell"
    );
}

#[test]
fn memory_and_processes_are_told_apart_from_the_jobs_own_failures() {
    assert_eq!(
        reason(&StepEnd::Exited(137), counted(1, 0)),
        "step 'make' was killed: the job reached its memory limit of 4 GiB (peak 4 GiB)"
    );
    assert_eq!(
        reason(&StepEnd::Exited(254), counted(0, 7)),
        "step 'make' exited with code 254; 7 new processes were refused because the job reached its limit of 4096 (peak 4096)"
    );
    // A step that went on in spite of it is a success.
    let verdict = of_end("make", &StepEnd::Exited(0), counted(1, 1));
    assert_eq!((verdict.status, verdict.reason), (StepStatus::Success, None));
}

#[test]
fn a_full_disk_is_told_apart_from_one_without_room_for_files_and_from_a_full_past() {
    let mut full = counted(0, 0);
    assert_eq!(
        reason(&StepEnd::Exited(1), full),
        "step 'make' exited with code 1",
        "what an earlier step was told is not this one's reason"
    );
    full.after.disk_full += 1;
    assert_eq!(
        reason(&StepEnd::Exited(1), full),
        "step 'make' exited with code 1; the job's disk of 20 GiB was full (peak 20 GiB)"
    );
    let mut files = counted(0, 0);
    files.after.out_of_inodes = 2;
    assert_eq!(
        reason(&StepEnd::Exited(2), files),
        "step 'make' exited with code 2; the job's disk had no room for another file: it reached its limit of 1000000 \
         (peak 999998)"
    );
    assert!(full.reached_a_limit() && files.reached_a_limit() && !counted(0, 0).reached_a_limit());
}

fn artifacts() -> StepWork {
    StepWork::StoreArtifacts {
        path: "out".into(),
        destination: None,
    }
}

#[test]
fn when_decides_what_runs() {
    let checkout = StepWork::Checkout { path: None };
    let runs = |standing: &Standing| {
        [StepWhen::OnSuccess, StepWhen::OnFail, StepWhen::Always]
            .map(|when| standing.runs(when, &checkout).is_ok())
    };
    let mut standing = Standing::default();
    assert_eq!(runs(&standing), [true, false, true]);
    standing.fail(SliceStatus::Failed, "first".into());
    standing.fail(SliceStatus::TimedOut, "second".into());
    assert_eq!(runs(&standing), [false, true, true]);
    assert!(standing.runs(StepWhen::OnSuccess, &artifacts()).is_ok());
    // A failure after a halt is a failure all the same.
    standing.halted = true;
    assert_eq!(runs(&standing), [false, true, true]);
    assert_eq!(standing.outcome(), (SliceStatus::Failed, Some("first".into())));

    let halted = Standing {
        halted: true,
        ..Standing::default()
    };
    assert_eq!(runs(&halted), [false, false, false]);
    assert!(halted.runs(StepWhen::Always, &artifacts()).is_err());
    assert_eq!(halted.outcome(), (SliceStatus::Success, None));

    let canceled = Standing {
        cut: Some(Cut::Stopped(StopCause::Person)),
        failure: Some((SliceStatus::Failed, "x".into())),
        halted: false,
    };
    assert_eq!(runs(&canceled), [false, false, false]);
    assert_eq!(canceled.outcome(), (SliceStatus::Canceled, None));
}

#[test]
fn durations_read_well() {
    for (ms, text) in [
        (0, "0s"),
        (1500, "1.5s"),
        (600_000, "10m"),
        (5_400_000, "1h30m"),
        (61_000, "1m1s"),
        (18_000_000, "5h"),
    ] {
        assert_eq!(duration(ms), text);
    }
}
