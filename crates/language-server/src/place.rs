//! What a place in a config means. A place is reached from the top by keys and items; on the way it takes up what later
//! answers need: whose parameters count here, which workflow and which job this is about, which orb written in place. The
//! tables of `pipeline_config::keys` say what each key holds; this module adds the names.

use std::rc::Rc;

use airlock_pipeline_config::keys::{BUILT_IN_STEPS, Key, Kind, Shape};

use crate::names::{Names, Parameter};

/// What a config defines under a name and calls by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ElementKind {
    Job,
    Command,
    Executor,
}

/// The orb written in place that names are looked up in; empty for the config itself, `a/b` for an orb in an orb.
pub(crate) type Scope = Rc<str>;

/// A definition of the scope, by its kind and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) kind: ElementKind,
    pub(crate) name: Rc<str>,
}

/// A place with what its surroundings say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) what: What,
    pub(crate) scope: Scope,
    /// Whose `<< parameters.x >>` this is.
    pub(crate) owner: Option<Owner>,
    pub(crate) workflow: Option<Rc<str>>,
    /// The job that an entry of the workflow names.
    pub(crate) job: Option<Rc<str>>,
}

/// What may stand at a place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// Nobody knows.
    Unknown,
    /// A map of this kind.
    Map(Kind),
    /// A list of such maps.
    Maps(Kind),
    /// Definitions by name.
    Definitions(ElementKind),
    Groups,
    Workflows,
    Orbs,
    /// A reference, or an orb written in place.
    Orb(Rc<str>),
    Parameters,
    Steps,
    Step,
    /// The arguments of a call.
    Arguments(Owner),
    /// A value passed to a parameter.
    Argument(Owner, Rc<str>),
    Executor,
    Entries,
    Entry,
    Requires,
    Requirement,
    /// One status, or a list of them.
    Statuses,
    /// A matrix's parameters.
    Axes,
    /// The values of one of them.
    Axis(Rc<str>),
    Excludes,
    Exclude,
    Contexts,
    Logic,
    Statements,
    Environment,
    ResourceClass,
    ParameterType,
    /// A value that is nothing of the above.
    Value(Shape),
}

impl Place {
    /// The top of a config.
    pub(crate) fn top() -> Self {
        Self {
            what: What::Map(Kind::Top),
            scope: Rc::from(""),
            owner: None,
            workflow: None,
            job: None,
        }
    }

    fn with(&self, what: What) -> Self {
        Self { what, ..self.clone() }
    }

    /// The value of a key.
    pub(crate) fn child(&self, key: &str, names: &Names) -> Self {
        match &self.what {
            What::Map(kind) => self.of_table(*kind, key),
            What::Definitions(kind) => self.element(*kind, key),
            What::Groups => Self {
                workflow: Some(Rc::from(format!("group {key}"))),
                ..self.with(What::Map(Kind::JobGroup))
            },
            // `version: 2` stands among the workflows of old configs.
            What::Workflows if key == "version" => self.with(What::Value(Shape::Text)),
            What::Workflows => Self {
                workflow: Some(Rc::from(key)),
                ..self.with(What::Map(Kind::Workflow))
            },
            What::Orbs => self.with(What::Orb(Rc::from(key))),
            What::Orb(alias) => Self {
                scope: inner_scope(&self.scope, alias),
                owner: None,
                ..self.of_table(Kind::Orb, key)
            },
            What::Parameters => self.with(What::Map(Kind::Parameter)),
            // One step may stand where a list of them may.
            What::Step | What::Steps => self.step(key),
            What::Arguments(target) => self.with(What::Argument(target.clone(), Rc::from(key))),
            What::Argument(..) => self
                .typed(names)
                .map_or_else(|| self.with(What::Unknown), |place| place.child(key, names)),
            What::Executor if key == "name" => self.with(What::Executor),
            What::Entry => Self {
                job: Some(Rc::from(key)),
                ..self.with(What::Map(Kind::Invocation))
            },
            What::Requirement => self.with(What::Statuses),
            What::Axes => self.with(What::Axis(Rc::from(key))),
            What::Exclude => self.argument_of_job(key),
            What::Logic => match key {
                "and" | "or" | "equal" => self.with(What::Statements),
                "not" => self.with(What::Logic),
                "matches" => self.with(What::Map(Kind::Matches)),
                _ => self.with(What::Unknown),
            },
            What::Environment => self.with(What::Value(Shape::Text)),
            What::Value(Shape::Either(shapes)) => {
                let maps = shapes.iter().map(|shape| self.of_shape(*shape));
                maps.map(|place| place.child(key, names))
                    .find(|place| place.what != What::Unknown)
                    .unwrap_or_else(|| self.with(What::Unknown))
            }
            What::Unknown
            | What::Maps(_)
            | What::Executor
            | What::Entries
            | What::Requires
            | What::Statuses
            | What::Axis(_)
            | What::Excludes
            | What::Contexts
            | What::Statements
            | What::ResourceClass
            | What::ParameterType
            | What::Value(_) => self.with(What::Unknown),
        }
    }

    /// An item of the list.
    pub(crate) fn item(&self, names: &Names) -> Self {
        match &self.what {
            What::Maps(kind) => self.with(What::Map(*kind)),
            What::Steps => self.with(What::Step),
            What::Entries => self.with(What::Entry),
            What::Requires => self.with(What::Requirement),
            What::Statuses => self.with(What::Statuses),
            What::Axis(name) => self.argument_of_job(name),
            What::Excludes => self.with(What::Exclude),
            What::Contexts => self.with(What::Contexts),
            What::Statements => self.with(What::Logic),
            What::Environment => self.with(What::Environment),
            What::Argument(..) => self
                .typed(names)
                .map_or_else(|| self.with(What::Unknown), |place| place.item(names)),
            What::Value(Shape::Texts | Shape::TextOrTexts) => self.with(What::Value(Shape::Text)),
            What::Value(Shape::Either(shapes)) => {
                let lists = shapes.iter().map(|shape| self.of_shape(*shape));
                lists
                    .map(|place| place.item(names))
                    .find(|place| place.what != What::Unknown)
                    .unwrap_or_else(|| self.with(What::Unknown))
            }
            What::Unknown
            | What::Map(_)
            | What::Definitions(_)
            | What::Groups
            | What::Workflows
            | What::Orbs
            | What::Orb(_)
            | What::Parameters
            | What::Step
            | What::Arguments(_)
            | What::Executor
            | What::Entry
            | What::Requirement
            | What::Axes
            | What::Exclude
            | What::Logic
            | What::ResourceClass
            | What::ParameterType
            | What::Value(_) => self.with(What::Unknown),
        }
    }

    /// What the tables say about a key here.
    pub(crate) fn described(&self, key: &str) -> Option<&'static Key> {
        match &self.what {
            What::Map(kind) => kinds_of_map(*kind).find_map(|kind| kind.describe(key)),
            What::Orb(_) => Kind::Orb.describe(key),
            What::Value(Shape::Either(shapes)) => shapes
                .iter()
                .find_map(|shape| self.of_shape(*shape).described(key)),
            What::Unknown
            | What::Maps(_)
            | What::Definitions(_)
            | What::Groups
            | What::Workflows
            | What::Orbs
            | What::Parameters
            | What::Steps
            | What::Step
            | What::Arguments(_)
            | What::Argument(..)
            | What::Executor
            | What::Entries
            | What::Entry
            | What::Requires
            | What::Requirement
            | What::Statuses
            | What::Axes
            | What::Axis(_)
            | What::Excludes
            | What::Exclude
            | What::Contexts
            | What::Logic
            | What::Statements
            | What::Environment
            | What::ResourceClass
            | What::ParameterType
            | What::Value(_) => None,
        }
    }

    /// The parameter that a value here is passed to.
    pub(crate) fn parameter<'n>(&self, names: &'n Names) -> Option<&'n Parameter> {
        let What::Argument(target, name) = &self.what else {
            return None;
        };
        let found = names.element(&self.scope, target.kind, &target.name)?;
        found.element.parameter(name)
    }

    /// An argument's place by the type of its parameter.
    pub(crate) fn typed(&self, names: &Names) -> Option<Self> {
        let parameter = self.parameter(names)?;
        Some(self.with(match parameter.kind.as_str() {
            "steps" => What::Steps,
            "executor" => What::Executor,
            "boolean" => What::Value(Shape::Boolean),
            _ => What::Value(Shape::Text),
        }))
    }

    fn of_table(&self, kind: Kind, key: &str) -> Self {
        let Some(known) = kinds_of_map(kind).find_map(|kind| kind.describe(key)) else {
            return match kind {
                Kind::Invocation => self.argument_of_job(key),
                Kind::Top
                | Kind::Orb
                | Kind::Display
                | Kind::Experimental
                | Kind::Notify
                | Kind::Command
                | Kind::Parameter
                | Kind::Matches
                | Kind::Executor
                | Kind::Docker
                | Kind::Machine
                | Kind::Macos
                | Kind::Auth
                | Kind::AwsAuth
                | Kind::GcpAuth
                | Kind::Job
                | Kind::ApprovalJob
                | Kind::NoOpJob
                | Kind::LockJob
                | Kind::ReleaseJob
                | Kind::Validation
                | Kind::ValidationWebhook
                | Kind::Retention
                | Kind::JobGroup
                | Kind::Workflow
                | Kind::Trigger
                | Kind::Schedule
                | Kind::ApprovalInvocation
                | Kind::GroupInvocation
                | Kind::Matrix
                | Kind::Filters
                | Kind::Filter
                | Kind::Run
                | Kind::Checkout
                | Kind::SetupRemoteDocker
                | Kind::SaveCache
                | Kind::RestoreCache
                | Kind::StoreArtifacts
                | Kind::StoreTestResults
                | Kind::PersistToWorkspace
                | Kind::AttachWorkspace
                | Kind::AddSshKeys
                | Kind::Condition => self.with(What::Unknown),
            };
        };
        let what = match (kind, key) {
            (Kind::Top, "job-groups") => What::Groups,
            (Kind::Top, "workflows") => What::Workflows,
            (Kind::Top | Kind::Orb, "commands") => What::Definitions(ElementKind::Command),
            (Kind::Top | Kind::Orb, "executors") => What::Definitions(ElementKind::Executor),
            (Kind::Invocation | Kind::ApprovalInvocation, "context") => What::Contexts,
            (Kind::Invocation, "pre-steps" | "post-steps") => {
                // These steps stand in the workflow: nobody's parameters are known there.
                return Self {
                    owner: None,
                    ..self.with(What::Steps)
                };
            }
            (Kind::Matrix, "exclude") => What::Excludes,
            (Kind::Parameter, "type") => What::ParameterType,
            (_, "resource_class") => What::ResourceClass,
            _ => return self.of_shape(known.shape),
        };
        self.with(what)
    }

    fn of_shape(&self, shape: Shape) -> Self {
        self.with(match shape {
            Shape::Map(kind) => What::Map(kind),
            Shape::Maps(kind) => What::Maps(kind),
            Shape::Jobs => What::Definitions(ElementKind::Job),
            Shape::Orbs => What::Orbs,
            Shape::Parameters => What::Parameters,
            Shape::Steps | Shape::StepOrSteps => What::Steps,
            Shape::Executor => What::Executor,
            Shape::Entries => What::Entries,
            Shape::Requires => What::Requires,
            Shape::Axes => What::Axes,
            Shape::Logic => What::Logic,
            Shape::Environment => What::Environment,
            other @ (Shape::Anything
            | Shape::Text
            | Shape::Boolean
            | Shape::Integer(..)
            | Shape::OneOf(_)
            | Shape::Like(..)
            | Shape::Duration
            | Shape::Texts
            | Shape::TextOrTexts
            | Shape::Named(_)
            | Shape::Either(_)) => What::Value(other),
        })
    }

    fn element(&self, kind: ElementKind, name: &str) -> Self {
        let what = What::Map(match kind {
            ElementKind::Job => Kind::Job,
            ElementKind::Command => Kind::Command,
            ElementKind::Executor => Kind::Executor,
        });
        let owner = Some(Owner {
            kind,
            name: Rc::from(name),
        });
        Self {
            owner,
            ..self.with(what)
        }
    }

    fn step(&self, key: &str) -> Self {
        let built_in = BUILT_IN_STEPS.iter().find(|step| step.name == key);
        self.with(match built_in {
            Some(step) if step.name == "steps" => What::Steps,
            Some(step) => step.kind.map_or(What::Unknown, What::Map),
            None => What::Arguments(Owner {
                kind: ElementKind::Command,
                name: Rc::from(key),
            }),
        })
    }

    fn argument_of_job(&self, name: &str) -> Self {
        let Some(job) = &self.job else {
            return self.with(What::Unknown);
        };
        let target = Owner {
            kind: ElementKind::Job,
            name: Rc::clone(job),
        };
        self.with(What::Argument(target, Rc::from(name)))
    }
}

/// Some maps are of several kinds, told apart by a key inside of them; while it is typed, all of them count.
pub(crate) fn kinds_of_map(kind: Kind) -> impl Iterator<Item = Kind> {
    let more: &[Kind] = if kind == Kind::Job {
        &[Kind::LockJob, Kind::ReleaseJob]
    } else {
        &[]
    };
    std::iter::once(kind).chain(more.iter().copied())
}

/// The scope of an orb written in place.
pub(crate) fn inner_scope(scope: &str, alias: &str) -> Scope {
    if scope.is_empty() {
        Rc::from(alias)
    } else {
        Rc::from(format!("{scope}/{alias}"))
    }
}
