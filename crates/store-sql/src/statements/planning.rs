//! The end of planning: a pipeline's workflows come to be.

statements! {
    /// Ends planning once: compare and set.
    FINISH = "UPDATE pipelines SET state = $2, errors = $3 WHERE id = $1 AND state = 'pending' RETURNING project";
    ADD_WORKFLOW = "INSERT INTO workflows (id, pipeline, place, name, status, left_out, version, created_at, stopped_at) \
                    VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8)";
    /// Gives a project's next job number.
    NEXT_JOB_NUMBER = "UPDATE projects SET last_job = last_job + 1 WHERE id = $1 RETURNING last_job AS number";
    ADD_JOB = "INSERT INTO jobs (id, workflow, place, pipeline, project, number, name, kind, requires, left_out, status, \
               reason, body, started_at, stopped_at, platform) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    /// Planning that was interrupted begins anew, and explains anew.
    PUT_EXPLANATION = "INSERT INTO explanations (pipeline, explanation) VALUES ($1, $2) \
                       ON CONFLICT (pipeline) DO UPDATE SET explanation = excluded.explanation";
    EXPLANATION = "SELECT explanation FROM explanations WHERE pipeline = $1";
    ADD_SLICE = "INSERT INTO slices (job, slice, status, stopped_at) VALUES ($1, $2, $3, $4)";
}
