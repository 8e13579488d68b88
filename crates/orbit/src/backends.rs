//! Every backend ORBIT has or plans, so that each name gets its own answer.

use orbit_core::{Backend, Registry, closest};

/// A backend by name, whether this build has it or not.
#[derive(Debug, Clone, Copy)]
pub struct KnownBackend {
    /// Its name in YAML.
    pub name: &'static str,
    /// What it speaks to.
    pub summary: &'static str,
    /// The profiles that have it.
    pub profiles: &'static [&'static str],
    is_built: bool,
}

/// Whether a backend can be used.
#[derive(Debug, Clone, Copy)]
pub enum Availability {
    /// It is in this program.
    Linked(&'static Backend),
    /// It exists, but was not compiled into this program.
    NotCompiledIn,
    /// It is planned and not built yet.
    Planned,
}

const MINIMAL: &[&str] = &["minimal", "datawarehouse", "datalake", "full"];
const DATAWAREHOUSE: &[&str] = &["datawarehouse", "full"];
const DATALAKE: &[&str] = &["datalake", "full"];

const fn planned(
    name: &'static str,
    summary: &'static str,
    profiles: &'static [&'static str],
) -> KnownBackend {
    KnownBackend { name, summary, profiles, is_built: false }
}

/// The backends of the roadmap.
pub static KNOWN_BACKENDS: &[KnownBackend] = &[
    KnownBackend {
        name: "local",
        summary: "folders of this machine",
        profiles: MINIMAL,
        is_built: true,
    },
    KnownBackend {
        name: "redshift",
        summary: "Amazon Redshift, and PostgreSQL",
        profiles: MINIMAL,
        is_built: true,
    },
    planned("synapse", "Azure Synapse", MINIMAL),
    planned("bigquery", "Google BigQuery", DATAWAREHOUSE),
    KnownBackend {
        name: "snowflake",
        summary: "Snowflake",
        profiles: DATAWAREHOUSE,
        is_built: true,
    },
    planned("databricks", "Databricks SQL and Unity Catalog", DATALAKE),
    KnownBackend {
        name: "s3",
        summary: "Amazon S3 and what speaks like it",
        profiles: DATALAKE,
        is_built: true,
    },
    planned("gcs", "Google Cloud Storage", DATALAKE),
    planned("azure_blob", "Azure Blob Storage", DATALAKE),
    planned("hdfs", "Hadoop HDFS", DATALAKE),
];

/// The backends of the roadmap, then those beyond it that `registry` has.
pub fn known_backends(registry: &Registry) -> Vec<KnownBackend> {
    let beyond = registry.iter().filter(|linked| on_roadmap(linked.name).is_none());
    let beyond = beyond.map(|linked| KnownBackend {
        name: linked.name,
        summary: linked.summary,
        profiles: &[],
        is_built: true,
    });
    KNOWN_BACKENDS.iter().copied().chain(beyond).collect()
}

fn on_roadmap(name: &str) -> Option<&'static KnownBackend> {
    KNOWN_BACKENDS.iter().find(|known| known.name == name)
}

impl KnownBackend {
    /// Whether it can be used with the backends of `registry`.
    pub fn availability(&self, registry: &Registry) -> Availability {
        match registry.get(self.name) {
            Some(backend) => Availability::Linked(backend),
            None if self.is_built => Availability::NotCompiledIn,
            None => Availability::Planned,
        }
    }
}

/// Why a name is not a backend that can be used: what is wrong, and what to do.
type Refusal = (String, String);

/// The backend of this name.
pub(crate) fn find(name: &str, registry: &Registry) -> Result<&'static Backend, Refusal> {
    if let Some(backend) = registry.get(name) {
        return Ok(backend);
    }
    let Some(known) = on_roadmap(name) else {
        let hint = match closest(name, names(registry)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known backends: {}", names(registry).collect::<Vec<_>>().join(", ")),
        };
        return Err((format!("unknown backend `{name}`"), hint));
    };
    let profiles = known.profiles.join(", ");
    Err(if known.is_built {
        (
            format!("the backend `{name}` is not compiled into this build"),
            format!("build with the feature `{name}`, or with a profile that has it: {profiles}"),
        )
    } else {
        (
            format!("the backend `{name}` is planned and not built yet"),
            format!("remove this datasource; it will come with: {profiles}"),
        )
    })
}

/// Whether a datasource of this name needs no `type`.
pub(crate) fn is_name(name: &str, registry: &Registry) -> bool {
    names(registry).any(|known| known == name)
}

/// The names of every backend, known or linked by a program of its own.
pub(crate) fn names(registry: &Registry) -> impl Iterator<Item = &'static str> {
    known_backends(registry).into_iter().map(|known| known.name)
}
