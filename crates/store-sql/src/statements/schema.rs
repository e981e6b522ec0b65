//! What the migration runner needs.

statements! {
    MAKE_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY NOT NULL, name TEXT NOT NULL)";
    VERSION = "SELECT COALESCE(MAX(version), 0) AS version FROM schema_versions";
    ADD_VERSION = "INSERT INTO schema_versions (version, name) VALUES ($1, $2)";
}
