//! The door with the real OpenSSH client and the real git on the other side.

mod attacks;
mod bench;
mod git;

use bench::Bench;
