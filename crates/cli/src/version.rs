//! What `orbit --version` says.

use orbit_core::Registry;

/// The version, the commit if the build knew it, and what is compiled in.
pub(crate) fn long() -> String {
    let commit = match env!("ORBIT_COMMIT") {
        "" => String::new(),
        commit => format!(" ({commit})"),
    };
    let backends = match Registry::linked() {
        Ok(registry) => registry.iter().map(|b| b.name).collect::<Vec<_>>().join(", "),
        Err(error) => error.to_string(),
    };
    let formats: Vec<_> = orbit::table_formats().iter().map(|format| format.name()).collect();
    let formats = if formats.is_empty() { "none".to_owned() } else { formats.join(", ") };
    format!("{}{commit}\nbackends: {backends}\ntable formats: {formats}", env!("CARGO_PKG_VERSION"))
}
