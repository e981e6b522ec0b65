//! The pages, as browsers ask for them.

mod browser;
mod forms;
mod hostile;
mod orbs;
mod reading;
pub(crate) mod stage;
mod visitor;
