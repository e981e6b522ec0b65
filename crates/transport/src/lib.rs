//! Every listener and every dialer of the product.
//!
//! This crate owns the sockets: TLS (rustls, one process-wide provider, the instance's own CA), HTTP on top of it in
//! both directions, SSH listening, Unix sockets for processes of one user, and the policy of what may be dialled.
//! No other crate opens a TCP or SSH socket, so "nothing travels unencrypted" is a property of this crate alone.
//! It knows nothing of pipelines, jobs or pages: it yields streams with the identity of the other end, and takes
//! `tower` services.
//!
//! A process begins with [`provider::install`]. A server then opens its [`ca::InstanceCa`] and a
//! [`ca::ServerIdentity`], makes a [`tls::server_config`], binds a [`listener::TlsListener`] and hands it to
//! [`http_server::serve_http`]. An agent or the command line makes a [`tls::client_config`] trusting exactly one CA and
//! talks through [`http_client::HttpClient`].

pub mod ca;
pub mod dial;
pub mod fetch;
pub mod http_client;
pub mod http_server;
mod key_files;
pub mod limits;
pub mod listener;
pub mod provider;
pub mod redirect;
pub mod registry;
pub mod ssh;
pub mod tls;
pub mod unix_http;
pub mod unix_socket;

pub use key_files::KeyFileError;
