//! Keys of the file, of orbs written in place, of commands and of parameters.

use super::{Key, Kind, Shape, Templates, ignored, yes};

const DESCRIPTION: Key = yes("description")
    .about("Tells readers what this is for.")
    .of(Shape::Text);

const COMMANDS: Key = yes("commands")
    .about("Defines steps of one's own, each a list of steps under a name, with parameters.")
    .of(Shape::Named(Kind::Command))
    .only("version 2.1");

const EXECUTORS: Key = yes("executors")
    .about("Defines places to run that several jobs share.")
    .of(Shape::Named(Kind::Executor))
    .only("version 2.1");

const JOBS: Key = yes("jobs")
    .about("Defines the jobs; workflows say which of them run.")
    .of(Shape::Jobs);

/// Keys at the top of the file. Other keys are let through there: configs keep anchors in them.
pub(crate) const TOP: &[Key] = &[
    yes("version")
        .about("Names the version of the config language.")
        .of(Shape::OneOf(&["2", "2.0", "2.1"]))
        .required()
        .templates(Templates::No),
    COMMANDS,
    EXECUTORS,
    yes("parameters")
        .about("Declares the pipeline's parameters, which a trigger may set and `<< pipeline.parameters.x >>` reads.")
        .of(Shape::Parameters)
        .only("version 2.1")
        .templates(Templates::No),
    JOBS,
    yes("workflows")
        .about("Says which jobs run, in which order and when; without it the job `build` runs.")
        .of(Shape::Named(Kind::Workflow)),
    DESCRIPTION,
    yes("setup")
        .about("Marks a config whose one workflow makes or picks the config that the pipeline goes on with.")
        .of(Shape::Boolean)
        .default("false")
        .only("version 2.1")
        .templates(Templates::No),
    yes("orbs")
        .about("Imports packages of jobs, commands and executors, each under a short name.")
        .of(Shape::Orbs)
        .only("version 2.1")
        .templates(Templates::Pipeline),
    yes("job-groups")
        .about("Defines groups of jobs that a workflow runs as one.")
        .of(Shape::Named(Kind::JobGroup))
        .only("version 2.1"),
    ignored("display", "only orbs are displayed")
        .about("Says where an orb lives.")
        .of(Shape::Map(Kind::Display)),
    ignored("examples", "only orbs have examples")
        .about("Shows how an orb is used.")
        .of(Shape::Anything),
    ignored("experimental", "only CircleCI's own mails read it")
        .about("Holds switches of CircleCI's that are on trial.")
        .of(Shape::Map(Kind::Experimental)),
];

/// Keys at the top that version 2 does not have.
pub(crate) const TOP_OF_2_1: &[&str] = &["orbs", "commands", "executors", "parameters", "job-groups"];

/// Keys of an orb written in place.
pub(crate) const ORB: &[Key] = &[
    ignored("name", "an orb is known by the name it is imported under")
        .about("Is no key of an orb; some early ones have it.")
        .of(Shape::Text),
    yes("orbs")
        .about("Imports the orbs this orb is made with.")
        .of(Shape::Orbs)
        .templates(Templates::No),
    COMMANDS,
    EXECUTORS,
    JOBS,
    DESCRIPTION,
    yes("version")
        .about("Names the version of the config language the orb is written in.")
        .of(Shape::OneOf(&["2.1"]))
        .templates(Templates::No),
    yes("display")
        .about("Says where the orb lives; only lists of orbs read it.")
        .of(Shape::Map(Kind::Display)),
    yes("examples")
        .about("Shows how the orb is used; only lists of orbs read it.")
        .of(Shape::Anything)
        .templates(Templates::No),
];

/// Keys of an orb's `display`.
pub(crate) const DISPLAY: &[Key] = &[
    yes("home_url")
        .about("Links to the page of what the orb works with.")
        .of(Shape::Text),
    yes("source_url")
        .about("Links to the orb's own repository.")
        .of(Shape::Text),
];

/// Keys of `experimental`.
pub(crate) const EXPERIMENTAL: &[Key] = &[yes("notify")
    .about("Limits which branches CircleCI sends mail and chat messages about.")
    .of(Shape::Map(Kind::Notify))];

/// Keys of `experimental.notify`.
pub(crate) const NOTIFY: &[Key] = &[yes("branches")
    .about("Names the branches that are told of, or that are not.")
    .of(Shape::Map(Kind::Filter))];

/// Keys of a command.
pub(crate) const COMMAND: &[Key] = &[
    DESCRIPTION,
    yes("parameters")
        .about("Declares what a call may or must pass; the steps read it as `<< parameters.x >>`.")
        .of(Shape::Parameters)
        .templates(Templates::No),
    yes("steps")
        .about("Lists the steps that stand in for the command where it is called.")
        .of(Shape::Steps)
        .required(),
];

/// Keys of a parameter's declaration.
pub(crate) const PARAMETER: &[Key] = &[
    yes("type")
        .about("Says which values the parameter takes.")
        .of(Shape::OneOf(&[
            "string",
            "boolean",
            "integer",
            "enum",
            "executor",
            "steps",
            "env_var_name",
        ]))
        .required()
        .templates(Templates::No),
    DESCRIPTION,
    yes("default")
        .about("Is the value of a call that passes none; without it the call must pass one.")
        .of(Shape::Anything),
    yes("enum")
        .about("Lists the values that a parameter of type `enum` can have.")
        .of(Shape::Texts)
        .only("`type: enum`"),
];

/// Keys of the statement `matches`.
pub(crate) const MATCHES: &[Key] = &[
    yes("pattern")
        .about("Is the regular expression; it has to match the whole value.")
        .of(Shape::Text)
        .required(),
    yes("value")
        .about("Is the text that the pattern is held against.")
        .of(Shape::Text),
];
