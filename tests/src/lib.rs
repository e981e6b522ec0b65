//! Journeys over the real binary: everything here lives in `journeys/`, one file per journey.
//!
//! A journey does what a person does at a terminal or in a browser, and looks at what that person sees. It starts
//! the `airlock` of the same build; whatever can be checked lower down, in a crate, is checked there, because that
//! is a hundred times faster.
