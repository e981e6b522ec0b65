//! The right of one connection to listen to one channel, as the protocol writes it: HMAC-SHA256 over both names. The
//! key is made anew by each process, so a right ends with the process that gave it, as the connection does.

use std::fmt::Write as _;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign, verify};

use super::channel::Channel;
use super::machine::SocketId;

/// Gives rights and checks them.
pub(crate) struct Signer(Key);

impl Signer {
    pub(crate) fn new(secret: [u8; 32]) -> Self {
        Self(Key::new(HMAC_SHA256, &secret))
    }

    /// The signature in hexadecimal.
    pub(crate) fn sign(&self, socket: SocketId, channel: Channel) -> String {
        let tag = sign(&self.0, format!("{socket}:{channel}").as_bytes());
        tag.as_ref()
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                let _infallible = write!(text, "{byte:02x}");
                text
            })
    }

    /// Whether this is the signature, compared in constant time.
    pub(crate) fn accepts(&self, socket: SocketId, channel: Channel, signature: &str) -> bool {
        let Some(tag) = unhex(signature) else {
            return false;
        };
        verify(&self.0, format!("{socket}:{channel}").as_bytes(), &tag).is_ok()
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..64)
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_for_one_connection_and_one_channel() {
        let signer = Signer::new([7; 32]);
        let socket = SocketId::parse("1.2").expect("id");
        let right = signer.sign(socket, Channel::Pipelines);
        assert!(signer.accepts(socket, Channel::Pipelines, &right));
        assert!(!signer.accepts(SocketId::parse("1.3").expect("id"), Channel::Pipelines, &right));
        let job = Channel::parse("private-job-0198c2f4-0000-7000-8000-000000000001").expect("channel");
        assert!(!signer.accepts(socket, job, &right));
        assert!(!Signer::new([8; 32]).accepts(socket, Channel::Pipelines, &right));
        for bad in ["", "zz", &right[1..], &format!("{right}0"), &"é".repeat(32)] {
            assert!(!signer.accepts(socket, Channel::Pipelines, bad), "{bad}");
        }
    }

    #[test]
    fn the_signature_is_the_protocols_own() {
        // HMAC-SHA256 of "1234.1234:private-pipelines" under thirty-two letters k, from another implementation.
        let signer = Signer::new([b'k'; 32]);
        let socket = SocketId::parse("1234.1234").expect("id");
        assert_eq!(
            signer.sign(socket, Channel::Pipelines),
            "3bfb47733c92a865ce8a6ece412eb3816c22044ce127e980816f20e2fae17844"
        );
    }
}
