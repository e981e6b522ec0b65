//! Reads templates of cache keys.

use super::{Command, FIELDS, FUNCTIONS, Field, Function, Operand, Piece, Pipeline, TemplateError, Unknown};

/// Deepest parentheses; nobody needs two.
const MAX_NESTING: usize = 20;

/// Words of Go's templates that CircleCI's keys would know and these do not.
const GO_WORDS: &[&str] = &[
    "and", "block", "break", "call", "continue", "define", "else", "end", "eq", "ge", "gt", "html", "if",
    "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf", "println", "range", "slice",
    "template", "urlquery", "with",
];

/// The pieces of a template.
pub(super) fn template(text: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let open = at + found;
        let mut inner = open + 2;
        let mut before = &text[at..open];
        if trims_left(&text[inner..]) {
            before = before.trim_end();
            inner += 1;
        }
        push_text(&mut pieces, before);
        let Some(close) = close_of(text, inner) else {
            return Err(error(open, "`{{` without `}}`"));
        };
        let mut action = &text[inner..close];
        at = close + 2;
        if let Some(trimmed) = trims_right(action) {
            action = trimmed;
            at += text[at..].len() - text[at..].trim_start().len();
        }
        if is_comment(action) {
            continue;
        }
        let tokens = tokens(action, inner)?;
        let mut reader = Reader {
            tokens: &tokens,
            next: 0,
            end: close,
        };
        let pipeline = reader.pipeline(0)?;
        if let Some((at, token)) = reader.peek() {
            return Err(error(*at, format!("{} does not belong here", token.shown())));
        }
        pieces.push(Piece::Value(pipeline));
    }
    push_text(&mut pieces, &text[at..]);
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// `{{- ` eats the blanks before it.
fn trims_left(after: &str) -> bool {
    after
        .strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(char::is_whitespace))
}

/// ` -}}` eats the blanks after it.
fn trims_right(action: &str) -> Option<&str> {
    action
        .strip_suffix('-')
        .filter(|rest| rest.ends_with(char::is_whitespace))
}

fn is_comment(action: &str) -> bool {
    let action = action.trim();
    action.len() >= 4 && action.starts_with("/*") && action.ends_with("*/")
}

/// Where the `}}` of an action stands; one inside quotes does not count.
fn close_of(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = from;
    let mut quote: Option<u8> = None;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(b'"' | b'\''), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'`' | b'\'')) => quote = Some(byte),
            (None, b'}') if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    // An unclosed quote hides the end; then the first end counts, and the quote is what is wrong.
    text[from..].find("}}").map(|found| from + found)
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Field(String),
    Name(String),
    Text(String),
    Pipe,
    Open,
    Close,
}

impl Token {
    fn shown(&self) -> String {
        match self {
            Self::Field(text) | Self::Name(text) => format!("`{text}`"),
            Self::Text(text) => format!("{text:?}"),
            Self::Pipe => "`|`".to_owned(),
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
        }
    }
}

fn tokens(action: &str, base: usize) -> Result<Vec<(usize, Token)>, TemplateError> {
    let mut found = Vec::new();
    let mut rest = action;
    loop {
        rest = rest.trim_start();
        let at = base + action.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            return Ok(found);
        };
        let (token, length) = match first {
            '|' => (Token::Pipe, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            // Go takes `'…'` for a single letter; people mean text by it, and that is unambiguous.
            '"' | '`' | '\'' => {
                quoted(rest, first).ok_or_else(|| error(at, format!("the quote {first} is not closed")))?
            }
            '.' => {
                let length = word(rest, |c| is_word(c) || c == '.');
                (Token::Field(rest[..length].to_owned()), length)
            }
            c if is_word(c) => {
                let length = word(rest, |c| is_word(c) || c == '.');
                (Token::Name(rest[..length].to_owned()), length)
            }
            other => return Err(error(at, format!("`{other}` means nothing in a cache key"))),
        };
        found.push((at, token));
        rest = &rest[length..];
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word(text: &str, belongs: impl Fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn quoted(text: &str, quote: char) -> Option<(Token, usize)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == quote {
            return Some((Token::Text(out), at + c.len_utf8()));
        }
        if c == '\\' && quote != '`' {
            match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                other => out.push(other),
            }
        } else {
            out.push(c);
        }
    }
    None
}

struct Reader<'t> {
    tokens: &'t [(usize, Token)],
    next: usize,
    end: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&'t (usize, Token)> {
        self.tokens.get(self.next)
    }

    fn at(&self) -> usize {
        self.peek().map_or(self.end, |(at, _)| *at)
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.peek().is_some_and(|(_, token)| token == wanted);
        self.next += usize::from(found);
        found
    }

    fn pipeline(&mut self, depth: usize) -> Result<Pipeline, TemplateError> {
        if depth > MAX_NESTING {
            return Err(error(self.at(), "too many parentheses"));
        }
        let mut commands = vec![self.command(depth, false)?];
        while self.take(&Token::Pipe) {
            commands.push(self.command(depth, true)?);
        }
        Ok(Pipeline(commands))
    }

    fn command(&mut self, depth: usize, piped: bool) -> Result<Command, TemplateError> {
        let at = self.at();
        let Some((_, Token::Name(name))) = self.peek() else {
            let operand = self.operand(depth)?;
            if piped {
                return Err(error(at, "only a function can stand after `|`"));
            }
            return Ok(Command::Operand(operand));
        };
        let function = function(name, at)?;
        self.next += 1;
        let mut operands = Vec::new();
        while let Some((_, token)) = self.peek() {
            if matches!(token, Token::Pipe | Token::Close) {
                break;
            }
            operands.push(self.operand(depth)?);
        }
        let (wanted, given) = (function.arguments(), operands.len() + usize::from(piped));
        if wanted != given {
            let message = format!("`{name}` takes {wanted} argument(s), and here it gets {given}");
            return Err(error(at, message));
        }
        Ok(Command::Call(function, operands))
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, TemplateError> {
        let Some((at, token)) = self.peek() else {
            return Err(error(self.end, "a value is missing"));
        };
        self.next += 1;
        match token {
            Token::Field(name) => field(name, *at).map(Operand::Field),
            Token::Text(text) => Ok(Operand::Text(text.clone())),
            Token::Name(name) => {
                let function = function(name, *at)?;
                if function.arguments() > 0 {
                    return Err(error(
                        *at,
                        format!("put `{name}` and its argument in parentheses"),
                    ));
                }
                Ok(Operand::Nested(Pipeline(vec![Command::Call(
                    function,
                    Vec::new(),
                )])))
            }
            Token::Open => {
                let inner = self.pipeline(depth + 1)?;
                if !self.take(&Token::Close) {
                    return Err(error(self.at(), "`(` without `)`"));
                }
                Ok(Operand::Nested(inner))
            }
            Token::Pipe | Token::Close => {
                Err(error(*at, format!("a value is missing before {}", token.shown())))
            }
        }
    }
}

fn function(name: &str, at: usize) -> Result<Function, TemplateError> {
    if let Some((_, function)) = Function::ALL.iter().find(|(known, _)| *known == name) {
        return Ok(*function);
    }
    if GO_WORDS.contains(&name) {
        return Err(error(
            at,
            format!("`{name}` of Go's templates cannot be used in a cache key here"),
        ));
    }
    Err(TemplateError {
        unknown: Some(Unknown {
            name: name.to_owned(),
            known: FUNCTIONS,
        }),
        ..error(at, format!("there is no function `{name}` in cache keys"))
    })
}

fn field(name: &str, at: usize) -> Result<Field, TemplateError> {
    let found = match name {
        ".Branch" => Some(Field::Branch),
        ".BuildNum" => Some(Field::BuildNum),
        ".CheckoutKey" => Some(Field::CheckoutKey),
        ".Revision" => Some(Field::Revision),
        _ => name
            .strip_prefix(".Environment.")
            .filter(|variable| !variable.is_empty() && variable.chars().all(is_word))
            .map(|variable| Field::Environment(variable.to_owned())),
    };
    found.ok_or_else(|| TemplateError {
        unknown: Some(Unknown {
            name: name.to_owned(),
            known: FIELDS,
        }),
        ..error(at, format!("there is no value `{name}` in cache keys"))
    })
}

fn error(at: usize, message: impl Into<String>) -> TemplateError {
    TemplateError {
        at,
        message: message.into(),
        unknown: None,
    }
}
