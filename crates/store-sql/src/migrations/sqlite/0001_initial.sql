-- Everything Airlock keeps besides blobs. Times are milliseconds since the epoch, booleans 0 or 1, ids UUIDs as text.

CREATE TABLE organisations (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE projects (
    id TEXT PRIMARY KEY NOT NULL,
    organisation TEXT NOT NULL REFERENCES organisations (id),
    repository TEXT NOT NULL,
    pass_secrets_to_outsiders INTEGER NOT NULL CHECK (pass_secrets_to_outsiders IN (0, 1)),
    deploy_key_public TEXT NOT NULL,
    deploy_key TEXT NOT NULL,
    -- The newest numbers given; raised in the transaction that uses them, so that there are no gaps.
    last_pipeline BIGINT NOT NULL DEFAULT 0,
    last_job BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    UNIQUE (organisation, repository)
);

CREATE TABLE repository_keys (
    project TEXT NOT NULL REFERENCES projects (id),
    fingerprint TEXT NOT NULL,
    public_key TEXT NOT NULL,
    may_push INTEGER NOT NULL CHECK (may_push IN (0, 1)),
    label TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project, fingerprint)
);
CREATE INDEX repository_keys_by_fingerprint ON repository_keys (fingerprint);

CREATE TABLE environment (
    project TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (project, name)
);

CREATE TABLE pipelines (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL REFERENCES projects (id),
    number BIGINT NOT NULL,
    state TEXT NOT NULL,
    sha TEXT NOT NULL,
    branch TEXT,
    tag TEXT,
    subject TEXT NOT NULL,
    author TEXT NOT NULL,
    delivery TEXT NOT NULL UNIQUE,
    started_by TEXT NOT NULL,
    errors TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (project, number)
);
CREATE INDEX pipelines_by_project ON pipelines (project, seq);
CREATE INDEX pipelines_pending ON pipelines (seq) WHERE state = 'pending';

CREATE TABLE workflows (
    id TEXT PRIMARY KEY NOT NULL,
    pipeline TEXT NOT NULL REFERENCES pipelines (id),
    place BIGINT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    left_out TEXT,
    -- Raised by every decision; a decision made on an older one is refused.
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    stopped_at BIGINT,
    UNIQUE (pipeline, place)
);

CREATE TABLE jobs (
    id TEXT PRIMARY KEY NOT NULL,
    workflow TEXT NOT NULL REFERENCES workflows (id),
    place BIGINT NOT NULL,
    pipeline TEXT NOT NULL REFERENCES pipelines (id),
    project TEXT NOT NULL REFERENCES projects (id),
    number BIGINT,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    requires TEXT NOT NULL,
    left_out TEXT,
    status TEXT NOT NULL,
    reason TEXT,
    body TEXT,
    started_at BIGINT,
    stopped_at BIGINT,
    UNIQUE (workflow, place),
    UNIQUE (project, number)
);

CREATE TABLE slices (
    job TEXT NOT NULL REFERENCES jobs (id),
    slice BIGINT NOT NULL,
    status TEXT NOT NULL,
    -- The number of the newest claim, and the number the engine last decided on: they differ between a claim and the
    -- decision that follows it.
    fence BIGINT NOT NULL DEFAULT 0,
    decided_fence BIGINT NOT NULL DEFAULT 0,
    agent TEXT,
    lease_until BIGINT,
    stop INTEGER NOT NULL DEFAULT 0 CHECK (stop IN (0, 1)),
    started_at BIGINT,
    stopped_at BIGINT,
    PRIMARY KEY (job, slice)
);
CREATE INDEX slices_by_lease ON slices (lease_until) WHERE lease_until IS NOT NULL;

CREATE TABLE queue (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    workflow TEXT NOT NULL REFERENCES workflows (id),
    job TEXT NOT NULL,
    slice BIGINT NOT NULL,
    enqueued_at BIGINT NOT NULL,
    UNIQUE (job, slice),
    FOREIGN KEY (job, slice) REFERENCES slices (job, slice)
);

CREATE TABLE events (
    workflow TEXT NOT NULL REFERENCES workflows (id),
    number BIGINT NOT NULL,
    event TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (workflow, number)
);
CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are never changed');
END;

CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    at BIGINT NOT NULL
);

CREATE TABLE steps (
    job TEXT NOT NULL,
    slice BIGINT NOT NULL,
    step BIGINT NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    exit_code BIGINT,
    reason TEXT,
    started_at BIGINT,
    stopped_at BIGINT,
    PRIMARY KEY (job, slice, step),
    FOREIGN KEY (job, slice) REFERENCES slices (job, slice)
);

CREATE TABLE artifacts (
    id TEXT PRIMARY KEY NOT NULL,
    job TEXT NOT NULL,
    slice BIGINT NOT NULL,
    path TEXT NOT NULL,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (job, slice, path),
    FOREIGN KEY (job, slice) REFERENCES slices (job, slice)
);

CREATE TABLE audit (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    target TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never changed');
END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never removed');
END;

CREATE TABLE agents (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    seen_at BIGINT NOT NULL
);

CREATE TABLE tokens (
    hash TEXT PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL,
    user_name TEXT NOT NULL,
    expires_at BIGINT,
    created_at BIGINT NOT NULL
);

CREATE TABLE settings (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);
