//! Where the cursor stands in text that is being typed. Reads lines and their indentation, never a tree: the line under
//! the cursor is seldom sound YAML. Knows blocks, lists, brackets on one line or more, and block texts.

use std::ops::Range;

use crate::expressions;
use crate::limits::MAX_LINES_ABOVE;
use crate::text::Text;

/// One step of the way from the top to a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Key(String),
    Item,
}

/// What is being typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typing {
    /// A key of the map at the path, or its whole value: nothing stands before it on its line.
    Start,
    /// An item of the list at the path, after its dash or in brackets.
    Item,
    /// The value of the path's last key.
    Value,
    /// A key inside braces.
    FlowKey,
    /// A name inside `<< >>`.
    Expression,
    /// The name after `*`.
    Alias,
    /// Text that nobody can help with.
    Text,
}

/// The place of the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) path: Vec<Segment>,
    pub(crate) typing: Typing,
    /// The bytes of the word under the cursor.
    pub(crate) word: Range<usize>,
    /// Whether a `:` stands behind the word already.
    pub(crate) has_colon: bool,
    /// The keys that stand beside it.
    pub(crate) siblings: Vec<String>,
}

/// A dash or a key with its column.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Dash(usize),
    Key(usize, String),
}

/// A line taken apart: its dashes and its key, and where its value begins.
struct Line {
    tokens: Vec<Token>,
    rest: usize,
}

impl Token {
    fn column(&self) -> usize {
        match self {
            Self::Dash(column) | Self::Key(column, _) => *column,
        }
    }

    fn segment(&self) -> Segment {
        match self {
            Self::Dash(_) => Segment::Item,
            Self::Key(_, name) => Segment::Key(name.clone()),
        }
    }

    /// Whether this is what something at a column stands below. A list may stand at the column of its key.
    fn holds(&self, column: usize, dash: bool) -> bool {
        match self {
            Self::Dash(own) => *own < column,
            Self::Key(own, _) => *own < column || (*own == column && dash),
        }
    }
}

/// Finds the place of a byte.
pub(crate) fn at(text: &Text, offset: usize) -> Cursor {
    let number = text.line_of(offset);
    let range = text.line_range(number).unwrap_or(offset..offset);
    let line = text.line(number);
    let column = (offset - range.start).min(line.len());
    let before = &line[..column];
    let parts = take_apart(before);
    let above = above(text, number, &parts, column);
    let flow_start = above.flow.map(|(line, column)| start_of(text, line) + column);
    let own_flow = line[parts.rest.min(column)..]
        .starts_with(['[', '{'])
        .then_some(range.start + parts.rest);
    let mut path = above.path;
    if above.flow.is_none() {
        path.extend(parts.tokens.iter().map(Token::segment));
    }
    let (mut typing, mut start) = match parts.tokens.last() {
        None => (Typing::Start, range.start + parts.rest),
        Some(Token::Dash(_)) => (Typing::Item, range.start + parts.rest),
        Some(Token::Key(..)) => (Typing::Value, range.start + parts.rest),
    };
    if let Some(flow) = flow_start.or(own_flow)
        && let Some(inside) = flow_place(&text.source()[flow..offset])
    {
        path.extend(inside.path);
        typing = inside.typing;
        start = flow + inside.start;
    }
    if above.block_text || is_block_header(&line[parts.rest.min(column)..]) {
        typing = Typing::Text;
    }
    if typing == Typing::Item {
        // The item's own place: what is typed stands in it.
        path.truncate(path.len());
    }
    let word_text = text.source().get(start..offset).unwrap_or("");
    let quoted = word_text.starts_with(['"', '\'']);
    let start = if quoted { start + 1 } else { start };
    let mut cursor = Cursor {
        path,
        typing,
        word: start.min(offset)..word_end(text, offset, range.end),
        has_colon: false,
        siblings: Vec::new(),
    };
    refine(&mut cursor, text, offset, before);
    if matches!(cursor.typing, Typing::Start | Typing::Item) && flow_start.or(own_flow).is_none() {
        let own_column = start - range.start;
        cursor.siblings = siblings(text, number, own_column, parts.tokens.is_empty());
    }
    let behind = text.source().get(cursor.word.end..range.end).unwrap_or("");
    cursor.has_colon = behind.trim_start_matches(['"', '\'']).starts_with(':');
    cursor
}

/// Expressions, aliases and comments, whatever stands around them.
fn refine(cursor: &mut Cursor, text: &Text, offset: usize, before: &str) {
    if let Some(word) = expressions::typing(before) {
        cursor.typing = Typing::Expression;
        let end = text.source()[offset..]
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')))
            .map_or(text.source().len(), |end| offset + end);
        cursor.word = offset - word.len()..end;
        return;
    }
    if cursor.typing == Typing::Text {
        return;
    }
    if in_comment(before) {
        cursor.typing = Typing::Text;
        return;
    }
    let typed = text.source().get(cursor.word.start..offset).unwrap_or("");
    if typed.starts_with('*') {
        cursor.typing = Typing::Alias;
        cursor.word.start += 1;
    } else if let Some(rest) = typed.strip_prefix('&') {
        // After an anchor's name the value begins.
        match rest.find(' ') {
            Some(blank) => cursor.word.start += blank + 2,
            None => cursor.typing = Typing::Text,
        }
    }
}

/// What the lines above say.
#[derive(Default)]
struct Above {
    path: Vec<Segment>,
    /// Inside a text that `|` or `>` began.
    block_text: bool,
    /// Where an open bracket begins: line and column.
    flow: Option<(usize, usize)>,
}

fn above(text: &Text, number: usize, parts: &Line, column: usize) -> Above {
    let mut found = Above::default();
    let mut reversed: Vec<Segment> = Vec::new();
    let (mut limit, mut dash) = match parts.tokens.first() {
        Some(token) => (token.column(), matches!(token, Token::Dash(_))),
        None => (parts.rest.min(column), false),
    };
    let first = number.saturating_sub(MAX_LINES_ABOVE);
    for line in (first..number).rev() {
        if limit == 0 && !dash {
            break;
        }
        let source = text.line(line);
        let content = source.trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let parts = take_apart(source);
        for (at, token) in parts.tokens.iter().enumerate().rev() {
            if !token.holds(limit, dash) {
                continue;
            }
            let value = &source[parts.rest..];
            let last = at + 1 == parts.tokens.len();
            if last && is_block_header(value) {
                found.block_text = true;
            }
            let opens = last && value.starts_with(['[', '{']) && found.flow.is_none();
            if opens && is_open(text, line, parts.rest, number, column) {
                found.flow = Some((line, parts.rest));
                reversed.clear();
                found.block_text = false;
            }
            reversed.push(token.segment());
            (limit, dash) = (token.column(), matches!(token, Token::Dash(_)));
        }
    }
    reversed.reverse();
    found.path = reversed;
    found
}

fn start_of(text: &Text, line: usize) -> usize {
    text.line_range(line).map_or(0, |range| range.start)
}

fn is_open(text: &Text, line: usize, column: usize, number: usize, cursor: usize) -> bool {
    let start = start_of(text, line) + column;
    let end = start_of(text, number) + cursor;
    text.source()
        .get(start..end)
        .is_some_and(|inside| flow_place(inside).is_some())
}

/// Dashes and the key that a line begins with.
fn take_apart(line: &str) -> Line {
    let bytes = line.as_bytes();
    let mut at = 0;
    let mut tokens = Vec::new();
    loop {
        while bytes.get(at) == Some(&b' ') {
            at += 1;
        }
        let dash = bytes.get(at) == Some(&b'-') && matches!(bytes.get(at + 1), None | Some(b' '));
        if !dash {
            break;
        }
        // `---` begins a document; a lone dash begins an item.
        tokens.push(Token::Dash(at));
        at += 1;
    }
    let mut rest = at;
    if let Some((name, after)) = key(&line[at..]) {
        tokens.push(Token::Key(at, name));
        rest = at + after;
        while bytes.get(rest) == Some(&b' ') {
            rest += 1;
        }
    }
    Line { tokens, rest }
}

/// The key a text begins with, and where the text after its colon begins.
fn key(text: &str) -> Option<(String, usize)> {
    let skipped = if text.starts_with('&') {
        text.find(' ').map_or(0, |at| at + 1)
    } else {
        0
    };
    let rest = &text[skipped..];
    let first = rest.chars().next()?;
    if matches!(first, '[' | '{' | '#' | '|' | '>' | '*' | '&') {
        return None;
    }
    if matches!(first, '"' | '\'') {
        let end = rest[1..].find(first)? + 1;
        let after = rest[end + 1..].trim_start_matches(' ');
        let colon = rest.len() - after.len();
        let ends = after == ":" || after.starts_with(": ");
        return ends.then(|| (rest[1..end].to_owned(), skipped + colon + 1));
    }
    let mut from = 0;
    while let Some(colon) = rest[from..].find(':').map(|at| from + at) {
        let after = rest.as_bytes().get(colon + 1);
        if matches!(after, None | Some(b' ')) {
            let name = rest[..colon].trim_end();
            let is_key = !name.is_empty() && !name.contains(" #");
            return is_key.then(|| (name.to_owned(), skipped + colon + 1));
        }
        from = colon + 1;
    }
    None
}

/// `|` and `>` with their signs, after an anchor perhaps, and nothing else but a comment.
fn is_block_header(value: &str) -> bool {
    let value = match value.strip_prefix(['&', '!']) {
        Some(rest) => rest.split_once(' ').map_or("", |(_, rest)| rest).trim_start(),
        None => value,
    };
    let Some(signs) = value.strip_prefix(['|', '>']) else {
        return false;
    };
    let signs = signs.split('#').next().unwrap_or_default().trim_end();
    signs.len() <= 2
        && signs
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, '+' | '-'))
}

/// A place inside brackets.
struct Inside {
    path: Vec<Segment>,
    typing: Typing,
    /// Where the word begins, in the text that was looked at.
    start: usize,
}

struct Bracket {
    list: bool,
    key: Option<String>,
    start: usize,
}

/// Reads text that begins with a bracket up to the cursor; nothing when all brackets are closed again.
fn flow_place(text: &str) -> Option<Inside> {
    let mut open: Vec<Bracket> = Vec::new();
    let mut quote: Option<char> = None;
    let mut previous = ' ';
    for (at, c) in text.char_indices() {
        let next = at + c.len_utf8();
        if let Some(mark) = quote {
            if c == mark {
                quote = None;
            }
            previous = c;
            continue;
        }
        match c {
            '"' | '\'' if matches!(previous, ' ' | '[' | '{' | ',' | ':' | '\n') => quote = Some(c),
            '[' | '{' => open.push(Bracket {
                list: c == '[',
                key: None,
                start: next,
            }),
            ']' | '}' => {
                open.pop();
                if open.is_empty() {
                    return None;
                }
            }
            ',' => {
                let bracket = open.last_mut()?;
                bracket.key = None;
                bracket.start = next;
            }
            ':' if text[next..].starts_with([' ', '\n']) || text[next..].is_empty() => {
                let bracket = open.last_mut()?;
                let name = text[bracket.start..at].trim().trim_matches(['"', '\'']);
                bracket.key = Some(name.to_owned());
                bracket.start = next;
            }
            _ => {}
        }
        previous = c;
    }
    let last = open.last()?;
    let typing = match (last.list, &last.key) {
        (_, Some(_)) => Typing::Value,
        (true, None) => Typing::Item,
        (false, None) => Typing::FlowKey,
    };
    let blank = text[last.start..].len() - text[last.start..].trim_start().len();
    let mut path = Vec::new();
    for bracket in &open {
        if bracket.list {
            path.push(Segment::Item);
        }
        path.extend(bracket.key.clone().map(Segment::Key));
    }
    Some(Inside {
        path,
        typing,
        start: last.start + blank,
    })
}

/// The end of the word that the cursor stands in.
fn word_end(text: &Text, offset: usize, line_end: usize) -> usize {
    let rest = text.source().get(offset..line_end).unwrap_or("");
    let stop = |c: char| c.is_whitespace() || matches!(c, ':' | ',' | ']' | '}' | '"' | '\'' | '#');
    offset + rest.find(stop).unwrap_or(rest.len())
}

/// Whether the cursor is behind the `#` of a comment.
fn in_comment(before: &str) -> bool {
    let mut quote: Option<char> = None;
    let mut previous = ' ';
    for c in before.chars() {
        match (quote, c) {
            (Some(mark), c) if c == mark => quote = None,
            (None, '"' | '\'') if matches!(previous, ' ' | '[' | '{' | ',') => quote = Some(c),
            (None, '#') if previous == ' ' => return true,
            (Some(_) | None, _) => {}
        }
        previous = c;
    }
    false
}

/// The keys at a column in the map around a line.
fn siblings(text: &Text, number: usize, column: usize, begins_line: bool) -> Vec<String> {
    let mut found = Vec::new();
    let key_at = |line: usize| -> Option<(Option<String>, bool)> {
        let source = text.line(line);
        let content = source.trim_start();
        if content.is_empty() || content.starts_with('#') {
            return Some((None, true));
        }
        let parts = take_apart(source);
        let indent = source.len() - content.len();
        let key = parts.tokens.iter().find_map(|token| match token {
            Token::Key(own, name) if *own == column => Some(name.clone()),
            Token::Key(..) | Token::Dash(_) => None,
        });
        // A line that begins further left ends the map, after it has given the first key of a list's item.
        if indent < column {
            return key.map(|key| (Some(key), false));
        }
        Some((key, true))
    };
    if begins_line {
        let first = number.saturating_sub(MAX_LINES_ABOVE);
        for line in (first..number).rev() {
            let Some((key, goes_on)) = key_at(line) else { break };
            found.extend(key);
            if !goes_on {
                break;
            }
        }
    }
    for line in number + 1..text.lines() {
        match key_at(line) {
            Some((key, true)) => found.extend(key),
            Some((_, false)) | None => break,
        }
    }
    found
}

#[cfg(test)]
mod tests;
