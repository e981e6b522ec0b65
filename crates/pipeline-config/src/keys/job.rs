//! Keys of jobs, by their types, and of groups of jobs.

use super::executors::{
    DESCRIPTION, DOCKER_KEY, ENVIRONMENT, MACHINE_KEY, MACOS_KEY, PARAMETERS, RESOURCE_CLASS, SHELL,
    WORKING_DIRECTORY,
};
use super::{Key, Kind, Shape, later, yes};

const TYPE: Key = yes("type")
    .about("Says what the job is: steps that run, a person's approval, a lock, a release or nothing at all.")
    .of(Shape::OneOf(&[
        "build", "approval", "no-op", "release", "lock", "unlock",
    ]))
    .default("build");

/// Keys of a job.
pub(crate) const JOB: &[Key] = &[
    DOCKER_KEY,
    yes("executor")
        .about("Runs the job where a defined executor says; the job's own keys go over the executor's.")
        .of(Shape::Executor),
    yes("steps")
        .about("Lists what the job does, in order.")
        .of(Shape::Steps)
        .required(),
    TYPE,
    PARAMETERS,
    yes("parallelism")
        .about("Runs that many copies of the job at once; `CIRCLE_NODE_INDEX` tells them apart.")
        .of(Shape::Integer(1, airlock_domain::limits::PARALLELISM as i64))
        .default("1"),
    ENVIRONMENT,
    WORKING_DIRECTORY,
    SHELL,
    RESOURCE_CLASS,
    DESCRIPTION,
    yes("branches")
        .about("Limits the job to some branches.")
        .of(Shape::Map(Kind::Filter))
        .only("configs without workflows"),
    MACHINE_KEY,
    MACOS_KEY,
    later("circleci_ip_ranges", "fixed addresses for what a job sends")
        .about("Sends what the job sends from well-known addresses.")
        .of(Shape::Boolean)
        .default("false"),
    later("retention", "how long caches are kept")
        .about("Says how long what the job stores is kept.")
        .of(Shape::Map(Kind::Retention)),
    later("key", "jobs of type `lock` and `unlock`")
        .about("Names the lock.")
        .of(Shape::Text)
        .only("jobs of type `lock` and `unlock`"),
    later("plan_name", "jobs of type `release`")
        .about("Names the release plan to start.")
        .of(Shape::Text)
        .only("jobs of type `release`"),
    later("validation", "jobs of type `release`")
        .about("Says how the release is watched and when it is taken back.")
        .of(Shape::Map(Kind::Validation))
        .only("jobs of type `release`"),
];

/// Keys of a job of type `approval`.
pub(crate) const APPROVAL_JOB: &[Key] = &[TYPE, DESCRIPTION];

/// Keys of a job of type `no-op`.
pub(crate) const NO_OP_JOB: &[Key] = &[TYPE, DESCRIPTION, PARAMETERS];

/// Keys of a job of type `lock` or `unlock`.
pub(crate) const LOCK_JOB: &[Key] = &[
    TYPE,
    DESCRIPTION,
    PARAMETERS,
    yes("key")
        .about("Names the lock that is taken or given back.")
        .of(Shape::Text)
        .required(),
];

/// Keys of a job of type `release`.
pub(crate) const RELEASE_JOB: &[Key] = &[
    TYPE,
    DESCRIPTION,
    PARAMETERS,
    yes("plan_name")
        .about("Names the release plan to start.")
        .of(Shape::Text)
        .required(),
    yes("validation")
        .about("Says how the release is watched and when it is taken back.")
        .of(Shape::Map(Kind::Validation)),
];

/// Keys of `validation` in a job of type `release`.
pub(crate) const VALIDATION: &[Key] = &[
    yes("enabled").about("Turns the watching on.").of(Shape::Boolean),
    yes("evaluation_time")
        .about("Is how long the release is watched.")
        .of(Shape::Text)
        .default("20m"),
    yes("auto_rollback_on_failure")
        .about("Takes the release back when it does badly.")
        .of(Shape::Boolean),
    yes("webhooks")
        .about("Lists who sends data on how the release does.")
        .of(Shape::Maps(Kind::ValidationWebhook)),
];

/// Keys of one item of `webhooks`.
pub(crate) const VALIDATION_WEBHOOK: &[Key] = &[
    yes("name").about("Names the webhook.").of(Shape::Text),
    yes("provider")
        .about("Names who sends, which says how the data is read.")
        .of(Shape::Text),
    yes("data_points")
        .about("Says which values of the data are kept.")
        .of(Shape::Anything),
    yes("fail_when")
        .about("Is the condition under which a message counts against the release.")
        .of(Shape::Anything),
    yes("max_failures")
        .about("Is how many such messages are borne.")
        .of(Shape::Integer(0, i64::MAX)),
];

/// Keys of `retention`.
pub(crate) const RETENTION: &[Key] = &[yes("caches")
    .about("Keeps the job's caches for that many days, at most 15.")
    .of(Shape::Like("(?:[1-9]|1[0-5])d", "7d"))];

/// Keys of a group of jobs.
pub(crate) const JOB_GROUP: &[Key] = &[
    yes("jobs")
        .about("Lists the jobs of the group as a workflow does.")
        .of(Shape::Entries)
        .required(),
    DESCRIPTION,
];
