//! "Did you mean": the nearest of the known names.

/// The known name nearest to `wanted`, if one is near enough to be what was meant.
///
/// ```
/// assert_eq!(orbit_core::closest("pasword", ["user", "password"]), Some("password"));
/// assert_eq!(orbit_core::closest("zebra", ["user", "password"]), None);
/// ```
pub fn closest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = wanted.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&wanted, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
