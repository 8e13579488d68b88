//! Listing: order, prefix, delimiter, start, and what is told of each file.

use std::time::{Duration, SystemTime};

use orbit_core::{Delete, ErrorKind, FileEntry, ListFiles, Stat};

use super::{content, ensure, equal, fails, group, is_absent, list, names, put, stat};
use crate::bench::Bench;
use crate::subject::Verdict;

group! { "files":
    list_is_in_byte_order ["files.read", "files.write"];
    prefix_need_not_end_at_a_slash ["files.read", "files.write"];
    delimiter_folds_what_lies_below ["files.read", "files.write"];
    list_starts_after_a_key ["files.read.start_after", "files.write"];
    nothing_below_is_an_empty_list ["files.read"];
    stat_tells_what_list_tells ["files.read", "files.write"];
    etag_changes_with_the_content ["files.read", "files.write"];
    prefix_is_no_file ["files.read", "files.write"];
    delete_answers_each_key ["files.read", "files.write", "files.delete"];
}

/// `-` and `.` come before `/` and digits after it: folders sort by their keys, not by name.
const KEYS: &[&str] = &["A", "a-b", "a.b", "a/a", "a/b/c", "a/b/d", "a0", "ab", "z", "é", "日本"];

async fn fill(bench: &Bench) -> Verdict<Vec<String>> {
    let mut keys = Vec::new();
    for name in KEYS.iter().rev() {
        let key = bench.key(name);
        put(bench, &key, b"x").await?;
        keys.push(key);
    }
    keys.reverse();
    Ok(keys)
}

fn below(prefix: String) -> ListFiles {
    ListFiles { prefix, ..ListFiles::default() }
}

async fn list_is_in_byte_order(bench: &Bench) -> Verdict {
    let keys = fill(bench).await?;
    let listed = list(bench, below(bench.key(""))).await?;
    equal("the keys", &names(&listed), &keys.iter().map(String::as_str).collect())
}

async fn prefix_need_not_end_at_a_slash(bench: &Bench) -> Verdict {
    fill(bench).await?;
    for (prefix, expected) in [
        ("a", vec!["a-b", "a.b", "a/a", "a/b/c", "a/b/d", "a0", "ab"]),
        ("a/", vec!["a/a", "a/b/c", "a/b/d"]),
        ("a/b/c", vec!["a/b/c"]),
        ("a/b/cc", vec![]),
        ("日", vec!["日本"]),
    ] {
        let listed = list(bench, below(bench.key(prefix))).await?;
        let expected: Vec<_> = expected.into_iter().map(|name| bench.key(name)).collect();
        let what = format!("the keys below `{prefix}`");
        equal(&what, &names(&listed), &expected.iter().map(String::as_str).collect())?;
    }
    Ok(())
}

async fn delimiter_folds_what_lies_below(bench: &Bench) -> Verdict {
    fill(bench).await?;
    for (prefix, expected) in [
        ("", vec!["A", "a-b", "a.b", "a/", "a0", "ab", "z", "é", "日本"]),
        ("a", vec!["a-b", "a.b", "a/", "a0", "ab"]),
        ("a/", vec!["a/a", "a/b/"]),
        ("a/b", vec!["a/b/"]),
        ("a/b/", vec!["a/b/c", "a/b/d"]),
    ] {
        let request = ListFiles { delimited: true, ..below(bench.key(prefix)) };
        let listed = list(bench, request).await?;
        let expected: Vec<_> = expected.into_iter().map(|name| bench.key(name)).collect();
        let what = format!("what lies in `{prefix}`");
        equal(&what, &names(&listed), &expected.iter().map(String::as_str).collect())?;
        let folded = |entry: &FileEntry| matches!(entry, FileEntry::Prefix(p) if p.ends_with('/'));
        let ended = |entry: &&FileEntry| names(std::slice::from_ref(*entry))[0].ends_with('/');
        ensure!(
            listed.iter().filter(ended).all(folded),
            "a prefix is listed as a file: {listed:?}"
        );
    }
    Ok(())
}

async fn list_starts_after_a_key(bench: &Bench) -> Verdict {
    fill(bench).await?;
    for (after, expected) in [
        ("ab", vec!["z", "é", "日本"]),
        ("a/b", vec!["a/b/c", "a/b/d", "a0", "ab", "z", "é", "日本"]),
        ("a/b/c", vec!["a/b/d", "a0", "ab", "z", "é", "日本"]),
        ("zz", vec!["é", "日本"]),
        ("日本", vec![]),
    ] {
        let start_after = Some(bench.key(after));
        let listed = list(bench, ListFiles { start_after, ..below(bench.key("")) }).await?;
        let expected: Vec<_> = expected.into_iter().map(|name| bench.key(name)).collect();
        let what = format!("the keys after `{after}`");
        equal(&what, &names(&listed), &expected.iter().map(String::as_str).collect())?;
    }
    Ok(())
}

async fn nothing_below_is_an_empty_list(bench: &Bench) -> Verdict {
    for delimited in [false, true] {
        let request = ListFiles { delimited, ..below(bench.key("nothing/")) };
        let listed = list(bench, request).await?;
        ensure!(listed.is_empty(), "nothing is there, but {listed:?} is listed");
    }
    Ok(())
}

async fn stat_tells_what_list_tells(bench: &Bench) -> Verdict {
    let key = bench.key("file");
    let written = put(bench, &key, b"seven77").await?;
    let stat = stat(bench, &key).await??;
    equal("what the write tells", &written, &stat)?;
    equal("the size", &stat.size_bytes, &7)?;
    let listed = list(bench, below(key.clone())).await?;
    equal("what the list tells", &listed, &vec![FileEntry::File(stat.clone())])?;
    let age = SystemTime::now().duration_since(stat.modified).unwrap_or_default();
    ensure!(age < Duration::from_secs(600), "it was written {age:?} ago");
    equal("the content", &content(bench, &key).await?.as_ref(), &b"seven77".as_slice())
}

async fn etag_changes_with_the_content(bench: &Bench) -> Verdict {
    let key = bench.key("file");
    let first = put(bench, &key, b"one").await?.etag;
    let second = put(bench, &key, b"two").await?.etag;
    ensure!(first.is_none() || first != second, "both contents have the tag {first:?}");
    let claims = bench.claims();
    let needed = claims.has("files.read.if_match") || claims.has("files.write.if_match");
    ensure!(first.is_some() || !needed, "conditions on a tag are claimed, but there is none");
    equal("the tag of the stat", &stat(bench, &key).await??.etag, &second)
}

async fn prefix_is_no_file(bench: &Bench) -> Verdict {
    put(bench, &bench.key("folder/file"), b"x").await?;
    is_absent(bench, &bench.key("folder")).await?;
    is_absent(bench, &bench.key("folder/")).await?;
    let request = Stat { key: String::new() };
    let kinds = [ErrorKind::NotFound, ErrorKind::QueryInvalid];
    fails(bench.files()?.stat(&bench.cx(), request).await, &kinds).map(drop)
}

async fn delete_answers_each_key(bench: &Bench) -> Verdict {
    let keys = ["b", "missing", "a", "folder/c"].map(|name| bench.key(name)).to_vec();
    for key in keys.iter().filter(|k| !k.ends_with("missing")) {
        put(bench, key, b"x").await?;
    }
    let (files, cx) = (bench.files()?, bench.cx());
    let outcomes = files.delete(&cx, Delete { keys: keys.clone() }).await?;
    let told: Vec<_> = outcomes.iter().map(|o| o.key.clone()).collect();
    equal("the keys", &told, &keys)?;
    for outcome in outcomes {
        outcome.result?;
        is_absent(bench, &outcome.key).await?;
    }
    let left = list(bench, below(bench.key(""))).await?;
    ensure!(left.is_empty(), "{left:?} is left");
    let none = files.delete(&cx, Delete { keys: Vec::new() }).await?;
    ensure!(none.is_empty(), "nothing was to be deleted, but {none:?}");
    Ok(())
}
