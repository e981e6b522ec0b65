//! The live channel inside one process: rings of a fixed size, one for listeners of everything and one for each
//! pipeline that somebody watches. Never blocks who publishes; a listener that falls behind is told how much it missed.
//! Keeps nothing: what nobody listens to is gone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use airlock_domain::PipelineId;
use airlock_domain::events::Happening;
use airlock_driver_interfaces::bus::Heard;
use airlock_driver_interfaces::{Bus, Subscription};
use async_trait::async_trait;
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};

use crate::limits;

type Rings = Mutex<HashMap<PipelineId, Sender<Arc<Happening>>>>;

/// Tells every listener in this process. Clones are the same bus; it closes when the last clone is dropped.
#[derive(Clone)]
pub struct ProcessBus {
    all: Sender<Arc<Happening>>,
    pipelines: Arc<Rings>,
}

impl ProcessBus {
    /// A bus nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            all: broadcast::channel(limits::BUS_BACKLOG_ALL).0,
            pipelines: Arc::default(),
        }
    }

    /// Pipelines somebody listens to.
    #[must_use]
    pub fn watched(&self) -> usize {
        self.pipelines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl Default for ProcessBus {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus for ProcessBus {
    fn publish(&self, happening: Happening) {
        let happening = Arc::new(happening);
        let rings = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        // An error only says that nobody listens.
        if let Some(ring) = rings.get(&happening.pipeline) {
            let _nobody = ring.send(Arc::clone(&happening));
        }
        // Under the same lock, so that two listeners of all hear one pipeline in the order its own listeners do.
        let _nobody = self.all.send(happening);
    }

    fn subscribe(&self, pipeline: Option<PipelineId>) -> Box<dyn Subscription> {
        let Some(pipeline) = pipeline else {
            return Box::new(Listener {
                receiver: self.all.subscribe(),
                of: None,
            });
        };
        let mut rings = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = rings
            .entry(pipeline)
            .or_insert_with(|| broadcast::channel(limits::BUS_BACKLOG_PIPELINE).0);
        let of = Some(Watched {
            pipeline,
            rings: Arc::downgrade(&self.pipelines),
        });
        Box::new(Listener {
            receiver: ring.subscribe(),
            of,
        })
    }
}

struct Listener {
    receiver: Receiver<Arc<Happening>>,
    of: Option<Watched>,
}

/// Which ring a listener belongs to. Weak, so that a listener does not keep the bus open.
struct Watched {
    pipeline: PipelineId,
    rings: Weak<Rings>,
}

#[async_trait]
impl Subscription for Listener {
    async fn next(&mut self) -> Heard {
        match self.receiver.recv().await {
            Ok(happening) => Heard::Happening(Box::new(Arc::unwrap_or_clone(happening))),
            Err(RecvError::Lagged(missed)) => Heard::Missed(missed),
            Err(RecvError::Closed) => Heard::Closed,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let Some(Watched { pipeline, rings }) = &self.of else {
            return;
        };
        let Some(rings) = rings.upgrade() else { return };
        let mut rings = rings.lock().unwrap_or_else(PoisonError::into_inner);
        // This listener's own receiver is still counted.
        if rings.get(pipeline).is_some_and(|ring| ring.receiver_count() <= 1) {
            rings.remove(pipeline);
        }
    }
}

#[cfg(test)]
mod tests {
    use airlock_domain::events::HappeningKind;

    use super::*;

    #[tokio::test]
    async fn a_ring_goes_with_its_last_listener() {
        let bus = ProcessBus::new();
        let pipeline = PipelineId::new(uuid::Uuid::from_u128(1));
        let first = bus.subscribe(Some(pipeline));
        let mut second = bus.subscribe(Some(pipeline));
        assert_eq!(bus.watched(), 1);
        drop(first);
        assert_eq!(bus.watched(), 1);
        bus.publish(Happening::new(HappeningKind::Job, String::new(), pipeline));
        assert!(matches!(second.next().await, Heard::Happening(_)));
        drop(second);
        assert_eq!(bus.watched(), 0);
    }

    #[tokio::test]
    async fn a_listener_hears_that_the_bus_closed() {
        let bus = ProcessBus::new();
        let mut all = bus.subscribe(None);
        let mut one = bus.subscribe(Some(PipelineId::new(uuid::Uuid::from_u128(1))));
        drop(bus);
        assert!(matches!(all.next().await, Heard::Closed));
        assert!(matches!(one.next().await, Heard::Closed));
    }

    #[tokio::test]
    async fn the_noise_of_one_pipeline_costs_the_listener_of_another_nothing() {
        let bus = ProcessBus::new();
        let [quiet, loud] = [1, 2].map(|n| PipelineId::new(uuid::Uuid::from_u128(n)));
        let mut listener = bus.subscribe(Some(quiet));
        bus.publish(Happening::new(HappeningKind::Job, "first".to_owned(), quiet));
        for _ in 0..limits::BUS_BACKLOG_PIPELINE * 2 {
            bus.publish(Happening::new(HappeningKind::Output, String::new(), loud));
        }
        let Heard::Happening(heard) = listener.next().await else {
            panic!("missed it")
        };
        assert_eq!(heard.at, "first");
    }
}
