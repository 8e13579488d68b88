//! Which backends and table formats are linked in: the only place with `cfg` for them.
//!
//! A crate that is enabled but never named is not linked, without a warning. Naming its static
//! here links it; a test holds this list equal to the registry.

use std::sync::Arc;

use orbit_core::Backend;
use orbit_engine::TableFormat;

/// The backends of this build.
pub static LINKED: &[&Backend] = &[
    #[cfg(feature = "local")]
    &orbit_local::BACKEND,
    #[cfg(feature = "s3")]
    &orbit_s3::BACKEND,
    #[cfg(feature = "redshift")]
    &orbit_redshift::BACKEND,
    #[cfg(feature = "snowflake")]
    &orbit_snowflake::BACKEND,
];

/// The table formats of this build, beside plain files.
pub fn table_formats() -> Vec<Arc<dyn TableFormat>> {
    vec![
        #[cfg(feature = "delta")]
        orbit_delta::format(),
    ]
}
