//! The OpenAPI document, made of the table of calls and the schemas of their bodies. `docs/openapi.json` is its
//! checked-in text; a test compares the two.

use serde_json::{Map, Value, json};

use super::routes::{ROUTES, Reply, Route};

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut schemas = Map::new();
    let mut paths = Map::new();
    for route in ROUTES {
        let call = operation(route, &mut schemas);
        let methods = paths.entry(route.path).or_insert_with(|| json!({}));
        methods[route.method.to_lowercase()] = call;
    }
    schemas.insert(
        "Error".to_owned(),
        json!({
            "type": "object",
            "description": "What went wrong.",
            "properties": {
                "message": { "type": "string", "description": "For people." },
                "request_id": { "type": "string", "description": "Names the request in the server's log." },
            },
            "required": ["message", "request_id"],
        }),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Airlock",
            "version": "2",
            "description": "CircleCI's API v2 as far as Airlock has it, and Airlock's own calls under /airlock.",
        },
        "servers": [{ "url": "/api/v2" }],
        "security": [{ "circle_token": [] }, { "bearer": [] }, { "basic": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "circle_token": { "type": "apiKey", "in": "header", "name": "Circle-Token" },
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic", "description": "The token as user name, no password." },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": crate::http::SESSION_COOKIE,
                    "description": "A signed-in browser, for requests from Airlock's own pages only.",
                },
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut Map<String, Value>) -> Value {
    let in_path = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| parameter(name, "path"));
    let in_query = route.query.iter().map(|name| parameter(name, "query"));
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let content = match &route.reply {
        Reply::Json(schema) => json!({ "application/json": { "schema": schema(schemas) } }),
        Reply::Lines => json!({ "application/x-ndjson": { "schema": { "type": "string" } } }),
        Reply::Bytes => {
            json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } })
        }
    };
    let error = json!({ "$ref": "#/components/schemas/Error" });
    let mut operation = json!({
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            (route.status.to_string()): { "description": "Done", "content": content },
            "default": { "description": "Refused or failed", "content": { "application/json": { "schema": error } } },
        },
    });
    if let Some(request) = route.request {
        operation["requestBody"] =
            json!({ "content": { "application/json": { "schema": request(schemas) } } });
    }
    operation
}

fn parameter(name: &str, place: &str) -> Value {
    json!({ "name": name, "in": place, "required": place == "path", "schema": { "type": "string" } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_document_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let text = format!("{}\n", serde_json::to_string_pretty(&document()).expect("JSON"));
        if std::env::var_os("AIRLOCK_WRITE_OPENAPI").is_some() {
            std::fs::write(path, &text).expect("written");
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == text,
            "docs/openapi.json is not what the code says. Write it anew with\n    \
             AIRLOCK_WRITE_OPENAPI=1 cargo test -p airlock-gateway openapi"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let text = document.to_string();
        let names = text
            .split("#/components/schemas/")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        let mut count = 0;
        for name in names {
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
            count += 1;
        }
        assert!(count > ROUTES.len());
    }
}
