//! Profiles: which drivers may be in which build, and the proof.

use std::collections::BTreeSet;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::shell;

#[derive(Args)]
pub(crate) struct Options {
    /// minimal, datawarehouse, datalake or full
    profile: String,
    /// Only type-check instead of building the binary
    #[arg(long)]
    check: bool,
}

/// The backends of each profile; `delta` counts as one here.
const PROFILES: [(&str, &[&str]); 4] = [
    ("minimal", &["local", "redshift", "synapse"]),
    ("datawarehouse", &["local", "redshift", "synapse", "snowflake", "bigquery"]),
    (
        "datalake",
        &["local", "redshift", "synapse", "databricks", "s3", "gcs", "azure-blob", "hdfs", "delta"],
    ),
    (
        "full",
        &[
            "local",
            "redshift",
            "synapse",
            "snowflake",
            "bigquery",
            "databricks",
            "s3",
            "gcs",
            "azure-blob",
            "hdfs",
            "delta",
        ],
    ),
];

/// The crates that only this backend may bring; a `*` at the end stands for any rest.
///
/// `aws-config` and the signing crates are Redshift's as well as S3's, so they are not here.
const DRIVERS: [(&str, &[&str]); 11] = [
    ("local", &[]),
    ("redshift", &["orbit-redshift", "sqlx*"]),
    ("synapse", &["orbit-synapse", "odbc-api", "odbc-sys", "arrow-odbc"]),
    ("snowflake", &["orbit-snowflake"]),
    ("bigquery", &["orbit-bigquery", "gcp-bigquery-client", "google-cloud-bigquery*"]),
    ("databricks", &["orbit-databricks"]),
    ("s3", &["orbit-s3", "aws-sdk-s3"]),
    ("gcs", &["orbit-gcs", "google-cloud-storage*"]),
    ("azure-blob", &["orbit-azure-blob", "azure_*"]),
    ("hdfs", &["orbit-hdfs", "hdfs-native*"]),
    ("delta", &["orbit-delta", "deltalake*", "delta_kernel*", "buoyant_kernel*"]),
];

pub(crate) fn run(options: &Options) -> Result<()> {
    prove(&options.profile)?;
    compile(if options.check { "check" } else { "build" }, &options.profile)
}

/// Type-checks the binary with exactly this profile.
pub(crate) fn check(profile: &str) -> Result<()> {
    compile("check", profile)
}

fn compile(command: &str, profile: &str) -> Result<()> {
    let begin = Instant::now();
    shell::run(shell::cargo([command, "--package", "orbit-cli"]).args(selection(profile)))?;
    println!("profile {profile}: {command} took {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// The flags that choose a profile. Together with `--package` only: a build of the whole
/// workspace unites the features of its members.
pub(crate) fn selection(profile: &str) -> [&str; 3] {
    ["--no-default-features", "--features", profile]
}

/// Prints the drivers of every backend and whether each is in the profile's tree.
///
/// # Errors
/// Names each driver that is in the tree though its backend is not in the profile.
pub(crate) fn prove(profile: &str) -> Result<()> {
    let wanted = backends_of(profile)?;
    let tree = shell::output(
        shell::cargo(["tree", "--package", "orbit-cli", "--edges", "normal"])
            .args(["--prefix", "none", "--format", "{p}"])
            .args(selection(profile)),
    )?;
    let present: BTreeSet<&str> =
        tree.lines().filter_map(|l| l.split_whitespace().next()).collect();
    println!("profile {profile}: {} crates", present.len());
    println!("  {:<12} {:<9} drivers found", "backend", "allowed");
    for (backend, drivers) in DRIVERS {
        let found = found(drivers, &present);
        let shown = if found.is_empty() { "none".to_owned() } else { found.join(" ") };
        let allowed = if wanted.contains(&backend) { "yes" } else { "no" };
        println!("  {backend:<12} {allowed:<9} {shown}");
    }
    let foreign = foreign(wanted, &present);
    if !foreign.is_empty() {
        bail!("profile {profile} contains foreign drivers: {}", foreign.join(", "));
    }
    Ok(())
}

fn backends_of(profile: &str) -> Result<&'static [&'static str]> {
    let names: Vec<_> = PROFILES.iter().map(|p| p.0).collect();
    let found = PROFILES.iter().find(|p| p.0 == profile);
    let message = || format!("no profile `{profile}`; there are {}", names.join(", "));
    Ok(found.with_context(message)?.1)
}

fn foreign(wanted: &[&str], present: &BTreeSet<&str>) -> Vec<String> {
    let absent = DRIVERS.iter().filter(|(backend, _)| !wanted.contains(backend));
    absent.flat_map(|(_, drivers)| found(drivers, present)).collect()
}

fn found(drivers: &[&str], present: &BTreeSet<&str>) -> Vec<String> {
    let matches = |name: &str| {
        drivers.iter().any(|driver| match driver.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *driver,
        })
    };
    present.iter().filter(|name| matches(name)).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_of_another_profile_is_foreign() {
        let present = BTreeSet::from(["orbit-local", "deltalake-core", "sqlx-core"]);
        let wanted = backends_of("minimal").unwrap();
        assert_eq!(foreign(wanted, &present), ["deltalake-core"]);
        assert!(foreign(backends_of("datalake").unwrap(), &present).is_empty());
    }

    #[test]
    fn every_backend_of_a_profile_has_its_drivers_listed() {
        for (profile, backends) in PROFILES {
            for backend in backends {
                assert!(DRIVERS.iter().any(|d| d.0 == *backend), "{profile}: {backend}");
            }
        }
    }
}
