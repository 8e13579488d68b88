//! `orbit backends`: which backends there are, and what each can do.

use orbit::{Availability, KnownBackend, known_backends};
use orbit_core::Registry;
use serde_json::{Value, json};

use super::capability;
use crate::args::Global;
use crate::failure::Result;
use crate::output::listing::{print_json, print_table, text};

/// Lists them.
pub(crate) fn run(global: &Global) -> Result<()> {
    let registry = Registry::linked()?;
    let known = known_backends(&registry);
    if global.json {
        let backends: Vec<_> = known.iter().map(|known| backend_json(known, &registry)).collect();
        return print_json(&json!({ "backends": backends }));
    }
    let row = |known: &KnownBackend| {
        let (status, kind, can) = match known.availability(&registry) {
            Availability::Linked(backend) => {
                ("ready", backend.kind.to_string(), capability::words(backend.capability))
            }
            Availability::NotCompiledIn => ("not compiled in", String::new(), String::new()),
            Availability::Planned => ("planned", String::new(), String::new()),
        };
        vec![known.name.to_owned(), status.to_owned(), kind, can, known.summary.to_owned()]
    };
    let rows: Vec<_> = known.iter().map(row).collect();
    print_table(&["backend", "status", "kind", "can", "what it is"].map(text), &rows)
}

/// One of them as data.
pub(super) fn backend_json(known: &KnownBackend, registry: &Registry) -> Value {
    let availability = known.availability(registry);
    let linked = match availability {
        Availability::Linked(backend) => Some(backend),
        Availability::NotCompiledIn | Availability::Planned => None,
    };
    json!({
        "name": known.name,
        "summary": known.summary,
        "status": match availability {
            Availability::Linked(_) => "ready",
            Availability::NotCompiledIn => "not_compiled_in",
            Availability::Planned => "planned",
        },
        "profiles": known.profiles,
        "kind": linked.map(|backend| backend.kind.to_string()),
        "capability": linked.map(|backend| capability::to_json(backend.capability)),
    })
}
