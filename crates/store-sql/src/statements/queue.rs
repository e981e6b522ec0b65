//! The queue and its leases.

statements! {
    /// A slice that waits already keeps its place.
    ENQUEUE = "INSERT INTO queue (workflow, job, slice, enqueued_at, platform) \
               VALUES ($1, $2, $3, $4, COALESCE((SELECT platform FROM jobs WHERE id = $2), 'linux')) \
               ON CONFLICT (job, slice) DO NOTHING";
    /// Who had a slice that waits again has it no more, whatever its fence.
    RELEASE = "UPDATE slices SET agent = NULL, lease_until = NULL, stop = 0, started_at = NULL \
               WHERE job = $1 AND slice = $2 AND lease_until IS NOT NULL";
    WITHDRAW = "DELETE FROM queue WHERE workflow = $1 AND job = $2 AND slice = $3";
    /// Takes the oldest row out that an agent with these offers can run; `$1` has commas around each word.
    TAKE = "DELETE FROM queue WHERE seq = (SELECT MIN(seq) FROM queue WHERE $1 LIKE '%,' || platform || ',%') \
            RETURNING workflow, job, slice";
    /// Since when the oldest row waits for each platform.
    WAITING = "SELECT platform, MIN(enqueued_at) AS since FROM queue GROUP BY platform ORDER BY platform";
    /// Gives a slice that has not ended to an agent.
    LEASE = "UPDATE slices SET fence = fence + 1, agent = $3, lease_until = $4, stop = 0, started_at = $5, \
             stopped_at = NULL WHERE job = $1 AND slice = $2 AND status IN ('waiting', 'queued', 'running') \
             RETURNING fence";
    /// A lease only ever grows. A slice without one is nobody's, whatever its fence.
    RENEW = "UPDATE slices SET lease_until = CASE WHEN lease_until < $4 THEN $4 ELSE lease_until END \
             WHERE job = $1 AND slice = $2 AND fence = $3 AND lease_until IS NOT NULL \
             AND status IN ('waiting', 'queued', 'running') RETURNING stop";
    /// What `RENEW` would answer.
    LEASE_OF = "SELECT stop FROM slices WHERE job = $1 AND slice = $2 AND fence = $3 AND lease_until IS NOT NULL \
                AND status IN ('waiting', 'queued', 'running')";
    EXPIRED = "SELECT j.workflow, s.job, s.slice, s.fence FROM slices s JOIN jobs j ON j.id = s.job \
               WHERE s.lease_until < $1 AND s.status IN ('waiting', 'queued', 'running') \
               ORDER BY s.lease_until, s.job, s.slice";
    LENGTH = "SELECT COUNT(*) AS number FROM queue";
}
