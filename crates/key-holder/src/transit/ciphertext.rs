//! The text form of a ciphertext.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::TransitError;
use super::cipher::NONCE_BYTES;
use crate::limits::MESSAGE_BYTES;

/// `vault:v<N>:<base64>`.
pub(super) fn format(version: u32, body: &[u8]) -> String {
    format!("vault:v{version}:{}", STANDARD.encode(body))
}

/// Version and body. Version 0 means 1, as in Vault, whose oldest ciphertexts bear it.
pub(super) fn parse(text: &str) -> Result<(u32, Vec<u8>), TransitError> {
    if text.len() > MESSAGE_BYTES {
        return Err(TransitError::TooLong {
            what: "a ciphertext",
            bytes: text.len(),
            limit: MESSAGE_BYTES,
        });
    }
    let rest = text.strip_prefix("vault:v").ok_or(TransitError::NoPrefix)?;
    let (version, body) = rest.split_once(':').ok_or(TransitError::NoVersion)?;
    if !version.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TransitError::NoVersion);
    }
    let version: u32 = version.parse().map_err(|_| TransitError::NoVersion)?;
    let body = STANDARD.decode(body).map_err(|_| TransitError::NoBase64)?;
    if body.len() < NONCE_BYTES {
        return Err(TransitError::TooShort);
    }
    Ok((version.max(1), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let body: Vec<u8> = (0..40).collect();
        assert_eq!(parse(&format(7, &body)), Ok((7, body)));
    }

    #[test]
    fn nonsense_is_named() {
        for (text, error) in [
            ("", TransitError::NoPrefix),
            ("hunter2", TransitError::NoPrefix),
            ("vault:1:AAAA", TransitError::NoPrefix),
            ("vault:v1", TransitError::NoVersion),
            ("vault:v:AAAA", TransitError::NoVersion),
            ("vault:v-1:AAAA", TransitError::NoVersion),
            ("vault:v+1:AAAA", TransitError::NoVersion),
            ("vault:v99999999999:AAAA", TransitError::NoVersion),
            ("vault:v1:not base64", TransitError::NoBase64),
            ("vault:v1:AAECAwQFBgcICQoLDA", TransitError::NoBase64),
            ("vault:v1:", TransitError::TooShort),
            ("vault:v1:AAECAwQFBgcICQo=", TransitError::TooShort),
        ] {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
        assert_eq!(
            parse("vault:v0:AAECAwQFBgcICQoL").map(|(version, _)| version),
            Ok(1)
        );
    }
}
