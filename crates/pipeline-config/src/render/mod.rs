//! How diagnostics look: as text with the source line, as JSON, as SARIF, and as workflow commands.

mod explain;
mod github;
mod json;
mod sarif;
mod text;

pub use explain::explanation;
pub use github::github;
pub use json::json;
pub use sarif::sarif;
pub use text::{Color, pages, summary, text};
