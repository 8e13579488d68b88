//! `orbit schema`: the JSON schema of the configuration.

use orbit_core::Registry;

use crate::failure::Result;
use crate::output::listing::print_json;

/// Prints it.
pub(crate) fn run() -> Result<()> {
    print_json(orbit::config_schema(&Registry::linked()?).as_value())
}
