//! One job as it was compiled: the keys of its executor under its own, and its steps with commands and conditions gone.

use airlock_yaml_tree::Data;

use super::super::Compiler;
use super::super::steps::Called;
use crate::scope::{Map, Shape};

/// The keys of an executor or of the job itself.
pub(super) type Layer = Vec<(String, Data)>;

/// Keys that compiling uses up.
const USED_UP: [&str; 4] = ["description", "parameters", "executor", "steps"];

/// The places a job can run; naming one takes the place of the executor's.
const PLACES: [&str; 3] = ["docker", "machine", "macos"];

impl<'s> Compiler<'s> {
    /// A job is about to be compiled: what earlier ones left is forgotten.
    pub(crate) fn record_job_begins(&self) {
        if let Some(recorder) = &self.recorder {
            recorder.steps.borrow_mut().clear();
            recorder.layers.borrow_mut().clear();
        }
    }

    /// Notes the keys of a job, or, after them, those of the executor it runs in.
    pub(crate) fn record_layer(&self, map: &Map<'s>) {
        let Some(recorder) = self.recorder.as_ref().filter(|_| !map.scope.unknown) else {
            return;
        };
        let layer = self.deep_but(map, &USED_UP);
        recorder.layers.borrow_mut().push(layer);
    }

    /// Notes a built-in step. Those that only hold other steps leave nothing behind.
    pub(crate) fn record_step(&self, name: &str, called: &Called<'_, 's>) {
        let Some(recorder) = self.recorder.as_ref().filter(|_| !called.scope.unknown) else {
            return;
        };
        if matches!(name, "when" | "unless" | "steps") {
            return;
        }
        let Some(body) = &called.body else {
            recorder.steps.borrow_mut().push(Data::Text(name.to_owned()));
            return;
        };
        let body = match (&body.shape, name) {
            (Shape::Written(_) | Shape::Computed(_), "run" | "deploy") => {
                let command = self.text(body, name).unwrap_or_default();
                Data::Map(vec![("command".to_owned(), Data::Text(command))])
            }
            _ => self.deep_resolved(body),
        };
        let step = Data::Map(vec![(name.to_owned(), body)]);
        recorder.steps.borrow_mut().push(step);
    }

    /// The job that was compiled last.
    pub(super) fn recorded_job(&self) -> Option<Data> {
        let recorder = self.recorder.as_ref()?;
        let layers = std::mem::take(&mut *recorder.layers.borrow_mut());
        let steps = std::mem::take(&mut *recorder.steps.borrow_mut());
        (!layers.is_empty()).then(|| folded(layers, steps))
    }
}

/// Lays the layers on top of each other; the job's own, met first, is the uppermost.
fn folded(mut layers: Vec<Layer>, steps: Vec<Data>) -> Data {
    layers.rotate_left(1);
    let mut keys = Layer::new();
    let mut variables = Layer::new();
    for layer in layers {
        let names_place = layer.iter().any(|(name, value)| is_place(name, value));
        if names_place {
            keys.retain(|(name, _)| !PLACES.contains(&name.as_str()));
        }
        for (name, value) in layer {
            match (name.as_str(), value) {
                // Left out is what null means at this place.
                (_, Data::Null) => {}
                ("environment", value) => add_variables(&mut variables, value),
                (_, value) => put(&mut keys, name, value),
            }
        }
    }
    let has_steps = !steps.is_empty();
    if !variables.is_empty() {
        // A list, because the order of variables counts and that of a map's keys does not.
        let list = variables
            .into_iter()
            .map(|variable| Data::Map(vec![variable]))
            .collect();
        keys.push(("environment".to_owned(), Data::List(list)));
    }
    if has_steps || keys.iter().any(|(name, _)| PLACES.contains(&name.as_str())) {
        keys.push(("steps".to_owned(), Data::List(steps)));
    }
    Data::Map(keys)
}

fn is_place(name: &str, value: &Data) -> bool {
    PLACES.contains(&name) && !matches!(value, Data::Null)
}

/// The forms of `environment`: a map, a list of maps, `NAME=value` alone or in a list.
fn add_variables(variables: &mut Layer, value: Data) {
    match value {
        Data::Map(entries) => {
            for (name, value) in entries {
                put(variables, name, value);
            }
        }
        Data::List(items) => {
            for item in items {
                add_variables(variables, item);
            }
        }
        Data::Text(text) => {
            if let Some((name, value)) = text.split_once('=') {
                put(variables, name.trim().to_owned(), Data::Text(value.to_owned()));
            }
        }
        Data::Null | Data::Bool(_) | Data::Number(_) => {}
    }
}

/// The last value of a name counts, at the name's first position.
fn put(entries: &mut Layer, name: String, value: Data) {
    match entries.iter_mut().find(|(present, _)| *present == name) {
        Some(present) => present.1 = value,
        None => entries.push((name, value)),
    }
}
