//! Flags of a helper command: `--name=value`, `--name value`, switches, and what is left. Pure.

use std::collections::BTreeMap;

use super::{HelperError, usage};

/// A command line taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments<'a> {
    values: BTreeMap<&'a str, &'a str>,
    switches: Vec<&'a str>,
    pub(super) operands: Vec<&'a str>,
}

impl<'a> Arguments<'a> {
    /// Takes words apart; `valued` and `switches` are the flags that exist, without their dashes.
    pub(super) fn parse(words: &[&'a str], valued: &[&str], switches: &[&str]) -> Result<Self, HelperError> {
        let mut parsed = Self::default();
        let mut words = words.iter().copied();
        while let Some(word) = words.next() {
            let Some(flag) = word.strip_prefix("--").filter(|flag| !flag.is_empty()) else {
                if word == "--" {
                    parsed.operands.extend(words);
                    break;
                }
                if word.starts_with('-') && word.len() > 1 {
                    return Err(usage(format!("unknown flag `{word}`")));
                }
                parsed.operands.push(word);
                continue;
            };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (flag, None),
            };
            if valued.contains(&name) {
                let value = value.or_else(|| words.next());
                let value = value.ok_or_else(|| usage(format!("flag `--{name}` needs a value")))?;
                parsed.values.insert(name, value);
            } else if switches.contains(&name) {
                match value {
                    None | Some("true") => parsed.switches.push(name),
                    Some("false") => parsed.switches.retain(|switch| *switch != name),
                    Some(other) => return Err(usage(format!("flag `--{name}` is on or off, not `{other}`"))),
                }
            } else {
                return Err(usage(format!("unknown flag `--{name}`")));
            }
        }
        Ok(parsed)
    }

    /// The value of a flag.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        self.values.get(name).copied()
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.switches.contains(&name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(words: &[&'a str]) -> Result<Arguments<'a>, HelperError> {
        Arguments::parse(words, &["total"], &["show-counts"])
    }

    #[test]
    fn flags_stand_anywhere_in_both_spellings() {
        let parsed = parse(&["a", "--total", "3", "--show-counts", "b", "-", "--", "--c"]).expect("fine");
        assert_eq!(parsed.value("total"), Some("3"));
        assert!(parsed.is_on("show-counts"));
        assert_eq!(parsed.operands, ["a", "b", "-", "--c"]);
        assert_eq!(parse(&["--total=4"]).expect("fine").value("total"), Some("4"));
        assert!(
            !parse(&["--show-counts=false"])
                .expect("fine")
                .is_on("show-counts")
        );
    }

    #[test]
    fn what_is_unknown_or_incomplete_is_said() {
        for (words, expected) in [
            (vec!["--nope"], "unknown flag `--nope`"),
            (vec!["-x"], "unknown flag `-x`"),
            (vec!["--total"], "flag `--total` needs a value"),
            (
                vec!["--show-counts=maybe"],
                "flag `--show-counts` is on or off, not `maybe`",
            ),
        ] {
            assert_eq!(parse(&words), Err(usage(expected)));
        }
    }
}
