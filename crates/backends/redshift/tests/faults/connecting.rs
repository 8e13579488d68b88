//! A server that is not reached, or not trusted.

use std::time::{Duration, Instant};

use orbit_core::{Describe, ErrorKind};
use orbit_testkit::servers::RedshiftWire;

use crate::{Attempt, Stage, cx, read, sql, table};

/// A server that takes the connection and says nothing.
pub(crate) async fn a_silent_server_is_bounded(stage: &Stage) -> Attempt {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port().to_string();
    let begun = Instant::now();
    let settings = [("port", port.as_str()), ("connect_timeout_ms", "300")];
    let kind = stage.connect(&settings).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::Unavailable), "it is {kind:?}");
    ensure!(begun.elapsed() < Duration::from_secs(5), "it took {:?}", begun.elapsed());
    Ok(())
}

/// Passwords by SCRAM, and each `sslmode` with a right and a wrong authority and name.
pub(crate) async fn encryption_is_as_strict_as_asked(stage: &Stage) -> Attempt {
    let secured = match stage.server.secure().await {
        Ok(secured) => secured,
        Err(missing) => return missing.completion().map(drop),
    };
    let (right, other) = (secured.authority.display(), secured.other_authority.display());
    let (right, other) = (right.to_string(), other.to_string());
    let cases: [(&str, &str, Option<&str>, Option<ErrorKind>); 9] = [
        ("localhost", "verify-full", Some(&right), None),
        ("127.0.0.1", "verify-full", Some(&right), Some(ErrorKind::Unavailable)),
        ("127.0.0.1", "verify-ca", Some(&right), None),
        ("localhost", "verify-full", Some(&other), Some(ErrorKind::Unavailable)),
        ("localhost", "verify-full", None, Some(ErrorKind::Unavailable)),
        ("localhost", "verify-full", Some("/nowhere.pem"), Some(ErrorKind::Unavailable)),
        ("localhost", "require", None, None),
        ("localhost", "prefer", None, None),
        ("localhost", "disable", None, Some(ErrorKind::Unauthenticated)),
    ];
    for (host, mode, authority, expected) in cases {
        let mut settings = vec![
            ("host", host),
            ("sslmode", mode),
            ("username", secured.user),
            ("password", secured.password),
        ];
        settings.extend(authority.map(|path| ("ssl_root_cert", path)));
        let answer = stage.connect(&settings).await;
        let kind = answer.as_ref().err().map(orbit_core::Error::kind);
        ensure!(kind == expected, "{host} by {mode} with {authority:?}: {answer:?}");
        let shown = format!("{answer:?}");
        ensure!(!shown.contains(secured.password), "the password is shown: {shown}");
    }
    let wrong = [("sslmode", "require"), ("username", secured.user), ("password", "wrong")];
    let kind = stage.connect(&wrong).await.err().map(|e| e.kind());
    ensure!(kind == Some(ErrorKind::Unauthenticated), "a wrong password is {kind:?}");
    Ok(())
}

/// Behind the proxy the server says that it is Redshift, whose catalogs are asked.
pub(crate) async fn catalogs_of_redshift_are_asked(stage: &Stage) -> Attempt {
    stage.prepare_catalog().await;
    stage
        .prepare(
            "CREATE TABLE sold (id bigint PRIMARY KEY, price numeric(12,2)); \
             INSERT INTO sold VALUES (1, 2.50); ANALYZE sold; \
             CREATE VIEW sold_late AS SELECT * FROM sold",
        )
        .await;
    let proxy = RedshiftWire::start(stage.server.port()).await?;
    let port = proxy.port().to_string();
    let datasource = stage.connect(&[("port", port.as_str())]).await?;
    let dialect = sql(&datasource).dialect().name;
    ensure!(dialect == "redshift", "it is taken for {dialect}");
    let described = |name: &str| Describe { query: table(name) };
    let late = sql(&datasource).describe(&cx(), described("sold_late")).await?;
    let price = late.columns.get(1).map(|c| c.source_type.as_str());
    ensure!(price == Some("numeric(12,2)"), "a late-binding view has {late:?}");
    let sold = sql(&datasource).describe(&cx(), described("sold")).await?;
    ensure!(sold.statistics.sort_key == ["id"], "its keys are {:?}", sold.statistics);
    let rows = read(&datasource, table("sold_late")).await?;
    ensure!(rows.first().is_some_and(|b| b.num_rows() == 1), "its rows are {rows:?}");
    Ok(datasource.close().await?)
}
