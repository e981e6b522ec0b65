//! Licence expressions, and whether we may ship under them.
//!
//! Understands what manifests write: names joined by `OR`, `AND`, `WITH`, parentheses, and the old `/` for `OR`.
//! An expression that it cannot read is a problem, never a pass.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::policy::Policy;
use crate::graph::Graph;
use crate::report::Report;

/// A parsed licence expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    Licence(String),
    Or(Vec<Expression>),
    And(Vec<Expression>),
}

impl Expression {
    /// Whether the accepted licences satisfy it.
    pub(crate) fn is_met(&self, accepted: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Licence(name) => accepted(name),
            Self::Or(parts) => parts.iter().any(|part| part.is_met(accepted)),
            Self::And(parts) => parts.iter().all(|part| part.is_met(accepted)),
        }
    }

    fn mentions(&self, licence: &str) -> bool {
        match self {
            Self::Licence(name) => name == licence,
            Self::Or(parts) | Self::And(parts) => parts.iter().any(|part| part.mentions(licence)),
        }
    }
}

/// Judges every compiled package.
pub(crate) fn check(policy: &Policy, graph: &Graph<'_>, compiled: &BTreeSet<&str>) -> Report {
    let mut report = Report::default();
    let mut used = BTreeSet::new();
    for package in compiled.iter().filter_map(|id| graph.package(id)) {
        let named = format!("{} {}", package.name, package.version);
        let Some(text) = &package.license else {
            report.problems.push(format!("{named} does not say its licence"));
            continue;
        };
        let expression = match parse(text) {
            Ok(expression) => expression,
            Err(error) => {
                report
                    .problems
                    .push(format!("{named}: could not read the licence `{text}`: {error}"));
                continue;
            }
        };
        let exceptions = policy
            .licence_exceptions
            .iter()
            .filter(|entry| entry.name == package.name);
        let excused: Vec<&str> = exceptions.map(|entry| entry.licence.as_str()).collect();
        for licence in excused.iter().filter(|licence| expression.mentions(licence)) {
            used.insert((package.name.as_str(), *licence));
        }
        let accepted =
            |name: &str| policy.licences.iter().any(|known| known == name) || excused.contains(&name);
        if !expression.is_met(&accepted) {
            report
                .problems
                .push(format!("{named} is under `{text}`, which is not accepted"));
        }
    }
    for entry in &policy.licence_exceptions {
        if !used.contains(&(entry.name.as_str(), entry.licence.as_str())) {
            report.problems.push(format!(
                "the licence exception for `{}` is no longer needed: remove it",
                entry.name
            ));
        }
    }
    report
}

/// Parses a licence expression; `AND` binds closer than `OR`.
pub(crate) fn parse(text: &str) -> Result<Expression> {
    let spaced = text.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let expression = alternatives(&mut rest)?;
    match rest.first() {
        None => Ok(expression),
        Some(word) => bail!("unexpected `{word}`"),
    }
}

fn alternatives(rest: &mut &[&str]) -> Result<Expression> {
    let mut parts = vec![requirements(rest)?];
    while take(rest, "OR") {
        parts.push(requirements(rest)?);
    }
    Ok(if parts.len() == 1 {
        parts.remove(0)
    } else {
        Expression::Or(parts)
    })
}

fn requirements(rest: &mut &[&str]) -> Result<Expression> {
    let mut parts = vec![single(rest)?];
    while take(rest, "AND") {
        parts.push(single(rest)?);
    }
    Ok(if parts.len() == 1 {
        parts.remove(0)
    } else {
        Expression::And(parts)
    })
}

fn single(rest: &mut &[&str]) -> Result<Expression> {
    if take(rest, "(") {
        let inner = alternatives(rest)?;
        if !take(rest, ")") {
            bail!("a parenthesis is not closed");
        }
        return Ok(inner);
    }
    let name = licence_name(rest)?;
    if take(rest, "WITH") {
        let exception = licence_name(rest)?;
        return Ok(Expression::Licence(format!("{name} WITH {exception}")));
    }
    Ok(Expression::Licence(name.to_owned()))
}

fn licence_name<'a>(rest: &mut &[&'a str]) -> Result<&'a str> {
    let Some((word, after)) = rest.split_first() else {
        bail!("it ends where a licence is expected")
    };
    if ["OR", "AND", "WITH", "(", ")"].contains(word) {
        bail!("`{word}` stands where a licence is expected");
    }
    *rest = after;
    Ok(word)
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((first, after)) if *first == word => {
            *rest = after;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn met(text: &str) -> bool {
        let accepted = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
        parse(text)
            .expect("the expression is well formed")
            .is_met(&|name| accepted.contains(&name))
    }

    #[test]
    fn one_of_several_is_enough_and_all_of_several_are_needed() {
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "Unlicense/MIT",
            "GPL-3.0 / MIT",
            "MIT AND ISC",
            "MIT AND (GPL-3.0 OR ISC)",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(met(good), "{good}");
        }
        for bad in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR ISC) AND GPL-3.0",
            "Apache-2.0",
            "MIT-0",
        ] {
            assert!(!met(bad), "{bad}");
        }
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert!(met("MIT OR GPL-3.0 AND GPL-2.0"));
        assert!(!met("GPL-3.0 OR MIT AND GPL-2.0"));
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for text in ["", "MIT OR", "MIT ISC", "(MIT", "MIT)", "AND MIT", "MIT WITH"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
