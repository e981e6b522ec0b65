//! Secrets out of output: every byte that belongs to an occurrence of a secret is replaced, occurrences that
//! overlap become one `****`, across any cutting of the output into chunks. Owns which values are masked at all
//! and the streaming replacement; knows nothing of steps. The step runner holds one [`MaskStream`] per step.
//!
//! Only bytes that could still become a secret are held back: the longest end of the output that begins one.

mod automaton;

use std::collections::VecDeque;
use std::rc::Rc;

use automaton::{Automaton, ROOT};

use crate::limits::{MASK_BYTES, MASK_CHARACTERS};

/// What stands in place of a secret.
pub const MASK: &[u8] = b"****";

/// The secrets of a job, ready to be searched for.
#[derive(Clone)]
pub struct Masks(Rc<Automaton>);

/// More secrets than can be searched for.
#[derive(Debug, PartialEq, Eq)]
pub struct TooManySecrets;

impl Masks {
    /// Takes the values that are to be masked. Values shorter than four characters and the words `true`, `True`,
    /// `false` and `False` are left alone, as they would shred every log.
    pub fn new<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, TooManySecrets> {
        let mut patterns: Vec<Vec<u8>> = values.into_iter().flat_map(forms).collect();
        patterns.sort();
        patterns.dedup();
        if patterns.iter().map(Vec::len).sum::<usize>() > MASK_BYTES {
            return Err(TooManySecrets);
        }
        Ok(Self(Rc::new(Automaton::new(&patterns))))
    }

    /// Masks nothing.
    pub fn none() -> Self {
        Self(Rc::new(Automaton::new(&[])))
    }

    /// Begins a new output.
    pub fn stream(&self) -> MaskStream {
        MaskStream {
            automaton: Rc::clone(&self.0),
            state: ROOT,
            held: Vec::new(),
            position: 0,
            secrets: VecDeque::new(),
        }
    }
}

/// The forms in which a value turns up: as it is, as a terminal prints its line ends, and without the line end
/// that files carry at their end and `$(…)` strips.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let stripped = value.strip_suffix(b"\n").unwrap_or(value);
    let stripped = stripped.strip_suffix(b"\r").unwrap_or(stripped);
    let mut forms = Vec::new();
    for form in [value, stripped] {
        if is_maskable(form) {
            forms.push(form.to_vec());
            forms.push(as_on_terminal(form));
        }
    }
    forms
}

fn is_maskable(value: &[u8]) -> bool {
    let characters = std::str::from_utf8(value).map_or(value.len(), |text| text.chars().count());
    characters >= MASK_CHARACTERS && !matches!(value, b"true" | b"True" | b"false" | b"False")
}

fn as_on_terminal(value: &[u8]) -> Vec<u8> {
    let mut form = Vec::with_capacity(value.len());
    let mut previous = 0;
    for &byte in value {
        if byte == b'\n' && previous != b'\r' {
            form.push(b'\r');
        }
        form.push(byte);
        previous = byte;
    }
    form
}

/// A run of secret bytes, in positions of the output.
struct Secret {
    start: u64,
    end: u64,
    /// Its mask is already out; what is left of it is only swallowed.
    shown: bool,
}

/// One output being masked.
pub struct MaskStream {
    automaton: Rc<Automaton>,
    state: u32,
    /// The bytes before `position` not yet released.
    held: Vec<u8>,
    position: u64,
    /// Runs that reach into `held`, ascending and apart.
    secrets: VecDeque<Secret>,
}

impl MaskStream {
    /// Takes a chunk, appends to `out` what is safe to show.
    pub fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        if self.automaton.is_empty() {
            out.extend_from_slice(chunk);
            return;
        }
        let automaton = Rc::clone(&self.automaton);
        let mut rest = chunk;
        while !rest.is_empty() {
            if self.state == ROOT {
                let harmless = rest
                    .iter()
                    .position(|byte| automaton.begins(*byte))
                    .unwrap_or(rest.len());
                let (skipped, after) = rest.split_at(harmless);
                self.held.extend_from_slice(skipped);
                self.position += skipped.len() as u64;
                rest = after;
            }
            let Some((&byte, after)) = rest.split_first() else {
                break;
            };
            rest = after;
            self.held.push(byte);
            self.position += 1;
            self.state = automaton.next(self.state, byte);
            let length = automaton.longest_match(self.state);
            if length > 0 {
                self.found(u64::from(length));
            }
        }
        self.release(self.position - u64::from(automaton.open(self.state)), out);
    }

    /// Ends the output: what was held back is no secret any more. The stream can be used again from the start.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.release(self.position, out);
        self.state = ROOT;
    }

    /// Goes on with other masks; what was held back is released under the old ones.
    pub fn replace(&mut self, masks: &Masks, out: &mut Vec<u8>) {
        self.finish(out);
        self.automaton = Rc::clone(&masks.0);
    }

    /// A secret of this length ends here: joins it with the runs it overlaps.
    fn found(&mut self, length: u64) {
        let mut joined = Secret {
            start: self.position - length,
            end: self.position,
            shown: false,
        };
        while let Some(last) = self.secrets.pop_back_if(|last| last.end > joined.start) {
            joined.shown |= last.shown;
            joined.start = joined.start.min(last.start);
        }
        self.secrets.push_back(joined);
    }

    /// Shows everything before `boundary`. No later match can begin there, so a run that begins there is final at
    /// its left and its mask can be shown; its right end may still grow.
    fn release(&mut self, boundary: u64, out: &mut Vec<u8>) {
        let base = self.position - self.held.len() as u64;
        let mut cursor = base;
        let index = |position: u64| usize::try_from(position - base).unwrap_or(self.held.len());
        while cursor < boundary {
            let Some(secret) = self.secrets.front_mut().filter(|secret| secret.start < boundary) else {
                out.extend_from_slice(&self.held[index(cursor)..index(boundary)]);
                cursor = boundary;
                break;
            };
            out.extend_from_slice(&self.held[index(cursor)..index(secret.start.max(cursor))]);
            if !secret.shown {
                out.extend_from_slice(MASK);
                secret.shown = true;
            }
            if secret.end <= boundary {
                cursor = secret.end;
                self.secrets.pop_front();
            } else {
                secret.start = boundary;
                cursor = boundary;
            }
        }
        let released = index(cursor);
        self.held.drain(..released);
    }
}

#[cfg(test)]
mod tests;
