//! Steps, artifacts, audit, agents.

statements! {
    /// Word that a step runs can come after word that it has ended; then only its beginning is news.
    PUT_STEP = "INSERT INTO steps (job, slice, step, name, status, exit_code, reason, started_at, stopped_at) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                ON CONFLICT (job, slice, step) DO UPDATE SET name = excluded.name, \
                started_at = COALESCE(steps.started_at, excluded.started_at), \
                status = CASE WHEN excluded.status = 'running' THEN steps.status ELSE excluded.status END, \
                exit_code = CASE WHEN excluded.status = 'running' THEN steps.exit_code ELSE excluded.exit_code END, \
                reason = CASE WHEN excluded.status = 'running' THEN steps.reason ELSE excluded.reason END, \
                stopped_at = CASE WHEN excluded.status = 'running' THEN steps.stopped_at ELSE excluded.stopped_at END";
    STEPS = "SELECT job, slice, step, name, status, exit_code, reason, started_at, stopped_at FROM steps \
             WHERE job = $1 AND slice = $2 ORDER BY step";
    TAKE_ARTIFACT = "DELETE FROM artifacts WHERE job = $1 AND slice = $2 AND path = $3 \
                     RETURNING id, job, slice, path, size, created_at";
    ADD_ARTIFACT = "INSERT INTO artifacts (id, job, slice, path, size, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
    ARTIFACTS = "SELECT id, job, slice, path, size, created_at FROM artifacts WHERE job = $1 ORDER BY slice, path";
    ADD_AUDIT = "INSERT INTO audit (action, actor, target, at) VALUES ($1, $2, $3, $4)";
    AUDIT = "SELECT number, action, actor, target, at FROM audit WHERE number > $1 ORDER BY number LIMIT $2";
    /// Word of an agent that was overtaken by newer word changes nothing.
    AGENT_SEEN = "INSERT INTO agents (id, name, seen_at, offers) VALUES ($1, $2, $3, $4) \
                  ON CONFLICT (id) DO UPDATE SET name = excluded.name, seen_at = excluded.seen_at, \
                  offers = excluded.offers \
                  WHERE agents.seen_at <= excluded.seen_at";
    AGENTS = "SELECT id, name, seen_at, offers FROM agents ORDER BY name, id";
}
