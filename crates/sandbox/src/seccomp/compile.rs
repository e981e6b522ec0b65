//! From rule files to BPF, at build time: `build.rs` includes this file and writes the programs down as constants.
//!
//! Verdicts are looked up by binary search over ranges of numbers with equal verdicts, one tree per architecture;
//! conditions on arguments sit at the leaves. The kernel remembers which numbers are allowed whatever their
//! arguments, so those cost a job nothing.

use std::collections::BTreeMap;

/// One BPF instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jt: u8,
    pub(crate) jf: u8,
    pub(crate) k: u32,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allow,
    Errno(u16),
    /// Allowed if any condition holds, EPERM otherwise.
    When(Vec<Condition>),
}

/// A test on the lower half of an argument. The kernel takes the arguments that rules name as 32-bit integers, so
/// looking at the upper half would let `socket(1 << 32 | AF_ALG)` pass for another family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) argument: u32,
    pub(crate) test: Test,
    pub(crate) value: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    Less,
    Equal,
    Greater,
    /// No bit of the value is set in the argument.
    Clear,
}

pub(crate) const LD_ABS: u16 = 0x20;
pub(crate) const JA: u16 = 0x05;
pub(crate) const JEQ: u16 = 0x15;
pub(crate) const JGT: u16 = 0x25;
pub(crate) const JGE: u16 = 0x35;
pub(crate) const JSET: u16 = 0x45;
pub(crate) const RET: u16 = 0x06;

pub(crate) const RET_ALLOW: u32 = 0x7fff_0000;
pub(crate) const RET_ERRNO: u32 = 0x0005_0000;
pub(crate) const RET_KILL: u32 = 0x8000_0000;

pub(crate) const ARCH_X86_64: u32 = 0xc000_003e;
pub(crate) const ARCH_I386: u32 = 0x4000_0003;
/// Numbers from here on are the x32 interface, which shares its architecture code with x86_64.
pub(crate) const X32: u32 = 0x4000_0000;

pub(crate) const EPERM: u16 = 1;
pub(crate) const ENOSYS: u16 = 38;

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// Verdicts of one architecture, by number; what is missing answers EPERM up to the newest known number and ENOSYS
/// above it, so that programs probing for newer calls fall back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) verdicts: BTreeMap<u32, Verdict>,
    pub(crate) newest: u32,
}

impl Table {
    pub(crate) fn verdict(&self, number: u32) -> Verdict {
        if number > self.newest {
            return Verdict::Errno(ENOSYS);
        }
        self.verdicts
            .get(&number)
            .cloned()
            .unwrap_or(Verdict::Errno(EPERM))
    }
}

/// Reads rule files; all rules for a name in a later file replace those of an earlier one. `names` are the texts of the
/// name files, in the order of the result. A name that no architecture knows is an error.
pub(crate) fn tables<const N: usize>(files: &[&str], architectures: [&str; N]) -> Result<[Table; N], String> {
    let names = architectures.map(parse_names);
    let mut merged: BTreeMap<&str, Vec<Rule<'_>>> = BTreeMap::new();
    for file in files {
        let mut this: BTreeMap<&str, Vec<Rule<'_>>> = BTreeMap::new();
        for line in content(file) {
            let rule = parse_rule(line).ok_or_else(|| format!("not a rule: {line}"))?;
            if !names.iter().any(|known| known.contains_key(rule.name)) {
                return Err(format!("no architecture knows {}", rule.name));
            }
            this.entry(rule.name).or_default().push(rule);
        }
        merged.extend(this);
    }
    Ok(names.map(|known| {
        let mut verdicts = BTreeMap::new();
        for (name, rules) in &merged {
            if let (Some(number), Some(first)) = (known.get(*name), rules.first()) {
                let conditions: Vec<Condition> = rules.iter().filter_map(|rule| rule.condition).collect();
                let verdict = if conditions.is_empty() {
                    first.verdict.clone()
                } else {
                    Verdict::When(conditions)
                };
                verdicts.insert(*number, verdict);
            }
        }
        Table {
            verdicts,
            newest: known.values().copied().max().unwrap_or_default(),
        }
    }))
}

struct Rule<'a> {
    name: &'a str,
    verdict: Verdict,
    condition: Option<Condition>,
}

fn content(file: &str) -> impl Iterator<Item = &str> {
    file.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Lines of `number name`.
pub(crate) fn parse_names(text: &str) -> BTreeMap<&str, u32> {
    let pairs = content(text).filter_map(|line| line.split_once(' '));
    pairs
        .filter_map(|(number, name)| Some((name, number.parse().ok()?)))
        .collect()
}

/// `allow NAME [if argN <|==|> V | if argN & V == 0]` or `errno E NAME`
fn parse_rule(line: &str) -> Option<Rule<'_>> {
    let words: Vec<&str> = line.split(' ').collect();
    let (verdict, rest) = match words.as_slice() {
        ["allow", rest @ ..] => (Verdict::Allow, rest),
        ["errno", code, rest @ ..] => (Verdict::Errno(code.parse().ok()?), rest),
        _ => return None,
    };
    let (name, rest) = rest.split_first()?;
    let condition = match rest {
        [] => None,
        ["if", argument, "&", mask, "==", "0"] => Some(condition(argument, Test::Clear, mask)?),
        ["if", argument, test, value] => {
            let test = match *test {
                "<" => Test::Less,
                "==" => Test::Equal,
                ">" => Test::Greater,
                _ => return None,
            };
            Some(condition(argument, test, value)?)
        }
        _ => return None,
    };
    // A condition qualifies permission only.
    (condition.is_none() || verdict == Verdict::Allow).then_some(Rule {
        name,
        verdict,
        condition,
    })
}

fn condition(argument: &str, test: Test, value: &str) -> Option<Condition> {
    let argument = argument
        .strip_prefix("arg")?
        .parse()
        .ok()
        .filter(|argument| *argument < 6)?;
    let value = match value.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => value.parse().ok()?,
    };
    Some(Condition {
        argument,
        test,
        value,
    })
}

/// The whole filter. An architecture that is neither is not one this kernel runs: the process is killed.
pub(crate) fn program(x86_64: &Table, i386: &Table) -> Vec<Instruction> {
    let mut native = vec![
        load(NUMBER),
        jump(JGE, X32, 0, 1),
        ret(RET_ERRNO | u32::from(ENOSYS)),
    ];
    native.extend(search(&ranges(x86_64)));
    let mut compatible = vec![load(NUMBER)];
    compatible.extend(search(&ranges(i386)));

    let mut program = vec![load(ARCH), jump(JEQ, ARCH_X86_64, 1, 0), skip(native.len())];
    program.extend(native);
    program.extend([jump(JEQ, ARCH_I386, 1, 0), ret(RET_KILL)]);
    program.extend(compatible);
    program
}

/// First numbers of ranges with equal verdicts.
fn ranges(table: &Table) -> Vec<(u32, Verdict)> {
    let mut ranges: Vec<(u32, Verdict)> = Vec::new();
    for number in 0..=table.newest + 1 {
        let verdict = table.verdict(number);
        if ranges.last().is_none_or(|(_, last)| *last != verdict) {
            ranges.push((number, verdict));
        }
    }
    ranges
}

fn search(ranges: &[(u32, Verdict)]) -> Vec<Instruction> {
    if let [(_, verdict)] = ranges {
        return leaf(verdict);
    }
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let Some((first, _)) = upper.first() else {
        return leaf(&Verdict::Errno(EPERM));
    };
    let (below, above) = (search(lower), search(upper));
    // Conditional jumps reach 255 instructions.
    let mut code = match u8::try_from(below.len()) {
        Ok(distance) => vec![jump(JGE, *first, distance, 0)],
        Err(_) => vec![jump(JGE, *first, 0, 1), skip(below.len())],
    };
    code.extend(below);
    code.extend(above);
    code
}

fn leaf(verdict: &Verdict) -> Vec<Instruction> {
    match verdict {
        Verdict::Allow => vec![ret(RET_ALLOW)],
        Verdict::Errno(code) => vec![ret(RET_ERRNO | u32::from(*code))],
        Verdict::When(conditions) => {
            let mut code = Vec::new();
            for Condition {
                argument,
                test,
                value,
            } in conditions
            {
                code.push(load(ARGUMENTS + 8 * argument));
                code.push(match test {
                    Test::Less => jump(JGE, *value, 1, 0),
                    Test::Equal => jump(JEQ, *value, 0, 1),
                    Test::Greater => jump(JGT, *value, 0, 1),
                    Test::Clear => jump(JSET, *value, 1, 0),
                });
                code.push(ret(RET_ALLOW));
            }
            code.push(ret(RET_ERRNO | u32::from(EPERM)));
            code
        }
    }
}

fn load(offset: u32) -> Instruction {
    Instruction {
        code: LD_ABS,
        jt: 0,
        jf: 0,
        k: offset,
    }
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

fn skip(count: usize) -> Instruction {
    Instruction {
        code: JA,
        jt: 0,
        jf: 0,
        k: u32::try_from(count).unwrap_or(u32::MAX),
    }
}

fn ret(value: u32) -> Instruction {
    Instruction {
        code: RET,
        jt: 0,
        jf: 0,
        k: value,
    }
}
