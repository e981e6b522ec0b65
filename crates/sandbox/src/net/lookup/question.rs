//! Questions and answers of the name system as text and bytes: what is asked, whether a list allows it, which addresses
//! an answer leads to, and the short answers that need no server. Pure.

use std::net::Ipv4Addr;
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, RCODE, TYPE};

/// Bytes before the first question.
const HEADER: usize = 12;

/// A name that may be looked up: itself, or all below it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NameRule {
    /// In lower case, without a dot at its end.
    pub name: String,
    /// Whether the names below it are meant, and not itself.
    pub below: bool,
}

impl NameRule {
    pub(super) fn allows(&self, name: &str) -> bool {
        match name.strip_suffix(self.name.as_str()) {
            Some("") => !self.below,
            Some(before) => self.below && before.ends_with('.') && before.len() > 1,
            None => false,
        }
    }
}

/// What somebody asks.
pub(super) struct Question<'a> {
    message: &'a [u8],
    packet: Packet<'a>,
    name: Option<String>,
}

impl<'a> Question<'a> {
    /// Reads a message; `None` for what is no plain question.
    pub(super) fn parse(message: &'a [u8]) -> Option<Self> {
        let count = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        // Looked at first, because room is made for as many as the header promises.
        if count(4)? != 1 || count(6)? != 0 || count(8)? != 0 || count(10)? > 2 {
            return None;
        }
        let packet = Packet::parse(message).ok()?;
        if packet.has_flags(PacketFlag::RESPONSE) || packet.opcode() != OPCODE::StandardQuery {
            return None;
        }
        let name = host_name(&packet.questions.first()?.qname);
        Some(Self {
            message,
            packet,
            name,
        })
    }

    /// The name in lower case, if it is one that a host can have.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn is_for_ipv6(&self) -> bool {
        let asked = self.packet.questions.first().map(|question| question.qtype);
        matches!(asked, Some(QTYPE::TYPE(TYPE::AAAA)))
    }

    /// The message with another number.
    pub(super) fn numbered(&self, id: u16) -> Vec<u8> {
        let mut message = self.message.to_vec();
        message[..2].copy_from_slice(&id.to_be_bytes());
        message
    }

    /// A server's answer under the number that the question came with.
    pub(super) fn with_own_id(&self, mut answer: Vec<u8>) -> Vec<u8> {
        answer[..2].copy_from_slice(&self.message[..2]);
        answer
    }

    /// Whether a message answers this question, asked under `id`.
    pub(super) fn is_answered_by(&self, message: &[u8], id: u16) -> bool {
        let is_answer = message.len() >= HEADER && message[..2] == id.to_be_bytes() && message[2] & 0x80 != 0;
        // A server that cannot even read it may leave the question out; nothing else may.
        let asked = self.asked_bytes();
        is_answer
            && message
                .get(HEADER..HEADER + asked.len())
                .is_some_and(|echo| echo.eq_ignore_ascii_case(asked))
    }

    /// Name, type and class as they stand in the message.
    fn asked_bytes(&self) -> &[u8] {
        let rest = self.message.get(HEADER..).unwrap_or_default();
        let mut at = 0;
        while let Some(length) = rest.get(at).filter(|length| **length != 0) {
            at += usize::from(*length) + 1;
        }
        rest.get(..at + 5).unwrap_or(rest)
    }

    /// There is no such name.
    pub(super) fn no_such_name(&self) -> Vec<u8> {
        self.reply(RCODE::NameError)
    }

    /// The name has nothing of the kind.
    pub(super) fn nothing(&self) -> Vec<u8> {
        self.reply(RCODE::NoError)
    }

    /// No server could be asked.
    pub(super) fn failure(&self) -> Vec<u8> {
        self.reply(RCODE::ServerFailure)
    }

    fn reply(&self, code: RCODE) -> Vec<u8> {
        let mut reply = Packet::new_reply(self.packet.id());
        reply.set_flags(PacketFlag::RECURSION_AVAILABLE);
        if self.packet.has_flags(PacketFlag::RECURSION_DESIRED) {
            reply.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        *reply.rcode_mut() = code;
        reply.questions.clone_from(&self.packet.questions);
        reply.build_bytes_vec().unwrap_or_default()
    }
}

/// A server's answer.
pub(super) struct Answer {
    /// Addresses the question's name leads to, through aliases as they follow each other, and how long each is true.
    pub(super) addresses: Vec<(Ipv4Addr, Duration)>,
}

impl Answer {
    /// Reads a message that answers `question`; `None` when it cannot be read.
    pub(super) fn parse(message: &[u8], question: &Question<'_>) -> Option<Self> {
        let packet = Packet::parse(message).ok()?;
        let asked = question.packet.questions.first()?;
        if asked.qclass != QCLASS::CLASS(CLASS::IN) {
            return Some(Self {
                addresses: Vec::new(),
            });
        }
        let mut names: Vec<&Name<'_>> = vec![&asked.qname];
        let mut addresses = Vec::new();
        // Servers write a chain in its order, but nothing says they must: as many rounds as there are records.
        for _ in 0..=packet.answers.len() {
            let known = names.len();
            for record in &packet.answers {
                if let RData::CNAME(target) = &record.rdata
                    && record.class == CLASS::IN
                    && names.contains(&&record.name)
                    && !names.contains(&&target.0)
                {
                    names.push(&target.0);
                }
            }
            if names.len() == known {
                break;
            }
        }
        for record in &packet.answers {
            if let RData::A(found) = &record.rdata
                && record.class == CLASS::IN
                && names.contains(&&record.name)
            {
                addresses.push((found.address.into(), Duration::from_secs(record.ttl.into())));
            }
        }
        Some(Self { addresses })
    }
}

/// A name in lower case; `None` for one with letters that no host name has, such as a dot within a label.
fn host_name(name: &Name<'_>) -> Option<String> {
    let labels = name.as_bytes().map(|label| {
        let plain = label
            .iter()
            .all(|each| each.is_ascii_alphanumeric() || b"-_".contains(each));
        let text = std::str::from_utf8(label)
            .ok()
            .filter(|label| plain && !label.is_empty());
        text.map(str::to_ascii_lowercase)
    });
    let labels: Option<Vec<String>> = labels.collect();
    labels
        .filter(|labels| !labels.is_empty())
        .map(|labels| labels.join("."))
}

#[cfg(test)]
mod tests {
    use simple_dns::rdata::{A, CNAME};
    use simple_dns::{Label, Question as Asked, ResourceRecord};

    use super::*;

    fn rule(text: &str) -> NameRule {
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        NameRule {
            name: name.to_owned(),
            below,
        }
    }

    fn query(name: Name<'_>, kind: TYPE) -> Vec<u8> {
        let mut packet = Packet::new_query(7);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet.questions.push(Asked::new(
            name,
            QTYPE::TYPE(kind),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        packet.build_bytes_vec().expect("built")
    }

    fn plain(name: &str) -> Vec<u8> {
        query(Name::new_unchecked(name), TYPE::A)
    }

    #[test]
    fn rules_allow_the_name_or_what_is_below_it() {
        let cases = [
            ("a.example", "a.example", true),
            ("a.example", "b.a.example", false),
            ("a.example", "xa.example", false),
            ("*.a.example", "b.a.example", true),
            ("*.a.example", "c.b.a.example", true),
            ("*.a.example", "a.example", false),
            ("*.a.example", "xa.example", false),
            ("*.a.example", ".a.example", false),
            ("*.a.example", "a.example.evil", false),
        ];
        for (text, name, allowed) in cases {
            assert_eq!(rule(text).allows(name), allowed, "{text} {name}");
        }
    }

    #[test]
    fn a_question_is_read_in_lower_case() {
        let message = plain("Registry.Example.com");
        let question = Question::parse(&message).expect("a question");
        assert_eq!(question.name(), Some("registry.example.com"));
        assert!(!question.is_for_ipv6());
        let message = query(Name::new_unchecked("a.example"), TYPE::AAAA);
        assert!(Question::parse(&message).expect("a question").is_for_ipv6());
    }

    #[test]
    fn a_dot_within_a_label_makes_no_allowed_name() {
        let labels = [
            Label::new(r"x\.a".as_bytes()).expect("a label"),
            Label::new_unchecked(&b"example"[..]),
        ];
        let message = query(Name::new_with_labels(&labels), TYPE::A);
        assert_eq!(Question::parse(&message).expect("a question").name(), None);
    }

    #[test]
    fn what_is_no_question_gets_no_answer() {
        let good = plain("a.example");
        for length in 0..good.len() {
            assert!(Question::parse(&good[..length]).is_none(), "{length}");
        }
        for (at, value) in [(2, 0x80), (4, 1), (5, 2), (7, 1), (9, 1), (10, 255)] {
            let mut bad = good.clone();
            bad[at] |= value;
            if bad != good {
                assert!(Question::parse(&bad).is_none(), "{at}");
            }
        }
    }

    #[test]
    fn short_answers_repeat_the_question() {
        let message = plain("a.example");
        let question = Question::parse(&message).expect("a question");
        for (bytes, code) in [
            (question.no_such_name(), RCODE::NameError),
            (question.nothing(), RCODE::NoError),
            (question.failure(), RCODE::ServerFailure),
        ] {
            assert!(question.is_answered_by(&bytes, 7));
            assert!(!question.is_answered_by(&bytes, 8), "another number");
            let reply = Packet::parse(&bytes).expect("a reply");
            assert_eq!(
                (reply.rcode(), reply.questions.len(), reply.answers.len()),
                (code, 1, 0)
            );
        }
        let other = plain("b.example");
        let other = Question::parse(&other).expect("a question").nothing();
        assert!(!question.is_answered_by(&other, 7), "another question");
    }

    fn answered(records: &[(&str, &str)]) -> Vec<String> {
        let message = plain("a.example");
        let question = Question::parse(&message).expect("a question");
        let mut reply = Packet::new_reply(7);
        for (name, value) in records {
            let data = value.parse::<Ipv4Addr>().map_or_else(
                |_| RData::CNAME(CNAME(Name::new_unchecked(value))),
                |address| {
                    RData::A(A {
                        address: address.into(),
                    })
                },
            );
            reply.answers.push(ResourceRecord::new(
                Name::new_unchecked(name),
                CLASS::IN,
                30,
                data,
            ));
        }
        let bytes = reply.build_bytes_vec().expect("built");
        let answer = Answer::parse(&bytes, &question).expect("an answer");
        answer
            .addresses
            .iter()
            .map(|(address, _)| address.to_string())
            .collect()
    }

    #[test]
    fn addresses_are_those_the_chain_leads_to() {
        assert_eq!(
            answered(&[("A.example", "192.0.2.1"), ("a.example", "192.0.2.2")]),
            ["192.0.2.1", "192.0.2.2"]
        );
        let chain = [
            ("b.cdn.example", "192.0.2.3"),
            ("x.example", "b.cdn.example"),
            ("a.example", "x.example"),
        ];
        assert_eq!(answered(&chain), ["192.0.2.3"], "in any order");
        let smuggled = [
            ("a.example", "192.0.2.1"),
            ("evil.example", "198.51.100.9"),
            ("evil.example", "a.example"),
        ];
        assert_eq!(
            answered(&smuggled),
            ["192.0.2.1"],
            "another's address is not opened"
        );
        let circle = [("a.example", "b.example"), ("b.example", "a.example")];
        assert_eq!(answered(&circle), [""; 0]);
    }
}
