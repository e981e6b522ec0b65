//! Scalars resolved late. The tree keeps text and style; what the text *means* depends on who asks, so each
//! question is a method here and none of them changes the tree.

/// How a scalar was written. Quoted and block scalars are always text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// `'…'`.
    SingleQuoted,
    /// `"…"`.
    DoubleQuoted,
    /// `|`.
    Literal,
    /// `>`.
    Folded,
}

/// A plain scalar read as YAML 1.1 reads it, for fields that take any type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// A number with a fraction or an exponent.
    Float(f64),
    /// Anything else, and everything in quotes.
    Text(String),
}

impl Value {
    /// Reads plain text.
    pub fn of_plain(text: &str) -> Self {
        resolve(text)
    }

    /// The type's name in CircleCI's messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "integer",
            Self::Float(_) => "number",
            Self::Text(_) => "string",
        }
    }
}

/// Reads plain text as YAML 1.1 does. Single letters (`y`, `n`) stay text: parsers in the field leave them so.
pub(crate) fn resolve(text: &str) -> Value {
    if is_null(text) {
        return Value::Null;
    }
    match boolean(text) {
        Some(value) if text.len() > 1 => return Value::Bool(value),
        Some(_) | None => {}
    }
    if let Some(value) = integer(text) {
        return Value::Int(value);
    }
    if let Some(value) = float(text) {
        return Value::Float(value);
    }
    Value::Text(text.to_owned())
}

pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// YAML 1.1's list of booleans, each in lower case, capitalised and upper case.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    const TRUE: [&str; 4] = ["true", "yes", "on", "y"];
    const FALSE: [&str; 4] = ["false", "no", "off", "n"];
    let lower = text.to_ascii_lowercase();
    let mut capital = lower.clone();
    if let Some(first) = capital.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let regular = text == lower || text == capital || text == lower.to_ascii_uppercase();
    if !regular {
        return None;
    }
    if TRUE.contains(&lower.as_str()) {
        return Some(true);
    }
    FALSE.contains(&lower.as_str()).then_some(false)
}

/// Decimal, `0x`, `0b`, `0o` and the old octal form with a leading zero; underscores between digits.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    let starts_with_digit = digits.bytes().next()?.is_ascii_digit();
    if !starts_with_digit || digits.ends_with('_') {
        return None;
    }
    let clean = digits.replace('_', "");
    let (radix, body) = if let Some(body) = clean.strip_prefix("0x") {
        (16, body)
    } else if let Some(body) = clean.strip_prefix("0b") {
        (2, body)
    } else if let Some(body) = clean.strip_prefix("0o") {
        (8, body)
    } else if clean.len() > 1 && clean.starts_with('0') {
        (8, clean.get(1..)?)
    } else {
        (10, clean.as_str())
    };
    if body.starts_with(['+', '-']) {
        return None;
    }
    let value = i64::from_str_radix(body, radix).ok()?;
    if negative {
        value.checked_neg()
    } else {
        Some(value)
    }
}

fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => {
            return Some(if text.starts_with('-') {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            });
        }
        ".nan" | ".NaN" | ".NAN" => return Some(f64::NAN),
        _ => {}
    }
    let first = unsigned.bytes().next()?;
    let numeric = unsigned
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-' | b'_'));
    let has_point_or_exponent = unsigned.contains(['.', 'e', 'E']);
    if !numeric || !has_point_or_exponent || !(first.is_ascii_digit() || first == b'.') {
        return None;
    }
    text.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_come_in_three_casings_and_no_fourth() {
        for text in ["y", "Y", "yes", "Yes", "YES", "on", "ON", "true", "True"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["n", "No", "OFF", "off", "false", "FALSE"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["yEs", "tRUE", "1", "", "ja", "é"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn whole_numbers_of_yaml_1_1() {
        let cases = [
            ("0", Some(0)),
            ("-12", Some(-12)),
            ("+3", Some(3)),
            ("010", Some(8)),
            ("0o17", Some(15)),
            ("0x1F", Some(31)),
            ("0b101", Some(5)),
            ("1_000", Some(1000)),
            ("9223372036854775808", None),
            ("1.0", None),
            ("0x-1", None),
            ("1_", None),
            ("-", None),
            ("", None),
            ("12:30", None),
            ("09", None),
        ];
        for (text, want) in cases {
            assert_eq!(integer(text), want, "{text}");
        }
    }

    #[test]
    fn plain_text_without_a_wanted_type() {
        assert_eq!(resolve("1.10"), Value::Float(1.1));
        assert_eq!(resolve("2."), Value::Float(2.0));
        assert_eq!(resolve("1.2.3"), Value::Text("1.2.3".to_owned()));
        assert_eq!(resolve("e"), Value::Text("e".to_owned()));
        assert_eq!(resolve("1e3"), Value::Float(1000.0));
        assert_eq!(resolve("-"), Value::Text("-".to_owned()));
        assert_eq!(resolve("."), Value::Text(".".to_owned()));
        assert_eq!(resolve("y"), Value::Text("y".to_owned()));
        assert_eq!(resolve("on"), Value::Bool(true));
        assert_eq!(resolve("~"), Value::Null);
    }
}
