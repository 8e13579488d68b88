//! What a table looks like, by its name.

use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreRegistry;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;
use orbit_core::{
    ColumnDescription, Context, Error, ErrorKind, EstimateQuality, Result, Statistic,
    TableDescription, TableStatistics,
};

use crate::catalog::Resolved;
use crate::engine::Shared;
use crate::lake::{LakeStore, QueryStores};
use crate::sql::{self, OrbitDialect};
use crate::{DescribedTable, session};

/// Resolves `name` as SQL does and describes what it finds.
pub(crate) async fn describe(shared: &Shared, cx: &Context, name: &str) -> Result<DescribedTable> {
    let used = parse_name(name)?;
    let catalog = shared.catalog(cx);
    let resolved = catalog.resolve(&used).await?;
    let table = resolved.info();
    if let Resolved::Remote(remote) = &resolved {
        let description = remote.description().clone();
        return Ok(DescribedTable { table, schema: Arc::clone(&description.schema), description });
    }
    let store = Arc::new(LakeStore::default());
    let stores: Arc<dyn ObjectStoreRegistry> = Arc::new(QueryStores::new(Arc::clone(&store)));
    let session = session::session(cx, &shared.options, &shared.runtime, Arc::clone(&stores))?;
    let provider = resolved.provider(&catalog, &session, &store, &stores).await?;
    let schema = provider.schema();
    let columns = schema.fields().iter().map(|field| ColumnDescription {
        name: field.name().clone(),
        data_type: field.data_type().clone(),
        source_type: field.data_type().to_string(),
        binary_collation: true,
        comment: field.metadata().get("comment").cloned(),
    });
    let exact = |value| Statistic { value, quality: EstimateQuality::Exact };
    let statistics =
        TableStatistics { bytes: table.bytes.map(exact), ..TableStatistics::default() };
    let description =
        TableDescription { schema: Arc::clone(&schema), columns: columns.collect(), statistics };
    Ok(DescribedTable { table, schema, description })
}

/// The name of a table, alone.
pub(crate) fn parse_name(name: &str) -> Result<sql::TableUse> {
    let invalid = || {
        let message = format!("`{name}` is not the name of a table");
        Error::new(ErrorKind::QueryInvalid, message)
            .with_hint("a name is datasource.table, parts with other characters in double quotes")
    };
    let mut parser = Parser::new(&OrbitDialect).try_with_sql(name).map_err(|_| invalid())?;
    let parsed = parser.parse_object_name(false).map_err(|_| invalid())?;
    if parser.peek_token().token != Token::EOF {
        return Err(invalid());
    }
    sql::table_use(&parsed, &mut sql::Versions::default())
}
