//! What the layers leave as it is.

use orbit_core::{Effect, FileDatasource, Operation, SqlDatasource};
use orbit_layers::LayerSettings;

use crate::scripted::{Item, Scripted, Step, answer, context, run, run_with, stacked, table};

#[tokio::test]
async fn facets_are_those_of_the_source() {
    for (sql, files) in [(true, true), (true, false), (false, true), (false, false)] {
        let source = Scripted::with_facets(sql, files, |_| answer());
        let lake = stacked(LayerSettings::default(), &source);
        let facets = lake.facets();
        assert_eq!((facets.sql.is_some(), facets.files.is_some()), (sql, files));
    }
}

#[tokio::test]
async fn capability_and_dialect_are_those_of_the_source() {
    let source = Scripted::new(|_| answer());
    let lake = stacked(LayerSettings::default(), &source);
    let (sql, files) = (lake.facets().sql.unwrap(), lake.facets().files.unwrap());
    assert_eq!(sql.capability(), SqlDatasource::capability(source.as_ref()));
    assert_eq!(files.capability(), FileDatasource::capability(source.as_ref()));
    assert_eq!(sql.dialect(), source.dialect());
}

#[tokio::test]
async fn each_operation_reaches_its_own_and_its_answer_comes_back() {
    let (bare, source) = (Scripted::new(|_| answer()), Scripted::new(|_| answer()));
    let lake = stacked(LayerSettings::default(), &source);
    for operation in Operation::ALL {
        let expected = run(bare.as_ref(), &context(), operation).await.unwrap();
        let answered = run(lake.as_ref(), &context(), operation).await.unwrap();
        assert_eq!(answered, expected, "{operation}");
    }
    assert_eq!(source.calls(), Operation::ALL[1..]);
    assert_eq!(source.calls(), bare.calls());
}

#[tokio::test]
async fn no_item_at_all_is_an_answer() {
    for effect in [Effect::Read, Effect::Unknown] {
        let lake = stacked(LayerSettings::default(), &Scripted::new(|_| Step::Items(vec![])));
        let rows = run_with(lake.as_ref(), &context(), Operation::Query, effect).await.unwrap();
        assert_eq!(rows, 0);
    }
}

#[tokio::test]
async fn dropping_the_stream_drops_the_source_s() {
    let source = Scripted::new(|_| Step::Items(vec![Item::Some, Item::Silent]));
    let lake = stacked(LayerSettings::default(), &source);
    let stream = lake.facets().sql.unwrap().query(&context(), table()).await.unwrap();
    assert_eq!(source.streams_open(), 1);
    drop(stream);
    assert_eq!(source.streams_open(), 0);
}

#[tokio::test]
async fn closing_reaches_the_source_and_is_not_an_operation() {
    let source = Scripted::new(|_| answer());
    let lake = stacked(LayerSettings::default(), &source);
    lake.close().await.unwrap();
    lake.close().await.unwrap();
    assert_eq!((source.closed(), source.count()), (2, 0));
}
