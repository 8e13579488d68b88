//! What the tests against the responder share.

pub(crate) mod scripted;
