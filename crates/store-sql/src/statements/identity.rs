//! Tokens and settings.

statements! {
    ADD_TOKEN = "INSERT INTO tokens (hash, purpose, user_name, expires_at, created_at) VALUES ($1, $2, $3, $4, $5)";
    /// Valid means: not yet at its end.
    TOKEN = "SELECT hash, purpose, user_name, expires_at, created_at FROM tokens \
             WHERE hash = $1 AND purpose = $2 AND (expires_at IS NULL OR expires_at > $3)";
    TAKE_TOKEN = "DELETE FROM tokens \
                  WHERE hash = $1 AND purpose = $2 AND (expires_at IS NULL OR expires_at > $3) \
                  RETURNING hash, purpose, user_name, expires_at, created_at";
    REMOVE_TOKEN = "DELETE FROM tokens WHERE hash = $1";
    SETTING = "SELECT value FROM settings WHERE name = $1";
    ADD_SETTING = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
}
