//! Scopes and views. A view is a piece of the file with the scope in which its `<< … >>` names are looked up; scopes are
//! lexical, as in the language: a command sees its own parameters and nothing of its caller's.

use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_yaml_tree::{Entry, Mapping, Node, Place, Scalar, Sequence};

use crate::compile::Definitions;
use crate::value::Value;

/// What names mean in a piece of the file.
#[derive(Clone)]
pub(crate) struct Scope<'s> {
    /// Where commands, executors and jobs are looked up.
    pub(crate) definitions: Rc<Definitions<'s>>,
    /// `parameters.…`; nothing outside of jobs, commands and executors.
    pub(crate) parameters: Option<Rc<BTreeMap<String, Value<'s>>>>,
    /// `matrix.…`; nothing outside of workflow jobs with a matrix.
    pub(crate) matrix: Option<Rc<BTreeMap<String, Value<'s>>>>,
    /// Whether `<< … >>` means anything: not in version 2, nor where parameters are declared.
    pub(crate) templates: bool,
    /// Whether every `<< … >>` gives a value of which nothing is known: where something is read that nobody calls.
    pub(crate) unknown: bool,
    /// How we got here.
    pub(crate) call: Option<Rc<Call>>,
}

/// One call of a job, command or executor.
pub(crate) struct Call {
    /// What was called, such as ``command `setup` ``.
    pub(crate) what: String,
    /// The called thing's own node, to notice a cycle.
    pub(crate) definition: Place,
    /// Where it was called.
    pub(crate) place: Place,
    /// The call that led to this one.
    pub(crate) from: Option<Rc<Call>>,
    pub(crate) depth: usize,
    /// Whether the caller passed something that a mistake inside may come from.
    pub(crate) has_arguments: bool,
    /// Whether it leads into another orb.
    pub(crate) enters: bool,
}

impl<'s> Scope<'s> {
    /// The scope inside something called from here, which is defined among `home`.
    pub(crate) fn called(
        &self,
        home: &Rc<Definitions<'s>>,
        what: String,
        definition: Place,
        place: Place,
        parameters: BTreeMap<String, Value<'s>>,
    ) -> Rc<Self> {
        let depth = self.call.as_ref().map_or(0, |call| call.depth) + 1;
        let call = Call {
            what,
            definition,
            place,
            from: self.call.clone(),
            depth,
            has_arguments: !parameters.is_empty(),
            enters: !Rc::ptr_eq(home, &self.definitions) && home.orb.is_some(),
        };
        Rc::new(Self {
            definitions: Rc::clone(home),
            parameters: Some(Rc::new(parameters)),
            matrix: None,
            templates: self.templates,
            unknown: self.unknown,
            call: Some(Rc::new(call)),
        })
    }

    /// The scope around definitions that can be called from here.
    pub(crate) fn around(&self, home: &Rc<Definitions<'s>>) -> Rc<Self> {
        Rc::new(Self {
            definitions: Rc::clone(home),
            parameters: None,
            matrix: None,
            templates: self.templates,
            unknown: self.unknown,
            call: None,
        })
    }

    /// This scope with nothing known of any value.
    pub(crate) fn unknowing(&self) -> Rc<Self> {
        Rc::new(Self {
            unknown: true,
            ..self.clone()
        })
    }

    /// The calls that led here, innermost first.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        std::iter::successors(self.call.as_deref(), |call| call.from.as_deref())
    }

    /// How deep the calls are.
    pub(crate) fn depth(&self) -> usize {
        self.call.as_ref().map_or(0, |call| call.depth)
    }
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let calls: Vec<&str> = self.calls().map(|call| call.what.as_str()).collect();
        f.debug_struct("Scope")
            .field("calls", &calls)
            .finish_non_exhaustive()
    }
}

/// A piece of the file in its scope.
#[derive(Clone, Debug)]
pub(crate) struct View<'s> {
    pub(crate) node: Node<'s>,
    pub(crate) scope: Rc<Scope<'s>>,
}

impl<'s> View<'s> {
    pub(crate) fn new(node: Node<'s>, scope: &Rc<Scope<'s>>) -> Self {
        Self {
            node,
            scope: Rc::clone(scope),
        }
    }

    pub(crate) fn place(&self) -> Place {
        self.node.place()
    }
}

/// A view after evaluation: its templates are filled in, its shape is known.
#[derive(Clone, Debug)]
pub(crate) struct Resolved<'s> {
    /// The node that has the value: the argument's when it came through one.
    pub(crate) node: Node<'s>,
    /// The text it was read from.
    pub(crate) place: Place,
    /// The `*name` through which it was reached.
    pub(crate) alias: Option<Place>,
    pub(crate) scope: Rc<Scope<'s>>,
    pub(crate) shape: Shape<'s>,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape<'s> {
    /// Text as written, its type still open.
    Written(Scalar<'s>),
    /// The result of an expression or of filling in text.
    Computed(Value<'s>),
    List(List<'s>),
    Map(Map<'s>),
}

#[derive(Clone, Debug)]
pub(crate) struct List<'s> {
    pub(crate) sequence: Sequence<'s>,
    pub(crate) scope: Rc<Scope<'s>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Map<'s> {
    pub(crate) mapping: Mapping<'s>,
    pub(crate) scope: Rc<Scope<'s>>,
    /// The key that the others should stand below, where they stand beside it: it is none of them.
    pub(crate) above: Option<&'s str>,
}

impl<'s> List<'s> {
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = View<'s>> + '_ {
        self.sequence.iter().map(|node| View::new(node, &self.scope))
    }
}

impl<'s> Map<'s> {
    /// All of a map's keys.
    pub(crate) fn new(mapping: Mapping<'s>, scope: &Rc<Scope<'s>>) -> Self {
        Self {
            mapping,
            scope: Rc::clone(scope),
            above: None,
        }
    }

    /// The keys that stand beside one and mean to stand below it.
    pub(crate) fn below(&self, above: &'s str) -> Self {
        Self {
            above: Some(above),
            ..self.clone()
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Pair<'s>> + '_ {
        let pairs = self.mapping.iter().map(|entry| self.pair(entry));
        pairs.filter(|pair| Some(pair.name) != self.above)
    }

    fn pair(&self, entry: Entry<'s>) -> Pair<'s> {
        Pair {
            name: entry.name(),
            key: entry.key().place(),
            value: View::new(entry.value(), &self.scope),
        }
    }
}

/// One key of a map with its value.
#[derive(Clone, Debug)]
pub(crate) struct Pair<'s> {
    pub(crate) name: &'s str,
    pub(crate) key: Place,
    pub(crate) value: View<'s>,
}

impl Resolved<'_> {
    /// Left out or written as `null`. An expression that gives nothing is not meant: it was asked for.
    pub(crate) fn is_absent(&self) -> bool {
        match &self.shape {
            Shape::Written(scalar) => scalar.is_null(),
            Shape::Computed(_) | Shape::List(_) | Shape::Map(_) => false,
        }
    }

    /// What it is in the service's words.
    pub(crate) fn known_kind(&self) -> &'static str {
        match self.kind() {
            "empty" => "Null",
            "a boolean" => "Boolean",
            "a whole number" => "Integer",
            "a number" => "Number",
            "a list" => "Sequence",
            "a map" => "Mapping",
            _ => "String",
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.shape {
            Shape::Written(scalar) => match scalar.resolve() {
                airlock_yaml_tree::Value::Null => "empty",
                airlock_yaml_tree::Value::Bool(_) => "a boolean",
                airlock_yaml_tree::Value::Int(_) => "a whole number",
                airlock_yaml_tree::Value::Float(_) => "a number",
                airlock_yaml_tree::Value::Text(_) => "text",
            },
            Shape::Computed(value) => match value {
                Value::Null | Value::Broken => "empty",
                Value::Bool(_) => "a boolean",
                Value::Int(_) => "a whole number",
                Value::Float(_) => "a number",
                Value::Text(_) | Value::Named(_) => "text",
                Value::Node(_) => "a list or map",
            },
            Shape::List(_) => "a list",
            Shape::Map(_) => "a map",
        }
    }
}
