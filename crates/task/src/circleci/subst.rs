//! `env subst`: replaces `$NAME` and `${NAME}` by the environment, what is unset by nothing, and honours
//! `${NAME:-default}`. Orbs run every string parameter through it. Any other `$` stays as it is: the text may be
//! meant for a shell. Pure but for reading its input.

use std::collections::BTreeMap;

use super::{HelperError, World, read_text};
use crate::limits::SUBST_TEXT;

/// Runs the command.
pub(super) fn command(world: &mut World<'_>, words: &[&str]) -> Result<(), HelperError> {
    if words.is_empty() {
        let text = read_text(world.input, "standard input", SUBST_TEXT)?;
        Ok(write!(world.output, "{}", substitute(&text, &world.env))?)
    } else {
        Ok(writeln!(
            world.output,
            "{}",
            substitute(&words.join(" "), &world.env)
        )?)
    }
}

/// The text with variables replaced.
fn substitute(text: &str, env: &BTreeMap<String, String>) -> String {
    let value = |name: &str| env.get(name).map_or("", String::as_str);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        let (braced, inside) = match rest.strip_prefix('{') {
            Some(inside) => (true, inside),
            None => (false, rest),
        };
        let name = &inside[..name_length(inside)];
        let after = &inside[name.len()..];
        match (name, braced) {
            ("", _) => out.push('$'),
            (name, false) => {
                out.push_str(value(name));
                rest = after;
            }
            (name, true) => {
                if let Some(after) = after.strip_prefix('}') {
                    out.push_str(value(name));
                    rest = after;
                } else if let Some((default, after)) = after
                    .strip_prefix(":-")
                    .and_then(|default| default.split_once('}'))
                {
                    out.push_str(if value(name).is_empty() {
                        default
                    } else {
                        value(name)
                    });
                    rest = after;
                } else {
                    out.push('$');
                }
            }
        }
    }
    out.push_str(rest);
    out
}

/// How many bytes at the start are a variable's name.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_the_rest_is_kept() {
        let env = [("A", "1"), ("LONG_NAME2", "two $A"), ("EMPTY", "")];
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        for (text, expected) in [
            ("$A ${A} x${A}y $Ay", "1 1 x1y "),
            ("$LONG_NAME2!", "two $A!"),
            ("[$UNSET][${UNSET}]", "[][]"),
            (
                "${UNSET:-none} ${A:-none} ${EMPTY:-none} ${EMPTY:-}",
                "none 1 none ",
            ),
            (
                "$ $$ $1 ${1} ${} ${A ${A%x} $(date) 100$",
                "$ $$ $1 ${1} ${} ${A ${A%x} $(date) 100$",
            ),
            ("ä${A}ö$Aü", "ä1ö1ü"),
            ("", ""),
        ] {
            assert_eq!(substitute(text, &env), expected, "{text}");
        }
    }
}
