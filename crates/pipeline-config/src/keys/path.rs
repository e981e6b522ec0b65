//! Finds what the tables say about a place in a config, given the keys that lead there.

use super::{BUILT_IN_STEPS, BuiltInStep, Key, Kind, Shape};

/// One step of the way from the top of a config to a place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment<'a> {
    /// A key of a map.
    Key(&'a str),
    /// An item of a list.
    Item,
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum At {
    /// A map of this kind.
    Map(Kind),
    /// A job's map; which keys it has depends on its `type`.
    Job,
    /// A map of names of the config's own making; the shape is that of each value.
    Names(Shape),
    /// A list; the shape is that of each item.
    List(Shape),
    /// One step: the name of a built-in one or of a command.
    Step,
    /// One entry of a workflow's jobs.
    Entry,
    /// One declaration of an orb: a reference, or an orb.
    Orb,
    /// Arguments of a call.
    Arguments,
    /// A value of this shape.
    Value(Shape),
}

/// What the tables know about one key at its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Described {
    /// A key of a table.
    Key(&'static Key),
    /// A built-in step.
    Step(&'static BuiltInStep),
}

impl At {
    /// The top of a config.
    pub const TOP: Self = Self::Map(Kind::Top);

    /// Follows one segment; nothing when the tables do not know what is there.
    pub fn follow(self, segment: Segment<'_>) -> Option<Self> {
        match (self, segment) {
            (Self::Map(kind), Segment::Key(name)) => match kind.describe(name) {
                Some(key) => Some(Self::of(key.shape)),
                None => (kind == Kind::Invocation).then_some(Self::Arguments),
            },
            (Self::Job, Segment::Key(name)) => {
                let kinds = [Kind::Job, Kind::LockJob, Kind::ReleaseJob];
                let key = kinds.into_iter().find_map(|kind| kind.describe(name))?;
                Some(Self::of(key.shape))
            }
            (Self::Names(shape), Segment::Key(_)) | (Self::List(shape), Segment::Item) => {
                Some(Self::inside(shape))
            }
            (Self::Step, Segment::Key(name)) => match step(name) {
                Some(BuiltInStep { kind: Some(kind), .. }) => Some(Self::Map(*kind)),
                Some(step) => (step.name == "steps").then_some(Self::of(Shape::Steps)),
                None => Some(Self::Arguments),
            },
            (Self::Entry, Segment::Key(_)) => Some(Self::Map(Kind::Invocation)),
            (Self::Orb, Segment::Key(name)) => Self::Map(Kind::Orb).follow(Segment::Key(name)),
            (Self::Value(Shape::Logic), Segment::Key("and" | "or" | "equal")) => {
                Some(Self::List(Shape::Logic))
            }
            (Self::Value(Shape::Logic), Segment::Key("not")) => Some(self),
            (Self::Value(Shape::Logic), Segment::Key("matches")) => Some(Self::Map(Kind::Matches)),
            (Self::Value(Shape::Executor), Segment::Key(name)) if name != "name" => Some(Self::Arguments),
            (Self::Value(Shape::Texts | Shape::TextOrTexts | Shape::Requires), Segment::Item) => {
                Some(Self::Value(Shape::Text))
            }
            (Self::Value(Shape::Executor | Shape::Environment), _) => Some(Self::Value(Shape::Text)),
            _ => None,
        }
    }

    /// Follows all segments from the top.
    pub fn reach<'a>(path: impl IntoIterator<Item = Segment<'a>>) -> Option<Self> {
        path.into_iter().try_fold(Self::TOP, Self::follow)
    }

    /// What the tables say about a key that stands here.
    pub fn describe(self, name: &str) -> Option<Described> {
        match self {
            Self::Map(kind) => kind.describe(name).map(Described::Key),
            Self::Job => [Kind::Job, Kind::LockJob, Kind::ReleaseJob]
                .into_iter()
                .find_map(|kind| kind.describe(name))
                .map(Described::Key),
            Self::Orb => Kind::Orb.describe(name).map(Described::Key),
            Self::Step => step(name).map(Described::Step),
            Self::Names(_) | Self::List(_) | Self::Entry | Self::Arguments | Self::Value(_) => None,
        }
    }

    /// The keys that may stand here, for completion.
    pub fn keys(self) -> &'static [Key] {
        match self {
            Self::Map(kind) => kind.keys(),
            Self::Job => Kind::Job.keys(),
            Self::Orb => Kind::Orb.keys(),
            Self::Names(_) | Self::List(_) | Self::Step | Self::Entry | Self::Arguments | Self::Value(_) => {
                &[]
            }
        }
    }

    /// What stands under each name, or is each item, of a collection of this shape.
    fn inside(shape: Shape) -> Self {
        let own = [
            (Shape::Steps, Self::Step),
            (Shape::Entries, Self::Entry),
            (Shape::Jobs, Self::Job),
            (Shape::Orbs, Self::Orb),
        ];
        let found = own.into_iter().find(|(collection, _)| *collection == shape);
        found.map_or_else(|| Self::of(shape), |(_, at)| at)
    }

    fn of(shape: Shape) -> Self {
        match shape {
            Shape::Map(kind) => Self::Map(kind),
            Shape::Maps(kind) => Self::List(Shape::Map(kind)),
            Shape::Named(kind) => Self::Names(Shape::Map(kind)),
            Shape::Parameters => Self::Names(Shape::Map(Kind::Parameter)),
            Shape::Axes => Self::Names(Shape::Texts),
            Shape::Steps | Shape::StepOrSteps => Self::List(Shape::Steps),
            Shape::Entries => Self::List(shape),
            Shape::Jobs | Shape::Orbs => Self::Names(shape),
            Shape::Either(shapes) => shapes
                .iter()
                .map(|shape| Self::of(*shape))
                .find(|at| matches!(at, Self::Map(_)))
                .unwrap_or(Self::Value(shape)),
            Shape::Anything
            | Shape::Text
            | Shape::Boolean
            | Shape::Integer(..)
            | Shape::OneOf(_)
            | Shape::Like(..)
            | Shape::Duration
            | Shape::Texts
            | Shape::TextOrTexts
            | Shape::Environment
            | Shape::Executor
            | Shape::Logic
            | Shape::Requires => Self::Value(shape),
        }
    }
}

/// The built-in step of a name; early ones were also written with dashes.
fn step(name: &str) -> Option<&'static BuiltInStep> {
    BUILT_IN_STEPS
        .iter()
        .find(|step| step.name == name || (name.contains('-') && step.name == name.replace('-', "_")))
}

/// What a key means where it stands: `path` leads to the map that holds it.
pub fn describe<'a>(path: impl IntoIterator<Item = Segment<'a>>, key: &str) -> Option<Described> {
    At::reach(path)?.describe(key)
}
