//! Every statement the store runs, as static text, one file per concept. A test prepares each against a freshly migrated
//! database, so a statement and the schema cannot drift apart. `workflows` and the like are the modules that run them.

/// Names statements and lists them for the test that prepares them all.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $sql;)*

        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

pub(crate) mod decisions;
pub(crate) mod identity;
pub(crate) mod orbs;
pub(crate) mod outbox;
pub(crate) mod pipelines;
pub(crate) mod planning;
pub(crate) mod projects;
pub(crate) mod queue;
pub(crate) mod records;
pub(crate) mod schema;
pub(crate) mod ssh;
pub(crate) mod workflows;

#[cfg(test)]
mod tests;
