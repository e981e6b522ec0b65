//! What jobs may reach outside: everything that is not closed to all jobs, nothing, or a list of names and addresses.
//! Owns the list's text form and says at which line and column an entry is wrong. Pure; the control plane keeps it by
//! project, the agent enforces it.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::EGRESS_LIST_ENTRIES;

/// What a project's jobs may reach. As JSON it is `"allow"`, `"deny"` or an array of entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EgressPolicy {
    /// The outside world; never private or link-local networks, the machine itself or other jobs.
    #[default]
    Allow,
    /// Nothing but the project's own repository.
    Deny,
    /// Of what `Allow` reaches, these alone.
    List(Vec<EgressEntry>),
}

/// One entry of a list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EgressEntry {
    /// A host name in lower case without a dot at its end, and whatever addresses it has.
    Name {
        /// The name.
        name: String,
        /// Whether all names below it are meant instead of the name itself: `*.example.com`.
        below: bool,
    },
    /// An IPv4 address, or a block of them.
    Block {
        /// Its lowest address.
        first: Ipv4Addr,
        /// Bits that its addresses have in common, 0 to 32.
        prefix: u8,
    },
}

/// Why a text is not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// It has a scheme, a path or the like.
    #[error("a host name or an address is wanted, not a URL: write {0}")]
    Url(String),
    /// It has a port.
    #[error("an entry opens every port: leave :{0} out")]
    Port(String),
    /// A star that is not the whole first part.
    #[error(
        "`*` stands only at the beginning and for whole names, as in *.example.com; to reach everything choose `allow`"
    )]
    Star,
    /// Letters beyond those of the name system.
    #[error("a name is written in ASCII; its international form begins with xn--")]
    NotAscii,
    /// A character or a length that no host name has.
    #[error(
        "that is neither a host name nor an IPv4 address or block: write example.com, *.example.com, 192.0.2.7 or 192.0.2.0/24"
    )]
    Form,
    /// Bits are set to the right of the prefix.
    #[error("it has bits beyond its prefix length: the block that holds it is {0}")]
    Bits(EgressEntry),
    /// An IPv6 address or block.
    #[error("jobs have no IPv6 network: write the IPv4 address, or the host's name")]
    Ipv6,
    /// No job reaches it under any policy.
    #[error("that is {0}, which is closed to every job")]
    Closed(&'static str),
}

/// An entry of a list that is wrong, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// In a text.
    #[error("line {line}, column {column}: `{entry}`: {source}")]
    Text {
        /// From 1.
        line: usize,
        /// In characters, from 1.
        column: usize,
        /// As it was given.
        entry: String,
        /// What is wrong.
        source: EntryError,
    },
    /// In an array.
    #[error("entry {number}, `{entry}`: {source}")]
    Item {
        /// From 1.
        number: usize,
        /// As it was given.
        entry: String,
        /// What is wrong.
        source: EntryError,
    },
    /// Nothing is on it.
    #[error("the list is empty: write a name or an address, or choose `deny`")]
    Empty,
    /// More than an agent should carry.
    #[error("the list has {0} entries; {EGRESS_LIST_ENTRIES} are possible: use blocks and *.example.com")]
    Long(usize),
}

impl EgressPolicy {
    /// A list out of a text: entries by line, space or comma; what follows `#` is a remark.
    pub fn parse_list(text: &str) -> Result<Self, ListError> {
        let mut entries = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let said = line.split('#').next().unwrap_or_default();
            let mut column = 1;
            for word in said.split([' ', '\t', '\r', ',']) {
                if !word.is_empty() {
                    entries.push(word.parse().map_err(|source| ListError::Text {
                        line: number + 1,
                        column,
                        entry: word.to_owned(),
                        source,
                    })?);
                }
                column += word.chars().count() + 1;
            }
        }
        Self::of(entries)
    }

    /// A list out of its entries.
    pub fn from_items<S: AsRef<str>>(items: &[S]) -> Result<Self, ListError> {
        let entries = items.iter().enumerate().map(|(at, item)| {
            let entry = item.as_ref().trim();
            entry.parse().map_err(|source| ListError::Item {
                number: at + 1,
                entry: entry.to_owned(),
                source,
            })
        });
        Self::of(entries.collect::<Result<_, _>>()?)
    }

    fn of(mut entries: Vec<EgressEntry>) -> Result<Self, ListError> {
        let mut seen = std::collections::BTreeSet::new();
        entries.retain(|entry| seen.insert(entry.clone()));
        match entries.len() {
            0 => Err(ListError::Empty),
            long if long > EGRESS_LIST_ENTRIES => Err(ListError::Long(long)),
            _ => Ok(Self::List(entries)),
        }
    }

    /// `allow`, `deny` or `list`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::List(_) => "list",
        }
    }

    /// The entries of a list, one a line; nothing otherwise.
    #[must_use]
    pub fn lines(&self) -> String {
        match self {
            Self::Allow | Self::Deny => String::new(),
            Self::List(entries) => {
                let lines: Vec<String> = entries.iter().map(ToString::to_string).collect();
                lines.join("\n") + "\n"
            }
        }
    }
}

impl fmt::Display for EgressEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name, below: false } => f.write_str(name),
            Self::Name { name, below: true } => write!(f, "*.{name}"),
            Self::Block { first, prefix: 32 } => write!(f, "{first}"),
            Self::Block { first, prefix } => write!(f, "{first}/{prefix}"),
        }
    }
}

impl FromStr for EgressEntry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split(['/', ':', '?']).next().unwrap_or_default();
            return Err(EntryError::Url(host.to_owned()));
        }
        let address = text.split('/').next().unwrap_or_default();
        let bare = address.trim_start_matches('[').trim_end_matches(']');
        if bare.parse::<Ipv6Addr>().is_ok() {
            return Err(EntryError::Ipv6);
        }
        if let Some((_, port)) = text.rsplit_once(':') {
            return Err(EntryError::Port(port.to_owned()));
        }
        if let Ok(address) = address.parse() {
            return block(address, text);
        }
        if text.contains('/') {
            return Err(EntryError::Url(address.to_owned()));
        }
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.contains('*') {
            return Err(EntryError::Star);
        }
        if !name.is_ascii() {
            return Err(EntryError::NotAscii);
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let numeric = |label: &str| label.bytes().all(|each| each.is_ascii_digit());
        let last_is_number = name.rsplit('.').next().is_some_and(numeric);
        if name.len() > 253 || last_is_number || !name.split('.').all(is_label) {
            return Err(EntryError::Form);
        }
        if name == "localhost" || name.ends_with(".localhost") {
            return Err(EntryError::Closed(
                "the job itself, which needs no entry, or the machine",
            ));
        }
        Ok(Self::Name { name, below })
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|each| each.is_ascii_alphanumeric() || b"-_".contains(&each))
}

fn block(address: Ipv4Addr, text: &str) -> Result<EgressEntry, EntryError> {
    let prefix = match text.split_once('/') {
        Some((_, prefix)) => prefix.parse().ok().filter(|prefix| *prefix <= 32),
        None => Some(32),
    };
    let prefix: u8 = prefix.ok_or(EntryError::Form)?;
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    let first = Ipv4Addr::from(u32::from(address) & mask);
    let meant = EgressEntry::Block { first, prefix };
    if first != address {
        return Err(EntryError::Bits(meant));
    }
    let last = Ipv4Addr::from(u32::from(first) | !mask);
    match (closed(first), closed(last)) {
        (Some(one), Some(other)) if one == other => Err(EntryError::Closed(one)),
        _ => Ok(meant),
    }
}

/// What an address belongs to that is not the outside world.
fn closed(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, ..) => Some("no address of a host"),
        (127, ..) => Some("the job itself, which needs no entry"),
        (169, 254, _) => Some("link-local, where clouds keep credentials"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("a private network"),
        (100, 64..=127, _) => Some("shared address space"),
        (192, 0, 0) | (198, 18..=19, _) => Some("set aside for the network's own use"),
        (224..=239, ..) => Some("multicast"),
        (240.., ..) => Some("set aside"),
        _ => None,
    }
}

impl Serialize for EgressEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for EgressPolicy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Allow | Self::Deny => serializer.serialize_str(self.word()),
            Self::List(entries) => entries.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for EgressPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            List(Vec<String>),
        }
        match Form::deserialize(deserializer) {
            Ok(Form::Word(word)) if word == "allow" => Ok(Self::Allow),
            Ok(Form::Word(word)) if word == "deny" => Ok(Self::Deny),
            Ok(Form::List(items)) => Self::from_items(&items).map_err(serde::de::Error::custom),
            Ok(Form::Word(_)) | Err(_) => Err(serde::de::Error::custom(
                "egress is \"allow\", \"deny\" or an array of names and addresses",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        EgressPolicy::parse_list(text).map_or_else(|error| error.to_string(), |policy| policy.lines())
    }

    #[test]
    fn a_list_is_read_and_written() {
        let text = "# registries\nRegistry.Example.com.  *.npm.example # mirrors\n192.0.2.0/24, 203.0.113.7,203.0.113.7\n";
        assert_eq!(
            said(text),
            "registry.example.com\n*.npm.example\n192.0.2.0/24\n203.0.113.7\n"
        );
        assert_eq!(said("0.0.0.0/0"), "0.0.0.0/0\n");
    }

    #[test]
    fn what_is_wrong_is_said_at_its_place() {
        for (text, wanted) in [
            (
                "ok.example\n  https://a.example/x",
                "line 2, column 3: `https://a.example/x`: a host name or an address is wanted, not a URL: write a.example",
            ),
            (
                "a.example, b.example:443",
                "line 1, column 12: `b.example:443`: an entry opens every port: leave :443 out",
            ),
            ("*", "line 1, column 1: `*`: `*` stands only at the beginning"),
            ("a.*.example", "`*` stands only at the beginning"),
            ("bücher.example", "written in ASCII"),
            ("10.1.2.3/8", "the block that holds it is 10.0.0.0/8"),
            ("2001:db8::/32", "jobs have no IPv6 network"),
            ("[2001:db8::1]", "jobs have no IPv6 network"),
            (
                "169.254.169.254",
                "link-local, where clouds keep credentials, which is closed",
            ),
            ("10.0.0.0/8", "a private network, which is closed"),
            ("127.0.0.1", "the job itself"),
            ("localhost", "the job itself"),
            ("192.0.2.0/33", "neither a host name"),
            ("192.0.2", "neither a host name"),
            ("-a.example", "neither a host name"),
            ("a..example", "neither a host name"),
            ("", "the list is empty"),
            ("# nothing", "the list is empty"),
        ] {
            assert!(said(text).contains(wanted), "{text:?} said {:?}", said(text));
        }
        let many: Vec<String> = (0..=EGRESS_LIST_ENTRIES)
            .map(|each| format!("h{each}.example"))
            .collect();
        assert!(said(&many.join("\n")).contains("entries;"));
    }

    #[test]
    fn json_has_words_and_arrays() {
        let round = |text: &str| {
            serde_json::from_str::<EgressPolicy>(text)
                .map(|policy| serde_json::to_string(&policy).expect("serialises"))
                .map_err(|error| error.to_string())
        };
        for text in [r#""allow""#, r#""deny""#, r#"["*.a.example","192.0.2.7"]"#] {
            assert_eq!(round(text).as_deref(), Ok(text));
        }
        let error = round(r#"["a.example","b c"]"#).expect_err("a space");
        assert!(error.starts_with("entry 2, `b c`: that is neither"), "{error}");
        assert!(round("7").expect_err("a number").contains("\"allow\", \"deny\""));
        assert!(
            round(r#""open""#)
                .expect_err("a word")
                .contains("\"allow\", \"deny\"")
        );
    }
}
