//! What object stores and file systems share.
//!
//! A backend of the file kind speaks to its store and leaves to this crate what every store
//! needs alike: merging ranges into fewer requests, folding and paging of listings, bodies that
//! deliver exactly what was promised and go on after a broken connection, and cutting a written
//! body into parts.
//!
//! Everything is a function over streams and closures; there is no trait to implement.

mod body;
mod listing;
mod ranges;

pub use body::{Resume, checked_body, parts, resuming_body};
pub use listing::{FoldByDelimiter, pages};
pub use ranges::{Coalescing, clip_range, coalesce, fetch_ranges, require_within};
