//! The API: CircleCI's calls in CircleCI's shapes under `/api/v2`, our own under `/api/v2/airlock`. The table
//! [`ROUTES`] is the only list of calls: the router is built from it and so is the OpenAPI document, so neither can
//! name a call that the other does not have.

mod airlock;
mod egress;
mod egress_policy;
mod env_vars;
mod explanation;
mod files;
mod follow;
mod jobs;
mod openapi;
mod orbs;
mod paging;
mod pipelines;
mod resources;
mod routes;
mod shapes;
mod ssh;
mod workflows;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;

use super::state::State;
use super::{auth, limits};

pub use openapi::document;
pub use routes::{ROUTES, Route};

/// The API's router, without its prefix.
pub(crate) fn router(state: &State) -> Router<State> {
    ROUTES
        .iter()
        .fold(Router::new(), |router, route| {
            router.route(route.path, (route.mount)())
        })
        .layer(DefaultBodyLimit::max(limits::API_BODY_BYTES))
        .route_layer(from_fn_with_state(state.clone(), auth::require))
}
