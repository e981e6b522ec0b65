//! Who a slice spoke to: connections out of its sandbox, counted by step and place. Sent once, with the slice's end.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressReport {
    /// By step, then by place.
    pub entries: Vec<EgressEntry>,
    /// Connections that are not in the entries, because there were too many places.
    pub beyond: u64,
    /// Whether some are missing that the agent could not see.
    pub incomplete: bool,
}

/// Connections to one place while one step ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressEntry {
    /// The step that ran in the foreground when they began.
    pub step: u32,
    /// Where to; of a name that was not looked up, the job's name server.
    pub address: IpAddr,
    /// The name that led there, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The port there; 0 for protocols without.
    pub port: u16,
    /// The protocol's number as in an IP header: 6 is TCP; 0 where an answer of the name server was refused because of
    /// the address in it.
    pub protocol: u8,
    /// What became of them.
    pub verdict: EgressVerdict,
    /// How many; of refused ones, packets.
    pub connections: u64,
    /// Bytes sent, headers included.
    pub bytes_out: u64,
    /// Bytes that came back.
    pub bytes_in: u64,
}

/// What became of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EgressVerdict {
    /// They were let through.
    Allowed,
    /// They were not.
    Refused,
}

impl EgressVerdict {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
        }
    }
}

impl EgressReport {
    /// Whether there is nothing to tell.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.beyond == 0
    }
}

impl EgressEntry {
    /// `tcp`, `udp`, `icmp`, the number of a rarer protocol, or `any`.
    #[must_use]
    pub fn protocol_name(&self) -> String {
        match self.protocol {
            0 => "any".to_owned(),
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            other => other.to_string(),
        }
    }

    /// `192.0.2.1:443`, or the address alone where there is no port.
    #[must_use]
    pub fn place(&self) -> String {
        match (self.port, self.address) {
            (0, address) => address.to_string(),
            (port, IpAddr::V4(address)) => format!("{address}:{port}"),
            (port, IpAddr::V6(address)) => format!("[{address}]:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_spelled_out() {
        let entry = EgressEntry {
            step: 2,
            address: IpAddr::from([192, 0, 2, 1]),
            name: Some("a.example".to_owned()),
            port: 443,
            protocol: 6,
            verdict: EgressVerdict::Allowed,
            connections: 3,
            bytes_out: 10,
            bytes_in: 20,
        };
        assert_eq!(
            serde_json::to_string(&entry).expect("serialises"),
            r#"{"step":2,"address":"192.0.2.1","name":"a.example","port":443,"protocol":6,"verdict":"allowed","connections":3,"bytes_out":10,"bytes_in":20}"#
        );
        assert_eq!(
            (entry.place().as_str(), entry.protocol_name().as_str()),
            ("192.0.2.1:443", "tcp")
        );
    }
}
