//! Patterns of paths, as `persist_to_workspace` takes them: those of Go's `filepath.Match`. `*` and `?` stop at `/`,
//! `[a-z]` and `[^a-z]` are one character of a class, `\` takes the next character as it is.

/// A pattern that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// `[` without `]`, an empty class, or a range without an end.
    #[error("the `[` at character {0} opens no class of characters")]
    Class(usize),
    /// A backslash at the end.
    #[error("nothing follows the backslash at the end")]
    Escape,
}

/// One thing of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(char),
    Any,
    Star,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// A pattern that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    parts: Vec<Part>,
}

impl PathPattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut chars = text.chars().enumerate().peekable();
        let mut parts = Vec::new();
        while let Some((at, c)) = chars.next() {
            parts.push(match c {
                '*' => Part::Star,
                '?' => Part::Any,
                '\\' => Part::Literal(chars.next().ok_or(PatternError::Escape)?.1),
                '[' => {
                    let negated = chars.next_if(|(_, c)| *c == '^').is_some();
                    let mut ranges = Vec::new();
                    loop {
                        if !ranges.is_empty() && chars.next_if(|(_, c)| *c == ']').is_some() {
                            break;
                        }
                        let low = class_char(&mut chars).ok_or(PatternError::Class(at + 1))?;
                        let high = match chars.next_if(|(_, c)| *c == '-') {
                            Some(_) => class_char(&mut chars).ok_or(PatternError::Class(at + 1))?,
                            None => low,
                        };
                        ranges.push((low, high));
                    }
                    Part::Class { negated, ranges }
                }
                other => Part::Literal(other),
            });
        }
        Ok(Self { parts })
    }

    /// Whether all of a path matches.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        // The last star and where it was tried: on a mismatch it takes one character more.
        let (mut part, mut at) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        loop {
            if self.parts.get(part) == Some(&Part::Star) {
                star = Some((part, at));
                part += 1;
                continue;
            }
            match (self.parts.get(part), path.get(at)) {
                (None, None) => return true,
                (Some(wanted), Some(c)) if wanted.takes(*c) => {
                    part += 1;
                    at += 1;
                    continue;
                }
                _ => {}
            }
            match star {
                Some((star_part, taken)) if path.get(taken).is_some_and(|c| *c != '/') => {
                    star = Some((star_part, taken + 1));
                    part = star_part + 1;
                    at = taken + 1;
                }
                _ => return false,
            }
        }
    }
}

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Literal(wanted) => *wanted == c,
            Self::Any => c != '/',
            Self::Star => false,
            Self::Class { negated, ranges } => {
                c != '/' && ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

/// A character of a class; `-` and `]` need a backslash.
fn class_char(chars: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    match chars.next()?.1 {
        '-' | ']' => None,
        '\\' => Some(chars.next()?.1),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_matches() {
        let cases = [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*", "a/c", false),
            ("*c", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[^c]", "abc", false),
            ("ab[^e-g]", "abc", true),
            (r"a\*b", "a*b", true),
            (r"a\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("[a-ζ]*", "α", true),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            (r"[\]a]", "]", true),
            (r"[x\-]", "-", true),
            ("**", "ab", true),
            ("", "", true),
            ("a", "", false),
        ];
        for (pattern, path, want) in cases {
            let parsed = PathPattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.matches(path), want, "{pattern} {path}");
        }
    }

    #[test]
    fn broken_patterns() {
        for pattern in [
            "[", "[]a]", "[-]", "[x-]", "[-x]", "[^", "[^bc", "a[", r"[\", "[a-b-c]",
        ] {
            assert_eq!(
                PathPattern::parse(pattern),
                Err(PatternError::Class(pattern.find('[').map_or(0, |at| at + 1))),
                "{pattern}"
            );
        }
        assert_eq!(PathPattern::parse("a\\"), Err(PatternError::Escape));
    }
}
