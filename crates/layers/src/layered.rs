//! A datasource with one layer around it.

use std::sync::Arc;

use async_trait::async_trait;
use orbit_core::{Context, Datasource, Facets, Operation, Result};

use crate::layer::{Attempts, Call, Layer};
use crate::layered_files::LayeredFiles;
use crate::layered_sql::LayeredSql;

/// `datasource`, with `layer` around each of its operations.
pub(crate) fn layered<L: Layer>(
    layer: &Arc<L>,
    datasource: Arc<dyn Datasource>,
) -> Arc<dyn Datasource> {
    let Facets { sql, files } = datasource.facets();
    let sql = sql.map(|facet| LayeredSql::new(layer, &datasource, facet));
    let files = files.map(|facet| LayeredFiles::new(layer, &datasource, facet));
    Arc::new(Layered { layer: Arc::clone(layer), sql, files, datasource })
}

struct Layered<L> {
    layer: Arc<L>,
    datasource: Arc<dyn Datasource>,
    sql: Option<LayeredSql<L>>,
    files: Option<LayeredFiles<L>>,
}

impl<L: Layer> std::fmt::Debug for Layered<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layered")
            .field("layer", &self.layer)
            .field("datasource", &self.datasource)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl<L: Layer> Datasource for Layered<L> {
    fn facets(&self) -> Facets<'_> {
        Facets {
            sql: self.sql.as_ref().map(|facet| facet as _),
            files: self.files.as_ref().map(|facet| facet as _),
        }
    }

    async fn ping(&self, cx: &Context) -> Result<()> {
        let attempts = Attempts::repeatable((), |cx, ()| {
            Box::pin(async move { self.datasource.ping(&cx).await })
        });
        self.layer.around(cx.clone(), Call::new(Operation::Ping), attempts).await
    }

    // Closing is no operation: no layer counts, delays or refuses it.
    async fn close(&self) -> Result<()> {
        self.datasource.close().await
    }
}
