-- What the jobs of a project may reach outside, as JSON; a project without a row is one that nobody decided for.

CREATE TABLE egress_policies (
    project TEXT NOT NULL PRIMARY KEY REFERENCES projects (id),
    policy TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
