//! Templates of cache keys: `v1-{{ .Branch }}-{{ checksum "go.sum" }}`. The compiler checks them, the job fills them in.
//!
//! The language is the part of Go's `text/template` that cache keys use: fields, functions, pipes and parentheses. This
//! module knows names and shapes; what a name stands for is asked of [`Values`], for only the job has its files.

mod parse;

use crate::duration;

/// A template that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

/// What was not understood, and at which byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Byte in the template.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// A name that would have been right where another one stands.
    pub unknown: Option<Unknown>,
}

/// A name nobody knows, and the ones there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// The name as written.
    pub name: String,
    /// The names that could stand there.
    pub known: &'static [&'static str],
}

/// Names that begin with a dot.
pub const FIELDS: &[&str] = &[
    ".Branch",
    ".BuildNum",
    ".CheckoutKey",
    ".Environment.",
    ".Revision",
];

/// Functions.
pub const FUNCTIONS: &[&str] = &["arch", "checksum", "epoch", "round"];

impl Template {
    /// How many characters of the key are known without a job.
    pub fn fixed_chars(&self) -> usize {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.chars().count(),
            Piece::Value(_) => 0,
        };
        self.pieces.iter().map(text).sum()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Pipeline),
}

/// Commands of which each gets the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pipeline(Vec<Command>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Command {
    /// A value that stands for itself.
    Operand(Operand),
    Call(Function, Vec<Operand>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operand {
    Field(Field),
    Text(String),
    Nested(Pipeline),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Branch,
    BuildNum,
    CheckoutKey,
    Environment(String),
    Revision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Arch,
    Checksum,
    Epoch,
    Round,
}

/// What the names of a template stand for in one job.
pub trait Values {
    /// `.Branch`.
    fn branch(&self) -> String;
    /// `.BuildNum`.
    fn build_num(&self) -> String;
    /// `.CheckoutKey`.
    fn checkout_key(&self) -> String;
    /// `.Revision`.
    fn revision(&self) -> String;
    /// `.Environment.NAME`, of the variables the job began with; empty when there is none.
    fn environment(&self, name: &str) -> String;
    /// `arch`.
    fn arch(&self) -> String;
    /// `epoch`: seconds since 1970.
    fn epoch(&self) -> u64;
    /// `checksum "file"`: the file's digest, or why there is none.
    fn checksum(&self, path: &str) -> Result<String, String>;
}

/// Why a template could not be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FillInError {
    /// A file has no checksum.
    #[error("no checksum of '{path}': {reason}")]
    Checksum {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// `round` got something else than a time.
    #[error("`round` needs a number of seconds and a length of time such as \"24h\", and got '{0}'")]
    Round(String),
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text).map(|pieces| Self { pieces })
    }

    /// The key for one job.
    pub fn fill_in(&self, values: &impl Values) -> Result<String, FillInError> {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(pipeline) => out.push_str(&pipeline.value(values)?),
            }
        }
        Ok(out)
    }
}

impl Pipeline {
    fn value(&self, values: &impl Values) -> Result<String, FillInError> {
        let mut last: Option<String> = None;
        for command in &self.0 {
            last = Some(command.value(values, last)?);
        }
        Ok(last.unwrap_or_default())
    }
}

impl Command {
    fn value(&self, values: &impl Values, piped: Option<String>) -> Result<String, FillInError> {
        let (function, operands) = match self {
            Self::Operand(operand) => return operand.value(values),
            Self::Call(function, operands) => (function, operands),
        };
        let mut arguments = operands
            .iter()
            .map(|operand| operand.value(values))
            .collect::<Result<Vec<String>, _>>()?;
        arguments.extend(piped);
        match (function, arguments.as_slice()) {
            (Function::Arch, _) => Ok(values.arch()),
            (Function::Epoch, _) => Ok(values.epoch().to_string()),
            (Function::Checksum, [path, ..]) => {
                values.checksum(path).map_err(|reason| FillInError::Checksum {
                    path: path.clone(),
                    reason,
                })
            }
            (Function::Round, [unit, seconds]) => rounded(unit, seconds),
            // The parser counted the arguments.
            (Function::Checksum | Function::Round, _) => Err(FillInError::Round(arguments.join(" "))),
        }
    }
}

impl Operand {
    fn value(&self, values: &impl Values) -> Result<String, FillInError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::Nested(pipeline) => pipeline.value(values),
            Self::Field(field) => Ok(match field {
                Field::Branch => values.branch(),
                Field::BuildNum => values.build_num(),
                Field::CheckoutKey => values.checkout_key(),
                Field::Environment(name) => values.environment(name),
                Field::Revision => values.revision(),
            }),
        }
    }
}

impl Function {
    const ALL: [(&'static str, Self); 4] = [
        ("arch", Self::Arch),
        ("checksum", Self::Checksum),
        ("epoch", Self::Epoch),
        ("round", Self::Round),
    ];

    /// How many arguments it takes, a piped one included.
    const fn arguments(self) -> usize {
        match self {
            Self::Arch | Self::Epoch => 0,
            Self::Checksum => 1,
            Self::Round => 2,
        }
    }
}

/// Seconds to the nearest multiple of a length of time.
fn rounded(unit: &str, seconds: &str) -> Result<String, FillInError> {
    let bad = || FillInError::Round(format!("{unit} {seconds}"));
    let step = duration::milliseconds(unit).ok_or_else(bad)? / 1000;
    let seconds: u64 = seconds.parse().map_err(|_| bad())?;
    if step == 0 {
        return Err(bad());
    }
    Ok((seconds.saturating_add(step / 2) / step * step).to_string())
}

#[cfg(test)]
mod tests;
