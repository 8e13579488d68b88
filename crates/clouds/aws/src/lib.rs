//! Amazon's cloud, as far as its backends share it: who to be, where, and what went wrong.
//!
//! [`AwsAccess`] turns settings into the configuration of a client: credentials that renew
//! themselves, a region, an HTTP client on rustls. [`send`] sends one request of any client
//! within the limits of its caller, and answers with a [`Failure`] that has its facts.
//! [`Call`] is a request without a client.
//!
//! The usual chain of credentials reads the variables and files that every tool of this cloud
//! reads; nothing else here does.

mod access;
mod bounded;
mod call;
mod failure;
mod kept;
mod load;
mod proxy;
mod send;
mod trust;

pub use access::{AwsAccess, check_endpoint, check_secret_endpoint};
pub use aws_config::SdkConfig;
pub use bounded::bound;
pub use call::{Call, element, moment};
pub use failure::Failure;
pub use kept::KeptCredentials;
pub use send::{quiet, send};
