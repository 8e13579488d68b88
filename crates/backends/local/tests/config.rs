//! Settings: what is refused without looking at the disk, and what connecting finds.

mod common;

use common::{Lake, connect, cx, parse, settings};
use orbit_core::{ErrorKind, Stat};

fn problems(entries: &[(&str, &[&str])]) -> String {
    let settings = settings(entries);
    let problems = match parse(&settings) {
        Ok(config) => config.validate(&settings, &["lake"]),
        Err(problems) => problems,
    };
    problems.iter().map(|p| format!("{p}\n")).collect()
}

#[test]
fn settings_that_cannot_work_are_refused_with_their_place() {
    insta::assert_snapshot!(problems(&[]), @"datasources.lake: the setting `path` is missing; name a folder with `path`, or several with `paths`");
    insta::assert_snapshot!(problems(&[("path", &["a"]), ("paths", &["b"])]), @"datasources.lake.paths: `path` and `paths` exclude each other; put all of them into `paths`");
    insta::assert_snapshot!(problems(&[("path", &[""])]), @"datasources.lake.path: the path is empty");
    insta::assert_snapshot!(problems(&[("paths", &[])]), @"datasources.lake.paths: the list is empty");
    insta::assert_snapshot!(problems(&[("paths", &["/a/sales", "/", "/b/sales/", ".."])]), @r"
    datasources.lake.paths[1]: the path does not end in a name, so its files would have none; write the path in full
    datasources.lake.paths[2]: ends in the same name as paths[0]; each path appears under its last name; make them differ, or use two datasources
    datasources.lake.paths[3]: the path does not end in a name, so its files would have none; write the path in full
    ");
    insta::assert_snapshot!(problems(&[("pathes", &["a"])]), @"datasources.lake.pathes: unknown setting; did you mean `paths`?");
    insta::assert_snapshot!(problems(&[("path", &["a"]), ("sync_writes", &["maybe"])]), @"datasources.lake.sync_writes: must be true or false");
    assert_eq!(problems(&[("paths", &["/a/sales", "/b/hr", "."])]).lines().count(), 1);
    assert_eq!(problems(&[("path", &["."]), ("sync_writes", &["true"])]), "");
}

#[test]
fn the_schema_names_every_setting() {
    let schema = (orbit_local::BACKEND.schema)();
    let properties = schema.get("properties").and_then(|p| p.as_object()).unwrap();
    assert_eq!(properties.keys().collect::<Vec<_>>(), ["path", "paths", "sync_writes"]);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_found_when_connecting() {
    let error = connect(&[("paths", &["/dev", "/does/not/exist"])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    insta::assert_snapshot!(error, @"no such file or folder (path: /does/not/exist, setting: paths[1]); create it, or correct the setting");
    let error = connect(&[("path", &["/dev/null"])]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConfigInvalid);
    insta::assert_snapshot!(error, @"the path is neither a folder nor a regular file (path: /dev/null, setting: path)");
}

/// The same datasource over other paths beneath the lake's folder.
#[expect(clippy::unwrap_used, reason = "a helper that fails must end its test")]
async fn over(lake: Lake, key: &str, paths: &[&str]) -> Lake {
    let paths: Vec<_> =
        paths.iter().map(|p| lake.outside().join(p).display().to_string()).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let datasource = connect(&[(key, &paths)]).await.unwrap();
    Lake { datasource, ..lake }
}

#[tokio::test]
async fn several_paths_appear_under_their_last_names() {
    let lake = Lake::new().await;
    for path in ["../b.d/hr/x.csv", "../c/b/deep/y.csv", "../c/b.csv", "../c/secret.csv"] {
        lake.plant(path, path);
    }
    let lake = over(lake, "paths", &["b.d/hr", "c/b", "c/b.csv"]).await;
    assert_eq!(lake.all().await, ["b.csv", "b/deep/y.csv", "hr/x.csv"]);
    let listing = |prefix: &str, delimited| {
        lake.list(orbit_core::ListFiles { prefix: prefix.to_owned(), delimited, start_after: None })
    };
    assert_eq!(listing("", true).await, ["b.csv", "b/", "hr/"]);
    assert_eq!(listing("b/", true).await, ["b/deep/"]);
    assert_eq!(listing("b/d", false).await, ["b/deep/y.csv"]);
    assert_eq!(listing("b.csv/", false).await, [""; 0]);
    assert_eq!(lake.read("b.csv").await.unwrap(), "../c/b.csv");
    assert_eq!(lake.read("hr/x.csv").await.unwrap(), "../b.d/hr/x.csv");
    for missing in ["x.csv", "hr", "b", "secret.csv", "b.csv/x", "b/../secret.csv"] {
        let error = lake.stat(missing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{missing}");
    }
    let write = |key| lake.write(key, "new", orbit_core::WriteCondition::Always);
    write("hr/new/z.csv").await.unwrap();
    assert_eq!(write("z.csv").await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(lake.all().await, ["b.csv", "b/deep/y.csv", "hr/new/z.csv", "hr/x.csv"]);
}

#[tokio::test]
async fn a_single_file_is_all_that_its_datasource_has() {
    let lake = Lake::new().await;
    lake.plant("data.csv", "a\n1\n");
    lake.plant("other.csv", "");
    std::os::unix::fs::symlink("root/data.csv", lake.outside().join("link.csv")).unwrap();
    let lake = over(lake, "path", &["link.csv"]).await;
    assert_eq!(lake.all().await, ["link.csv"]);
    assert_eq!(lake.read("link.csv").await.unwrap(), "a\n1\n");
    for missing in ["data.csv", "other.csv", "root/other.csv"] {
        assert_eq!(lake.stat(missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_folder_that_was_removed_later_is_no_empty_one() {
    let lake = Lake::new().await;
    lake.datasource.ping(&cx()).await.unwrap();
    std::fs::remove_dir(lake.root()).unwrap();
    assert_eq!(lake.datasource.ping(&cx()).await.unwrap_err().kind(), ErrorKind::NotFound);
    let listing = lake.pages(orbit_core::ListFiles::default()).await;
    assert_eq!(listing.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_closed_datasource_answers_nothing() {
    let lake = Lake::new().await;
    lake.plant("a", "");
    lake.datasource.close().await.unwrap();
    lake.datasource.close().await.unwrap();
    let stat = lake.files().stat(&cx(), Stat { key: "a".to_owned() }).await;
    assert_eq!(stat.unwrap_err().kind(), ErrorKind::Unavailable);
}
