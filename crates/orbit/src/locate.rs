//! Where a configuration is looked for.
//!
//! In this order, the first that is there: the files that were named (`--config`), the variable
//! `ORBIT_CONFIG_FILE`, `./datasources.yaml`, `./config/datasources.yaml`, and
//! `orbit/datasources.yaml` in the user's config folder (`$XDG_CONFIG_HOME`, else `~/.config`).

use std::path::{Path, PathBuf};

use orbit_core::Origin;

use crate::environment::Environment;

const FILE_VARIABLE: &str = "ORBIT_CONFIG_FILE";

/// Which files to read.
pub(crate) struct Located {
    /// The files, each with who named it.
    pub(crate) files: Vec<(PathBuf, Origin)>,
    /// Where a file was looked for.
    pub(crate) searched: Vec<PathBuf>,
}

pub(crate) fn locate(named: &[PathBuf], folder: &Path, environment: &Environment) -> Located {
    if !named.is_empty() {
        let origin = Origin::Flag("--config".into());
        let files = named.iter().map(|file| (file.clone(), origin.clone())).collect();
        return Located { files, searched: Vec::new() };
    }
    if let Some(file) = environment.path(FILE_VARIABLE) {
        let files = vec![(file, Origin::Variable(FILE_VARIABLE.into()))];
        return Located { files, searched: Vec::new() };
    }
    let mut searched =
        vec![folder.join("datasources.yaml"), folder.join("config").join("datasources.yaml")];
    let user = environment
        .path("XDG_CONFIG_HOME")
        .or_else(|| environment.path("HOME").map(|home| home.join(".config")));
    searched.extend(user.map(|user| user.join("orbit").join("datasources.yaml")));
    let found = searched.iter().find(|file| file.exists());
    let files = found.map(|file| (file.clone(), Origin::Default)).into_iter().collect();
    Located { files, searched }
}
