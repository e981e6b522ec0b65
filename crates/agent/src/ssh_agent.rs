//! The key agent of one slice: holds the project's deploy key in the memory of this process and signs SSH logins with
//! it for the processes of the sandbox. Refuses every other request of the protocol, and every signature that is not an
//! SSH login with this very key, so it signs no commits and no files. The key itself never enters the sandbox.

use std::io;
use std::sync::Arc;

use airlock_domain::Secret;
use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::Signature;
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::limits;

// Numbers of the protocol (draft-miller-ssh-agent) and of SSH's own login message (RFC 4252).
const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const USERAUTH_REQUEST: u8 = 50;

/// A deploy key that cannot be used. Says nothing of its content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeployKeyError {
    /// Not an OpenSSH private key without a passphrase.
    #[error("the project's deploy key cannot be read: expected an OpenSSH private key without a passphrase")]
    Unreadable,
    /// A kind we cannot sign with.
    #[error(
        "the project's deploy key is of the kind {0}; expected ssh-ed25519 or ecdsa-sha2-nistp256/384/521"
    )]
    Kind(Algorithm),
}

/// The deploy key of one slice.
#[derive(Clone)]
pub(crate) struct KeyAgent {
    key: Arc<PrivateKey>,
    blob: Arc<[u8]>,
}

impl std::fmt::Debug for KeyAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyAgent(…)")
    }
}

impl KeyAgent {
    /// Reads the key.
    pub(crate) fn new(pem: &Secret) -> Result<Self, DeployKeyError> {
        let text = pem.expose_text().ok_or(DeployKeyError::Unreadable)?;
        let key = PrivateKey::from_openssh(text).map_err(|_| DeployKeyError::Unreadable)?;
        if key.is_encrypted() {
            return Err(DeployKeyError::Unreadable);
        }
        let kind = key.algorithm();
        if !matches!(kind, Algorithm::Ed25519 | Algorithm::Ecdsa { .. }) {
            return Err(DeployKeyError::Kind(kind));
        }
        let blob = key
            .public_key()
            .to_bytes()
            .map_err(|_| DeployKeyError::Unreadable)?;
        Ok(Self {
            key: Arc::new(key),
            blob: blob.into(),
        })
    }

    /// Its public half.
    pub(crate) fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// Answers one connection until it closes.
    pub(crate) async fn serve<S>(&self, mut stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        loop {
            let length = match stream.read_u32().await {
                Ok(length) => length as usize,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            };
            if length > limits::KEY_AGENT_FRAME {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a request to the key agent is too long",
                ));
            }
            let mut request = vec![0; length];
            stream.read_exact(&mut request).await?;
            let answer = self.answer(&request).unwrap_or_else(|| vec![FAILURE]);
            let mut frame = Vec::with_capacity(answer.len() + 4);
            put_string(&mut frame, &answer);
            stream.write_all(&frame).await?;
            stream.flush().await?;
        }
    }

    fn answer(&self, request: &[u8]) -> Option<Vec<u8>> {
        match request.split_first()? {
            (&REQUEST_IDENTITIES, []) => {
                let mut answer = vec![IDENTITIES_ANSWER, 0, 0, 0, 1];
                put_string(&mut answer, &self.blob);
                put_string(&mut answer, b"deploy key");
                Some(answer)
            }
            (&SIGN_REQUEST, rest) => {
                let mut rest = rest;
                let (key, data) = (take_string(&mut rest)?, take_string(&mut rest)?);
                if key != &*self.blob || !self.is_login(data) {
                    return None;
                }
                let signature: Signature = self.key.try_sign(data).ok()?;
                let mut encoded = Vec::new();
                signature.encode(&mut encoded).ok()?;
                let mut answer = vec![SIGN_RESPONSE];
                put_string(&mut answer, &encoded);
                Some(answer)
            }
            _ => None,
        }
    }

    /// Whether these bytes are what an SSH client signs to log in with this key.
    fn is_login(&self, mut data: &[u8]) -> bool {
        let mut parts = || -> Option<bool> {
            let _session = take_string(&mut data)?;
            let (message, rest) = data.split_first()?;
            data = rest;
            let _user = take_string(&mut data)?;
            let service = take_string(&mut data)?;
            let method = take_string(&mut data)?;
            let (has_signature, rest) = data.split_first()?;
            data = rest;
            let _algorithm = take_string(&mut data)?;
            let key = take_string(&mut data)?;
            let known_method = match method {
                b"publickey" => data.is_empty(),
                b"publickey-hostbound-v00@openssh.com" => take_string(&mut data).is_some() && data.is_empty(),
                _ => false,
            };
            Some(
                *message == USERAUTH_REQUEST
                    && service == b"ssh-connection"
                    && *has_signature == 1
                    && key == &*self.blob
                    && known_method,
            )
        };
        parts().unwrap_or(false)
    }
}

fn take_string<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = from.split_first_chunk::<4>()?;
    let (string, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    *from = rest;
    Some(string)
}

fn put_string(to: &mut Vec<u8>, string: &[u8]) {
    // Nothing that comes here is longer than the frame limit.
    to.extend_from_slice(&u32::try_from(string.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(string);
}

#[cfg(test)]
mod tests;
