//! Responders of our own: what a third-party server cannot show of a vendor's protocol, as its
//! documentation and open clients tell it. Tables and reports call them ours.

mod bucket;
mod snowflake;

pub use bucket::{Bucket, BucketRequest};
pub use snowflake::{Answer, Seen, Snowflake, gzip, ipc};
