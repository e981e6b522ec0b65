//! Projects, repository keys, variables.

use std::sync::Arc;

use airlock_domain::{EgressPolicy, EnvName, ProjectId, ProjectSlug};
use uuid::Uuid;

use super::fixtures::{at, project, sealed};
use crate::rows::{EnvironmentRow, ProjectRow, RepositoryKeyRow};
use crate::{Store, StoreError};

fn key(project: ProjectId, label: &str) -> RepositoryKeyRow {
    RepositoryKeyRow {
        project,
        fingerprint: "SHA256:abc".to_owned(),
        public_key: "ssh-ed25519 AAAA".to_owned(),
        may_push: true,
        label: label.to_owned(),
        created_at: at(5),
    }
}

fn variable(project: ProjectId, name: &str, value: &str) -> EnvironmentRow {
    EnvironmentRow {
        project,
        name: EnvName::new(name).expect("a name"),
        value: sealed(value),
        updated_at: at(6),
    }
}

/// What was added is found again, whole, under both names; what was not is not.
pub async fn a_project_is_found_by_id_and_by_slug(store: Arc<dyn Store>) {
    let row = ProjectRow {
        pass_secrets_to_outsiders: true,
        ..project("demo/hello")
    };
    let added = store.add_project(&row).await.expect("it is added");
    assert_eq!(added, row);
    assert_eq!(store.project(row.id).await.expect("reads"), Some(row.clone()));
    assert_eq!(store.project_by_slug(&row.slug).await.expect("reads"), Some(row));
    let other = ProjectSlug::parse("demo/other").expect("a slug");
    assert_eq!(store.project_by_slug(&other).await.expect("reads"), None);
    assert_eq!(
        store.project(ProjectId::new(Uuid::nil())).await.expect("reads"),
        None
    );
}

/// The second project of a slug is refused and changes nothing.
pub async fn a_slug_is_taken_once(store: Arc<dyn Store>) {
    let row = project("demo/hello");
    store.add_project(&row).await.expect("it is added");
    let refused = store.add_project(&project("demo/hello")).await;
    assert!(
        matches!(&refused, Err(StoreError::Exists { what }) if what.contains("demo/hello")),
        "{refused:?}"
    );
    assert_eq!(store.projects().await.expect("reads"), vec![row]);
}

/// The id of an organisation is the one it was made with, whatever later projects propose.
pub async fn an_organisation_keeps_its_first_id(store: Arc<dyn Store>) {
    let first = store
        .add_project(&project("demo/one"))
        .await
        .expect("it is added");
    let second = project("demo/two");
    let added = store.add_project(&second).await.expect("it is added");
    assert_ne!(second.org, first.org);
    assert_eq!(added.org, first.org);
    assert_eq!(
        store.project(second.id).await.expect("reads").map(|row| row.org),
        Some(first.org)
    );
}

/// Lists are in the order of names, not of time.
pub async fn projects_and_organisations_are_listed_by_name(store: Arc<dyn Store>) {
    assert_eq!(store.projects().await.expect("reads"), Vec::new());
    for slug in ["zoo/a", "demo/b", "demo/a"] {
        store.add_project(&project(slug)).await.expect("it is added");
    }
    let names: Vec<String> = store
        .projects()
        .await
        .expect("reads")
        .iter()
        .map(|row| row.slug.short())
        .collect();
    assert_eq!(names, ["demo/a", "demo/b", "zoo/a"]);
    let organisations: Vec<String> = store
        .organisations()
        .await
        .expect("reads")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(organisations, ["demo", "zoo"]);
}

/// One grant for each project and key; a second one of the same project replaces the first.
pub async fn a_repository_key_is_put_and_replaced(store: Arc<dyn Store>) {
    let one = store
        .add_project(&project("demo/one"))
        .await
        .expect("it is added");
    let two = store
        .add_project(&project("demo/two"))
        .await
        .expect("it is added");
    let newer = RepositoryKeyRow {
        may_push: false,
        ..key(one.id, "newer")
    };
    for row in [key(one.id, "older"), key(two.id, "other"), newer.clone()] {
        store.put_repository_key(&row).await.expect("it is put");
    }
    let mut grants = store.repository_keys("SHA256:abc").await.expect("reads");
    grants.sort_by_key(|row| row.project != one.id);
    assert_eq!(grants, vec![newer, key(two.id, "other")]);
    assert_eq!(
        store.repository_keys("SHA256:none").await.expect("reads"),
        Vec::new()
    );
}

/// A variable has one value in a project; other projects have their own.
pub async fn variables_are_set_replaced_and_removed(store: Arc<dyn Store>) {
    let one = store
        .add_project(&project("demo/one"))
        .await
        .expect("it is added")
        .id;
    let two = store
        .add_project(&project("demo/two"))
        .await
        .expect("it is added")
        .id;
    let rows = [
        variable(one, "TOKEN", "old"),
        variable(one, "A", "a"),
        variable(two, "TOKEN", "two"),
        variable(one, "TOKEN", "new"),
    ];
    for row in &rows {
        store.put_environment(row).await.expect("it is set");
    }
    let expected = vec![variable(one, "A", "a"), variable(one, "TOKEN", "new")];
    assert_eq!(store.environment(one).await.expect("reads"), expected);
    let name = EnvName::new("TOKEN").expect("a name");
    assert!(store.remove_environment(one, &name).await.expect("removes"));
    assert!(!store.remove_environment(one, &name).await.expect("removes"));
    assert_eq!(
        store.environment(one).await.expect("reads"),
        vec![variable(one, "A", "a")]
    );
    assert_eq!(
        store.environment(two).await.expect("reads"),
        vec![variable(two, "TOKEN", "two")]
    );
}

/// What jobs may reach is everything until it is set, and is set for one project alone.
pub async fn a_project_has_one_egress_policy(store: Arc<dyn Store>) {
    let one = store
        .add_project(&project("demo/one"))
        .await
        .expect("it is added")
        .id;
    let two = store
        .add_project(&project("demo/two"))
        .await
        .expect("it is added")
        .id;
    let list = EgressPolicy::parse_list("*.example.com 192.0.2.0/24").expect("a list");
    for policy in [EgressPolicy::Deny, list, EgressPolicy::Allow, EgressPolicy::Deny] {
        store.put_egress(one, &policy, at(7)).await.expect("it is set");
        assert_eq!(store.egress(one).await.expect("reads"), policy);
    }
    assert_eq!(store.egress(two).await.expect("reads"), EgressPolicy::Allow);
}

/// Keys and variables need a project.
pub async fn what_belongs_to_no_project_is_refused(store: Arc<dyn Store>) {
    let nobody = ProjectId::new(Uuid::now_v7());
    let refused = store.put_repository_key(&key(nobody, "lost")).await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
    let refused = store.put_environment(&variable(nobody, "A", "a")).await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
    assert_eq!(store.environment(nobody).await.expect("reads"), Vec::new());
    let refused = store.put_egress(nobody, &EgressPolicy::Deny, at(7)).await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
}
