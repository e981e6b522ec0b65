-- People's public keys, with which they enter jobs over SSH, and who was let into what. A subject is a job, or the
-- delivery that a pipeline came in, whose jobs may not be there yet.

CREATE TABLE user_keys (
    fingerprint TEXT PRIMARY KEY NOT NULL,
    user_name TEXT NOT NULL,
    public_key TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX user_keys_by_user ON user_keys (user_name);

CREATE TABLE ssh_grants (
    subject TEXT NOT NULL,
    user_name TEXT NOT NULL,
    granted_at BIGINT NOT NULL,
    PRIMARY KEY (subject, user_name)
);
