//! Tokens, sign-in links, sessions and the instance's settings. Runs inside transactions that `store` opens. It sees
//! hashes of tokens only, and names none in an error.

use airlock_domain::Timestamp;
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::rows::{TokenPurpose, TokenRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::failure::{failed, not_written};
use crate::fields::Fields;
use crate::statements::identity as sql;

pub(crate) async fn add_token(c: &mut SqliteConnection, row: &TokenRow) -> Result<(), StoreError> {
    sqlx::query(sql::ADD_TOKEN)
        .bind(&row.hash)
        .bind(purpose_word(row.purpose))
        .bind(&row.user)
        .bind(row.expires_at.map(Timestamp::as_millis))
        .bind(row.created_at.as_millis())
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| not_written(format_args!("a token of {}", row.user), &row.user, &error))
}

pub(crate) async fn token(
    c: &mut SqliteConnection,
    hash: &str,
    purpose: TokenPurpose,
    now: Timestamp,
) -> Result<Option<TokenRow>, StoreError> {
    find(c, sql::TOKEN, hash, purpose, now).await
}

pub(crate) async fn take_token(
    c: &mut SqliteConnection,
    hash: &str,
    purpose: TokenPurpose,
    now: Timestamp,
) -> Result<Option<TokenRow>, StoreError> {
    find(c, sql::TAKE_TOKEN, hash, purpose, now).await
}

async fn find(
    c: &mut SqliteConnection,
    statement: &'static str,
    hash: &str,
    purpose: TokenPurpose,
    now: Timestamp,
) -> Result<Option<TokenRow>, StoreError> {
    sqlx::query(statement)
        .bind(hash)
        .bind(purpose_word(purpose))
        .bind(now.as_millis())
        .fetch_optional(c)
        .await
        .map_err(|error| failed("looking for a token", error))?
        .as_ref()
        .map(read_token)
        .transpose()
}

pub(crate) async fn remove_token(c: &mut SqliteConnection, hash: &str) -> Result<bool, StoreError> {
    sqlx::query(sql::REMOVE_TOKEN)
        .bind(hash)
        .execute(c)
        .await
        .map(|done| done.rows_affected() > 0)
        .map_err(|error| failed("removing a token", error))
}

pub(crate) async fn setting(c: &mut SqliteConnection, name: &str) -> Result<Option<String>, StoreError> {
    sqlx::query(sql::SETTING)
        .bind(name)
        .fetch_optional(c)
        .await
        .map_err(|error| failed(format_args!("reading the setting {name}"), error))?
        .map(|row| Fields::new("a setting", &row).text("value"))
        .transpose()
}

pub(crate) async fn setting_or_insert(
    c: &mut SqliteConnection,
    name: &str,
    value: &str,
) -> Result<String, StoreError> {
    sqlx::query(sql::ADD_SETTING)
        .bind(name)
        .bind(value)
        .execute(&mut *c)
        .await
        .map_err(|error| failed(format_args!("writing the setting {name}"), error))?;
    setting(c, name).await?.ok_or_else(|| StoreError::Missing {
        what: format!("the setting {name}"),
    })
}

const fn purpose_word(purpose: TokenPurpose) -> &'static str {
    match purpose {
        TokenPurpose::Api => "api",
        TokenPurpose::SignIn => "sign_in",
        TokenPurpose::Session => "session",
    }
}

fn read_purpose(word: &str) -> Option<TokenPurpose> {
    [TokenPurpose::Api, TokenPurpose::SignIn, TokenPurpose::Session]
        .into_iter()
        .find(|purpose| purpose_word(*purpose) == word)
}

fn read_token(row: &SqliteRow) -> Result<TokenRow, StoreError> {
    let fields = Fields::new("a token", row);
    Ok(TokenRow {
        hash: fields.text("hash")?,
        purpose: fields.word("purpose", read_purpose)?,
        user: fields.text("user_name")?,
        expires_at: fields.time_opt("expires_at")?,
        created_at: fields.time("created_at")?,
    })
}
