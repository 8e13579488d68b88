//! The same files as an `object_store`, as the engine and Delta see them.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    Error as StoreError, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutPayload, UpdateVersion,
};
use orbit_core::FileStore;

use super::{ensure, equal, group, holds, is_absent, pattern, put};
use crate::bench::Bench;
use crate::subject::{Stop, Verdict};

/// The smallest part that stores take.
const PART_BYTES: usize = 5 << 20;

group! { "files":
    store_puts_and_gets ["files.read", "files.write"];
    store_gets_ranges ["files.read", "files.write"];
    store_head_wants_the_tag ["files.read.if_match", "files.write"];
    store_puts_under_conditions ["files.read", "files.write.if_absent"];
    store_updates_by_tag ["files.read", "files.write.if_match"];
    store_lists ["files.read", "files.write"];
    store_uploads_in_parts ["files.read", "files.write"];
    store_aborts_an_upload ["files.read", "files.write"];
    store_copies ["files.read", "files.write", "files.copy"];
    store_deletes ["files.read", "files.write", "files.delete"];
    store_says_not_found ["files.read"];
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Failed(format!("unexpected error of the store: {error:?}"))
    }
}

fn store(bench: &Bench) -> Verdict<FileStore> {
    Ok(FileStore::new(Arc::clone(&bench.datasource), bench.cx())?)
}

fn path(bench: &Bench, name: &str) -> Verdict<Path> {
    Path::parse(bench.key(name)).map_err(|e| Stop::failed(e.to_string()))
}

async fn store_puts_and_gets(bench: &Bench) -> Verdict {
    let store = store(bench)?;
    for name in ["plain.parquet", "date=2026-01-31/with space.csv", "naïve/日本"] {
        let at = path(bench, name)?;
        store.put(&at, PutPayload::from_static(b"body")).await?;
        let got = store.get(&at).await?;
        equal("where it lies", &got.meta.location, &at)?;
        equal("its size", &got.meta.size, &4)?;
        equal("its bytes", &got.bytes().await?.as_ref(), &b"body".as_slice())?;
        let head = store.head(&at).await?;
        equal("the head", &(head.location, head.size), &(at, 4))?;
        holds(bench, &bench.key(name), b"body").await?;
    }
    Ok(())
}

async fn store_gets_ranges(bench: &Bench) -> Verdict {
    put(bench, &bench.key("ten"), b"0123456789").await?;
    let (store, at) = (store(bench)?, path(bench, "ten")?);
    for (range, expected) in [
        (GetRange::Bounded(2..5), b"234".as_slice()),
        (GetRange::Bounded(8..50), b"89"),
        (GetRange::Offset(7), b"789"),
        (GetRange::Suffix(4), b"6789"),
        (GetRange::Suffix(40), b"0123456789"),
    ] {
        let what = format!("{range:?}");
        let options = GetOptions { range: Some(range), ..GetOptions::default() };
        let got = store.get_opts(&at, options).await?.bytes().await?;
        equal(&what, &got.as_ref(), &expected)?;
    }
    let several = store.get_ranges(&at, &[7..9, 0..2]).await?;
    let expected = vec![Bytes::from_static(b"78"), Bytes::from_static(b"01")];
    equal("several ranges", &several, &expected)
}

async fn store_head_wants_the_tag(bench: &Bench) -> Verdict {
    let (store, at) = (store(bench)?, path(bench, "tagged")?);
    let first = store.put(&at, PutPayload::from_static(b"one")).await?;
    let head = || GetOptions { head: true, if_match: first.e_tag.clone(), ..GetOptions::default() };
    equal("its size", &store.get_opts(&at, head()).await?.meta.size, &3)?;
    store.put(&at, PutPayload::from_static(b"other")).await?;
    let stale = store.get_opts(&at, head()).await;
    ensure!(matches!(stale, Err(StoreError::Precondition { .. })), "a stale head: {stale:?}");
    Ok(())
}

async fn store_puts_under_conditions(bench: &Bench) -> Verdict {
    let (store, at) = (store(bench)?, path(bench, "created")?);
    let create = || PutOptions::from(PutMode::Create);
    store.put_opts(&at, PutPayload::from_static(b"one"), create()).await?;
    let again = store.put_opts(&at, PutPayload::from_static(b"two"), create()).await;
    ensure!(matches!(again, Err(StoreError::AlreadyExists { .. })), "a second create: {again:?}");
    holds(bench, &bench.key("created"), b"one").await
}

async fn store_updates_by_tag(bench: &Bench) -> Verdict {
    let (store, at) = (store(bench)?, path(bench, "updated")?);
    let first = store.put(&at, PutPayload::from_static(b"one")).await?;
    let version = UpdateVersion { e_tag: first.e_tag, version: first.version };
    let update = || PutOptions::from(PutMode::Update(version.clone()));
    store.put_opts(&at, PutPayload::from_static(b"two"), update()).await?;
    let stale = store.put_opts(&at, PutPayload::from_static(b"three"), update()).await;
    ensure!(matches!(stale, Err(StoreError::Precondition { .. })), "a stale update: {stale:?}");
    let untagged = PutMode::Update(UpdateVersion { e_tag: None, version: None });
    let blind = store.put_opts(&at, PutPayload::from_static(b"four"), untagged.into()).await;
    ensure!(blind.is_err(), "an update of whatever is there: {blind:?}");
    holds(bench, &bench.key("updated"), b"two").await
}

async fn store_lists(bench: &Bench) -> Verdict {
    for name in ["t/a", "t/b/c", "t/b/d", "t2/e"] {
        put(bench, &bench.key(name), b"x").await?;
    }
    let (store, folder) = (store(bench)?, path(bench, "t")?);
    let paths = |names: &[&str]| -> Verdict<Vec<Path>> {
        names.iter().map(|name| path(bench, name)).collect()
    };
    let all: Vec<_> = store.list(Some(&folder)).map_ok(|m| m.location).try_collect().await?;
    equal("the list", &all, &paths(&["t/a", "t/b/c", "t/b/d"])?)?;
    let level = store.list_with_delimiter(Some(&folder)).await?;
    let objects: Vec<_> = level.objects.into_iter().map(|m| m.location).collect();
    equal("the level", &objects, &paths(&["t/a"])?)?;
    equal("the folders", &level.common_prefixes, &paths(&["t/b"])?)?;
    if bench.claims().has("files.read.start_after") {
        let offset = path(bench, "t/b/c")?;
        let rest = store.list_with_offset(Some(&folder), &offset).map_ok(|m| m.location);
        equal("the rest", &rest.try_collect().await?, &paths(&["t/b/d"])?)?;
    }
    Ok(())
}

async fn store_uploads_in_parts(bench: &Bench) -> Verdict {
    let (store, at) = (store(bench)?, path(bench, "parts")?);
    let mut upload = store.put_multipart(&at).await?;
    let parts = [pattern(PART_BYTES), pattern(PART_BYTES + 1), pattern(10)];
    let puts: Vec<_> = parts.iter().map(|part| upload.put_part(part.clone().into())).collect();
    // Parts are waited for in any order; the object holds them in the order of the puts.
    stream::iter(puts.into_iter().rev())
        .buffer_unordered(3)
        .try_for_each(|()| async { Ok(()) })
        .await?;
    is_absent(bench, &bench.key("parts")).await?;
    upload.complete().await?;
    holds(bench, &bench.key("parts"), &parts.concat()).await
}

async fn store_aborts_an_upload(bench: &Bench) -> Verdict {
    let (store, at) = (store(bench)?, path(bench, "aborted")?);
    let mut upload = store.put_multipart(&at).await?;
    upload.put_part(pattern(PART_BYTES).into()).await?;
    upload.abort().await?;
    is_absent(bench, &bench.key("aborted")).await
}

async fn store_copies(bench: &Bench) -> Verdict {
    put(bench, &bench.key("from"), b"one").await?;
    let (store, from, to) = (store(bench)?, path(bench, "from")?, path(bench, "to")?);
    store.copy(&from, &to).await?;
    holds(bench, &bench.key("to"), b"one").await?;
    let missing = store.copy(&path(bench, "missing")?, &to).await;
    ensure!(matches!(missing, Err(StoreError::NotFound { .. })), "a missing source: {missing:?}");
    if bench.claims().has("files.write.if_absent") {
        let again = store.copy_if_not_exists(&from, &to).await;
        ensure!(matches!(again, Err(StoreError::AlreadyExists { .. })), "a second copy: {again:?}");
    }
    Ok(())
}

async fn store_deletes(bench: &Bench) -> Verdict {
    let store = store(bench)?;
    let names = ["a", "b", "folder/c"];
    for name in names {
        put(bench, &bench.key(name), b"x").await?;
    }
    let paths = names.iter().map(|name| path(bench, name)).collect::<Verdict<Vec<_>>>()?;
    let asked = stream::iter(paths.clone().into_iter().map(Ok)).boxed();
    let deleted: Vec<_> = store.delete_stream(asked).try_collect().await?;
    equal("what is deleted", &deleted, &paths)?;
    for name in names {
        is_absent(bench, &bench.key(name)).await?;
    }
    Ok(())
}

async fn store_says_not_found(bench: &Bench) -> Verdict {
    let (store, at) = (store(bench)?, path(bench, "missing")?);
    let got = store.get(&at).await.map(|got| got.meta);
    ensure!(matches!(got, Err(StoreError::NotFound { .. })), "a get of nothing: {got:?}");
    let head = store.head(&at).await;
    ensure!(matches!(head, Err(StoreError::NotFound { .. })), "a head of nothing: {head:?}");
    Ok(())
}
