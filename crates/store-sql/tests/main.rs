//! The store's own tests over its public interface: the suite of `driver-interfaces` on disk and in memory, and what
//! remains after the process was killed.

mod conformance;
mod kill;
