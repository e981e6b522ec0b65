//! The transport crate from outside: real sockets, real handshakes.

mod http;
mod instance;
mod tls;
