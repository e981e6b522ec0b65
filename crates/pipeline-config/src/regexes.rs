//! Regular expressions as configs write them: Java's, matched against the whole text.
//!
//! Patterns go to the linear-time engine; only those with look-around or back-references go to the backtracking one,
//! with a low limit, and reaching the limit is an error, never "no match".

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::limits::{
    MAX_LARGE_REGEXES, MAX_PATTERN_BYTES, MAX_REGEX_BACKTRACKS, MAX_REGEX_BYTES, MAX_REGEXES,
    SMALL_REGEX_BYTES,
};

/// Why a pattern could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RegexError {
    /// Not a pattern.
    #[error("the pattern `{pattern}` cannot be used: {reason}")]
    Pattern {
        /// As written.
        pattern: String,
        /// In the engine's words, one line.
        reason: String,
    },
    /// Too slow on this text.
    #[error("the pattern `{pattern}` needs too many steps on `{text}`")]
    TooSlow {
        /// As written.
        pattern: String,
        /// What it was matched against.
        text: String,
    },
}

/// The pattern inside `/…/`, when a text is written so.
pub(crate) fn delimited(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('/')?.strip_suffix('/')?;
    (text.len() > 1).then_some(inner)
}

/// The patterns of one run, each made once: making one costs a hundred times what matching does, and a config has the same
/// few in all its filters.
#[derive(Debug, Default)]
pub(crate) struct Regexes {
    /// Patterns that took the larger bound.
    large: Cell<usize>,
    made: RefCell<BTreeMap<String, Rc<Result<Made, RegexError>>>>,
}

#[derive(Debug)]
enum Made {
    Linear(regex::Regex),
    Backtracking(fancy_regex::Regex),
}

impl Regexes {
    /// Whether the pattern matches all of the text.
    pub(crate) fn matches_whole(&self, pattern: &str, text: &str) -> Result<bool, RegexError> {
        match &*self.made(pattern) {
            Ok(Made::Linear(regex)) => Ok(regex.is_match(text)),
            Ok(Made::Backtracking(regex)) => regex.is_match(text).map_err(|_| RegexError::TooSlow {
                pattern: short(pattern),
                text: short(text),
            }),
            Err(error) => Err(error.clone()),
        }
    }

    /// What is wrong with a pattern.
    pub(crate) fn check(&self, pattern: &str) -> Result<(), RegexError> {
        self.made(pattern)
            .as_ref()
            .as_ref()
            .map(|_| ())
            .map_err(Clone::clone)
    }

    fn made(&self, pattern: &str) -> Rc<Result<Made, RegexError>> {
        let mut kept = self.made.borrow_mut();
        if let Some(made) = kept.get(pattern) {
            return Rc::clone(made);
        }
        if kept.len() >= MAX_REGEXES {
            let reason = format!("this config has more than {MAX_REGEXES} patterns");
            return Rc::new(Err(refused(pattern, reason)));
        }
        let made = Rc::new(self.make(pattern));
        kept.insert(pattern.to_owned(), Rc::clone(&made));
        made
    }

    fn make(&self, pattern: &str) -> Result<Made, RegexError> {
        if pattern.len() > MAX_PATTERN_BYTES {
            let reason = format!("it has more than {MAX_PATTERN_BYTES} bytes");
            return Err(refused(pattern, reason));
        }
        let translated = format!(r"\A(?:{})\z", from_java(pattern));
        // Making a pattern takes as long as it is large, so only a few may be.
        let mut made = linear(&translated, SMALL_REGEX_BYTES);
        if matches!(made, Err(regex::Error::CompiledTooBig(_))) && self.large.get() < MAX_LARGE_REGEXES {
            self.large.set(self.large.get() + 1);
            made = linear(&translated, MAX_REGEX_BYTES);
        }
        let reason = match made {
            Ok(regex) => return Ok(Made::Linear(regex)),
            Err(regex::Error::CompiledTooBig(_)) => {
                return Err(refused(pattern, "it is too large when compiled".to_owned()));
            }
            Err(error) => last_line(&error.to_string()),
        };
        if self.large.get() >= MAX_LARGE_REGEXES {
            return Err(refused(pattern, reason));
        }
        self.large.set(self.large.get() + 1);
        fancy_regex::RegexBuilder::new(&translated)
            .backtrack_limit(MAX_REGEX_BACKTRACKS)
            .delegate_size_limit(MAX_REGEX_BYTES)
            .build()
            .map(Made::Backtracking)
            .map_err(|_| refused(pattern, reason))
    }
}

fn refused(pattern: &str, reason: String) -> RegexError {
    RegexError::Pattern {
        pattern: short(pattern),
        reason,
    }
}

fn linear(translated: &str, bytes: usize) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(translated).size_limit(bytes).build()
}

/// What Java writes or means differently: `\Q…\E` quotes, and `\d`, `\w` and `\s` stand for plain letters alone.
fn from_java(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let Some(sign) = rest[at + 1..].chars().next() else {
            rest = &rest[at..];
            break;
        };
        let after = &rest[at + 1 + sign.len_utf8()..];
        rest = after;
        match sign {
            'Q' => {
                let (text, after) = after.split_once(r"\E").unwrap_or((after, ""));
                out.push_str(&regex::escape(text));
                rest = after;
            }
            'd' => out.push_str("[0-9]"),
            'D' => out.push_str("[^0-9]"),
            'w' => out.push_str("[0-9A-Za-z_]"),
            'W' => out.push_str("[^0-9A-Za-z_]"),
            's' => out.push_str(r"[ \t\n\x0B\f\r]"),
            'S' => out.push_str(r"[^ \t\n\x0B\f\r]"),
            other => out.extend(['\\', other]),
        }
    }
    out.push_str(rest);
    out
}

fn last_line(text: &str) -> String {
    let line = text.lines().last().unwrap_or(text);
    line.trim().trim_start_matches("error: ").to_owned()
}

fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches_whole(pattern: &str, text: &str) -> Result<bool, RegexError> {
        Regexes::default().matches_whole(pattern, text)
    }

    #[test]
    fn patterns_are_made_once_and_there_may_be_so_many() {
        let regexes = Regexes::default();
        let first = regexes.made("a.*");
        assert!(Rc::ptr_eq(&first, &regexes.made("a.*")));
        for number in 1..MAX_REGEXES {
            assert_eq!(regexes.check(&format!("b{number}")), Ok(()));
        }
        let refused = regexes.check("one more").map_err(|error| error.to_string());
        assert!(refused.is_err_and(|words| words.ends_with("this config has more than 256 patterns")));
        assert_eq!(
            regexes.matches_whole("a.*", "ab"),
            Ok(true),
            "those made go on working"
        );
    }

    #[test]
    fn few_patterns_may_be_large() {
        let regexes = Regexes::default();
        let large = |number| format!(r"\p{{L}}{{9}}{number}");
        for number in 0..MAX_LARGE_REGEXES {
            assert_eq!(regexes.check(&large(number)), Ok(()));
        }
        assert!(regexes.check(&large(MAX_LARGE_REGEXES)).is_err());
        assert!(
            regexes.check("(?=a)a").is_err(),
            "one with look-around counts as large"
        );
        assert_eq!(regexes.check(r"v\d+\.\d+\.\d+(-[\w.]+)?"), Ok(()));
    }

    #[test]
    fn classes_are_of_plain_letters() {
        assert_eq!(matches_whole(r"\w+", "é"), Ok(false));
        assert_eq!(matches_whole(r"\W", "é"), Ok(true));
        assert_eq!(matches_whole(r"[\w-]+/[\d.]+", "a-b/1.2"), Ok(true));
        assert_eq!(matches_whole(r"[^\s]+\S\s", "ab\t"), Ok(true));
        assert_eq!(matches_whole(r"\\d", r"\d"), Ok(true));
        assert_eq!(matches_whole("a\\", "a"), matches_whole("a\\", "b"));
    }

    #[test]
    fn the_whole_text_must_match() {
        assert_eq!(matches_whole("rel", "release"), Ok(false));
        assert_eq!(matches_whole("rel.*", "release"), Ok(true));
        assert_eq!(matches_whole("^rel.*$", "release"), Ok(true));
        assert_eq!(matches_whole("a|ab", "ab"), Ok(true));
        assert_eq!(matches_whole(r"v\d+\.\d+", "v1.2"), Ok(true));
        assert_eq!(matches_whole(r"releases\/.*", "releases/1"), Ok(true));
    }

    #[test]
    fn java_ways() {
        assert_eq!(matches_whole(r"\Qa.b\E.*", "a.bc"), Ok(true));
        assert_eq!(matches_whole(r"\Qa.b\E.*", "axbc"), Ok(false));
        assert_eq!(matches_whole(r"(?i)MAIN", "main"), Ok(true));
        assert_eq!(matches_whole(r"(?!main).*", "main"), Ok(false));
        assert_eq!(matches_whole(r"(?!main).*", "dev"), Ok(true));
        assert_eq!(matches_whole(r"a++b", "aab"), Ok(true));
        assert_eq!(matches_whole(r"[a-z&&[^m]]+", "main"), Ok(false));
    }

    #[test]
    fn bad_and_slow_patterns_are_errors() {
        assert!(matches!(matches_whole("(", "x"), Err(RegexError::Pattern { .. })));
        let long = "a".repeat(MAX_PATTERN_BYTES + 1);
        let refused = matches_whole(&long, "x").map_err(|error| error.to_string());
        assert!(refused.is_err_and(|words| words.contains("more than 8192 bytes") && words.len() < 200));
        assert!(matches!(
            matches_whole("(a{1000}){1000}", "x"),
            Err(RegexError::Pattern { .. })
        ));
        let slow = matches_whole(r"(?:(a+)\1?)+b", &format!("{}b!", "a".repeat(60)));
        assert!(matches!(slow, Err(RegexError::TooSlow { .. })), "{slow:?}");
    }

    #[test]
    fn slashes_make_a_pattern() {
        assert_eq!(delimited("/x/"), Some("x"));
        assert_eq!(delimited("//"), Some(""));
        assert_eq!(delimited("/"), None);
        assert_eq!(delimited("x"), None);
    }
}
