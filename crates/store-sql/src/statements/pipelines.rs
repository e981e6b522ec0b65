//! Pipelines.

macro_rules! select_pipelines {
    ($rest:literal) => {
        concat!(
            "SELECT id, project, number, state, sha, branch, tag, subject, author, started_by, errors, created_at \
             FROM pipelines ",
            $rest
        )
    };
}

statements! {
    /// Gives a project's next pipeline number.
    NEXT_NUMBER = "UPDATE projects SET last_pipeline = last_pipeline + 1 WHERE id = $1 RETURNING last_pipeline AS number";
    ADD = "INSERT INTO pipelines (id, project, number, state, sha, branch, tag, subject, author, delivery, started_by, \
           errors, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    BY_ID = select_pipelines!("WHERE id = $1");
    BY_DELIVERY = select_pipelines!("WHERE delivery = $1");
    PENDING = select_pipelines!("WHERE state = 'pending' ORDER BY seq");
    /// Where a pipeline stands in the order of their coming.
    SEQUENCE = "SELECT seq FROM pipelines WHERE id = $1";
    NEWEST = select_pipelines!("WHERE seq < $1 ORDER BY seq DESC LIMIT $2");
    NEWEST_OF_PROJECT = select_pipelines!("WHERE seq < $1 AND project = $3 ORDER BY seq DESC LIMIT $2");
}
