//! What HTTP APIs that run statements share.
//!
//! A backend of this kind speaks its vendor's requests and leaves to this crate what every such
//! API needs alike: one client with its pool and limits, repeating what cannot start work
//! twice, credentials that are renewed once for all who wait, cancelling what a caller left
//! behind, waiting with back-off, tokens by client credentials, chunks that are fetched in
//! parallel and delivered in order, and Arrow IPC.

mod answer;
mod cancels;
mod chunks;
mod client;
mod credential;
mod ipc;
mod oauth;
mod poll;
mod retry;
mod rows;

pub use answer::Answer;
pub use cancels::{CancelOnDrop, Cancels};
pub use chunks::{Chunk, ChunkLimits, in_order};
pub use client::{Call, Client, ClientOptions, Repeat};
pub use credential::{Kept, Renewing};
pub use ipc::{Decoded, decode_ipc, inflate, off_the_workers};
pub use oauth::{Oauth, OauthSettings};
pub use poll::{Backoff, Progress, poll_until};
pub use reqwest::header;
pub use reqwest::{Method, StatusCode};
pub use retry::{RetryPolicy, retry_after};
pub use rows::{all_there, until_the_end, without_columns};
pub use url::Url;
