//! The live channel.

mod listening;
mod rights;
mod viewer;
