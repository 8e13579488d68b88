//! Keys are the store's own strings: odd ones come back as they went in, none leads out.

use orbit_core::{Delete, ErrorKind, ListFiles, Read};

use super::{ensure, equal, group, holds, is_absent, list, names, put, stat};
use crate::bench::Bench;
use crate::subject::{Stop, Verdict};

group! { "files":
    odd_keys_come_back ["files.read", "files.write"];
    odd_keys_are_deleted ["files.read", "files.write", "files.delete"];
    long_keys_are_held_or_refused ["files.read", "files.write"];
    no_key_leads_out ["files.read"];
}

const ODD: &[&str] = &[
    "with space",
    " leading and trailing ",
    "100%",
    "a%20b",
    "a%2Fb",
    "hash#tag",
    "question?mark=1&more",
    "plus+sign",
    "a..b",
    "..hidden",
    "trailing..",
    "...",
    "semi;colon:at@",
    "quote'\"`",
    "brackets[0]{1}(2)",
    "back\\slash",
    "star*",
    "tilde~",
    "dollar$HOME",
    "comma,equals=1",
    "date=2026-01-31/part 0.parquet",
    "naïve/日本/🦀",
    "e\u{301}",
    "\u{e9}",
];

async fn odd_keys_come_back(bench: &Bench) -> Verdict {
    let mut keys: Vec<_> = ODD.iter().map(|name| bench.key(&format!("odd/{name}"))).collect();
    for (key, name) in keys.iter().zip(ODD) {
        put(bench, key, name.as_bytes()).await?;
    }
    for (key, name) in keys.iter().zip(ODD) {
        holds(bench, key, name.as_bytes()).await?;
        equal("the key told", &stat(bench, key).await??.key, key)?;
        let own = list(bench, ListFiles { prefix: key.clone(), ..ListFiles::default() }).await?;
        ensure!(names(&own).contains(&key.as_str()), "{key} is not listed below itself: {own:?}");
    }
    keys.sort_unstable();
    let listed = list(bench, ListFiles { prefix: bench.key("odd/"), ..Default::default() }).await?;
    equal("the keys listed", &names(&listed), &keys.iter().map(String::as_str).collect())
}

async fn odd_keys_are_deleted(bench: &Bench) -> Verdict {
    let keys: Vec<_> = ODD.iter().map(|name| bench.key(&format!("odd/{name}"))).collect();
    for key in &keys {
        put(bench, key, b"x").await?;
    }
    let outcomes = bench.files()?.delete(&bench.cx(), Delete { keys: keys.clone() }).await?;
    for outcome in outcomes {
        outcome.result?;
    }
    for key in &keys {
        is_absent(bench, key).await?;
    }
    Ok(())
}

async fn long_keys_are_held_or_refused(bench: &Bench) -> Verdict {
    let deep = (0..40).map(|_| "sixteen-letters-").collect::<Vec<_>>().join("/");
    for name in ["n".repeat(200), deep] {
        let key = bench.key(&name);
        put(bench, &key, b"long").await?;
        holds(bench, &key, b"long").await?;
    }
    let longest = bench.key(&"n".repeat(5000));
    match super::write(bench, &longest, b"x", orbit_core::WriteCondition::Always).await? {
        Ok(_) => holds(bench, &longest, b"x").await,
        Err(error) => {
            let refused = [ErrorKind::QueryInvalid, ErrorKind::Unsupported];
            ensure!(refused.contains(&error.kind()), "a key of 5,000 letters: {error:?}");
            Ok(())
        }
    }
}

/// A key is no path: whatever it says, nothing outside the store is read or told.
async fn no_key_leads_out(bench: &Bench) -> Verdict {
    for key in ["/etc/passwd", "../../../../../../../../etc/passwd", "a/../../../../etc/passwd"] {
        let request = Read { key: key.to_owned(), range: None, if_match: None };
        let read = bench.files()?.read(&bench.cx(), request).await;
        ensure!(read.is_err(), "`{key}` can be read");
        let told = stat(bench, key).await?;
        ensure!(told.is_err(), "`{key}` is told: {told:?}");
        let request = ListFiles { prefix: key.to_owned(), ..ListFiles::default() };
        let listed = match bench.files()?.list(&bench.cx(), request).await {
            Ok(stream) => super::entries(stream).await,
            Err(error) => Err(error),
        };
        match listed {
            Ok(entries) => ensure!(entries.is_empty(), "below `{key}` lies {entries:?}"),
            Err(error) => {
                let unexpected = error.kind() == ErrorKind::Unexpected;
                ensure!(!unexpected, "listing `{key}`: {error:?}");
            }
        }
    }
    if bench.claims().has("files.write") {
        let key = "../behaviour-outside";
        match super::write(bench, key, b"x", orbit_core::WriteCondition::Always).await? {
            // A store of flat keys may hold it, if it comes back as it is.
            Ok(_) => holds(bench, key, b"x").await?,
            Err(error) if error.kind() != ErrorKind::Unexpected => {}
            Err(error) => return Err(Stop::failed(format!("writing `{key}`: {error:?}"))),
        }
    }
    Ok(())
}
