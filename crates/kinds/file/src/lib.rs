//! What object stores and file systems share.
//!
//! A backend of the file kind speaks to its store and leaves to this crate what every store
//! needs alike: merging ranges into fewer requests, reading ahead, folding and paging of
//! listings, bodies that deliver exactly what was promised and go on after a broken connection,
//! cutting a written body into parts, and uploading the parts so that nothing is left of an
//! upload that fails.
//!
//! Reading is functions over streams and closures; a store that takes files in parts implements
//! [`PartStore`].

mod ahead;
mod body;
mod cleanups;
mod listing;
mod ranges;
mod repeat;
mod upload;

pub use ahead::{ReadAhead, first_bytes, read_ahead};
pub use body::{Resume, checked_body, parts, resuming_body, whole};
pub use cleanups::Cleanups;
pub use listing::{FoldByDelimiter, PageToken, in_key_order, pages};
pub use ranges::{Coalescing, clip_range, coalesce, fetch_ranges, require_within, wants_size};
pub use repeat::repeat;
pub use upload::{PartSizes, PartStore, in_parts, upload};
