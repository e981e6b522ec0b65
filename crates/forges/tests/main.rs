//! The forges' drivers from outside, with real git and real repositories.

mod plain_git;
