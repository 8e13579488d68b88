//! Nothing leaves the root.

mod common;

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Lake, cx, on_disk};
use orbit_core::{Copy, Delete, ErrorKind, ListFiles, ReadRanges, WriteCondition};

async fn lake_with_secret() -> Lake {
    let lake = Lake::new().await;
    lake.plant("inside.csv", "inside");
    lake.plant("../secret/key.csv", "secret");
    lake
}

#[tokio::test]
async fn keys_that_are_no_paths_name_nothing() {
    let lake = lake_with_secret().await;
    let absolute = lake.outside().join("secret/key.csv").display().to_string();
    let keys = [
        "",
        "/",
        ".",
        "..",
        "../secret/key.csv",
        "a/../../secret/key.csv",
        &absolute,
        "/inside.csv",
        "./inside.csv",
        "a//b",
        "inside.csv/",
        "inside.csv/.",
        "nul\0",
        ".orbit-draft-1-1",
    ];
    for key in keys {
        assert_eq!(lake.stat(key).await.unwrap_err().kind(), ErrorKind::NotFound, "{key:?}");
        assert_eq!(lake.read(key).await.unwrap_err().kind(), ErrorKind::NotFound, "{key:?}");
        let ranges = ReadRanges { key: key.to_owned(), ranges: Vec::new(), if_match: None };
        let ranges = lake.files().read_ranges(&cx(), ranges).await;
        assert_eq!(ranges.unwrap_err().kind(), ErrorKind::NotFound, "{key:?}");
        let written = lake.write(key, "new", WriteCondition::Always).await;
        assert_eq!(written.unwrap_err().kind(), ErrorKind::Unsupported, "{key:?}");
        let (from, to) = ("inside.csv".to_owned(), key.to_owned());
        let copied =
            lake.files().copy(&cx(), Copy { from, to, condition: WriteCondition::Always }).await;
        assert_eq!(copied.unwrap_err().kind(), ErrorKind::Unsupported, "{key:?}");
        let deleted = lake.files().delete(&cx(), Delete { keys: vec![key.to_owned()] }).await;
        let result = &deleted.unwrap()[0].result;
        assert_eq!(result.as_ref().unwrap_err().kind(), ErrorKind::NotFound, "{key:?}");
    }
    assert_eq!(on_disk(lake.outside()), ["root/inside.csv", "secret/key.csv"]);
    let long = "x".repeat(300);
    assert_eq!(lake.stat(&long).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let written = lake.write(&long, "new", WriteCondition::Always).await;
    assert_eq!(written.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn links_that_lead_outside_are_neither_listed_nor_followed() {
    let lake = lake_with_secret().await;
    let secret = lake.outside().join("secret");
    symlink(&secret, lake.root().join("absolute")).unwrap();
    symlink("../secret", lake.root().join("relative")).unwrap();
    symlink("../secret/key.csv", lake.root().join("file.csv")).unwrap();
    symlink(lake.root().join("inside.csv"), lake.root().join("absolute-inside.csv")).unwrap();
    assert_eq!(lake.all().await, ["inside.csv"]);
    for prefix in ["absolute/", "relative/", "relative/k"] {
        let request = ListFiles { prefix: prefix.to_owned(), ..ListFiles::default() };
        assert_eq!(lake.list(request).await, [""; 0]);
    }
    let denied = ["absolute/key.csv", "relative/key.csv", "file.csv", "absolute-inside.csv"];
    for key in denied {
        assert_eq!(lake.stat(key).await.unwrap_err().kind(), ErrorKind::PermissionDenied, "{key}");
        assert_eq!(lake.read(key).await.unwrap_err().kind(), ErrorKind::PermissionDenied, "{key}");
    }
    for key in ["absolute/new.csv", "relative/new.csv", "relative/deep/new.csv"] {
        let written = lake.write(key, "new", WriteCondition::Always).await;
        assert_eq!(written.unwrap_err().kind(), ErrorKind::PermissionDenied, "{key}");
    }
    let keys = vec!["relative/key.csv".to_owned()];
    let deleted = lake.files().delete(&cx(), Delete { keys }).await.unwrap();
    let denied = deleted[0].result.as_ref().unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::PermissionDenied);
    insta::assert_snapshot!(denied, @"the path leads out of the datasource's folder (key: relative/key.csv); symbolic links are followed only while they stay inside");

    // A write takes the place of a link and leaves alone what it led to.
    lake.write("file.csv", "new", WriteCondition::Always).await.unwrap();
    assert_eq!(lake.read("file.csv").await.unwrap(), "new");
    assert_eq!(on_disk(&secret), ["key.csv"]);
    assert_eq!(std::fs::read_to_string(secret.join("key.csv")).unwrap(), "secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_swapped_while_it_is_read_never_shows_the_outside() {
    let lake = lake_with_secret().await;
    lake.plant("real/key.csv", "inside");
    let (root, secret) = (lake.root(), lake.outside().join("secret"));
    symlink("real", root.join("folder")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let swapper = std::thread::spawn(move || {
        let mut swaps = 0_u32;
        while !stopped.load(Ordering::Relaxed) {
            for target in [std::path::Path::new("real"), &secret] {
                symlink(target, root.join("next")).unwrap();
                std::fs::rename(root.join("next"), root.join("folder")).unwrap();
                swaps += 1;
            }
        }
        swaps
    });
    let (mut inside, mut denied) = (0, 0);
    for i in 0..4000 {
        match lake.read("folder/key.csv").await {
            Ok(bytes) => {
                assert_eq!(bytes, "inside");
                inside += 1;
            }
            Err(error) => {
                let kinds = [ErrorKind::PermissionDenied, ErrorKind::NotFound];
                assert!(kinds.contains(&error.kind()), "{error:?}");
                denied += 1;
            }
        }
        if i % 10 == 0 {
            let written = lake.write("folder/new.csv", "new", WriteCondition::Always).await;
            drop(written);
        }
    }
    stop.store(true, Ordering::Relaxed);
    assert!(swapper.join().unwrap() > 100);
    assert!(inside > 0 && denied > 0, "{inside} {denied}");
    assert_eq!(on_disk(&lake.outside().join("secret")), ["key.csv"]);
}
