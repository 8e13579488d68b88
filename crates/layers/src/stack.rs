//! The layers in their order.

use std::sync::Arc;

use orbit_core::{Datasource, Layering};

use crate::LayerSettings;
use crate::circuit_breaker::CircuitBreakerLayer;
use crate::layered::layered;
use crate::metrics::MetricsLayer;
use crate::rate_limit::RateLimitLayer;
use crate::retry::RetryLayer;
use crate::timeout::TimeoutLayer;
use crate::trace::TraceLayer;

/// All layers, with the figures of one datasource.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    settings: LayerSettings,
}

impl Stack {
    /// All layers, with these figures.
    pub fn new(settings: LayerSettings) -> Self {
        Self { settings }
    }
}

impl Layering for Stack {
    fn around_instance(&self, datasource: Arc<dyn Datasource>) -> Arc<dyn Datasource> {
        let LayerSettings { retry, circuit_breaker, rate_limit, timeout } = &self.settings;
        let datasource = layered(TimeoutLayer::new(timeout), datasource);
        let datasource = layered(RateLimitLayer::new(rate_limit.as_ref()), datasource);
        let datasource = layered(CircuitBreakerLayer::new(circuit_breaker), datasource);
        layered(RetryLayer::new(retry), datasource)
    }

    fn around_handle(&self, name: &str, datasource: Arc<dyn Datasource>) -> Arc<dyn Datasource> {
        let name = Arc::from(name);
        let datasource = layered(MetricsLayer::new(&name), datasource);
        layered(TraceLayer::new(&name), datasource)
    }
}
