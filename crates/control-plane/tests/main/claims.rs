//! Claims whose agents hang up, and work that cannot be handed out yet.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use airlock_agent_protocol::RefusalCode;
use airlock_agent_protocol::limits::CLAIM_WAIT_MS;
use airlock_domain::state::SliceStatus;

use crate::world::World;

const ONE_JOB: &str = "
version: 2.1
jobs:
  test:
    docker: [{image: airlock/base}]
    steps: [checkout, {run: echo hello}]
workflows:
  ci:
    jobs: [test]
";

/// Polls a future so often and no more; what it gave, if it was ready by then.
async fn polled<F: Future>(future: F, times: u32) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = times;
    std::future::poll_fn(|context| {
        if left > 0
            && let Poll::Ready(output) = future.as_mut().poll(context)
        {
            return Poll::Ready(Some(output));
        }
        left = left.saturating_sub(1);
        if left == 0 {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    })
    .await
}

/// No lease ends in here: the clock stands still. So a slice that stayed with a lost claim would never come again.
#[tokio::test]
async fn a_claim_whose_agent_hangs_up_goes_to_the_next() {
    let world = World::new().await;
    let mut given_back = 0;
    // How far a claim gets within so many polls is not ours to say: often enough, and some break off in every place.
    for times in (1..=4).cycle().take(80) {
        let pipeline = world.pipeline(ONE_JOB).await;
        let asking = world.asks(CLAIM_WAIT_MS);
        let heard = polled(world.plane.agent_claim(&asking), times).await;
        let patient = world.asks(CLAIM_WAIT_MS);
        let work = match &heard {
            Some(reply) => reply.as_ref().unwrap().assignment.clone(),
            None => world.plane.agent_claim(&patient).await.unwrap().assignment,
        };
        let work = work.unwrap_or_else(|| panic!("hanging up after {times} polls lost the slice"));
        world
            .plane
            .agent_finish(&World::finish(&work, SliceStatus::Success))
            .await
            .unwrap();
        assert_eq!(world.jobs(pipeline).await, "success test:success");
        given_back += u32::from(work.lease.fence > 1);
    }
    assert!(given_back > 0, "no claim was interrupted once it was made");
}

#[tokio::test]
async fn a_slice_waits_while_the_key_holder_is_away() {
    let world = World::new().await;
    let pipeline = world.pipeline(ONE_JOB).await;
    world.vault.away.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let refusal = world.plane.agent_claim(&world.asks(0)).await.expect_err("no key");
        assert_eq!(refusal.code, RefusalCode::Unavailable);
        assert_eq!(world.jobs(pipeline).await, "running test:queued");
    }
    world.vault.away.store(false, Ordering::SeqCst);
    let work = world.claim().await.expect("work");
    assert_eq!(work.lease.fence, 4);
}
