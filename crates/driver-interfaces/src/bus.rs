//! The live channel: who listens hears what happens now. It may drop messages; rows are the truth.

use airlock_domain::PipelineId;
use airlock_domain::events::Happening;
use async_trait::async_trait;

/// Publishes happenings and hands out subscriptions. Called from any task; `publish` must not block.
pub trait Bus: Send + Sync {
    /// Tells everyone who listens.
    fn publish(&self, happening: Happening);
    /// Listens to one pipeline, or to all.
    fn subscribe(&self, pipeline: Option<PipelineId>) -> Box<dyn Subscription>;
}

/// One listener.
#[async_trait]
pub trait Subscription: Send {
    /// The next thing, in order.
    async fn next(&mut self) -> Heard;
}

/// What a listener hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Something happened.
    Happening(Box<Happening>),
    /// This many messages were dropped: read the rows again.
    Missed(u64),
    /// The bus is closed.
    Closed,
}
