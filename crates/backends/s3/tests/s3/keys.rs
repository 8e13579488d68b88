//! Keys are the store's own strings, whatever stands in them.

use std::sync::Arc;

use bytes::Bytes;
use orbit_core::{Copy, Delete, ErrorKind, WriteCondition};

use crate::Outcome;
use crate::world::{Store, World, cx, of_moto};

const ODD: &[&str] = &[
    "with space",
    "100%",
    "a%2Fb",
    "a+b",
    "a#b",
    "a?b=c&d",
    "ü/日本/🦀",
    "a//b",
    "a/./b",
    "a/../b",
    "trailing/..",
    "folder/",
    "quote'\"<&>`",
    "tab\t",
    "bell\u{7}",
    "none\u{fffe}",
];

async fn filled(
    world: &World,
    prefix: &'static str,
) -> Result<Store, orbit_testkit::servers::ServerError> {
    let store = Store::connect(of_moto(world.moto().await?, &[("prefix", prefix)])).await.unwrap();
    for key in ODD {
        store
            .put(key, Bytes::from_static(key.as_bytes()))
            .await
            .unwrap_or_else(|error| panic!("writing {key:?}: {error}"));
    }
    Ok(store)
}

pub(crate) async fn odd_keys_come_back(world: Arc<World>) -> Outcome {
    let store = filled(&world, "odd").await?;
    let mut keys: Vec<_> = ODD.to_vec();
    keys.sort_unstable();
    assert_eq!(store.list("").await.unwrap(), keys);
    for key in ODD {
        assert_eq!(store.read(key).await.unwrap(), key.as_bytes(), "{key:?}");
        assert_eq!(store.stat(key).await.unwrap().key, *key);
        assert!(store.list(key).await.unwrap().contains(&(*key).to_owned()), "{key:?}");
    }
    Ok(())
}

pub(crate) async fn odd_keys_are_copied_and_deleted(world: Arc<World>) -> Outcome {
    let store = filled(&world, "copied").await?;
    for key in ODD {
        let to = format!("to/{key}");
        let condition = WriteCondition::Always;
        let request = Copy { from: (*key).to_owned(), to: to.clone(), condition };
        let copied = store.files().copy(&cx(), request).await;
        copied.unwrap_or_else(|error| panic!("copying {key:?}: {error}"));
        assert_eq!(store.read(&to).await.unwrap(), key.as_bytes(), "{key:?}");
    }
    let keys = store.list("").await.unwrap();
    assert_eq!(keys.len(), 2 * ODD.len());
    let outcomes = store.files().delete(&cx(), Delete { keys }).await.unwrap();
    assert!(outcomes.iter().all(|outcome| outcome.result.is_ok()), "{outcomes:?}");
    assert_eq!(store.list("").await.unwrap(), [""; 0]);
    Ok(())
}

pub(crate) async fn a_prefix_hides_what_is_beside_it(world: Arc<World>) -> Outcome {
    let whole = Store::connect(of_moto(world.moto().await?, &[])).await.unwrap();
    for key in ["hide/in/a", "hide/inside", "hide/in"] {
        whole.put(key, Bytes::from_static(b"x")).await.unwrap();
    }
    let below = of_moto(world.moto().await?, &[("prefix", "hide/in")]);
    let below = Store::connect(below).await.unwrap();
    assert_eq!(below.list("").await.unwrap(), ["a"]);
    // A key is no path: it does not lead out.
    let error = below.read("../inside").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}
