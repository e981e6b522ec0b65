//! Tokens to a tree, by precedence.

use super::token::{Token, tokens};
use super::{Expression, Operator, SyntaxError};

/// Deepest parentheses and `not`s; with the limit on tokens this bounds all recursion.
const MAX_NESTING: usize = 50;

/// Reads one expression; all of the text must be used.
pub(crate) fn parse(source: &str) -> Result<Expression, SyntaxError> {
    let tokens = tokens(source)?;
    if tokens.is_empty() {
        return Err(SyntaxError {
            at: 0,
            message: "there is nothing between `<<` and `>>`".to_owned(),
        });
    }
    let mut parser = Parser {
        tokens,
        next: 0,
        end: source.len(),
        nesting: 0,
    };
    let expression = parser.binary(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.error("an operator was expected here")),
    }
}

struct Parser {
    tokens: Vec<(Token, usize)>,
    next: usize,
    end: usize,
    nesting: usize,
}

/// Levels of binary operators, weakest first; `matches` stands between the last two.
const LEVELS: [&[Operator]; 5] = [
    &[Operator::Or],
    &[Operator::And],
    &[Operator::Equal, Operator::NotEqual],
    &[Operator::StartsWith],
    &[
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
    ],
];
const COMPARISON: usize = 4;

impl Parser {
    fn binary(&mut self, level: usize) -> Result<Expression, SyntaxError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.operand(level)?;
        while let Some(Token::Operator(operator)) = self.peek() {
            let operator = *operator;
            if !operators.contains(&operator) {
                break;
            }
            let at = self.at();
            self.next += 1;
            let right = self.operand(level)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right), at);
        }
        Ok(left)
    }

    fn operand(&mut self, level: usize) -> Result<Expression, SyntaxError> {
        if level + 1 == COMPARISON {
            self.matches()
        } else {
            self.binary(level + 1)
        }
    }

    fn matches(&mut self) -> Result<Expression, SyntaxError> {
        let mut left = self.binary(COMPARISON)?;
        while let Some(Token::Matches) = self.peek() {
            let at = self.at();
            self.next += 1;
            let Some(Token::Regex(pattern)) = self.peek() else {
                return Err(self.error("a pattern such as `/release-.*/` was expected here"));
            };
            left = Expression::Matches(Box::new(left), pattern.clone(), at);
            self.next += 1;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, SyntaxError> {
        let at = self.at();
        let Some(token) = self.peek().cloned() else {
            return Err(self.error("the expression ends where a value was expected"));
        };
        self.next += 1;
        match token {
            Token::Bool(value) => Ok(Expression::Bool(value)),
            Token::Int(value) => Ok(Expression::Int(value)),
            Token::Text(text) => Ok(Expression::Text(text)),
            Token::Name(name) => Ok(Expression::Name(name, at)),
            Token::Not => self.nested(|parser| parser.unary().map(|inner| Expression::Not(Box::new(inner)))),
            Token::Open => self.nested(|parser| {
                let inner = parser.binary(0)?;
                if parser.peek() != Some(&Token::Close) {
                    return Err(parser.error("a `)` was expected here"));
                }
                parser.next += 1;
                Ok(inner)
            }),
            Token::Regex(_) => {
                self.next -= 1;
                Err(self.error("a pattern can only stand after `matches`"))
            }
            Token::Operator(_) | Token::Matches | Token::Close => {
                self.next -= 1;
                Err(self.error("a value was expected here"))
            }
        }
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<Expression, SyntaxError>,
    ) -> Result<Expression, SyntaxError> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(self.error("this expression is nested too deep"));
        }
        let result = inner(self);
        self.nesting -= 1;
        result
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |(_, at)| *at)
    }

    fn error(&self, message: &str) -> SyntaxError {
        SyntaxError {
            at: self.at(),
            message: message.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree with every operation in parentheses.
    fn shown(expression: &Expression) -> String {
        match expression {
            Expression::Bool(value) => value.to_string(),
            Expression::Int(value) => value.to_string(),
            Expression::Text(text) => format!("{text:?}"),
            Expression::Name(name, _) => name.clone(),
            Expression::Not(inner) => format!("(not {})", shown(inner)),
            Expression::Binary(operator, left, right, _) => {
                format!("({} {} {})", shown(left), operator.symbol(), shown(right))
            }
            Expression::Matches(left, pattern, _) => format!("({} matches /{pattern}/)", shown(left)),
        }
    }

    fn read(source: &str) -> String {
        match parse(source) {
            Ok(expression) => shown(&expression),
            Err(error) => format!("{}: {}", error.at, error.message),
        }
    }

    #[test]
    fn precedence_from_weakest_to_strongest() {
        assert_eq!(read("a or b and c"), "(a or (b and c))");
        assert_eq!(read("a and b == c"), "(a and (b == c))");
        assert_eq!(read("a == b starts-with c"), "(a == (b starts-with c))");
        assert_eq!(
            read("a starts-with b matches /c/"),
            "(a starts-with (b matches /c/))"
        );
        assert_eq!(read("1 < 2 matches /c/"), "((1 < 2) matches /c/)");
        assert_eq!(read("not a == b"), "((not a) == b)");
        assert_eq!(read("!a and not b"), "((not a) and (not b))");
        assert_eq!(read("(a or b) and c"), "((a or b) and c)");
        assert_eq!(read("a or b or c"), "((a or b) or c)");
        assert_eq!(read("a == b == c"), "((a == b) == c)");
    }

    #[test]
    fn words_and_literals() {
        assert_eq!(read(" pipeline.parameters.a-b "), "pipeline.parameters.a-b");
        assert_eq!(read(r#""a \"b\" \\ \d""#), r#""a \"b\" \\ \\d""#);
        assert_eq!(read("a matches /x\\/y\\d/"), "(a matches /x/y\\d/)");
        assert_eq!(read("-5 >= 10"), "(-5 >= 10)");
        assert_eq!(read("a\n  and\n  true"), "(a and true)");
    }

    #[test]
    fn mistakes_name_their_place() {
        assert_eq!(read(""), "0: there is nothing between `<<` and `>>`");
        assert_eq!(read("a b"), "2: an operator was expected here");
        assert_eq!(read("a and"), "5: the expression ends where a value was expected");
        assert_eq!(read("(a"), "2: a `)` was expected here");
        assert_eq!(
            read("a == 'x'"),
            "5: text in an expression stands in double quotes"
        );
        assert_eq!(
            read("a matches b"),
            "10: a pattern such as `/release-.*/` was expected here"
        );
        assert_eq!(
            read("1.5"),
            "0: only whole numbers are known here; put text into double quotes"
        );
        assert_eq!(read("$x"), "0: `$` has no meaning in an expression");
        assert!(parse(&"(".repeat(200)).is_err());
        assert!(parse(&"a or ".repeat(100_000)).is_err());
    }
}
