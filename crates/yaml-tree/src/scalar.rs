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

/// Reads plain text as the parser of CircleCI's service does, by the grammar of YAML 1.1. Single letters (`y`, `n`) and
/// dates stay text.
pub(crate) fn resolve(text: &str) -> Value {
    if is_null(text) {
        return Value::Null;
    }
    match boolean(text) {
        Some(value) if text.len() > 1 => return Value::Bool(value),
        Some(_) | None => {}
    }
    // Numbers begin like numbers; most text does not and needs no closer look.
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return Value::Text(text.to_owned());
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
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => Some(false),
        _ => None,
    }
}

/// Decimal, `0x`, `0b`, octal with a leading zero (`0o` is of YAML 1.2), and base sixty as in `1:30`; underscores after
/// the first digit.
pub(crate) fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = sign(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let clean = digits.replace('_', "");
    let value = if let Some(body) = clean.strip_prefix("0x") {
        whole(body, 16)?
    } else if let Some(body) = clean.strip_prefix("0b") {
        whole(body, 2)?
    } else if clean.len() > 1 && clean.starts_with('0') {
        whole(clean.get(1..)?, 8)?
    } else if clean.contains(':') {
        clean.split(':').enumerate().try_fold(0_i64, sixty)?
    } else {
        whole(&clean, 10)?
    };
    if negative {
        value.checked_neg()
    } else {
        Some(value)
    }
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// Digits alone; the library's reader would take a sign too.
fn whole(digits: &str, radix: u32) -> Option<i64> {
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i64::from_str_radix(digits, radix).ok()
}

/// One more place of a number in base sixty.
fn sixty(total: i64, (at, digits): (usize, &str)) -> Option<i64> {
    let digit = whole(digits, 10)?;
    if at > 0 && (digits.len() > 2 || digit > 59) {
        return None;
    }
    total.checked_mul(60)?.checked_add(digit)
}

fn float(text: &str) -> Option<f64> {
    let (negative, unsigned) = sign(text);
    let size = match unsigned {
        ".inf" | ".Inf" | ".INF" => f64::INFINITY,
        ".nan" | ".NaN" | ".NAN" => return (unsigned == text).then_some(f64::NAN),
        _ => float_digits(unsigned)?,
    };
    Some(if negative { -size } else { size })
}

fn float_digits(unsigned: &str) -> Option<f64> {
    let first = unsigned.bytes().next()?;
    let numeric = unsigned
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-' | b'_' | b':'));
    let has_point_or_exponent = unsigned.contains(['.', 'e', 'E']);
    if !numeric || !has_point_or_exponent || !(first.is_ascii_digit() || first == b'.') {
        return None;
    }
    let clean = unsigned.replace('_', "");
    let Some((places, rest)) = clean.rsplit_once(':') else {
        return clean.parse().ok();
    };
    // Base sixty with a fraction, as in `1:30.5`.
    let (digits, fraction) = rest.split_once('.')?;
    let whole = places
        .split(':')
        .chain([digits])
        .enumerate()
        .try_fold(0_i64, sixty)?;
    let fraction: f64 = match fraction {
        "" => 0.0,
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => format!("0.{digits}").parse().ok()?,
        _ => return None,
    };
    let whole: f64 = whole.to_string().parse().ok()?;
    Some(whole + fraction)
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
            ("0x1F", Some(31)),
            ("-0x1F", Some(-31)),
            ("0b101", Some(5)),
            ("1_000", Some(1000)),
            ("1_", Some(1)),
            ("1:30", Some(90)),
            ("12:30:45", Some(45_045)),
            ("-1:30", Some(-90)),
            // Not numbers, each for a reason of its own: too large, a fraction, two signs, no digits, base 1.2, no octal,
            // no place of sixty, a port pair, base sixty with a leading zero.
            ("9223372036854775808", None),
            ("1.0", None),
            ("0x-1", None),
            ("--1", None),
            ("_1", None),
            ("-", None),
            ("", None),
            ("0x", None),
            ("0o17", None),
            ("09", None),
            ("1:60", None),
            ("8080:80", None),
            ("01:30", None),
            ("1:", None),
            ("1:030", None),
        ];
        for (text, want) in cases {
            assert_eq!(integer(text), want, "{text}");
        }
    }

    #[test]
    fn plain_text_without_a_wanted_type() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            ("1.10", Value::Float(1.1)),
            ("2.", Value::Float(2.0)),
            (".5", Value::Float(0.5)),
            ("-1.5e-3", Value::Float(-0.0015)),
            ("1e3", Value::Float(1000.0)),
            ("1_000.5", Value::Float(1000.5)),
            ("1:30.5", Value::Float(90.5)),
            ("1:30.", Value::Float(90.0)),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
            ("010", Value::Int(8)),
            ("1:30", Value::Int(90)),
            ("on", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("~", Value::Null),
            ("", Value::Null),
            ("1.2.3", text("1.2.3")),
            ("1:30.x", text("1:30.x")),
            ("1:99.5", text("1:99.5")),
            ("e", text("e")),
            ("1e", text("1e")),
            ("-", text("-")),
            (".", text(".")),
            ("+.nan", text("+.nan")),
            ("y", text("y")),
            ("nUll", text("nUll")),
            ("2026-01-02", text("2026-01-02")),
            ("2026-01-02T03:04:05Z", text("2026-01-02T03:04:05Z")),
            ("8080:80", text("8080:80")),
            ("0o17", text("0o17")),
            ("08", text("08")),
            ("12345678901234567890", text("12345678901234567890")),
        ];
        for (written, want) in cases {
            assert_eq!(resolve(written), want, "{written}");
        }
        assert!(matches!(resolve(".nan"), Value::Float(number) if number.is_nan()));
    }
}
