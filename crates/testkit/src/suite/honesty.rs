//! A claim is kept, and what is not claimed is refused.

use orbit_core::ErrorKind;

use super::check::fails;
use super::probe::{PROBES, Setting};
use super::{ensure, group};
use crate::bench::{Bench, claims_of};
use crate::claims::Claims;
use crate::subject::Verdict;

group! { "honesty":
    off_answers_unsupported [];
    on_never_answers_unsupported [];
    claims_no_more_than_its_backend [];
    has_the_facets_that_it_claims [];
    layers_change_no_claim [];
    ping_answers [];
}

async fn off_answers_unsupported(bench: &Bench) -> Verdict {
    let claims = bench.claims();
    for probe in PROBES.iter().filter(|p| !claims.has(p.claim)) {
        let cx = bench.cx();
        let setting = Setting::new(bench, "off", bench.datasource.as_ref(), &cx).await?;
        let error = fails((probe.call)(&setting).await, &[ErrorKind::Unsupported]);
        ensure!(error.is_ok(), "{} is not claimed: {error:?}", probe.claim);
    }
    Ok(())
}

async fn on_never_answers_unsupported(bench: &Bench) -> Verdict {
    let claims = bench.claims();
    for (index, probe) in PROBES.iter().enumerate().filter(|(_, p)| claims.has(p.claim)) {
        let cx = bench.cx();
        let name = format!("on{index}");
        let setting = Setting::new(bench, &name, bench.datasource.as_ref(), &cx).await?;
        if let Err(error) = (probe.call)(&setting).await {
            ensure!(
                !matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::Unexpected),
                "{} is claimed, but {error:?}",
                probe.claim
            );
        }
    }
    Ok(())
}

async fn claims_no_more_than_its_backend(bench: &Bench) -> Verdict {
    let most = Claims::of(&bench.subject().backend.capability);
    for (name, level) in bench.claims().iter() {
        let of_backend = most.level(name);
        ensure!(level <= of_backend, "{name} is {level}, its backend claims only {of_backend}");
    }
    Ok(())
}

async fn has_the_facets_that_it_claims(bench: &Bench) -> Verdict {
    let backend = bench.subject().backend;
    let facets = bench.datasource.facets();
    ensure!(
        facets.sql.is_none() || backend.capability.sql.is_some(),
        "it has a SQL facet that its backend does not claim"
    );
    ensure!(
        facets.files.is_none() || backend.capability.files.is_some(),
        "it has a file facet that its backend does not claim"
    );
    ensure!(facets.sql.is_some() || facets.files.is_some(), "it has no facet at all");
    if let Some(sql) = facets.sql {
        ensure!(backend.dialect.is_some(), "its backend names no dialect");
        let limits = sql.dialect().limits;
        let claimed = bench.claims().level("sql.query.predicate.in_values_max");
        ensure!(
            claimed <= limits.in_values_max,
            "it claims sets of {claimed} values, its dialect takes {}",
            limits.in_values_max
        );
    }
    Ok(())
}

async fn layers_change_no_claim(bench: &Bench) -> Verdict {
    let (bare, own) = (claims_of(bench.bare.as_ref()), bench.claims());
    ensure!(bare == own, "bare it claims {bare:?}, here {own:?}");
    let dialect =
        |d: &dyn orbit_core::Datasource| d.facets().sql.map(orbit_core::SqlDatasource::dialect);
    ensure!(
        dialect(bench.bare.as_ref()) == dialect(bench.datasource.as_ref()),
        "the dialect is not the bare datasource's"
    );
    Ok(())
}

async fn ping_answers(bench: &Bench) -> Verdict {
    Ok(bench.datasource.ping(&bench.cx()).await?)
}
