//! Sends one step's spool to the server, chunk by chunk, until all of it is acknowledged. The first bytes after a silence
//! leave at once; a steady trickle is gathered for a moment. After any failure it goes on from the last acknowledged
//! offset, so a chunk may be sent twice and none is left out; the server keeps each offset once.

use std::sync::Arc;

use airlock_agent_protocol::{LogHeader, Refusal, RefusalCode, limits::LOG_CHUNK_BYTES};
use bytes::Bytes;
use tokio::time::{Instant, sleep, sleep_until};

use crate::limits;
use crate::link::{Backoff, LinkError, Lost};
use crate::reporter::Wire;
use crate::spool::{Level, Spool};

/// Returns when the spool is closed and the server has all of it.
pub(crate) async fn relay(wire: &Wire, step: u32, spool: &Arc<Spool>) -> Result<(), Lost> {
    let mut acked = 0;
    let mut gaps = 0;
    let mut backoff = Backoff::default();
    let mut last_sent: Option<Instant> = None;
    loop {
        let Some(level) = next_level(wire, spool, acked, last_sent).await? else {
            return Ok(());
        };
        let bytes = read(spool, acked).await?;
        last_sent = Some(Instant::now());
        let header = LogHeader {
            lease: wire.lease,
            step,
            offset: acked,
        };
        let answer = tokio::select! {
            biased;
            () = wire.leash.fenced() => return Err(Lost::Fenced),
            answer = wire.link.log(header, bytes) => answer,
        };
        match answer {
            Ok(ack) if ack.next > spool.level().end => {
                return Err(lost(format!(
                    "the server acknowledged {} log bytes of step {step}, of which only {} exist",
                    ack.next, level.end
                )));
            }
            // An answer to an older copy of the chunk; what was acknowledged stays so.
            Ok(ack) if ack.next < acked => pause(wire, &mut backoff).await?,
            Ok(ack) => {
                if ack.next > acked {
                    backoff.reset();
                    gaps = 0;
                } else {
                    pause(wire, &mut backoff).await?;
                }
                acked = ack.next;
                spool.release(acked);
            }
            Err(error) => {
                tracing::debug!(step, acked, %error, "log bytes will be sent again");
                if let LinkError::Refused(refusal) = error {
                    match refusal.code {
                        RefusalCode::Unavailable => {}
                        RefusalCode::Fenced => {
                            wire.leash.fence();
                            return Err(Lost::Fenced);
                        }
                        RefusalCode::Gap if gaps < limits::LOG_GAPS => gaps += 1,
                        RefusalCode::Gap | RefusalCode::Invalid | RefusalCode::Protocol => {
                            return Err(Lost::Refused(refusal));
                        }
                    }
                }
                pause(wire, &mut backoff).await?;
            }
        }
    }
}

/// Waits until there is something worth sending; `None` when all is sent and no more will come.
async fn next_level(
    wire: &Wire,
    spool: &Spool,
    acked: u64,
    last_sent: Option<Instant>,
) -> Result<Option<Level>, Lost> {
    let gather_until = last_sent.map(|at| at + limits::LOG_GATHER);
    loop {
        let level = spool.level();
        let waiting = level.end.saturating_sub(acked);
        if waiting == 0 && level.closed {
            return Ok(None);
        }
        let full = waiting >= LOG_CHUNK_BYTES as u64;
        match gather_until {
            Some(until) if waiting > 0 && !full && !level.closed && until > Instant::now() => {
                tokio::select! {
                    () = wire.leash.fenced() => return Err(Lost::Fenced),
                    () = spool.changed() => {}
                    () = sleep_until(until) => {}
                }
            }
            _ if waiting > 0 => return Ok(Some(level)),
            _ => {
                tokio::select! {
                    () = wire.leash.fenced() => return Err(Lost::Fenced),
                    () = spool.changed() => {}
                }
            }
        }
    }
}

/// The next chunk. Bytes in memory are copied here, bytes in a file by a thread that may block.
async fn read(spool: &Arc<Spool>, offset: u64) -> Result<Bytes, Lost> {
    let read = if spool.is_on_disk() {
        let spool = Arc::clone(spool);
        tokio::task::spawn_blocking(move || spool.read(offset, LOG_CHUNK_BYTES))
            .await
            .unwrap_or_else(|error| Err(std::io::Error::other(error)))
    } else {
        spool.read(offset, LOG_CHUNK_BYTES)
    };
    read.map_err(|error| lost(format!("reading the spooled log at offset {offset}: {error}")))
}

async fn pause(wire: &Wire, backoff: &mut Backoff) -> Result<(), Lost> {
    tokio::select! {
        () = wire.leash.fenced() => Err(Lost::Fenced),
        () = sleep(backoff.next()) => Ok(()),
    }
}

fn lost(message: String) -> Lost {
    Lost::Refused(Refusal {
        code: RefusalCode::Invalid,
        message,
    })
}
