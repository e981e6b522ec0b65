//! Splits text into what a terminal acts on. Sequences that are no colour and no erasing vanish; a line end or a
//! carriage return ends any sequence, so that a broken one costs its line and no more.

use crate::pages::limits::ESCAPE_CHARACTERS;

/// What the terminal acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A character for the next cell.
    Print(char),
    /// A control character as visible text.
    Show(String),
    /// End of the line.
    LineEnd,
    /// Back to the line's beginning.
    Return,
    /// One cell back.
    Back,
    /// Colours and such.
    Select(String),
    /// Erases after the cursor (0), before it (1) or all of the line (2).
    EraseLine(u8),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After ESC and an intermediate such as `(`: one more character.
    Intermediate,
    /// After `ESC [`.
    Control(String),
    /// Inside OSC, DCS, SOS, PM, APC: until BEL or ESC `\`. How much was dropped.
    Text(usize),
    /// After ESC inside one of these.
    TextEscape,
}

/// The splitter.
#[derive(Debug, Default)]
pub(super) struct Parser(Mode);

impl Parser {
    /// What this character completes.
    pub(super) fn next(&mut self, character: char) -> Option<Token> {
        if matches!(character, '\n' | '\r') {
            self.0 = Mode::Ground;
            let end = character == '\n';
            return Some(if end { Token::LineEnd } else { Token::Return });
        }
        match std::mem::take(&mut self.0) {
            Mode::Ground => self.ground(character),
            Mode::Intermediate => {
                if matches!(character, ' '..='/') {
                    self.0 = Mode::Intermediate;
                }
                None
            }
            Mode::Control(sequence) => self.control(sequence, character),
            Mode::Text(dropped) => {
                match character {
                    '\u{7}' | '\u{9c}' => {}
                    '\u{1b}' => self.0 = Mode::TextEscape,
                    _ if dropped < ESCAPE_CHARACTERS * 16 => self.0 = Mode::Text(dropped + 1),
                    _ => {}
                }
                None
            }
            Mode::TextEscape if character == '\\' => None,
            // Any other escape ends such a text and is one of its own.
            Mode::Escape | Mode::TextEscape => self.escape(character),
        }
    }

    fn ground(&mut self, character: char) -> Option<Token> {
        match character {
            '\u{1b}' => self.0 = Mode::Escape,
            '\u{9b}' => self.0 = Mode::Control(String::new()),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => self.0 = Mode::Text(0),
            '\u{8}' => return Some(Token::Back),
            '\t' => return Some(Token::Print('\t')),
            // The bell and the filling of old printers mean nothing here.
            '\u{7}' | '\0' => {}
            '\u{1}'..='\u{1f}' => {
                let picture = char::from_u32(0x2400 + u32::from(character));
                return Some(Token::Print(picture.unwrap_or('\u{fffd}')));
            }
            '\u{7f}' => return Some(Token::Print('\u{2421}')),
            '\u{80}'..='\u{9f}' => return Some(Token::Print('\u{fffd}')),
            // They turn the order of text around, so that a line reads as what it is not, or break lines in browsers.
            '\u{61c}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}' => {
                return Some(Token::Show(format!("⟨U+{:04X}⟩", u32::from(character))));
            }
            _ => return Some(Token::Print(character)),
        }
        None
    }

    fn escape(&mut self, character: char) -> Option<Token> {
        match character {
            '[' => self.0 = Mode::Control(String::new()),
            ']' | 'P' | 'X' | '^' | '_' => self.0 = Mode::Text(0),
            ' '..='/' => self.0 = Mode::Intermediate,
            '\u{1b}' => self.0 = Mode::Escape,
            _ => {}
        }
        None
    }

    fn control(&mut self, mut sequence: String, character: char) -> Option<Token> {
        match character {
            '\u{1b}' => self.0 = Mode::Escape,
            ' '..='?' if sequence.len() < ESCAPE_CHARACTERS => {
                sequence.push(character);
                self.0 = Mode::Control(sequence);
            }
            'm' if sequence.bytes().all(|byte| matches!(byte, b'0'..=b';')) => {
                return Some(Token::Select(sequence));
            }
            'K' => {
                let what = match sequence.as_str() {
                    "" | "0" => 0,
                    "1" => 1,
                    "2" => 2,
                    _ => return None,
                };
                return Some(Token::EraseLine(what));
            }
            _ => {}
        }
        None
    }
}
