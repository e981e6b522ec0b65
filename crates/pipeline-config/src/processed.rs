//! The compiled form of a config: version 2 of the language, in which nothing is left to expand. It is what CircleCI
//! returns for `config process`, what policies are written against and what a person looks at to see what a config
//! means. Made by [`process`] from the same expansion that makes plans; owns the form and how it is printed.

use airlock_yaml_tree::{Data, Layout};
use serde_json::{Map, Number, Value};

/// A compiled config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Processed {
    /// Lines that stand above it as comments.
    pub(crate) header: Vec<String>,
    pub(crate) config: Data,
}

impl Processed {
    /// The config itself.
    pub fn config(&self) -> &Data {
        &self.config
    }

    /// As YAML, with the comments that belong above it.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        for line in &self.header {
            out.push_str("# ");
            out.push_str(line);
            out.push('\n');
        }
        out.push_str(&self.config.to_yaml(Layout::COMPILED));
        out
    }

    /// As JSON. Numbers that JSON does not have are text there.
    pub fn to_json(&self) -> Value {
        json(&self.config)
    }
}

fn json(data: &Data) -> Value {
    match data {
        Data::Null => Value::Null,
        Data::Bool(value) => Value::Bool(*value),
        Data::Number(text) => number(text),
        Data::Text(text) => Value::String(text.clone()),
        Data::List(items) => Value::Array(items.iter().map(json).collect()),
        Data::Map(entries) => {
            let entries: Map<String, Value> = entries
                .iter()
                .map(|(name, value)| (name.clone(), json(value)))
                .collect();
            Value::Object(entries)
        }
    }
}

fn number(text: &str) -> Value {
    let known = match airlock_yaml_tree::Value::of_plain(text) {
        airlock_yaml_tree::Value::Int(value) => Some(Number::from(value)),
        airlock_yaml_tree::Value::Float(value) => Number::from_f64(value),
        airlock_yaml_tree::Value::Null
        | airlock_yaml_tree::Value::Bool(_)
        | airlock_yaml_tree::Value::Text(_) => None,
    };
    known.map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json() {
        let config = Data::Map(vec![
            ("version".to_owned(), Data::Number("2".to_owned())),
            ("a".to_owned(), Data::Number("0x1F".to_owned())),
            ("b".to_owned(), Data::Number("1.5".to_owned())),
            ("c".to_owned(), Data::Number(".inf".to_owned())),
            (
                "d".to_owned(),
                Data::List(vec![Data::Null, Data::Bool(true), Data::Text("2".to_owned())]),
            ),
        ]);
        let processed = Processed {
            header: vec!["Orb 'a/b@1' resolved to 'a/b@1.2.3'".to_owned()],
            config,
        };
        let yaml = "# Orb 'a/b@1' resolved to 'a/b@1.2.3'\nversion: 2\na: 0x1F\nb: 1.5\nc: .inf\nd:\n- null\n- true\n- '2'\n";
        assert_eq!(processed.to_yaml(), yaml);
        let json = serde_json::json!({"version": 2, "a": 31, "b": 1.5, "c": ".inf", "d": [null, true, "2"]});
        assert_eq!(processed.to_json(), json);
    }
}
