//! What a decision writes.

statements! {
    /// Takes the next version: compare and set.
    NEXT_VERSION = "UPDATE workflows SET version = version + 1 WHERE id = $1 AND version = $2 RETURNING pipeline";
    WORKFLOW_IS_THERE = "SELECT id FROM workflows WHERE id = $1";
    ADD_EVENT = "INSERT INTO events (workflow, number, event, at) VALUES ($1, $2, $3, $4)";
    /// `$3`: whether the status is final, `$4`: when.
    SET_WORKFLOW = "UPDATE workflows SET status = $2, \
                    stopped_at = CASE WHEN $3 = 1 THEN COALESCE(stopped_at, $4) END WHERE id = $1";
    /// `$5`: whether the status means begun, `$6`: whether it is final, `$7`: when.
    SET_JOB = "UPDATE jobs SET status = $3, reason = $4, \
               started_at = CASE WHEN $5 = 1 THEN COALESCE(started_at, $7) ELSE started_at END, \
               stopped_at = CASE WHEN $6 = 1 THEN COALESCE(stopped_at, $7) END \
               WHERE id = $1 AND workflow = $2 RETURNING id";
    /// A slice begins to run. The fence of a newer claim stays; `$4`: the fence decided on, `$5`: when.
    RUN_SLICE = "UPDATE slices SET status = $3, decided_fence = $4, \
                 fence = CASE WHEN fence < $4 THEN $4 ELSE fence END, \
                 started_at = COALESCE(started_at, $5), stopped_at = NULL \
                 WHERE job = $1 AND slice = $2 AND job IN (SELECT id FROM jobs WHERE workflow = $6)";
    /// A slice waits, again or for the first time: whoever had it has it no more. `$5` is not used, so that the three
    /// statements bind alike.
    WAIT_SLICE = "UPDATE slices SET status = $3, decided_fence = $4, \
                  fence = CASE WHEN fence < $4 THEN $4 ELSE fence END, \
                  agent = NULL, lease_until = NULL, stop = 0, started_at = NULL, stopped_at = NULL \
                  WHERE job = $1 AND slice = $2 AND job IN (SELECT id FROM jobs WHERE workflow = $6)";
    /// A slice ends. Who had it stays for the pages; the lease is over.
    END_SLICE = "UPDATE slices SET status = $3, decided_fence = $4, \
                 fence = CASE WHEN fence < $4 THEN $4 ELSE fence END, \
                 lease_until = NULL, stopped_at = COALESCE(stopped_at, $5) \
                 WHERE job = $1 AND slice = $2 AND job IN (SELECT id FROM jobs WHERE workflow = $6)";
    STOP_SLICE = "UPDATE slices SET stop = 1 WHERE job = $1 AND slice = $2 \
                  AND job IN (SELECT id FROM jobs WHERE workflow = $3)";
}
