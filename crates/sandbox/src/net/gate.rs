//! What the name server may change: the openings that answers make in the packet filter, and names in the ledger. Shared
//! by `net` and `lookup`; it decides nothing.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::filter::{Change, Element, Filter};
use super::ledger::Ledger;
use crate::failure::{Doing, Failure};

/// Packet filter and ledger of one launcher.
#[derive(Debug)]
pub(super) struct Gate {
    table: String,
    filter: Mutex<Filter>,
    /// `None` where the kernel cannot tell of connections.
    pub(super) ledger: Option<Ledger>,
}

impl Gate {
    pub(super) fn new(table: String, filter: Filter, ledger: Option<Ledger>) -> Self {
        Self {
            table,
            filter: Mutex::new(filter),
            ledger,
        }
    }

    fn apply(&self, changes: &[(Change, &Element)]) -> io::Result<()> {
        let mut filter = self.filter.lock().unwrap_or_else(PoisonError::into_inner);
        filter.apply(changes)
    }

    /// Changes sets, all or none.
    pub(super) fn change(&self, changes: &[(Change, &Element)]) -> Result<(), Failure> {
        self.apply(changes)
            .doing(|| format!("changing the sets of the table {}", self.table))
    }

    /// Opens an address to a job for a while; `known` says that it may be open already, and is to stay so for longer.
    pub(super) fn open_named(
        &self,
        job: Ipv4Addr,
        address: Ipv4Addr,
        lives: Duration,
        known: bool,
    ) -> io::Result<()> {
        let element = Element::named(job, address, Some(lives));
        if known {
            // The kernel leaves the time of an element that is there as it is, so the element is replaced.
            match self.apply(&[(Change::Delete, &element), (Change::Add, &element)]) {
                Err(error) if is_gone(&error) => {}
                other => return other,
            }
        }
        self.apply(&[(Change::Add, &element)])
    }

    /// Closes addresses to a job, whether their time is over or not.
    pub(super) fn close_named(&self, job: Ipv4Addr, addresses: &[Ipv4Addr]) -> io::Result<()> {
        for address in addresses {
            match self.apply(&[(Change::Delete, &Element::named(job, *address, None))]) {
                Err(error) if is_gone(&error) => {}
                other => other?,
            }
        }
        Ok(())
    }

    /// A name led a job to an address.
    pub(super) fn named(&self, job: Ipv4Addr, address: Ipv4Addr, name: &str) {
        if let Some(ledger) = &self.ledger {
            ledger.named(job, address, name);
        }
    }

    /// A job was not told of a name.
    pub(super) fn refused_name(&self, job: Ipv4Addr, name: &str) {
        if let Some(ledger) = &self.ledger {
            ledger.refused_name(job, name);
        }
    }

    /// A name would have led a job to an address that is closed to all.
    pub(super) fn refused_address(&self, job: Ipv4Addr, address: Ipv4Addr, name: &str) {
        if let Some(ledger) = &self.ledger {
            ledger.refused_address(job, address, name);
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOENT)
}
