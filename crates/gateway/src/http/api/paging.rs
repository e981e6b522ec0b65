//! Pages of lists: `{"items": […], "next_page_token": …}`. A token is the place where the next page begins; callers
//! must not read meaning into it.

use axum::Json;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::shapes::{Nullable, Shape};

/// One page.
#[derive(Debug, Serialize)]
pub(crate) struct Page<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    /// Where the next one begins.
    pub(crate) next_page_token: Nullable<String>,
}

impl<T> Page<T> {
    /// A list that fits one page.
    pub(crate) fn only(items: Vec<T>) -> Json<Self> {
        Json(Self {
            items,
            next_page_token: Nullable(None),
        })
    }

    /// A page with the place of the next one.
    pub(crate) fn with_next(items: Vec<T>, next: Option<String>) -> Json<Self> {
        Json(Self {
            items,
            next_page_token: Nullable(next),
        })
    }
}

impl<T: Shape> Shape for Page<T> {
    fn schema(named: &mut Map<String, Value>) -> Value {
        json!({
            "type": "object",
            "properties": {
                "items": Vec::<T>::schema(named),
                "next_page_token": Nullable::<String>::schema(named),
            },
            "required": ["items", "next_page_token"],
            "additionalProperties": false,
        })
    }
}
