//! The text that a value of `environment` becomes. CircleCI reads the value with its YAML type and hands the value on, so
//! that `1.10` reaches the job as `1.1`, `yes` as `true` and a number of seven digits with an exponent. The same comes out
//! here, with a warning where that is not what was written.

use airlock_yaml_tree::{Scalar, Style, Value as Plain};

use super::Compiler;
use crate::diagnostic::Code;
use crate::scope::{Pair, Resolved, Shape};
use crate::sink::Draft;
use crate::value::Value;

/// From here on a whole number has an exponent.
const FIRST_WITH_EXPONENT: u64 = 1_000_000;

impl<'s> Compiler<'s> {
    /// The text of one variable; nothing when it has none, which has been reported.
    pub(crate) fn variable_text(&self, pair: &Pair<'s>) -> Option<String> {
        let value = self.resolve(&pair.value);
        match &value.shape {
            // The reference's word for a pipeline value that is not there.
            Shape::Computed(Value::Null) => Some("<nil>".to_owned()),
            Shape::Computed(Value::Text(text)) if text.is_empty() && Self::is_pipeline_value(&pair.value) => {
                Some("<nil>".to_owned())
            }
            Shape::Computed(Value::Int(number)) => Some(whole(*number)),
            Shape::Written(scalar) => Some(self.written(scalar, &value, pair.name)),
            Shape::Computed(_) | Shape::List(_) | Shape::Map(_) => {
                self.text(&value, &format!("the variable `{}`", pair.name))
            }
        }
    }

    fn written(&self, scalar: &Scalar<'s>, value: &Resolved<'s>, name: &str) -> String {
        if scalar.style != Style::Plain {
            return scalar.text.to_owned();
        }
        let text = match scalar.resolve() {
            Plain::Null => return String::new(),
            Plain::Bool(value) => value.to_string(),
            Plain::Int(number) => whole(number),
            Plain::Float(number) => float(number),
            Plain::Text(text) => return text,
        };
        // `True` for `true` surprises nobody.
        if !text.eq_ignore_ascii_case(scalar.text) {
            let message = format!("the variable `{name}` becomes `{text}`: its value is not text");
            let draft = Draft::warning(Code::REWRITTEN_VALUE, value.place, message)
                .hint(format!("put quotes around it to keep it: `\"{}\"`", scalar.text))
                .maybe_fix(self.quote(value.place));
            self.sink.emit_in(&value.scope, draft);
        }
        text
    }
}

fn whole(number: i64) -> String {
    if number.unsigned_abs() < FIRST_WITH_EXPONENT {
        return number.to_string();
    }
    let digits = number.unsigned_abs().to_string();
    let exponent = digits.len() - 1;
    with_exponent(number < 0, &digits, &format!("+{exponent:02}"))
}

/// The shortest text that reads back as the number; with an exponent when it is very large or very small.
fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let sign = if exponent < 0 { '-' } else { '+' };
    with_exponent(number < 0.0, &digits, &format!("{sign}{:02}", exponent.abs()))
}

fn with_exponent(negative: bool, digits: &str, exponent: &str) -> String {
    let (first, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    let sign = if negative { "-" } else { "" };
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{first}{point}{rest}e{exponent}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers() {
        let cases = [
            (0, "0"),
            (-12, "-12"),
            (999_999, "999999"),
            (1_000_000, "1e+06"),
            (1_234_567, "1.234567e+06"),
            (-2_500_000, "-2.5e+06"),
            (10_000_000_000, "1e+10"),
        ];
        for (number, text) in cases {
            assert_eq!(whole(number), text);
        }
    }

    #[test]
    fn floats() {
        let cases = [
            (1.1, "1.1"),
            (13.0, "13"),
            (-0.5, "-0.5"),
            (123_456.789, "123456.789"),
            (1_234_567.5, "1.2345675e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e21, "1e+21"),
        ];
        for (number, text) in cases {
            assert_eq!(float(number), text);
        }
        assert_eq!(float(f64::NAN), "NaN");
        assert_eq!(float(f64::NEG_INFINITY), "-Inf");
    }
}
