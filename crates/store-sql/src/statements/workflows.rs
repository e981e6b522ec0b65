//! Reading workflows, jobs, slices and events.

macro_rules! select_workflows {
    ($rest:literal) => {
        concat!(
            "SELECT id, pipeline, name, status, left_out, created_at, stopped_at FROM workflows ",
            $rest
        )
    };
}

macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT id, workflow, pipeline, project, number, name, kind, requires, status, reason, body, started_at, \
             stopped_at FROM jobs ",
            $rest
        )
    };
}

macro_rules! select_slices {
    ($rest:literal) => {
        concat!(
            "SELECT s.job, s.slice, s.status, s.fence, s.decided_fence, s.agent, s.lease_until, s.stop, s.started_at, \
             s.stopped_at FROM slices s ",
            $rest
        )
    };
}

statements! {
    WORKFLOW = select_workflows!("WHERE id = $1");
    WORKFLOWS = select_workflows!("WHERE pipeline = $1 ORDER BY place");
    JOB = select_jobs!("WHERE id = $1");
    JOB_BY_NUMBER = select_jobs!("WHERE project = $1 AND number = $2");
    JOBS = select_jobs!("WHERE workflow = $1 ORDER BY place");
    SLICES_OF_JOB = select_slices!("WHERE s.job = $1 ORDER BY s.slice");
    SLICES_OF_WORKFLOW = select_slices!(
        "JOIN jobs j ON j.id = s.job WHERE j.workflow = $1 ORDER BY j.place, s.slice"
    );
    /// The engine's view of a workflow.
    STATE = "SELECT id, name, status, version FROM workflows WHERE id = $1";
    /// The engine's view of its jobs, without their bodies.
    JOB_STATES = "SELECT id, name, kind, requires, left_out, status, reason FROM jobs WHERE workflow = $1 ORDER BY place";
    EVENTS = "SELECT number, event, at FROM events WHERE workflow = $1 ORDER BY number";
}
