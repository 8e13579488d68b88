//! The DataFusion session of one query, over what all queries of an engine share.

use std::sync::Arc;

use datafusion::catalog::{
    CatalogProvider, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider,
    SchemaProvider,
};
use datafusion::datasource::TableProvider;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use orbit_core::{Context, Error, ErrorKind, Result};

use crate::error::from_datafusion;
use crate::spill::SpillFolder;
use crate::{EngineOptions, ending, remote, rules, semantics};

/// Bytes of footers that are kept between queries.
const FOOTER_CACHE_BYTES: usize = 128 << 20;

/// What the queries of an engine share: memory, disk and footers.
pub(crate) fn runtime(options: &EngineOptions) -> Result<Arc<RuntimeEnv>> {
    let memory = usize::try_from(options.memory_bytes_max).unwrap_or(usize::MAX);
    let files = Arc::new(SpillFolder::new(options)?);
    let disk = DiskManagerBuilder::default().with_temp_file_factory(files);
    // Footers are kept by path, and a path says whose file and which content it is. Listings
    // and statistics belong to one query.
    let caches = CacheManagerConfig {
        metadata_cache_limit: FOOTER_CACHE_BYTES,
        list_files_cache_limit: 0,
        file_statistics_cache_limit: 0,
        ..CacheManagerConfig::default()
    };
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(memory)))
        .with_disk_manager_builder(disk)
        .with_cache_manager(caches)
        .build_arc()
        .map_err(|e| {
            Error::new(ErrorKind::ConfigInvalid, "the engine's options cannot be met")
                .with_source(e)
        })
}

/// A session for the query of `cx`, which reaches nothing but `stores` and the tables
/// registered with it.
pub(crate) fn session(
    cx: &Context,
    options: &EngineOptions,
    shared: &RuntimeEnv,
    stores: Arc<dyn ObjectStoreRegistry>,
) -> Result<SessionState> {
    let runtime = RuntimeEnvBuilder::from_runtime_env(shared)
        .with_object_store_registry(stores)
        .build_arc()
        .map_err(from_datafusion)?;
    let mut config = SessionConfig::new()
        .with_batch_size(options.batch_rows)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false)
        .set_bool("datafusion.sql_parser.parse_float_as_decimal", true)
        .set_bool("datafusion.execution.parquet.pushdown_filters", false)
        .set_bool("datafusion.explain.show_statistics", false);
    if let Some(partitions) = options.target_partitions {
        config = config.with_target_partitions(partitions);
    }
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_catalog_list(Arc::new(MemoryCatalogProviderList::new()))
        .with_default_features();
    let builder = remote::with_rules(semantics::with_rules(builder));
    let mut state = ending::with_rules_that_end(rules::with_rules(builder, cx), cx).build();
    // Without it `now()` and `current_date` know no time.
    state.mark_start_execution();
    Ok(state)
}

/// Makes `table` known to `session` as `catalog.schema.name`.
pub(crate) fn register(
    session: &SessionState,
    [catalog, schema, name]: &[String; 3],
    table: Arc<dyn TableProvider>,
) -> Result<()> {
    let catalogs = session.catalog_list();
    let known = catalogs.catalog(catalog).unwrap_or_else(|| {
        let new: Arc<dyn CatalogProvider> = Arc::new(MemoryCatalogProvider::new());
        catalogs.register_catalog(catalog.clone(), Arc::clone(&new));
        new
    });
    let tables = match known.schema(schema) {
        Some(tables) => tables,
        None => {
            let new: Arc<dyn SchemaProvider> = Arc::new(MemorySchemaProvider::new());
            known.register_schema(schema, Arc::clone(&new)).map_err(from_datafusion)?;
            new
        }
    };
    if !tables.table_exist(name) {
        tables.register_table(name.clone(), table).map_err(from_datafusion)?;
    }
    Ok(())
}
