//! The whole layer stack, as layered trials use it.

use std::sync::Arc;

use orbit_core::Layering;
use orbit_layers::Stack;

/// Every layer, in the one order, with the figures that stand when nothing is configured.
pub(crate) fn layering() -> Arc<dyn Layering> {
    Arc::new(Stack::default())
}
