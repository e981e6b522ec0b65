//! Words of an expression.

use super::{Operator, SyntaxError};
use crate::limits::MAX_EXPRESSION_TOKENS;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Bool(bool),
    Int(i64),
    Text(String),
    Name(String),
    Regex(String),
    Not,
    Operator(Operator),
    Matches,
    Open,
    Close,
}

/// Splits a text into tokens, each with the byte where it begins.
pub(crate) fn tokens(source: &str) -> Result<Vec<(Token, usize)>, SyntaxError> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        if found.len() >= MAX_EXPRESSION_TOKENS {
            let message = format!("this expression has more than {MAX_EXPRESSION_TOKENS} words");
            return Err(SyntaxError { at, message });
        }
        let (token, length) = token(&source[at..]).map_err(|message| SyntaxError { at, message })?;
        found.push((token, at));
        at += length;
    }
    Ok(found)
}

fn token(rest: &str) -> Result<(Token, usize), String> {
    const SYMBOLS: [(&str, Token); 9] = [
        ("==", Token::Operator(Operator::Equal)),
        ("!=", Token::Operator(Operator::NotEqual)),
        (">=", Token::Operator(Operator::GreaterOrEqual)),
        ("<=", Token::Operator(Operator::LessOrEqual)),
        (">", Token::Operator(Operator::Greater)),
        ("<", Token::Operator(Operator::Less)),
        ("!", Token::Not),
        ("(", Token::Open),
        (")", Token::Close),
    ];
    let first = rest.chars().next().unwrap_or(' ');
    if first == '"' {
        return quoted(rest);
    }
    if first == '/' {
        return regex(rest);
    }
    if first.is_ascii_digit() || (first == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) {
        return number(rest);
    }
    if first.is_ascii_alphabetic() || first == '_' {
        return Ok(word(rest));
    }
    for (symbol, token) in SYMBOLS {
        if rest.starts_with(symbol) {
            return Ok((token, symbol.len()));
        }
    }
    if first == '\'' {
        return Err("text in an expression stands in double quotes".to_owned());
    }
    Err(format!(
        "`{}` has no meaning in an expression",
        first.escape_default()
    ))
}

fn word(rest: &str) -> (Token, usize) {
    let length = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
        .unwrap_or(rest.len());
    let text = &rest[..length];
    let token = match text {
        "true" => Token::Bool(true),
        "false" => Token::Bool(false),
        "and" => Token::Operator(Operator::And),
        "or" => Token::Operator(Operator::Or),
        "not" => Token::Not,
        "starts-with" => Token::Operator(Operator::StartsWith),
        "matches" => Token::Matches,
        name => Token::Name(name.to_owned()),
    };
    (token, length)
}

fn number(rest: &str) -> Result<(Token, usize), String> {
    let digits = rest[1..]
        .find(|c: char| !c.is_ascii_digit())
        .map_or(rest.len(), |at| at + 1);
    if rest[digits..].starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
        return Err("only whole numbers are known here; put text into double quotes".to_owned());
    }
    let value = rest[..digits]
        .parse()
        .map_err(|_| "this number is too large".to_owned())?;
    Ok((Token::Int(value), digits))
}

fn quoted(rest: &str) -> Result<(Token, usize), String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Text(text), at + 1)),
            '\\' => match chars.next() {
                Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                Some((_, other)) => {
                    text.push('\\');
                    text.push(other);
                }
                None => break,
            },
            other => text.push(other),
        }
    }
    Err("a quote is not closed".to_owned())
}

fn regex(rest: &str) -> Result<(Token, usize), String> {
    let mut pattern = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '/' => return Ok((Token::Regex(pattern), at + 1)),
            '\\' => match chars.next() {
                Some((_, '/')) => pattern.push('/'),
                Some((_, other)) => {
                    pattern.push('\\');
                    pattern.push(other);
                }
                None => break,
            },
            other => pattern.push(other),
        }
    }
    Err("a pattern begins with `/` and has no `/` at its end".to_owned())
}
