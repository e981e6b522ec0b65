//! The value of an expression.

use super::{Expression, Operator};
use crate::regexes::Regexes;
use crate::value::Value;

/// Answers for names.
pub(crate) trait Names<'s> {
    /// The value of a name, or why there is none (already reported).
    fn value(&self, name: &str, at: usize) -> Value<'s>;

    /// The patterns of this run.
    fn regexes(&self) -> &Regexes;
}

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EvaluationError {
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// Evaluates an expression.
pub(crate) fn evaluate<'s>(
    expression: &Expression,
    names: &impl Names<'s>,
) -> Result<Value<'s>, EvaluationError> {
    match expression {
        Expression::Bool(value) => Ok(Value::Bool(*value)),
        Expression::Int(value) => Ok(Value::Int(*value)),
        Expression::Text(text) => Ok(Value::Text(text.clone())),
        Expression::Name(name, at) => Ok(names.value(name, *at)),
        Expression::Not(inner) => {
            let value = evaluate(inner, names)?;
            Ok(if value.is_broken() {
                value
            } else {
                Value::Bool(!value.is_truthy())
            })
        }
        Expression::Matches(left, pattern, at) => {
            let value = evaluate(left, names)?;
            if value.is_broken() {
                return Ok(value);
            }
            let Value::Text(text) = &value else {
                return Err(needs_text("matches", &value, *at));
            };
            names
                .regexes()
                .matches_whole(pattern, text)
                .map(Value::Bool)
                .map_err(|error| EvaluationError {
                    at: *at,
                    message: error.to_string(),
                })
        }
        Expression::Binary(operator, left, right, at) => {
            binary(*operator, evaluate(left, names)?, right, *at, names)
        }
    }
}

fn binary<'s>(
    operator: Operator,
    left: Value<'s>,
    right: &Expression,
    at: usize,
    names: &impl Names<'s>,
) -> Result<Value<'s>, EvaluationError> {
    if left.is_broken() {
        return Ok(left);
    }
    match operator {
        Operator::Or if left.is_truthy() => return Ok(left),
        Operator::And if !left.is_truthy() => return Ok(left),
        Operator::Or
        | Operator::And
        | Operator::Equal
        | Operator::NotEqual
        | Operator::StartsWith
        | Operator::Less
        | Operator::LessOrEqual
        | Operator::Greater
        | Operator::GreaterOrEqual => {}
    }
    let right = evaluate(right, names)?;
    if right.is_broken() {
        return Ok(right);
    }
    match operator {
        Operator::Or | Operator::And => Ok(right),
        Operator::Equal => Ok(Value::Bool(left.equals(&right))),
        Operator::NotEqual => Ok(Value::Bool(!left.equals(&right))),
        Operator::StartsWith => match (&left, &right) {
            (Value::Text(text), Value::Text(prefix)) => Ok(Value::Bool(text.starts_with(prefix.as_str()))),
            (Value::Text(_), other) | (other, _) => Err(needs_text(operator.symbol(), other, at)),
        },
        Operator::Less => compare(operator, &left, &right, at, |a, b| a < b),
        Operator::LessOrEqual => compare(operator, &left, &right, at, |a, b| a <= b),
        Operator::Greater => compare(operator, &left, &right, at, |a, b| a > b),
        Operator::GreaterOrEqual => compare(operator, &left, &right, at, |a, b| a >= b),
    }
}

fn compare<'s>(
    operator: Operator,
    left: &Value<'s>,
    right: &Value<'s>,
    at: usize,
    holds: impl Fn(i64, i64) -> bool,
) -> Result<Value<'s>, EvaluationError> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Ok(Value::Bool(holds(*a, *b))),
        (Value::Int(_), other) | (other, _) => {
            let message = format!(
                "`{}` compares whole numbers, and this is {} (type {})",
                operator.symbol(),
                other.shown(),
                other.type_name()
            );
            Err(EvaluationError { at, message })
        }
    }
}

fn needs_text(operator: &str, value: &Value<'_>, at: usize) -> EvaluationError {
    let message = format!(
        "`{operator}` needs text, and this is {} (type {})",
        value.shown(),
        value.type_name()
    );
    EvaluationError { at, message }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[derive(Default)]
    struct Fixed(Regexes);

    impl<'s> Names<'s> for Fixed {
        fn regexes(&self) -> &Regexes {
            &self.0
        }

        fn value(&self, name: &str, _: usize) -> Value<'s> {
            match name {
                "branch" => Value::Text("main".to_owned()),
                "number" => Value::Int(7),
                "off" => Value::Bool(false),
                _ => Value::Null,
            }
        }
    }

    fn value(source: &str) -> String {
        let expression = parse(source).expect("the test's expression is well formed");
        match evaluate(&expression, &Fixed::default()) {
            Ok(value) => value.shown(),
            Err(error) => format!("error at {}: {}", error.at, error.message),
        }
    }

    #[test]
    fn or_and_and_give_operands() {
        assert_eq!(value(r#"branch == "main" and 10 or 1"#), "10");
        assert_eq!(value(r#"branch == "dev" and 10 or 1"#), "1");
        assert_eq!(value(r#"missing or "x""#), "\"x\"");
        assert_eq!(value("off and (1 > branch)"), "false");
    }

    #[test]
    fn comparisons() {
        assert_eq!(value(r#"number == "7""#), "false");
        assert_eq!(value(r#"number != "7""#), "true");
        assert_eq!(value("number >= 7 and number < 8"), "true");
        assert_eq!(value("branch matches /ma.n/"), "true");
        assert_eq!(value("branch matches /ma/"), "false");
        assert_eq!(value(r#"branch starts-with "ma""#), "true");
        assert_eq!(value("not branch"), "false");
    }

    #[test]
    fn operands_of_the_wrong_type() {
        assert_eq!(
            value("number matches /7/"),
            "error at 7: `matches` needs text, and this is 7 (type integer)"
        );
        assert_eq!(
            value("branch > 1"),
            "error at 7: `>` compares whole numbers, and this is \"main\" (type string)"
        );
        assert!(value("branch matches /(/").starts_with("error at 7: "));
    }
}
