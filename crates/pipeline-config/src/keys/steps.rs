//! Keys of the built-in steps.

use super::{Key, Shape, ignored, yes};

const NAME: Key = yes("name")
    .about("Is the step's title on the page and in the log.")
    .of(Shape::Text);

const WHEN: Key = yes("when")
    .about("Says whether the step runs after earlier steps went well, after one failed, or in both cases.")
    .of(Shape::OneOf(&["on_success", "on_fail", "always"]))
    .default("on_success");

/// Keys of `run`.
pub(crate) const RUN: &[Key] = &[
    yes("command")
        .about("Is what the shell runs; it may have many lines.")
        .of(Shape::Text)
        .required(),
    NAME,
    yes("shell")
        .about("Is the shell for this step, with its flags.")
        .of(Shape::TextOrTexts),
    yes("environment")
        .about("Sets variables for this step alone.")
        .of(Shape::Environment),
    yes("background")
        .about("Lets the next step begin at once while this one goes on; its end is not looked at.")
        .of(Shape::Boolean)
        .default("false"),
    yes("working_directory")
        .about("Is the folder for this step, seen from the job's.")
        .of(Shape::Text),
    yes("no_output_timeout")
        .about("Fails the step when it has written nothing for that long.")
        .of(Shape::Duration)
        .default("10m"),
    WHEN,
    yes("max_auto_reruns")
        .about("Runs the step again, at most that often, while it fails.")
        .of(Shape::Integer(1, 5)),
    yes("auto_rerun_delay")
        .about("Waits that long before each rerun, at most ten minutes.")
        .of(Shape::Like("(?:10|[1-9])m|[1-9][0-9]*s", "30s"))
        .only("steps with `max_auto_reruns`"),
    ignored("description", "what is shown of a step is its `name`")
        .about("Tells readers what the step is for; nothing reads it.")
        .of(Shape::Text),
];

/// Keys of `checkout`.
pub(crate) const CHECKOUT: &[Key] = &[
    yes("path")
        .about("Is the folder to check out to, in place of the working directory.")
        .of(Shape::Text),
    NAME,
    yes("method")
        .about("Says how much of the history is fetched.")
        .of(Shape::OneOf(&["blobless", "full", "shallow"]))
        .default("blobless"),
    yes("depth")
        .about("Is how many commits a shallow clone has.")
        .of(Shape::Integer(1, i64::MAX))
        .only("`method: shallow`"),
];

/// Keys of `setup_remote_docker`.
pub(crate) const SETUP_REMOTE_DOCKER: &[Key] = &[
    yes("version")
        .about("Names the version of the Docker engine.")
        .of(Shape::Text)
        .default("default"),
    yes("docker_layer_caching")
        .about("Keeps layers of images built by earlier jobs.")
        .of(Shape::Boolean)
        .default("false"),
    ignored("prefer_same_region", "the engine is always near the job")
        .about("Looks for an engine near the job first.")
        .of(Shape::Boolean),
    NAME,
    ignored("reusable", "layer caching took its place")
        .about("Kept the engine for later jobs; it was withdrawn.")
        .of(Shape::Boolean),
    ignored("exclusive", "every job has an engine of its own")
        .about("Asked for an engine of one's own; it was withdrawn.")
        .of(Shape::Boolean),
];

/// Keys of `save_cache`.
pub(crate) const SAVE_CACHE: &[Key] = &[
    yes("paths")
        .about("Lists the files and folders to keep.")
        .of(Shape::TextOrTexts)
        .required(),
    yes("key")
        .about("Names the cache; `{{ checksum \"file\" }}` and the like are filled in. A key that exists is left as it is.")
        .of(Shape::Text)
        .required(),
    NAME,
    WHEN,
];

/// Keys of `restore_cache`.
pub(crate) const RESTORE_CACHE: &[Key] = &[
    yes("key")
        .about("Names the cache to bring back; the newest whose key begins so is taken.")
        .of(Shape::Text),
    yes("keys")
        .about("Lists keys to try in order.")
        .of(Shape::TextOrTexts),
    NAME,
    WHEN,
];

/// Keys of `store_artifacts`.
pub(crate) const STORE_ARTIFACTS: &[Key] = &[
    yes("path")
        .about("Is the file or folder to keep for download.")
        .of(Shape::Text)
        .required(),
    yes("destination")
        .about("Is put before the artifacts' paths.")
        .of(Shape::Text),
    NAME,
    ignored("when", "artifacts are stored after failed steps too")
        .about("Is no key of this step; some configs have it.")
        .of(Shape::Text),
    ignored("prefix", "`destination` is put before the artifacts' paths")
        .about("Is no key of this step; some configs have it.")
        .of(Shape::Text),
];

/// Keys of `store_test_results`.
pub(crate) const STORE_TEST_RESULTS: &[Key] = &[
    yes("path")
        .about("Is a JUnit XML file, or a folder with such files.")
        .of(Shape::Text)
        .required(),
    NAME,
    ignored("when", "test results are stored after failed steps too")
        .about("Is no key of this step; some configs have it.")
        .of(Shape::Text),
];

/// Keys of `persist_to_workspace`.
pub(crate) const PERSIST_TO_WORKSPACE: &[Key] = &[
    yes("root")
        .about("Is the folder that the paths are seen from.")
        .of(Shape::Text)
        .required(),
    yes("paths")
        .about("Lists files and folders, patterns too, that later jobs of the workflow get.")
        .of(Shape::TextOrTexts)
        .required(),
    NAME,
    WHEN,
];

/// Keys of `attach_workspace`.
pub(crate) const ATTACH_WORKSPACE: &[Key] = &[
    yes("at")
        .about("Is the folder to put the files into that earlier jobs handed on.")
        .of(Shape::Text)
        .required(),
    NAME,
    WHEN,
];

/// Keys of `add_ssh_keys`.
pub(crate) const ADD_SSH_KEYS: &[Key] = &[
    yes("fingerprints")
        .about("Lists the project's keys to add; without it all of them are added.")
        .of(Shape::TextOrTexts),
    NAME,
];

/// Keys of `install_signing_bundle`.
pub(crate) const INSTALL_SIGNING_BUNDLE: &[Key] = &[NAME];

/// Keys of the steps `when` and `unless`.
pub(crate) const CONDITION: &[Key] = &[
    yes("condition")
        .about("Decides, before the job starts, whether the steps are part of it.")
        .of(Shape::Logic)
        .required(),
    yes("steps")
        .about("Lists the steps that are part of the job then.")
        .of(Shape::StepOrSteps)
        .required(),
    ignored("name", "its steps are shown under names of their own")
        .about("Tells readers what the steps are for; nothing reads it.")
        .of(Shape::Text),
];
