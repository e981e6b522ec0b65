//! People's keys and grants.

use std::sync::Arc;

use uuid::Uuid;

use super::fixtures::at;
use crate::ssh::UserKeyRow;
use crate::{Store, StoreError};

fn key(user: &str, fingerprint: &str, created: i64) -> UserKeyRow {
    UserKeyRow {
        user: user.to_owned(),
        fingerprint: fingerprint.to_owned(),
        public_key: format!("ssh-ed25519 {fingerprint}"),
        label: format!("{user}@machine"),
        created_at: at(created),
    }
}

/// Each person has their own keys, and finds them in the order they came.
pub async fn a_persons_keys_are_theirs(store: Arc<dyn Store>) {
    let (second, first, other) = (key("ada", "B", 2), key("ada", "C", 1), key("bob", "A", 1));
    for row in [&second, &first, &other] {
        store.add_user_key(row).await.expect("added");
    }
    let keys = store.user_keys("ada").await.expect("read");
    assert_eq!(keys, [first, second.clone()]);
    assert_eq!(store.user_key("B").await.expect("read"), Some(second));
    assert_eq!(store.user_key("D").await.expect("read"), None);
    assert!(
        !store.remove_user_key("ada", "A").await.expect("asked"),
        "another person's"
    );
    assert!(store.remove_user_key("ada", "B").await.expect("asked"));
    assert!(!store.remove_user_key("ada", "B").await.expect("asked"));
    assert_eq!(store.user_key("B").await.expect("read"), None);
    assert_eq!(store.user_key("A").await.expect("read"), Some(other));
}

/// Whose a key is must be one answer.
pub async fn a_key_is_one_persons(store: Arc<dyn Store>) {
    store.add_user_key(&key("ada", "A", 1)).await.expect("added");
    for user in ["bob", "ada"] {
        let refused = store
            .add_user_key(&key(user, "A", 2))
            .await
            .expect_err("there already");
        assert!(matches!(refused, StoreError::Exists { .. }), "{refused:?}");
    }
    let kept = store.user_key("A").await.expect("read").expect("there");
    assert_eq!((kept.user.as_str(), kept.created_at), ("ada", at(1)));
}

/// A grant is of one subject, and twice is once.
pub async fn grants_are_of_their_subject(store: Arc<dyn Store>) {
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    for user in ["bob", "ada", "bob"] {
        store.grant_ssh(one, user, at(1)).await.expect("granted");
    }
    assert_eq!(store.ssh_grants(one).await.expect("read"), ["ada", "bob"]);
    assert!(store.ssh_grants(two).await.expect("read").is_empty());
}
