//! One slice from claim to finish: spin up, run the steps in order, destroy the sandbox, report. The steps
//! themselves are `steps`. A claim that is taken away ends it at any point: the sandbox is destroyed at once and nothing
//! more is said.

use std::sync::Arc;

use airlock_agent_protocol::{
    Assignment, EgressReport, FinishRequest, JobSpec, ResourceReport, StepSpec, Usage,
};
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_sandbox::Sandbox;

use crate::egress;
use crate::environment;
use crate::leash::{Leash, keep_alive};
use crate::limits;
use crate::link::{Lost, ServerLink, until_answered};
use crate::reporter::{Reporter, RunningStep, Wire};
use crate::samples::Samples;
use crate::services;
use crate::spin_up::{SpinUpError, spin_up};
use crate::steps::Steps;
use crate::surroundings::Surroundings;
use crate::verdict::{self, Cut, Standing, Verdict};
use crate::visitors::{Host, Visitors};

/// Runs the slice to its end.
pub(crate) async fn run(
    here: Arc<Surroundings>,
    link: Arc<dyn ServerLink>,
    assignment: Assignment,
    leash: Leash,
) {
    let Assignment { lease, mut spec, .. } = assignment;
    tracing::info!(job = %lease.job, slice = lease.slice, fence = lease.fence, name = spec.job_name, "slice taken");
    let visitors = Visitors::new(spec.ssh);
    let beats = tokio_util::task::AbortOnDropHandle::new(tokio::spawn(keep_alive(
        Arc::clone(&link),
        lease,
        leash.clone(),
        visitors.clone(),
    )));
    let wire = || Wire {
        link: Arc::clone(&link),
        lease,
        leash: leash.clone(),
    };
    let mut reporter = Reporter::new(wire(), Arc::clone(&here.spool));
    let mut held = None;
    let samples = Samples::default();
    let own_wire = wire();
    let outcome = tokio::select! {
        biased;
        () = leash.fenced() => None,
        outcome = execute(&here, &mut spec, &own_wire, &mut reporter, &mut held, (&samples, &visitors)) => Some(outcome),
    };
    let egress = match &outcome {
        Some(_) => connections(held.as_ref(), &spec, &mut reporter).await,
        None => EgressReport::default(),
    };
    visitors.close().await;
    let usage = destroy(held).await;
    let Some((status, reason)) = outcome else {
        tracing::warn!(job = %lease.job, slice = lease.slice, fence = lease.fence, "fenced; sandbox destroyed");
        return;
    };
    let end = End {
        status,
        reason,
        usage,
        egress,
        resources: samples.take(),
    };
    // Whoever shuts the agent down does not wait for a server that is away.
    let patience = async {
        leash.shut_down().await;
        tokio::time::sleep(limits::SHUTDOWN_REPORT).await;
    };
    tokio::select! {
        () = report(wire(), reporter, end) => {}
        () = patience => {
            tracing::warn!(job = %lease.job, slice = lease.slice, "shut down before the server took the report");
        }
    }
    drop(beats);
}

/// Reads who the job spoke to, and shows it as the last step of its log if it spoke to anybody.
async fn connections(
    sandbox: Option<&Arc<Sandbox>>,
    spec: &JobSpec,
    reporter: &mut Reporter,
) -> EgressReport {
    let Some(sandbox) = sandbox.map(Arc::clone) else {
        return EgressReport::default();
    };
    let flows = tokio::task::spawn_blocking(move || sandbox.flows());
    let report = egress::report(flows.await.unwrap_or_default());
    if !report.is_empty() {
        let before = usize::try_from(first_step(spec) - 1).unwrap_or_default();
        let mut names = vec!["container"; before];
        names.extend(spec.steps.iter().map(|step| step.name.as_str()));
        let number = u32::try_from(names.len() + 1).unwrap_or(u32::MAX);
        let step = reporter.begin(number, "Network connections", false);
        for line in egress::table(&report, &names) {
            step.log().line(&line);
        }
        step.end(StepStatus::Success, None, None);
    }
    report
}

/// How a slice ended, with all that is told of it.
struct End {
    status: SliceStatus,
    reason: Option<String>,
    usage: Usage,
    egress: EgressReport,
    resources: ResourceReport,
}

/// Delivers what is left and the finish itself.
async fn report(wire: Wire, reporter: Reporter, end: End) {
    let lease = wire.lease;
    let End {
        status,
        reason,
        usage,
        egress,
        resources,
    } = end;
    let (status, reason) = match reporter.drain().await {
        Ok(()) => (status, reason),
        Err(Lost::Fenced) => return,
        // The outcome stands, but what led to it is not all there: that is a failure of ours.
        Err(Lost::Refused(refusal)) => (
            SliceStatus::InfrastructureFail,
            Some(format!(
                "a part of this job's log or steps was not stored: {refusal}"
            )),
        ),
    };
    let request = FinishRequest {
        lease,
        status,
        reason,
        usage,
        egress,
        resources,
    };
    match until_answered(&wire.leash, || wire.link.finish(request.clone())).await {
        Ok(()) => tracing::info!(job = %lease.job, slice = lease.slice, %status, "slice finished"),
        Err(lost) => tracing::warn!(job = %lease.job, slice = lease.slice, %lost, "the finish was not taken"),
    }
}

/// Takes the sandbox apart; what cannot be removed now is removed when the agent starts next.
async fn destroy(held: Option<Arc<Sandbox>>) -> Usage {
    let Some(sandbox) = held else {
        return Usage::default();
    };
    // Whatever still reads in it for an artifact ends with its processes.
    if let Err(error) = rustix::process::pidfd_send_signal(sandbox.pidfd(), rustix::process::Signal::KILL) {
        tracing::debug!(%error, "process 1 had ended already");
    }
    let mut sandbox = sandbox;
    let alone = loop {
        match Arc::try_unwrap(sandbox) {
            Ok(alone) => break alone,
            Err(shared) => sandbox = shared,
        }
        tokio::time::sleep(limits::SANDBOX_SHARED).await;
    };
    let destroyed = tokio::task::spawn_blocking(move || alone.destroy());
    match destroyed.await {
        Ok(Ok(used)) => Usage {
            memory_peak: used.memory_peak,
            cpu_ns: used.cpu_ns,
            oom_kills: used.oom_kills,
            pids_refused: used.pids_refused,
            pids_peak: used.pids_peak,
            disk_peak: used.disk_peak,
            inodes_peak: used.inodes_peak,
        },
        Ok(Err(error)) => {
            tracing::error!(%error, "a sandbox was not removed completely");
            Usage::default()
        }
        Err(error) => {
            tracing::error!(%error, "removing a sandbox ended abnormally");
            Usage::default()
        }
    }
}

/// How a slice ends, and why.
pub(crate) type Outcome = (SliceStatus, Option<String>);

async fn execute(
    here: &Arc<Surroundings>,
    spec: &mut JobSpec,
    wire: &Wire,
    reporter: &mut Reporter,
    held: &mut Option<Arc<Sandbox>>,
    (samples, visitors): (&Samples, &Visitors),
) -> Outcome {
    let step = reporter.begin(0, "Spin up environment", false);
    let spun_up = spin_up(here, spec, wire.lease, &wire.leash, &step, held).await;
    let (standing, spun_up) = match (spun_up, &*held) {
        (Ok(spun_up), Some(sandbox)) => {
            step.end(StepStatus::Success, None, spun_up.ran_in.clone());
            (Standing::default(), Some((spun_up, Arc::clone(sandbox))))
        }
        (Err(SpinUpError::Stopped(cause)), _) => {
            let cut = Cut::Stopped(cause);
            end(step, verdict::of_cut("Spin up environment", cut));
            let standing = Standing {
                cut: Some(cut),
                ..Standing::default()
            };
            (standing, None)
        }
        (Err(SpinUpError::Failed(reason)), _) => {
            step.log().line(&format!("Error: {reason}"));
            step.end(StepStatus::InfrastructureFail, None, Some(reason.clone()));
            for (number, step) in numbered(spec) {
                reporter.skip(number, &step.name, "the environment could not be made");
            }
            return (SliceStatus::InfrastructureFail, Some(reason));
        }
        (Ok(_), None) => {
            return (
                SliceStatus::InfrastructureFail,
                Some("the sandbox is gone".into()),
            );
        }
    };
    let Some((mut spun_up, sandbox)) = spun_up else {
        for (number, step) in numbered(spec) {
            let why = standing.runs(step.when, &step.work).err();
            reporter.skip(number, &step.name, why.unwrap_or("the job did not start"));
        }
        return standing.outcome();
    };
    // What it runs beside the steps has a step and a number like what the config lets it run.
    spec.primary = std::mem::take(&mut spun_up.own);
    let _watch = samples.watch(&sandbox, spun_up.limits);
    // Behind the sandbox of a virtual machine is its monitor, and nobody's to look into.
    let entrance = spun_up.guest.is_none().then(|| sandbox.entrance());
    match entrance.transpose() {
        Ok(None) => visitors.refuse(),
        Ok(Some(entrance)) => {
            let host = Host {
                entrance,
                env: environment::variables(spec, wire.lease, &spun_up.image.record.config, &spun_up.account),
                home: environment::home(spec, &spun_up.image.record.config, &spun_up.account),
                user: spun_up.account.user.clone(),
            };
            let own = Wire {
                link: Arc::clone(&wire.link),
                lease: wire.lease,
                leash: wire.leash.clone(),
            };
            visitors.open(own, host);
        }
        // Nobody may be able to look in; the job itself goes on.
        Err(error) => tracing::warn!(%error, job = %wire.lease.job, "a sandbox cannot be entered"),
    }
    Steps::new(spec, wire, reporter, sandbox, spun_up)
        .run(visitors)
        .await
}

/// The steps with their numbers: 0 is the spin-up, then come the containers.
pub(crate) fn numbered(spec: &JobSpec) -> impl Iterator<Item = (u32, &StepSpec)> {
    (first_step(spec)..).zip(&spec.steps)
}

/// The number of the config's first step.
pub(crate) fn first_step(spec: &JobSpec) -> u32 {
    let own = u32::from(services::program(&spec.primary).is_some());
    u32::try_from(spec.services.len()).unwrap_or(u32::MAX / 2) + own + 1
}

pub(crate) fn end(step: RunningStep, verdict: Verdict) {
    step.end(verdict.status, verdict.exit_code, verdict.reason);
}
