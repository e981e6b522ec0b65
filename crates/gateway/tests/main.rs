//! The doors from outside: real sockets, real TLS, a real control plane on a database in memory.

mod http;
mod live;
mod pages;
