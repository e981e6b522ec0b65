//! The transport crate from outside: real sockets, real handshakes.

mod fetch;
mod http;
mod instance;
mod tls;
