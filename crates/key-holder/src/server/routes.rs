//! Which path means what, and what each route does with the engine.

use http::{Method, StatusCode};

use super::Refusal;
use crate::engine::Engine;
use crate::wire::{
    self, CipherRequest, ConfigRequest, KEY_TYPE, KeyAnswer, KeyRequest, KeysAnswer, MOUNT, Sealing,
    SecretText, TrimRequest, Unsealing,
};

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Encrypt,
    Decrypt,
    Rewrap,
    Create,
    Describe,
    List,
    Rotate,
    Configure,
    Trim,
}

/// The route of a path, and the name of the key in it.
pub(super) fn find<'p>(method: &Method, path: &'p str, listed: bool) -> Result<(Route, &'p str), Refusal> {
    let write = method == Method::POST || method == Method::PUT;
    let read = method == Method::GET;
    let list = method.as_str() == "LIST" || (read && listed);
    let parts: Vec<_> = path
        .strip_prefix(MOUNT)
        .unwrap_or_default()
        .trim_end_matches('/')
        .split('/')
        .collect();
    let (allowed, route, name) = match parts.as_slice() {
        ["encrypt", name] => (write, Route::Encrypt, *name),
        ["decrypt", name] => (write, Route::Decrypt, *name),
        ["rewrap", name] => (write, Route::Rewrap, *name),
        ["keys"] => (list, Route::List, ""),
        ["keys", name] if read => (true, Route::Describe, *name),
        ["keys", name] => (write, Route::Create, *name),
        ["keys", name, "rotate"] => (write, Route::Rotate, *name),
        ["keys", name, "config"] => (write, Route::Configure, *name),
        ["keys", name, "trim"] => (write, Route::Trim, *name),
        _ => {
            return Err(Refusal {
                status: StatusCode::NOT_FOUND,
                why: "no handler for this route".to_owned(),
            });
        }
    };
    if allowed {
        Ok((route, name))
    } else {
        Err(Refusal {
            status: StatusCode::METHOD_NOT_ALLOWED,
            why: "unsupported operation".to_owned(),
        })
    }
}

fn cipher_request(body: &[u8]) -> Result<CipherRequest, Refusal> {
    let request: CipherRequest = wire::read(body).map_err(Refusal::bad)?;
    if request.batch_input.is_some() {
        return Err(Refusal::bad(
            "batch_input is not supported here: send one value a request",
        ));
    }
    Ok(request)
}

fn ciphertext(request: &CipherRequest) -> Result<&str, Refusal> {
    request
        .ciphertext
        .as_deref()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| Refusal::bad("missing ciphertext to decrypt"))
}

pub(super) fn encrypt(engine: &Engine, name: &str, body: &[u8]) -> Result<Sealing, Refusal> {
    let request = cipher_request(body)?;
    let plaintext = request
        .plaintext
        .as_ref()
        .ok_or_else(|| Refusal::bad("missing plaintext to encrypt"))?;
    let secret = plaintext
        .decode()
        .ok_or_else(|| Refusal::bad("failed to base64-decode plaintext"))?;
    let binding = request.binding().map_err(Refusal::bad)?;
    let (ciphertext, key_version) = engine.seal(name, binding.borrow(), request.key_version, &secret)?;
    Ok(Sealing {
        ciphertext,
        key_version,
    })
}

pub(super) fn decrypt(engine: &Engine, name: &str, body: &[u8]) -> Result<Unsealing, Refusal> {
    let request = cipher_request(body)?;
    let binding = request.binding().map_err(Refusal::bad)?;
    let secret = engine.open(name, binding.borrow(), ciphertext(&request)?)?;
    Ok(Unsealing {
        plaintext: SecretText::encode(&secret),
    })
}

pub(super) fn rewrap(engine: &Engine, name: &str, body: &[u8]) -> Result<Sealing, Refusal> {
    let request = cipher_request(body)?;
    let binding = request.binding().map_err(Refusal::bad)?;
    let (ciphertext, key_version) = engine.rewrap(name, binding.borrow(), ciphertext(&request)?)?;
    Ok(Sealing {
        ciphertext,
        key_version,
    })
}

pub(super) fn create(engine: &Engine, name: &str, body: &[u8]) -> Result<KeyAnswer, Refusal> {
    let request: KeyRequest = if body.is_empty() {
        KeyRequest::default()
    } else {
        wire::read(body).map_err(Refusal::bad)?
    };
    if request.kind.as_deref().is_some_and(|kind| kind != KEY_TYPE) {
        return Err(Refusal::bad(format!(
            "unknown key type: only {KEY_TYPE} is supported here"
        )));
    }
    if request.convergent_encryption || request.exportable {
        return Err(Refusal::bad(
            "neither convergent encryption nor exportable keys are supported here",
        ));
    }
    engine.create(name, request.derived)?;
    describe(engine, name)
}

pub(super) fn describe(engine: &Engine, name: &str) -> Result<KeyAnswer, Refusal> {
    use crate::engine::EngineError;
    use crate::transit::TransitError;
    match engine.describe(name) {
        Ok(key) => Ok(key.into()),
        // Vault answers so to reading what is not there, and says nothing more.
        Err(EngineError::Transit(TransitError::NoSuchKey)) => Err(Refusal {
            status: StatusCode::NOT_FOUND,
            why: String::new(),
        }),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn list(engine: &Engine) -> Result<KeysAnswer, Refusal> {
    let keys = engine.names();
    if keys.is_empty() {
        return Err(Refusal {
            status: StatusCode::NOT_FOUND,
            why: String::new(),
        });
    }
    Ok(KeysAnswer { keys })
}

pub(super) fn rotate(engine: &Engine, name: &str) -> Result<KeyAnswer, Refusal> {
    engine.rotate(name)?;
    describe(engine, name)
}

pub(super) fn configure(engine: &Engine, name: &str, body: &[u8]) -> Result<KeyAnswer, Refusal> {
    let request: ConfigRequest = wire::read(body).map_err(Refusal::bad)?;
    engine.require(
        name,
        request.min_decryption_version,
        request.min_encryption_version,
    )?;
    describe(engine, name)
}

pub(super) fn trim(engine: &Engine, name: &str, body: &[u8]) -> Result<KeyAnswer, Refusal> {
    let request: TrimRequest = wire::read(body).map_err(Refusal::bad)?;
    engine.trim(name, request.min_available_version)?;
    describe(engine, name)
}
