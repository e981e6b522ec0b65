//! The real program, real shells, no sandbox: what the step runner does with steps, and what a job finds.

mod command_line;
mod doors;
mod ending;
mod host;
mod inside;
mod output;
mod starting;
