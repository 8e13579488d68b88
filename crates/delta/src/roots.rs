//! Files outside of a table's folder that the configuration allows, as a shallow clone has.

use std::collections::BTreeMap;

use object_store::path::Path;
use orbit_core::{Error, ErrorKind, Result};
use url::Url;

/// The places that a log may lead to, by their URLs.
#[derive(Debug, Clone, Default)]
pub(crate) struct AllowedRoots(Vec<AllowedRoot>);

#[derive(Debug, Clone)]
struct AllowedRoot {
    /// Ends in `/`.
    url: Url,
    /// What the keys begin with that it means: empty or ending in `/`.
    folder: String,
}

impl AllowedRoots {
    /// Those of the configuration: URLs and folders.
    ///
    /// # Errors
    /// `ConfigInvalid` for what is no URL of a folder.
    pub(crate) fn new(configured: &BTreeMap<String, String>) -> Result<Self> {
        let roots = configured.iter().map(|(url, folder)| {
            let folder_url = format!("{}/", url.trim_end_matches('/'));
            let parsed = Url::parse(&folder_url).ok().filter(|url| !url.cannot_be_a_base());
            let url = parsed.ok_or_else(|| {
                let message = format!("`{url}` in `allowed_roots` is no URL of a folder");
                Error::new(ErrorKind::ConfigInvalid, message)
            })?;
            let folder = folder.trim_matches('/');
            let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            Ok(AllowedRoot { url, folder })
        });
        Ok(Self(roots.collect::<Result<_>>()?))
    }

    /// Whether a file of the log lies in one of them.
    pub(crate) fn allow(&self, file: &str) -> bool {
        // A URL is without `..` once it is parsed, however that was written.
        Url::parse(file).is_ok_and(|url| {
            let hidden = ["%2f", "%5c"].iter().any(|c| url.path().to_lowercase().contains(c));
            let plain = url.query().is_none() && !hidden;
            plain && self.0.iter().any(|root| url.as_str().starts_with(root.url.as_str()))
        })
    }

    /// Those with the scheme and authority of `url`: paths, and what their keys begin with.
    pub(crate) fn of_store(&self, url: &Url) -> Vec<(String, String)> {
        let same = |root: &&AllowedRoot| {
            root.url.scheme() == url.scheme() && root.url.authority() == url.authority()
        };
        let pair = |root: &AllowedRoot| {
            let path = Path::from_url_path(root.url.path()).ok()?;
            Some((format!("{path}/"), root.folder.clone()))
        };
        self.0.iter().filter(same).filter_map(pair).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(url: &str, folder: &str) -> Result<AllowedRoots> {
        AllowedRoots::new(&BTreeMap::from([(url.to_owned(), folder.to_owned())]))
    }

    #[test]
    fn only_what_lies_below_a_root_is_allowed() {
        let allowed = roots("file:///data/source", "/source/").unwrap();
        assert!(allowed.allow("file:///data/source/a.parquet"));
        assert!(allowed.allow("file:/data/source/x/a.parquet"));
        assert!(allowed.allow("file:///data/source/day=a%20b/a.parquet"));
        for refused in [
            "file:///data/sources/a.parquet",
            "file:///data/source/../secret/a.parquet",
            "file:///data/source/%2e%2e/secret/a.parquet",
            "file:///data/source/..%2fsecret/a.parquet",
            "file:///data/source/a.parquet?X-Amz-Signature=1",
            "s3://data/source/a.parquet",
            "../source/a.parquet",
            "a.parquet",
        ] {
            assert!(!allowed.allow(refused), "{refused}");
        }
        let places = allowed.of_store(&Url::parse("file:///").unwrap());
        assert_eq!(places, [("data/source/".to_owned(), "source/".to_owned())]);
        assert!(allowed.of_store(&Url::parse("s3://data").unwrap()).is_empty());
        assert!(roots("data/source", "source").is_err());
        assert!(roots("mailto:x", "source").is_err());
    }
}
