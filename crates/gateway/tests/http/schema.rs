//! Holds answers against the OpenAPI document: what a caller gets is what the document promises.

use airlock_gateway::http::api::document;
use serde_json::Value;

/// Checks a JSON answer of a call.
#[track_caller]
pub(crate) fn check(method: &str, path: &str, status: u16, body: &Value) {
    let document = document();
    let pointer = format!(
        "/paths/{}/{}/responses/{status}/content/application~1json/schema",
        path.replace('/', "~1"),
        method.to_lowercase()
    );
    let schema = document
        .pointer(&pointer)
        .unwrap_or_else(|| panic!("{method} {path} does not answer {status}"));
    fits(body, schema, &document, "")
        .unwrap_or_else(|problem| panic!("{method} {path}: {problem} in {body}"));
}

fn fits(value: &Value, schema: &Value, document: &Value, place: &str) -> Result<(), String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = document
            .pointer(reference.trim_start_matches('#'))
            .ok_or("a reference to nothing")?;
        return fits(value, target, document, place);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fit = choices
            .iter()
            .any(|choice| fits(value, choice, document, place).is_ok());
        return if fit {
            Ok(())
        } else {
            Err(format!("'{place}' fits no choice"))
        };
    }
    if let Some(words) = schema["enum"].as_array() {
        return if words.contains(value) {
            Ok(())
        } else {
            Err(format!("'{place}' is no word of the list"))
        };
    }
    let right_type = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        other => return Err(format!("'{place}' has the unknown type {other:?}")),
    };
    if !right_type {
        return Err(format!("'{place}' is not {}", schema["type"]));
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        fits(item, &schema["items"], document, &format!("{place}/{index}"))?;
    }
    let Some(properties) = schema["properties"].as_object() else {
        return Ok(());
    };
    for (name, field) in value.as_object().into_iter().flatten() {
        let known = properties
            .get(name)
            .ok_or_else(|| format!("'{place}/{name}' is not in the document"))?;
        fits(field, known, document, &format!("{place}/{name}"))?;
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        if value.get(name).is_none() {
            return Err(format!("'{place}/{name}' is missing"));
        }
    }
    Ok(())
}

#[test]
fn a_wrong_answer_is_found() {
    let check = |body: Value| {
        let schema = serde_json::json!({ "$ref": "#/components/schemas/User" });
        fits(&body, &schema, &document(), "")
    };
    let good = serde_json::json!({ "id": "x", "login": "ada", "name": "Ada" });
    assert_eq!(check(good.clone()), Ok(()));
    for (name, value) in [("login", serde_json::json!(5)), ("more", serde_json::json!("x"))] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(check(bad).is_err(), "{name}");
    }
    assert!(check(serde_json::json!({ "id": "x", "login": "ada" })).is_err());
}
