-- The instance's own orb registry, and what pipelines took of it.

CREATE TABLE orb_versions (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    size BIGINT NOT NULL,
    description TEXT NOT NULL,
    nested TEXT NOT NULL,
    imported_at BIGINT NOT NULL,
    imported_by TEXT NOT NULL,
    -- Development versions end; a release, which has no end, never changes and is never removed.
    expires_at BIGINT,
    -- Last, so that lists need not read past it.
    source TEXT NOT NULL,
    PRIMARY KEY (name, version)
);
CREATE INDEX orb_versions_by_end ON orb_versions (expires_at) WHERE expires_at IS NOT NULL;
CREATE TRIGGER orb_releases_are_not_changed BEFORE UPDATE ON orb_versions WHEN OLD.expires_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'a released orb version is never changed');
END;
CREATE TRIGGER orb_releases_are_not_removed BEFORE DELETE ON orb_versions WHEN OLD.expires_at IS NULL
BEGIN
    SELECT RAISE(ABORT, 'a released orb version is never removed');
END;

CREATE TABLE pipeline_orbs (
    pipeline TEXT NOT NULL REFERENCES pipelines (id),
    reference TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (pipeline, reference)
);

-- The digest that a project first met a release with.
CREATE TABLE orb_locks (
    project TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    locked_at BIGINT NOT NULL,
    PRIMARY KEY (project, name, version)
);
