//! How the HTTP client reaches a server: TCP, then TLS with the client's settings. Called by hyper's connection pool.

use std::error::Error as StdError;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::CertificateError;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::dial::{DialError, HostPort, connect_tcp};
use crate::limits;
use crate::tls::ClientTls;

/// Why a server was not reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("the address names no usable host")]
    Host,
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("TLS handshake: {0}")]
    Tls(io::Error),
    #[error("no TLS handshake within {:?}", limits::TLS_HANDSHAKE)]
    TlsTimedOut,
}

#[derive(Clone)]
pub(super) struct TlsConnector(tokio_rustls::TlsConnector);

impl TlsConnector {
    pub(super) fn new(tls: &ClientTls) -> Self {
        Self(tokio_rustls::TlsConnector::from(Arc::clone(&tls.0)))
    }
}

impl Service<Uri> for TlsConnector {
    type Response = TlsIo;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<TlsIo, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let tls = self.0.clone();
        Box::pin(async move {
            let host = uri.host().ok_or(ConnectError::Host)?;
            let host = host
                .strip_prefix('[')
                .and_then(|h| h.strip_suffix(']'))
                .unwrap_or(host);
            let place = HostPort::new(host, uri.port_u16().unwrap_or(443)).map_err(|_| ConnectError::Host)?;
            let name = ServerName::try_from(place.host().to_owned()).map_err(|_| ConnectError::Host)?;
            let stream = connect_tcp(&place).await?;
            let stream = timeout(limits::TLS_HANDSHAKE, tls.connect(name, stream))
                .await
                .map_err(|_| ConnectError::TlsTimedOut)?
                .map_err(ConnectError::Tls)?;
            Ok(TlsIo(TokioIo::new(stream)))
        })
    }
}

/// A TLS stream that tells hyper which HTTP version was agreed on.
pub(super) struct TlsIo(TokioIo<TlsStream<TcpStream>>);

impl Connection for TlsIo {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.0.inner().get_ref().1.alpn_protocol() == Some(b"h2") {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl Read for TlsIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl Write for TlsIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The cause of a failed connection in words, with a way out for the usual ones.
pub(super) fn explain(error: &(dyn StdError + 'static)) -> String {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(cause) = cause.downcast_ref::<ConnectError>() {
            return match cause {
                ConnectError::Tls(tls) => explain_tls(tls),
                ConnectError::Host | ConnectError::Dial(_) | ConnectError::TlsTimedOut => cause.to_string(),
            };
        }
        next = cause.source();
    }
    super::error::causes(error)
}

fn explain_tls(error: &io::Error) -> String {
    use rustls::{AlertDescription, Error as Tls};
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>()) {
        Some(Tls::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "its certificate is not signed by the CA trusted here: is this the right server, and the right --ca file?".into()
        }
        Some(Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => "its certificate does not hold this host name: use a name the server was started with".into(),
        Some(Tls::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            "its certificate has expired: restarting the server makes a new one (or is the clock of this machine wrong?)".into()
        }
        Some(Tls::AlertReceived(AlertDescription::CertificateRequired)) => {
            "it wants a client certificate: this agent is not enrolled".into()
        }
        Some(Tls::InvalidMessage(_)) => "it does not speak TLS".into(),
        _ => format!("TLS handshake: {error}"),
    }
}
