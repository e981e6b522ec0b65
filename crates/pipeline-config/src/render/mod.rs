//! How diagnostics look: as text with the source line, and as JSON.

mod json;
mod text;

pub use json::json;
pub use text::{Color, summary, text};
