//! News for the outside.

statements! {
    ADD = "INSERT INTO outbox (kind, payload, at) VALUES ($1, $2, $3)";
    OLDEST = "SELECT seq, payload, at FROM outbox ORDER BY seq LIMIT $1";
    REMOVE = "DELETE FROM outbox WHERE seq = $1";
}
