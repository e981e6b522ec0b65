//! Versions of orbs, and what pipelines took of them.

statements! {
    REMOVE_ENDED = "DELETE FROM orb_versions WHERE expires_at <= $1";
    DIGEST = "SELECT digest FROM orb_versions WHERE name = $1 AND version = $2";
    /// A release is never in conflict here: it was looked up in the same transaction.
    PUT = "INSERT INTO orb_versions (name, version, digest, size, description, nested, imported_at, imported_by, \
           expires_at, source) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
           ON CONFLICT (name, version) DO UPDATE SET digest = excluded.digest, size = excluded.size, \
           description = excluded.description, nested = excluded.nested, imported_at = excluded.imported_at, \
           imported_by = excluded.imported_by, expires_at = excluded.expires_at, source = excluded.source";
    EVERY = "SELECT name, version, digest, size, description, nested, imported_at, imported_by, expires_at \
             FROM orb_versions WHERE expires_at IS NULL OR expires_at > $1";
    VERSIONS = "SELECT name, version, digest, size, description, nested, imported_at, imported_by, expires_at \
                FROM orb_versions WHERE name = $1 AND (expires_at IS NULL OR expires_at > $2)";
    SOURCE = "SELECT name, version, digest, size, description, nested, imported_at, imported_by, expires_at, source \
              FROM orb_versions WHERE name = $1 AND version = $2 AND (expires_at IS NULL OR expires_at > $3)";
    PROJECT = "SELECT project FROM pipelines WHERE id = $1";
    LOCKED = "SELECT digest FROM orb_locks WHERE project = $1 AND name = $2 AND version = $3";
    ADD_LOCK = "INSERT INTO orb_locks (project, name, version, digest, locked_at) VALUES ($1, $2, $3, $4, $5) \
                ON CONFLICT (project, name, version) DO NOTHING";
    /// What was recorded for a reference first stays.
    ADD_TAKEN = "INSERT INTO pipeline_orbs (pipeline, reference, name, version, digest) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (pipeline, reference) DO NOTHING";
    /// The digest says what the text is.
    ADD_TEXT = "INSERT INTO fetched_texts (digest, source) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
    /// What was recorded for an address first stays.
    ADD_FETCHED = "INSERT INTO pipeline_fetched_orbs (pipeline, url, digest, taken_at) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (pipeline, url) DO NOTHING";
    FETCHED = "SELECT f.url, f.digest, t.source FROM pipeline_fetched_orbs f JOIN fetched_texts t \
               ON t.digest = f.digest WHERE f.pipeline = $1 ORDER BY f.url";
    FETCHED_DIGESTS = "SELECT url, digest FROM pipeline_fetched_orbs WHERE pipeline = $1 ORDER BY url";
    TAKEN = "SELECT reference, name, version, digest FROM pipeline_orbs WHERE pipeline = $1 ORDER BY reference";
}
