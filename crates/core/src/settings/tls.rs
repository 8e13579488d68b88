//! The block `tls`, which means the same for every kind of connection.

use schemars::JsonSchema;
use serde::Deserialize;

/// How the server's certificate is judged.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// A file of PEM certificates that are trusted beside those of the operating system.
    pub ca_path: Option<String>,
}
