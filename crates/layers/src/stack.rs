//! The layers in their order.

use std::sync::Arc;

use async_trait::async_trait;
use orbit_core::{Connect, Context, Datasource, Layering, Operation, Result};

use crate::LayerSettings;
use crate::circuit_breaker::CircuitBreakerLayer;
use crate::layer::{Attempts, Call, Layer};
use crate::layered::layered;
use crate::metrics::MetricsLayer;
use crate::rate_limit::RateLimitLayer;
use crate::retry::RetryLayer;
use crate::timeout::TimeoutLayer;
use crate::trace::TraceLayer;

/// All layers, with the figures of one datasource.
#[derive(Debug)]
pub struct Stack {
    retry: Arc<RetryLayer>,
    circuit_breaker: Arc<CircuitBreakerLayer>,
    rate_limit: Arc<RateLimitLayer>,
    timeout: Arc<TimeoutLayer>,
}

impl Default for Stack {
    fn default() -> Self {
        Self::new(&LayerSettings::default())
    }
}

impl Stack {
    /// All layers, with these figures.
    pub fn new(settings: &LayerSettings) -> Self {
        let LayerSettings { retry, circuit_breaker, rate_limit, timeout } = settings;
        Self {
            retry: Arc::new(RetryLayer::new(retry)),
            circuit_breaker: Arc::new(CircuitBreakerLayer::new(circuit_breaker)),
            rate_limit: Arc::new(RateLimitLayer::new(rate_limit.as_ref())),
            timeout: Arc::new(TimeoutLayer::new(timeout)),
        }
    }
}

#[async_trait]
impl Layering for Stack {
    async fn around_connect(
        &self,
        name: &str,
        cx: &Context,
        connect: Connect<'_>,
    ) -> Result<Arc<dyn Datasource>> {
        let name = Arc::from(name);
        let connect = around_connect(&self.timeout, connect);
        let connect = around_connect(&self.rate_limit, connect);
        let connect = around_connect(&self.circuit_breaker, connect);
        let connect = around_connect(&self.retry, connect);
        let connect = around_connect(&Arc::new(MetricsLayer::new(&name)), connect);
        around_connect(&Arc::new(TraceLayer::new(&name)), connect)(cx.clone()).await
    }

    fn around_instance(&self, datasource: Arc<dyn Datasource>) -> Arc<dyn Datasource> {
        let datasource = layered(&self.timeout, datasource);
        let datasource = layered(&self.rate_limit, datasource);
        let datasource = layered(&self.circuit_breaker, datasource);
        layered(&self.retry, datasource)
    }

    fn around_handle(&self, name: &str, datasource: Arc<dyn Datasource>) -> Arc<dyn Datasource> {
        let name = Arc::from(name);
        let datasource = layered(&Arc::new(MetricsLayer::new(&name)), datasource);
        layered(&Arc::new(TraceLayer::new(&name)), datasource)
    }
}

fn around_connect<'a, L: Layer>(layer: &Arc<L>, connect: Connect<'a>) -> Connect<'a> {
    let layer = Arc::clone(layer);
    Arc::new(move |cx| {
        let (layer, connect) = (Arc::clone(&layer), Arc::clone(&connect));
        let attempts = Attempts::repeatable((), move |cx, ()| connect(cx));
        Box::pin(async move { layer.around(cx, Call::new(Operation::Connect), attempts).await })
    })
}
