//! Claims, leases and fences.

use std::collections::BTreeSet;
use std::sync::Arc;

use airlock_domain::plan::Platform;
use airlock_domain::state::{Effect, JobStatus, SliceStatus};
use airlock_domain::{JobId, ResourceClass};
use tokio::task::JoinSet;

use super::fixtures::{agent, at, decide, planned, queued, set_job, set_slice};
use crate::Store;
use crate::rows::{Claimed, ExpiredLease, NewWorkflow, SliceRow};

/// Claims the next slice at 20 with a lease until 50.
async fn claim(store: &dyn Store) -> Option<Claimed> {
    store
        .claim(agent(), &[Platform::Linux], at(50), at(20))
        .await
        .expect("the queue answers")
}

async fn claim_some(store: &dyn Store) -> Claimed {
    claim(store).await.expect("a slice waits")
}

/// Whether the slice should be stopped, if this fence still holds it; reading and renewing must agree on that.
async fn renew(store: &dyn Store, job: JobId, fence: u64, until: i64) -> Option<bool> {
    let held = store.lease(job, 0, fence).await.expect("answers");
    let renewed = store.renew(job, 0, fence, at(until)).await.expect("answers");
    assert_eq!(held, renewed, "fence {fence}");
    renewed
}

async fn slice(store: &dyn Store, job: JobId, index: usize) -> SliceRow {
    let row = store.job(job).await.expect("reads").expect("is there");
    row.slices[index].clone()
}

/// A workflow with one slice, claimed and confirmed by a decision.
async fn running(store: &dyn Store) -> (NewWorkflow, Claimed) {
    let (_, planned) = planned(store, vec![queued("a", 1)]).await;
    let claimed = claim_some(store).await;
    let changes = vec![
        set_slice(claimed.job, 0, SliceStatus::Running, claimed.fence, 21),
        set_job(claimed.job, JobStatus::Running, 21),
    ];
    decide(store, planned.id, changes, Vec::new()).await;
    (planned, claimed)
}

/// First in, first out, over all workflows; an empty queue gives nothing.
pub async fn the_oldest_slice_is_claimed_first(store: Arc<dyn Store>) {
    assert_eq!(claim(&*store).await, None);
    let (_, first) = planned(&*store, vec![queued("a", 2)]).await;
    let (_, second) = planned(&*store, vec![queued("a", 1)]).await;
    assert_eq!(store.queue_length().await.expect("reads"), 3);
    let mut order = Vec::new();
    while let Some(claimed) = claim(&*store).await {
        assert_eq!(claimed.fence, 1);
        order.push((claimed.workflow, claimed.job, claimed.slice));
    }
    let [a, b] = [first.jobs[0].id, second.jobs[0].id];
    assert_eq!(order, [(first.id, a, 0), (first.id, a, 1), (second.id, b, 0)]);
    assert_eq!(store.queue_length().await.expect("reads"), 0);
}

/// An agent gets what it has a machine for, the oldest first; the rest waits and is known to wait.
pub async fn a_slice_goes_to_an_agent_that_offers_what_it_needs(store: Arc<dyn Store>) {
    let classed = |name: &str, class: &str| {
        let mut job = queued(name, 1);
        if let Some(body) = &mut job.body {
            body.resource_class = ResourceClass::new(class).expect("a class");
        }
        job
    };
    let jobs = vec![
        classed("windows", "windows.medium"),
        classed("plain", "medium"),
        classed("arm", "arm.medium"),
    ];
    let (_, planned) = planned(&*store, jobs).await;
    let [windows, plain, arm] = [0, 1, 2].map(|index: usize| planned.jobs[index].id);
    let waiting = store.waiting().await.expect("reads");
    let platforms: Vec<Platform> = waiting.iter().map(|(platform, _)| *platform).collect();
    assert_eq!(platforms, [Platform::Arm, Platform::Linux, Platform::Windows]);
    let claim = async |offers: &[Platform]| {
        let claimed = store.claim(agent(), offers, at(50), at(20)).await;
        claimed.expect("the queue answers").map(|claimed| claimed.job)
    };
    assert_eq!(claim(&[]).await, None);
    assert_eq!(claim(&[Platform::Gpu, Platform::Macos]).await, None);
    assert_eq!(claim(&[Platform::WindowsGpu]).await, None);
    assert_eq!(claim(&[Platform::Arm, Platform::Linux]).await, Some(plain));
    assert_eq!(claim(&[Platform::Arm, Platform::Linux]).await, Some(arm));
    assert_eq!(claim(&[Platform::Arm, Platform::Linux]).await, None);
    assert_eq!(store.waiting().await.expect("reads").len(), 1);
    assert_eq!(claim(&Platform::ALL).await, Some(windows));
    assert_eq!(store.waiting().await.expect("reads"), []);
}

/// Twenty agents empty a queue of fifty slices: each slice goes to one of them.
pub async fn each_slice_is_claimed_once(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 30), queued("b", 20)]).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        let agent = agent();
        tasks.spawn(async move {
            let mut got = Vec::new();
            while let Some(claimed) = store
                .claim(agent, &[Platform::Linux], at(50), at(20))
                .await
                .expect("answers")
            {
                got.push((agent, claimed));
            }
            got
        });
    }
    let claims: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(claims.len(), 50);
    let slices: BTreeSet<_> = claims
        .iter()
        .map(|(_, claimed)| (claimed.job, claimed.slice))
        .collect();
    assert_eq!(slices.len(), 50);
    let rows = store.jobs(planned.id).await.expect("reads");
    for (agent, claimed) in claims {
        assert_eq!(claimed.fence, 1);
        let job = rows
            .iter()
            .find(|row| row.id == claimed.job)
            .expect("a planned job");
        let slice = job
            .slices
            .iter()
            .find(|row| row.index == claimed.slice)
            .expect("a planned slice");
        assert_eq!((slice.agent, slice.fence), (Some(agent), 1));
    }
}

/// A claim is in the rows at once; what the engine loads changes only by its own decisions.
pub async fn a_claim_raises_the_fence_before_the_engine_hears(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 1)]).await;
    let (job, agent) = (planned.jobs[0].id, agent());
    let before = store.load_workflow(planned.id).await.expect("loads");
    let claimed = store
        .claim(agent, &[Platform::Linux], at(50), at(20))
        .await
        .expect("answers");
    let expected = Claimed {
        workflow: planned.id,
        job,
        slice: 0,
        fence: 1,
    };
    assert_eq!(claimed, Some(expected));
    let row = slice(&*store, job, 0).await;
    let expected = SliceRow {
        index: 0,
        status: SliceStatus::Queued,
        fence: 1,
        agent: Some(agent),
        lease_until: Some(at(50)),
        stop: false,
        started_at: Some(at(20)),
        stopped_at: None,
    };
    assert_eq!(row, expected);
    assert_eq!(store.load_workflow(planned.id).await.expect("loads"), before);
    assert_eq!(claim(&*store).await, None);

    decide(
        &*store,
        planned.id,
        vec![set_slice(job, 0, SliceStatus::Running, 1, 25)],
        Vec::new(),
    )
    .await;
    let confirmed = SliceRow {
        status: SliceStatus::Running,
        ..expected
    };
    assert_eq!(slice(&*store, job, 0).await, confirmed);
    let (state, _) = store
        .load_workflow(planned.id)
        .await
        .expect("loads")
        .expect("is there");
    assert_eq!(state.jobs[0].slices[0].fence, 1);
}

/// The server died between claim and decision: the lease runs out, the slice is offered again, and the first claim can
/// do nothing any more, even before anybody takes the second.
pub async fn a_claim_without_a_decision_comes_back(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 1)]).await;
    let first = claim_some(&*store).await;
    let (job, fence) = (first.job, first.fence);
    assert_eq!(store.expired_leases(at(50)).await.expect("reads"), Vec::new());
    let expired = store.expired_leases(at(51)).await.expect("reads");
    let expected = ExpiredLease {
        workflow: planned.id,
        job,
        slice: 0,
        fence,
    };
    assert_eq!(expired, [expected]);

    decide(
        &*store,
        planned.id,
        Vec::new(),
        vec![Effect::Enqueue { job, slice: 0 }],
    )
    .await;
    assert_eq!(store.expired_leases(at(1_000)).await.expect("reads"), Vec::new());
    assert_eq!(renew(&*store, job, fence, 90).await, None);
    assert_eq!(slice(&*store, job, 0).await.agent, None);

    let second = claim_some(&*store).await;
    assert_eq!((second.job, second.fence), (job, fence + 1));
    assert_eq!(renew(&*store, job, fence, 90).await, None);
    assert_eq!(renew(&*store, job, second.fence, 90).await, Some(false));
}

/// Lost agents are found by their leases, the longest lost first.
pub async fn a_running_slice_whose_lease_ended_is_reported(store: Arc<dyn Store>) {
    let (_, late) = running(&*store).await;
    let (_, early) = running(&*store).await;
    assert_eq!(renew(&*store, late.job, late.fence, 70).await, Some(false));
    let jobs = |leases: Vec<ExpiredLease>| leases.into_iter().map(|lease| lease.job).collect::<Vec<_>>();
    assert_eq!(
        jobs(store.expired_leases(at(60)).await.expect("reads")),
        [early.job]
    );
    assert_eq!(
        jobs(store.expired_leases(at(71)).await.expect("reads")),
        [early.job, late.job]
    );
}

/// A renewal only ever adds time.
pub async fn a_renewed_lease_lives_longer(store: Arc<dyn Store>) {
    let (_, claimed) = running(&*store).await;
    for (until, lease) in [(80, 80), (60, 80)] {
        let renewed = store.renew(claimed.job, 0, claimed.fence, at(until)).await;
        assert_eq!(renewed.expect("answers"), Some(false));
        assert_eq!(slice(&*store, claimed.job, 0).await.lease_until, Some(at(lease)));
    }
    assert_eq!(store.expired_leases(at(80)).await.expect("reads"), Vec::new());
    assert_eq!(store.expired_leases(at(81)).await.expect("reads").len(), 1);
}

/// Only the newest claim may renew: the fence decides, not the time.
pub async fn an_old_fence_is_refused(store: Arc<dyn Store>) {
    let (planned, first) = running(&*store).await;
    let job = first.job;
    let back = vec![set_slice(job, 0, SliceStatus::Queued, first.fence, 60)];
    decide(&*store, planned.id, back, vec![Effect::Enqueue { job, slice: 0 }]).await;
    assert_eq!(renew(&*store, job, first.fence, 90).await, None);
    let second = claim_some(&*store).await;
    assert!(second.fence > first.fence);
    for wrong in [0, first.fence, second.fence + 1, u64::MAX] {
        assert_eq!(renew(&*store, job, wrong, 90).await, None, "fence {wrong}");
    }
    assert_eq!(
        store.renew(job, 1, second.fence, at(90)).await.expect("answers"),
        None
    );
    assert_eq!(slice(&*store, job, 0).await.lease_until, Some(at(50)));

    // A fence the engine raised by itself counts like a claim, and the next claim is above it.
    let raised = second.fence + 5;
    let back = vec![set_slice(job, 0, SliceStatus::Queued, raised, 60)];
    decide(&*store, planned.id, back, vec![Effect::Enqueue { job, slice: 0 }]).await;
    assert_eq!(claim_some(&*store).await.fence, raised + 1);
}

/// A decision made before it heard of a claim does not give that claim's number away a second time.
pub async fn a_decision_lowers_no_fence(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 3)]).await;
    let job = planned.jobs[0].id;
    for (index, status) in (0..).zip([SliceStatus::Queued, SliceStatus::Running, SliceStatus::Canceled]) {
        let claimed = claim_some(&*store).await;
        assert_eq!((claimed.slice, claimed.fence), (index, 1));
        let unaware = vec![set_slice(job, index, status, 0, 30)];
        decide(&*store, planned.id, unaware, Vec::new()).await;
        let (state, _) = store
            .load_workflow(planned.id)
            .await
            .expect("loads")
            .expect("is there");
        let (row, decided) = (store.job(job).await.expect("reads"), &state.jobs[0].slices);
        let row = row.expect("is there");
        assert_eq!(
            (row.slices[index as usize].fence, decided[index as usize].fence),
            (1, 0),
            "{status}"
        );
    }
    decide(
        &*store,
        planned.id,
        Vec::new(),
        vec![Effect::Enqueue { job, slice: 0 }],
    )
    .await;
    assert_eq!(claim_some(&*store).await.fence, 2);
}

/// After its end a slice is renewed by nobody and expires never.
pub async fn an_ended_slice_has_no_lease(store: Arc<dyn Store>) {
    for status in SliceStatus::ALL.iter().filter(|status| status.is_final()) {
        let (planned, claimed) = running(&*store).await;
        let job = claimed.job;
        let end = vec![set_slice(job, 0, *status, claimed.fence, 30)];
        decide(&*store, planned.id, end, Vec::new()).await;
        assert_eq!(renew(&*store, job, claimed.fence, 90).await, None, "{status}");
        let row = slice(&*store, job, 0).await;
        assert_eq!(
            (row.lease_until, row.stopped_at),
            (None, Some(at(30))),
            "{status}"
        );
        assert!(row.agent.is_some(), "pages show who had it");
    }
    assert_eq!(store.expired_leases(at(1_000)).await.expect("reads"), Vec::new());
}

/// The agent hears of a stop by renewing; the next claim begins without it.
pub async fn a_slice_to_be_stopped_is_told(store: Arc<dyn Store>) {
    let (planned, claimed) = running(&*store).await;
    let (job, fence) = (claimed.job, claimed.fence);
    assert_eq!(renew(&*store, job, fence, 60).await, Some(false));
    decide(
        &*store,
        planned.id,
        Vec::new(),
        vec![Effect::Stop { job, slice: 0 }],
    )
    .await;
    assert!(slice(&*store, job, 0).await.stop);
    for _ in 0..2 {
        assert_eq!(renew(&*store, job, fence, 60).await, Some(true));
    }
    let back = vec![set_slice(job, 0, SliceStatus::Queued, fence, 60)];
    decide(&*store, planned.id, back, vec![Effect::Enqueue { job, slice: 0 }]).await;
    let again = claim_some(&*store).await;
    assert_eq!(renew(&*store, job, again.fence, 60).await, Some(false));
}

/// What was taken out of the queue is offered to nobody.
pub async fn a_withdrawn_slice_is_not_claimed(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 2)]).await;
    let job = planned.jobs[0].id;
    decide(
        &*store,
        planned.id,
        Vec::new(),
        vec![Effect::Withdraw { job, slice: 0 }],
    )
    .await;
    assert_eq!(store.queue_length().await.expect("reads"), 1);
    assert_eq!(claim_some(&*store).await.slice, 1);
    assert_eq!(claim(&*store).await, None);
}

/// A second offer of a slice that waits changes nothing, its place least of all.
pub async fn a_slice_queued_twice_is_claimed_once(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 2)]).await;
    let job = planned.jobs[0].id;
    decide(
        &*store,
        planned.id,
        Vec::new(),
        vec![Effect::Enqueue { job, slice: 0 }],
    )
    .await;
    assert_eq!(store.queue_length().await.expect("reads"), 2);
    assert_eq!(claim_some(&*store).await.slice, 0);
    assert_eq!(claim_some(&*store).await.slice, 1);
    assert_eq!(claim(&*store).await, None);
}

/// Even where nobody withdrew it, a slice that ended is not given to an agent.
pub async fn an_entry_of_an_ended_slice_is_passed_over(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 2)]).await;
    let job = planned.jobs[0].id;
    let end = vec![set_slice(job, 0, SliceStatus::Canceled, 0, 15)];
    decide(&*store, planned.id, end, Vec::new()).await;
    assert_eq!(claim_some(&*store).await.slice, 1);
    assert_eq!(claim(&*store).await, None);
    assert_eq!(slice(&*store, job, 0).await.fence, 0);
}
