//! Organisations, projects, their keys and variables.

macro_rules! select_projects {
    ($rest:literal) => {
        concat!(
            "SELECT p.id, p.organisation, o.name AS organisation_name, p.repository, p.pass_secrets_to_outsiders, \
             p.deploy_key_public, p.deploy_key, p.created_at \
             FROM projects p JOIN organisations o ON o.id = p.organisation ",
            $rest
        )
    };
}

statements! {
    /// An organisation, unless its name is there.
    ADD_ORGANISATION = "INSERT INTO organisations (id, name) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    ORGANISATION_ID = "SELECT id FROM organisations WHERE name = $1";
    ORGANISATIONS = "SELECT name FROM organisations ORDER BY name";
    ADD = "INSERT INTO projects (id, organisation, repository, pass_secrets_to_outsiders, deploy_key_public, \
           deploy_key, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    BY_ID = select_projects!("WHERE p.id = $1");
    BY_SLUG = select_projects!("WHERE o.name = $1 AND p.repository = $2");
    ALL_BY_NAME = select_projects!("ORDER BY o.name, p.repository");
    PUT_KEY = "INSERT INTO repository_keys (project, fingerprint, public_key, may_push, label, created_at) \
               VALUES ($1, $2, $3, $4, $5, $6) \
               ON CONFLICT (project, fingerprint) DO UPDATE SET public_key = excluded.public_key, \
               may_push = excluded.may_push, label = excluded.label, created_at = excluded.created_at";
    KEYS = "SELECT project, fingerprint, public_key, may_push, label, created_at FROM repository_keys \
            WHERE fingerprint = $1 ORDER BY project";
    PUT_VARIABLE = "INSERT INTO environment (project, name, value, updated_at) VALUES ($1, $2, $3, $4) \
                    ON CONFLICT (project, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at";
    PUT_EGRESS = "INSERT INTO egress_policies (project, policy, updated_at) VALUES ($1, $2, $3) \
                  ON CONFLICT (project) DO UPDATE SET policy = excluded.policy, updated_at = excluded.updated_at";
    EGRESS = "SELECT policy FROM egress_policies WHERE project = $1";
    REMOVE_VARIABLE = "DELETE FROM environment WHERE project = $1 AND name = $2";
    VARIABLES = "SELECT project, name, value, updated_at FROM environment WHERE project = $1 ORDER BY name";
}
