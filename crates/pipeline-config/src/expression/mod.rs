//! The language between `<<` and `>>`: names, literals and operators. Reads text to a tree and evaluates it against
//! whatever answers for names. Knows no scopes and no files.
//!
//! Weakest to strongest: `or`, `and`, `==` `!=`, `starts-with`, `matches`, `<` `<=` `>` `>=`, `not` `!`. Binary operators
//! group from the left; `or` and `and` give one of their operands, not a boolean.

mod evaluate;
mod parser;
mod token;

pub(crate) use evaluate::{EvaluationError, Names, evaluate};
pub(crate) use parser::parse;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    Bool(bool),
    Int(i64),
    Text(String),
    /// A name such as `pipeline.git.branch`, with the byte where it begins.
    Name(String, usize),
    Not(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>, usize),
    /// `value matches /pattern/`.
    Matches(Box<Expression>, String, usize),
}

/// Binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    StartsWith,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// As it is written.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Or => "or",
            Self::And => "and",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::StartsWith => "starts-with",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// Why a text is no expression, and at which byte of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) at: usize,
    pub(crate) message: String,
}
