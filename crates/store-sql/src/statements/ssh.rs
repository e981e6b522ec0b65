//! People's keys and grants.

statements! {
    ADD_KEY = "INSERT INTO user_keys (fingerprint, user_name, public_key, label, created_at) \
               VALUES ($1, $2, $3, $4, $5)";
    KEY = "SELECT fingerprint, user_name, public_key, label, created_at FROM user_keys WHERE fingerprint = $1";
    KEYS_OF = "SELECT fingerprint, user_name, public_key, label, created_at FROM user_keys \
               WHERE user_name = $1 ORDER BY created_at, fingerprint";
    REMOVE_KEY = "DELETE FROM user_keys WHERE user_name = $1 AND fingerprint = $2";
    GRANT = "INSERT INTO ssh_grants (subject, user_name, granted_at) VALUES ($1, $2, $3) \
             ON CONFLICT (subject, user_name) DO NOTHING";
    GRANTS = "SELECT user_name FROM ssh_grants WHERE subject = $1 ORDER BY user_name";
}
