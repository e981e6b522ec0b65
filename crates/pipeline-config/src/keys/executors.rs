//! Keys of executors: where a job runs.

use super::{Key, Kind, Shape, Templates, ignored, yes};

pub(super) const DOCKER_KEY: Key = yes("docker")
    .about("Runs the job in containers: the steps in the first, services in the others.")
    .of(Shape::Maps(Kind::Docker));

pub(super) const MACHINE_KEY: Key = yes("machine")
    .about("Runs the job in a virtual machine of its own.")
    .of(Shape::Either(&[Shape::Text, Shape::Map(Kind::Machine)]));

pub(super) const MACOS_KEY: Key = yes("macos")
    .about("Runs the job on macOS with the named Xcode.")
    .of(Shape::Map(Kind::Macos));

pub(super) const ENVIRONMENT: Key = yes("environment")
    .about("Sets variables; values are texts, and `$NAME` in them is not filled in.")
    .of(Shape::Environment);

pub(super) const WORKING_DIRECTORY: Key = yes("working_directory")
    .about("Is the folder that steps run in; it is made if it is not there.")
    .of(Shape::Text)
    .default("~/project");

pub(super) const SHELL: Key = yes("shell")
    .about("Is the shell that runs the commands, with its flags; it replaces the default's flags too.")
    .of(Shape::TextOrTexts)
    .default("/bin/bash -eo pipefail");

pub(super) const RESOURCE_CLASS: Key = yes("resource_class")
    .about("Says how much processor and memory the job gets.")
    .of(Shape::Text)
    .default("medium");

pub(super) const PARAMETERS: Key = yes("parameters")
    .about("Declares what a caller may or must pass; the body reads it as `<< parameters.x >>`.")
    .of(Shape::Parameters)
    .templates(Templates::No);

pub(super) const DESCRIPTION: Key = yes("description")
    .about("Tells readers what this is for.")
    .of(Shape::Text);

/// Keys of an executor.
pub(crate) const EXECUTOR: &[Key] = &[
    DOCKER_KEY,
    PARAMETERS,
    ENVIRONMENT,
    WORKING_DIRECTORY,
    SHELL,
    RESOURCE_CLASS,
    DESCRIPTION,
    MACHINE_KEY,
    MACOS_KEY,
];

/// Keys of one item under `docker`.
pub(crate) const DOCKER: &[Key] = &[
    yes("image")
        .about("Names the image, with its tag or digest.")
        .of(Shape::Text)
        .required(),
    yes("environment")
        .about("Sets variables of this container.")
        .of(Shape::Environment),
    yes("name")
        .about("Is a host name by which the job's other containers reach this one.")
        .of(Shape::Text)
        .default("localhost"),
    yes("entrypoint")
        .about("Replaces the image's entrypoint.")
        .of(Shape::TextOrTexts),
    yes("command")
        .about("Replaces what the image runs.")
        .of(Shape::TextOrTexts),
    yes("user")
        .about("Is the user that commands run as in this container.")
        .of(Shape::Text),
    yes("auth")
        .about("Signs in at the image's registry by name and password.")
        .of(Shape::Map(Kind::Auth)),
    yes("aws_auth")
        .about("Signs in at Amazon's registry by key or by role.")
        .of(Shape::Map(Kind::AwsAuth)),
    yes("gcp_auth")
        .about("Signs in at Google's registry by an identity pool.")
        .of(Shape::Map(Kind::GcpAuth)),
    ignored("ports", "containers of a job reach each other on all ports")
        .about("Is no key of CircleCI's; some configs have it.")
        .of(Shape::Anything),
];

/// Keys of `auth`.
pub(crate) const AUTH: &[Key] = &[
    yes("username")
        .about("Is the account's name; a variable of the project or of a context may stand for it.")
        .of(Shape::Text)
        .required(),
    yes("password")
        .about("Is the account's password, as a variable such as `$PASSWORD`.")
        .of(Shape::Text)
        .required(),
];

/// Keys of `aws_auth`.
pub(crate) const AWS_AUTH: &[Key] = &[
    yes("aws_access_key_id")
        .about("Is the id of an access key.")
        .of(Shape::Text),
    yes("aws_secret_access_key")
        .about("Is the secret of that key, as a variable.")
        .of(Shape::Text),
    yes("oidc_role_arn")
        .about("Is the role that the job takes on with its own identity, in place of a key.")
        .of(Shape::Text),
];

/// Keys of `gcp_auth`.
pub(crate) const GCP_AUTH: &[Key] = &[
    yes("oidc_service_account")
        .about("Is the mail address of the service account to act as.")
        .of(Shape::Text),
    yes("workload_identity_pool")
        .about("Names the pool that trusts this service's identities.")
        .of(Shape::Text),
    yes("workload_identity_provider")
        .about("Names the provider in that pool.")
        .of(Shape::Text),
];

/// Keys of `machine`.
pub(crate) const MACHINE: &[Key] = &[
    yes("image")
        .about("Names the image of the machine, such as `ubuntu-2404:current`.")
        .of(Shape::Text),
    yes("docker_layer_caching")
        .about("Keeps layers of images built by earlier jobs.")
        .of(Shape::Boolean)
        .default("false"),
    yes("enabled")
        .about("Asks for the default image; older configs have it.")
        .of(Shape::Boolean),
    RESOURCE_CLASS,
    SHELL,
];

/// Keys of `macos`.
pub(crate) const MACOS: &[Key] = &[
    yes("xcode")
        .about("Is the version of Xcode, as text: `\"16.2.0\"`.")
        .of(Shape::Text)
        .required(),
    yes("code_signing")
        .about("Names the certificates and profiles that the job signs with.")
        .of(Shape::TextOrTexts),
    RESOURCE_CLASS,
    SHELL,
];
