//! An HTTPS server of the test's own: a CA that only the test trusts, a certificate for `localhost`, and for each path the
//! answer that the test says, wrong ones included. Blocking, one thread a connection; everything ends with it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::limits::PATIENCE;

/// What stands at a path.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A file.
    File {
        /// Such as `text/yaml`.
        content_type: String,
        /// Its content.
        body: Vec<u8>,
    },
    /// Another address, absolute or not.
    Redirect(String),
    /// A status without content.
    Status(u16),
    /// A file whose length the server does not say and that never ends.
    Endless,
    /// Nothing, for as long as the server lives.
    Silence,
    /// These bytes instead of HTTP.
    Raw(Vec<u8>),
}

impl Reply {
    /// A file of YAML.
    pub fn yaml(text: impl Into<String>) -> Self {
        Self::File {
            content_type: "application/yaml".to_owned(),
            body: text.into().into_bytes(),
        }
    }
}

/// A running server.
#[derive(Debug)]
pub struct HttpsServer {
    port: u16,
    ca_pem: String,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    replies: Mutex<BTreeMap<String, Reply>>,
    asked: Mutex<Vec<String>>,
    over: AtomicBool,
    end: (Mutex<()>, Condvar),
}

impl HttpsServer {
    /// Starts one on a free port of this machine.
    pub fn start() -> Result<Self> {
        let (config, ca_pem) = certified().context("making a certificate")?;
        #[expect(clippy::disallowed_methods, reason = "a test plays a server that is not ours")]
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("opening a port")?;
        let port = listener.local_addr().context("looking at the port")?.port();
        let shared = Arc::new(Shared::default());
        let acceptor = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming().flatten() {
                    if shared.over.load(Ordering::SeqCst) {
                        break;
                    }
                    let (config, shared) = (Arc::clone(&config), Arc::clone(&shared));
                    // Who hangs up or speaks no TLS ends its own connection.
                    std::thread::spawn(move || serve(stream, config, &shared).ok());
                }
            }
        });
        Ok(Self {
            port,
            ca_pem,
            shared,
            acceptor: Some(acceptor),
        })
    }

    /// Says what stands at a path, `/` first.
    pub fn set(&self, path: &str, reply: Reply) {
        locked(&self.shared.replies).insert(path.to_owned(), reply);
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The CA that signed its certificate, in PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The paths that were asked for so far, in order.
    pub fn asked(&self) -> Vec<String> {
        locked(&self.shared.asked).clone()
    }
}

impl Drop for HttpsServer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let (_guard, end) = (locked(&self.shared.end.0), &self.shared.end.1);
        end.notify_all();
        #[expect(
            clippy::disallowed_methods,
            reason = "the acceptor waits for a connection, so it gets one"
        )]
        let woken = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok();
        if let Some(acceptor) = self.acceptor.take().filter(|_| woken) {
            // It may have panicked, which its test has noticed.
            let _ended = acceptor.join();
        }
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, shared: &Shared) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut stream = BufReader::new(StreamOwned::new(ServerConnection::new(config)?, stream));
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    while !line.trim().is_empty() {
        line.clear();
        stream.read_line(&mut line)?;
    }
    locked(&shared.asked).push(path.clone());
    let reply = locked(&shared.replies).get(&path).cloned();
    let stream = stream.get_mut();
    match reply {
        None => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        Some(Reply::Status(code)) => write!(stream, "HTTP/1.1 {code} So\r\nContent-Length: 0\r\n\r\n")?,
        Some(Reply::Redirect(to)) => {
            write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"
            )?;
        }
        Some(Reply::File { content_type, body }) => {
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
            )?;
            stream.write_all(&body)?;
        }
        Some(Reply::Endless) => {
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            while !shared.over.load(Ordering::SeqCst) {
                stream.write_all(&[b'#'; 16 * 1024])?;
            }
        }
        Some(Reply::Silence) => {
            let mut guard = locked(&shared.end.0);
            while !shared.over.load(Ordering::SeqCst) {
                guard = shared.end.1.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
        }
        Some(Reply::Raw(bytes)) => stream.write_all(&bytes)?,
    }
    stream.flush()?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}

/// A server's settings with a certificate for `localhost` alone, and the CA to trust for it.
fn certified() -> Result<(Arc<ServerConfig>, String)> {
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, "A test's CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    let ca_pem = authority.self_signed(&key)?.pem();
    let issuer = Issuer::new(authority, key);

    let mut server = CertificateParams::new(vec!["localhost".to_owned()])?;
    server
        .distinguished_name
        .push(DnType::CommonName, "A test's server");
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &issuer)?.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok((Arc::new(config), ca_pem))
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
