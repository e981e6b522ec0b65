//! Keys of workflows and of what they list.

use super::{Key, Kind, Shape, Templates, yes};

/// Keys of a workflow.
pub(crate) const WORKFLOW: &[Key] = &[
    yes("jobs")
        .about("Lists the jobs that run, each with what it waits for.")
        .of(Shape::Entries)
        .required(),
    yes("when")
        .about("Runs the workflow only if this is true.")
        .of(Shape::Logic),
    yes("unless")
        .about("Runs the workflow only if this is false.")
        .of(Shape::Logic),
    yes("triggers")
        .about("Starts the workflow by a timetable and by nothing else.")
        .of(Shape::Maps(Kind::Trigger)),
    yes("max_auto_reruns")
        .about("Reruns failed jobs of the workflow, at most that often.")
        .of(Shape::Integer(1, 5)),
];

/// Keys of one item of `triggers`.
pub(crate) const TRIGGER: &[Key] = &[yes("schedule")
    .about("Is the timetable.")
    .of(Shape::Map(Kind::Schedule))
    .required()];

/// Keys of `schedule`.
pub(crate) const SCHEDULE: &[Key] = &[
    yes("cron")
        .about("Says when, in five fields: minute, hour, day of month, month, day of week, in UTC.")
        .of(Shape::Text)
        .required(),
    yes("filters")
        .about("Names the branches that the workflow runs for.")
        .of(Shape::Map(Kind::Filters))
        .required(),
];

const REQUIRES: Key = yes("requires")
    .about("Lists the jobs to wait for, and in which states they must have ended.")
    .of(Shape::Requires);

const NAME: Key = yes("name")
    .about("Gives the job another name in this workflow.")
    .of(Shape::Text);

const CONTEXT: Key = yes("context")
    .about("Names the sets of shared variables that the job gets.")
    .of(Shape::TextOrTexts);

const FILTERS_KEY: Key = yes("filters")
    .about("Limits the job to some branches and tags; without it every branch and no tag runs.")
    .of(Shape::Either(&[Shape::Text, Shape::Map(Kind::Filters)]));

const SERIAL_GROUP: Key = yes("serial-group")
    .about("Lets one job at a time run among all that name the same group.")
    .of(Shape::Text);

const TYPE: Key = yes("type")
    .about("Makes the entry one that waits for a person.")
    .of(Shape::OneOf(&["approval"]));

/// Keys a workflow's entry for a job has beside the job's parameters.
pub(crate) const INVOCATION: &[Key] = &[
    REQUIRES,
    NAME,
    CONTEXT,
    TYPE,
    FILTERS_KEY,
    yes("matrix")
        .about("Runs the job once for every combination of values.")
        .of(Shape::Map(Kind::Matrix)),
    yes("pre-steps")
        .about("Lists steps that run before the job's own.")
        .of(Shape::Steps)
        .only("version 2.1"),
    yes("post-steps")
        .about("Lists steps that run after the job's own.")
        .of(Shape::Steps)
        .only("version 2.1"),
    SERIAL_GROUP,
    yes("override-with")
        .about("Runs that orb's job in place of this one if the orb has it.")
        .of(Shape::Text),
];

/// Keys of a workflow's entry of type `approval`.
pub(crate) const APPROVAL_INVOCATION: &[Key] = &[REQUIRES, NAME, CONTEXT, TYPE, FILTERS_KEY, SERIAL_GROUP];

/// Keys of a workflow's entry for a group of jobs.
pub(crate) const GROUP_INVOCATION: &[Key] = &[REQUIRES, NAME, FILTERS_KEY, SERIAL_GROUP];

/// Keys of `matrix`.
pub(crate) const MATRIX: &[Key] = &[
    yes("parameters")
        .about("Lists values for each parameter of the job; every combination makes a job.")
        .of(Shape::Axes)
        .required(),
    yes("exclude")
        .about("Lists combinations to leave out, each with all of its values.")
        .of(Shape::Anything)
        .templates(Templates::No),
    yes("alias")
        .about("Names all jobs of the matrix together, for `requires`.")
        .of(Shape::Text)
        .default("the job's name"),
];

/// Keys of a schedule's `filters`.
pub(crate) const SCHEDULE_FILTERS: &[Key] = &[yes("branches")
    .about("Says for which branches the timetable counts.")
    .of(Shape::Map(Kind::Filter))
    .required()];

/// Keys of `filters`.
pub(crate) const FILTERS: &[Key] = &[
    yes("branches")
        .about("Says which branches run.")
        .of(Shape::Map(Kind::Filter)),
    yes("tags")
        .about("Says which tags run; without it none does.")
        .of(Shape::Map(Kind::Filter)),
];

/// Keys of `branches` and `tags`.
pub(crate) const FILTER: &[Key] = &[
    yes("only")
        .about("Lists those that run: names, or patterns between slashes that match as a whole.")
        .of(Shape::TextOrTexts),
    yes("ignore")
        .about("Lists those that do not run; it counts where `only` is not given.")
        .of(Shape::TextOrTexts),
];
