//! Keys of jobs, by their types, and of groups of jobs.

use super::executors::{
    DESCRIPTION, DOCKER_KEY, ENVIRONMENT, MACHINE_KEY, MACOS_KEY, PARAMETERS, RESOURCE_CLASS, SHELL,
    WORKING_DIRECTORY,
};
use super::{Key, Kind, Shape, ignored, yes};

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
    yes("circleci_ip_ranges")
        .about("Sends what the job sends from well-known addresses.")
        .of(Shape::Boolean)
        .default("false"),
    yes("retention")
        .about("Says how long what the job stores is kept.")
        .of(Shape::Map(Kind::Retention)),
    ignored("key", "only jobs of type `lock` and `unlock` have one")
        .about("Names the lock.")
        .of(Shape::Text)
        .only("jobs of type `lock` and `unlock`"),
    ignored("plan_name", "only jobs of type `release` have one")
        .about("Names the release plan to start.")
        .of(Shape::Text)
        .only("jobs of type `release`"),
    ignored("validation", "only jobs of type `release` have one")
        .about("Says how the release is watched and when it is taken back.")
        .of(Shape::Map(Kind::Validation))
        .only("jobs of type `release`"),
];

/// Keys of a job of type `approval`.
pub(crate) const APPROVAL_JOB: &[Key] = &[TYPE, DESCRIPTION, PARAMETERS];

const NOTHING_RUNS: &str = "a job of this type runs no steps";

/// Keys of a job with steps that stand in one of another type all the same.
pub(crate) const WITHOUT_EFFECT: &[Key] = &[
    ignored("docker", NOTHING_RUNS),
    ignored("machine", NOTHING_RUNS),
    ignored("macos", NOTHING_RUNS),
    ignored("executor", NOTHING_RUNS),
    ignored("steps", NOTHING_RUNS),
    ignored("parallelism", NOTHING_RUNS),
    ignored("environment", NOTHING_RUNS),
    ignored("working_directory", NOTHING_RUNS),
    ignored("shell", NOTHING_RUNS),
    ignored("resource_class", NOTHING_RUNS),
    ignored("branches", NOTHING_RUNS),
    ignored("circleci_ip_ranges", NOTHING_RUNS),
    ignored("retention", NOTHING_RUNS),
];

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
