//! JSON shapes that know their own schema: a struct is written once and gives serde's code and the OpenAPI schema, so
//! the two cannot differ. Owns the trait and the macros; the shapes stand beside the handlers that use them.

use std::fmt::Display;

use airlock_domain::Timestamp;
use airlock_domain::state::{JobStatus, PipelineState, SliceStatus, StepStatus, WorkflowStatus};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::http::input::SecretText;

/// A type with a place in the OpenAPI document.
pub(crate) trait Shape {
    /// Whether a field of this type may be missing.
    const OPTIONAL: bool = false;
    /// Its schema; the definitions of named types are added to `named`.
    fn schema(named: &mut Map<String, Value>) -> Value;
    /// Whether this value is left out of its object.
    fn is_absent(&self) -> bool {
        false
    }
}

/// Declares structs that are sent (`reply`) or received (`request`). Every field and every struct has its sentence.
macro_rules! shapes {
    ($mode:ident: $($(#[doc = $doc:literal])+ $name:ident {
        $($(#[doc = $field_doc:literal])+ $field:ident: $type:ty),* $(,)?
    })*) => {$(
        $crate::http::api::shapes::shapes! { @$mode $($doc)+, $name, $($($field_doc)+, $field, $type;)* }

        impl $crate::http::api::shapes::Shape for $name {
            fn schema(named: &mut serde_json::Map<String, serde_json::Value>) -> serde_json::Value {
                $crate::http::api::shapes::object(named, stringify!($name), concat!($($doc),+), |fields| {
                    $(fields.add::<$type>(stringify!($field), concat!($($field_doc),+));)*
                })
            }
        }
    )*};
    (@reply $($doc:literal)+, $name:ident, $($($field_doc:literal)+, $field:ident, $type:ty;)*) => {
        $(#[doc = $doc])+
        #[derive(Debug, serde::Serialize)]
        pub(crate) struct $name {
            $(
                $(#[doc = $field_doc])+
                #[serde(skip_serializing_if = "crate::http::api::shapes::Shape::is_absent")]
                pub(crate) $field: $type,
            )*
        }
    };
    (@request $($doc:literal)+, $name:ident, $($($field_doc:literal)+, $field:ident, $type:ty;)*) => {
        $(#[doc = $doc])+
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[doc = $field_doc])+ pub(crate) $field: $type,)*
        }
    };
}
pub(crate) use shapes;

/// The fields of one object while its schema is made.
pub(crate) struct Fields<'a> {
    named: &'a mut Map<String, Value>,
    properties: Map<String, Value>,
    required: Vec<&'static str>,
}

impl Fields<'_> {
    /// Adds a field.
    pub(crate) fn add<T: Shape>(&mut self, name: &'static str, description: &str) {
        let name = name.strip_prefix("r#").unwrap_or(name);
        let mut schema = T::schema(self.named);
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("description".to_owned(), json!(description.trim()));
        }
        self.properties.insert(name.to_owned(), schema);
        if !T::OPTIONAL {
            self.required.push(name);
        }
    }
}

/// Defines a named object once and refers to it.
pub(crate) fn object(
    named: &mut Map<String, Value>,
    name: &str,
    description: &str,
    fill: impl FnOnce(&mut Fields<'_>),
) -> Value {
    if !named.contains_key(name) {
        // Holds the place, so that a type that contains itself ends.
        named.insert(name.to_owned(), Value::Null);
        let mut fields = Fields {
            named,
            properties: Map::new(),
            required: Vec::new(),
        };
        fill(&mut fields);
        let (properties, required) = (fields.properties, fields.required);
        let schema = json!({
            "type": "object", "description": description.trim(), "properties": properties, "required": required,
            "additionalProperties": false,
        });
        named.insert(name.to_owned(), schema);
    }
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A value that is always there and sometimes `null`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Nullable<T>(pub(crate) Option<T>);

/// A UUID.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Id(String);

impl Id {
    /// The text of an id.
    pub(crate) fn of(id: impl Display) -> Self {
        Self(id.to_string())
    }
}

/// A point in time, as RFC 3339 in UTC with milliseconds.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Time(String);

impl Time {
    /// The text of a point in time.
    pub(crate) fn at(timestamp: Timestamp) -> Self {
        Self(timestamp.to_rfc3339())
    }

    /// The same where there may be none.
    pub(crate) fn nullable(timestamp: Option<Timestamp>) -> Nullable<Self> {
        Nullable(timestamp.map(Self::at))
    }
}

/// A JSON object with names of its own.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Object(pub(crate) Map<String, Value>);

macro_rules! plain {
    ($($type:ty => $schema:tt),* $(,)?) => {$(
        impl Shape for $type {
            fn schema(_named: &mut Map<String, Value>) -> Value {
                json!($schema)
            }
        }
    )*};
}

plain! {
    String => { "type": "string" },
    &'static str => { "type": "string" },
    SecretText => { "type": "string", "writeOnly": true },
    bool => { "type": "boolean" },
    u32 => { "type": "integer", "minimum": 0 },
    u64 => { "type": "integer", "minimum": 0 },
    i32 => { "type": "integer" },
    Id => { "type": "string", "format": "uuid" },
    Time => { "type": "string", "format": "date-time" },
    Object => { "type": "object" },
}

macro_rules! words {
    ($($type:ty),* $(,)?) => {$(
        impl Shape for $type {
            fn schema(_named: &mut Map<String, Value>) -> Value {
                let words: Vec<&str> = Self::ALL.iter().map(|word| word.as_str()).collect();
                json!({ "type": "string", "enum": words })
            }
        }
    )*};
}

words!(PipelineState, WorkflowStatus, JobStatus, SliceStatus, StepStatus);

impl<T: Shape> Shape for Option<T> {
    const OPTIONAL: bool = true;

    fn schema(named: &mut Map<String, Value>) -> Value {
        T::schema(named)
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T: Shape> Shape for Nullable<T> {
    fn schema(named: &mut Map<String, Value>) -> Value {
        json!({ "anyOf": [T::schema(named), { "type": "null" }] })
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn schema(named: &mut Map<String, Value>) -> Value {
        json!({ "type": "array", "items": T::schema(named) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    shapes! { reply:
        /// Sent.
        Sent {
            /// Always.
            id: u32,
            /// A keyword of Rust.
            r#type: &'static str,
            /// Sometimes.
            reason: Option<String>,
            /// Always, though empty.
            stopped_at: Nullable<Time>,
        }
    }

    shapes! { request:
        /// Received.
        Received {
            /// Sometimes.
            name: Option<String>,
        }
    }

    #[test]
    fn a_shape_and_its_schema_say_the_same() {
        let sent = Sent {
            id: 1,
            r#type: "x",
            reason: None,
            stopped_at: Nullable(None),
        };
        assert_eq!(
            serde_json::to_string(&sent).expect("JSON"),
            r#"{"id":1,"type":"x","stopped_at":null}"#
        );
        let mut named = Map::new();
        assert_eq!(
            Sent::schema(&mut named),
            json!({ "$ref": "#/components/schemas/Sent" })
        );
        assert_eq!(named["Sent"]["required"], json!(["id", "type", "stopped_at"]));
        assert_eq!(
            named["Sent"]["properties"]["type"]["description"],
            "A keyword of Rust."
        );
    }

    #[test]
    fn a_request_with_an_unknown_field_is_refused() {
        assert!(
            serde_json::from_str::<Received>(r#"{"name":"x"}"#)
                .expect("read")
                .name
                .is_some()
        );
        assert!(serde_json::from_str::<Received>(r#"{"nmae":"x"}"#).is_err());
    }
}
