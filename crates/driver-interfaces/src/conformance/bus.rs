//! What every [`Bus`] must do.

use airlock_domain::PipelineId;
use airlock_domain::events::{Happening, HappeningKind};
use uuid::Uuid;

use crate::bus::Heard;
use crate::{Bus, Subscription};

/// More than any driver keeps for one listener.
const FLOOD: u64 = 20_000;

/// Runs every case against one bus that nobody else uses.
pub async fn run(bus: &dyn Bus) {
    a_listener_hears_its_pipeline_in_order(bus).await;
    what_happened_before_is_not_heard(bus).await;
    a_slow_listener_is_told_how_much_it_missed(bus).await;
    nobody_needs_to_listen(bus);
}

fn pipeline() -> PipelineId {
    PipelineId::new(Uuid::now_v7())
}

fn happening(pipeline: PipelineId, number: u64) -> Happening {
    Happening {
        offset: Some(number),
        ..Happening::new(HappeningKind::Output, String::new(), pipeline)
    }
}

async fn number(listener: &mut dyn Subscription) -> (PipelineId, u64) {
    match listener.next().await {
        Heard::Happening(happening) => (happening.pipeline, happening.offset.expect("numbered")),
        other @ (Heard::Missed(_) | Heard::Closed) => panic!("heard {other:?} in place of a happening"),
    }
}

async fn a_listener_hears_its_pipeline_in_order(bus: &dyn Bus) {
    let [ours, theirs] = [pipeline(), pipeline()];
    let (mut one, mut same, mut all) = (
        bus.subscribe(Some(ours)),
        bus.subscribe(Some(ours)),
        bus.subscribe(None),
    );
    for n in 0..10 {
        bus.publish(happening(if n % 3 == 0 { theirs } else { ours }, n));
    }
    for n in [1, 2, 4, 5, 7, 8] {
        assert_eq!(number(one.as_mut()).await, (ours, n));
        assert_eq!(
            number(same.as_mut()).await,
            (ours, n),
            "each listener hears everything"
        );
    }
    for n in 0..10 {
        assert_eq!(
            number(all.as_mut()).await,
            (if n % 3 == 0 { theirs } else { ours }, n)
        );
    }
}

async fn what_happened_before_is_not_heard(bus: &dyn Bus) {
    let ours = pipeline();
    bus.publish(happening(ours, 1));
    let mut listener = bus.subscribe(Some(ours));
    bus.publish(happening(ours, 2));
    assert_eq!(number(listener.as_mut()).await, (ours, 2));
}

async fn a_slow_listener_is_told_how_much_it_missed(bus: &dyn Bus) {
    let ours = pipeline();
    let mut slow = [bus.subscribe(Some(ours)), bus.subscribe(None)];
    for n in 0..FLOOD {
        bus.publish(happening(ours, n));
    }
    for listener in &mut slow {
        let mut next = 0;
        let mut missed = 0;
        while next < FLOOD {
            match listener.next().await {
                Heard::Happening(happening) => {
                    assert_eq!(
                        happening.offset,
                        Some(next),
                        "heard out of order or with an untold gap"
                    );
                    next += 1;
                }
                Heard::Missed(count) => {
                    missed += count;
                    next += count;
                }
                Heard::Closed => panic!("the bus closed"),
            }
        }
        assert_eq!(next, FLOOD);
        assert!(
            missed > 0,
            "a bus that keeps {FLOOD} messages for one listener has no bound"
        );
    }
}

fn nobody_needs_to_listen(bus: &dyn Bus) {
    let ours = pipeline();
    drop(bus.subscribe(Some(ours)));
    bus.publish(happening(ours, 1));
}
