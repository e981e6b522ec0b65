//! Tokens and settings.

use std::collections::BTreeSet;
use std::sync::Arc;

use airlock_domain::Timestamp;
use tokio::task::JoinSet;

use super::fixtures::at;
use crate::rows::{TokenPurpose, TokenRow};
use crate::{Store, StoreError};

const PURPOSES: [TokenPurpose; 3] = [TokenPurpose::Api, TokenPurpose::SignIn, TokenPurpose::Session];

fn token(hash: &str, purpose: TokenPurpose, expires_at: Option<Timestamp>) -> TokenRow {
    TokenRow {
        hash: hash.to_owned(),
        purpose,
        user: "ada".to_owned(),
        expires_at,
        created_at: at(1),
    }
}

/// A token opens one kind of door, until its time is over.
pub async fn a_token_is_valid_for_its_purpose_and_time(store: Arc<dyn Store>) {
    for (hash, purpose) in ["aa", "bb", "cc"].into_iter().zip(PURPOSES) {
        let row = token(hash, purpose, Some(at(50)));
        store.add_token(&row).await.expect("it is added");
        for asked in PURPOSES {
            let found = store.token(hash, asked, at(49)).await.expect("reads");
            assert_eq!(found, (asked == purpose).then(|| row.clone()));
        }
        assert_eq!(store.token(hash, purpose, at(50)).await.expect("reads"), None);
    }
    let endless = token("dd", TokenPurpose::Api, None);
    store.add_token(&endless).await.expect("it is added");
    let found = store.token("dd", TokenPurpose::Api, at(i64::MAX)).await;
    assert_eq!(found.expect("reads"), Some(endless));
    assert_eq!(
        store.token("ee", TokenPurpose::Api, at(1)).await.expect("reads"),
        None
    );
}

/// Two tokens never share a hash, whatever they are for; the error does not tell it.
pub async fn a_hash_is_added_once(store: Arc<dyn Store>) {
    store
        .add_token(&token("secret-hash", TokenPurpose::Api, None))
        .await
        .expect("it is added");
    let refused = store
        .add_token(&token("secret-hash", TokenPurpose::Session, None))
        .await
        .expect_err("it is there already");
    assert!(matches!(refused, StoreError::Exists { .. }), "{refused:?}");
    assert!(!refused.to_string().contains("secret-hash"), "{refused}");
}

/// Of twenty who open a sign-in link at once, one gets in.
pub async fn a_one_time_token_is_taken_once(store: Arc<dyn Store>) {
    let row = token("aa", TokenPurpose::SignIn, Some(at(50)));
    store.add_token(&row).await.expect("it is added");
    let wrong = store.take_token("aa", TokenPurpose::Session, at(10)).await;
    assert_eq!(wrong.expect("answers"), None);
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            store
                .take_token("aa", TokenPurpose::SignIn, at(10))
                .await
                .expect("answers")
        });
    }
    let taken: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(taken, [row]);
    assert_eq!(
        store
            .token("aa", TokenPurpose::SignIn, at(10))
            .await
            .expect("reads"),
        None
    );
}

/// Nobody gets in by a link whose time is over.
pub async fn an_expired_token_is_not_taken(store: Arc<dyn Store>) {
    store
        .add_token(&token("aa", TokenPurpose::SignIn, Some(at(50))))
        .await
        .expect("it is added");
    assert_eq!(
        store
            .take_token("aa", TokenPurpose::SignIn, at(50))
            .await
            .expect("answers"),
        None
    );
}

/// A token that was removed opens nothing.
pub async fn a_removed_token_is_gone(store: Arc<dyn Store>) {
    store
        .add_token(&token("aa", TokenPurpose::Api, None))
        .await
        .expect("it is added");
    assert!(store.remove_token("aa").await.expect("removes"));
    assert!(!store.remove_token("aa").await.expect("removes"));
    assert_eq!(
        store.token("aa", TokenPurpose::Api, at(1)).await.expect("reads"),
        None
    );
}

/// Of twenty who propose a value at once, all get the same, and it stays.
pub async fn the_first_setting_wins(store: Arc<dyn Store>) {
    assert_eq!(store.setting("instance").await.expect("reads"), None);
    let mut tasks = JoinSet::new();
    for number in 0..20 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            store
                .setting_or_insert("instance", &number.to_string())
                .await
                .expect("answers")
        });
    }
    let values: BTreeSet<String> = tasks.join_all().await.into_iter().collect();
    assert_eq!(values.len(), 1, "{values:?}");
    assert_eq!(
        store.setting("instance").await.expect("reads"),
        values.into_iter().next()
    );
    assert_eq!(store.setting("other").await.expect("reads"), None);
}
