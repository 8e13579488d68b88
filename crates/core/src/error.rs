//! One error type for the whole contract: what failed, where, whether a retry helps, and
//! what a failed write left behind.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::Operation;

/// A result whose error is ORBIT's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of failure it was, which decides exit codes, retries and breaker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// A setting is missing, unknown or of the wrong type.
    ConfigInvalid,
    /// The query cannot be parsed, planned or bound.
    QueryInvalid,
    /// The table, file, datasource or statement does not exist.
    NotFound,
    /// The target of a create exists.
    AlreadyExists,
    /// Somebody else changed the target first, or a condition on a write did not hold.
    Conflict,
    /// The source does not accept the credentials.
    Unauthenticated,
    /// The credentials are good, but do not allow this.
    PermissionDenied,
    /// The source asks to slow down, or ORBIT's own limit does.
    RateLimited,
    /// The source cannot be reached or cannot answer now.
    Unavailable,
    /// A limit on time ran out.
    Timeout,
    /// The caller gave up.
    Cancelled,
    /// The datasource, or the construct named in the message, is not supported.
    Unsupported,
    /// The source's data or answer is not what it must be.
    DataInvalid,
    /// A limit on memory, disk, size or count was reached.
    ResourceExhausted,
    /// The source ended the result before its end.
    Truncated,
    /// A fault in ORBIT or in a driver.
    Unexpected,
}

impl ErrorKind {
    /// The name in machine-readable output, such as `not_found`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigInvalid => "config_invalid",
            Self::QueryInvalid => "query_invalid",
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Conflict => "conflict",
            Self::Unauthenticated => "unauthenticated",
            Self::PermissionDenied => "permission_denied",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Unsupported => "unsupported",
            Self::DataInvalid => "data_invalid",
            Self::ResourceExhausted => "resource_exhausted",
            Self::Truncated => "truncated",
            Self::Unexpected => "unexpected",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether doing the same again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It fails again the same way, or repeating is not safe.
    Never,
    /// It may work after this long (zero: the caller's own back-off decides).
    After(Duration),
    /// Somebody below has repeated it already and gave up.
    Exhausted,
}

/// What a failed write left behind at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteEffect {
    /// Nothing was written.
    None,
    /// A part was written.
    Partial,
    /// It cannot be known: ask the source before writing again.
    Unknown,
}

/// A failure, in one pointer: `Result<T>` stays small.
///
/// The message is for the person who reads it: lower case, no trailing stop, no secret.
///
/// ```
/// use orbit_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "no such table")
///     .with_datasource("lake")
///     .with_context("table", "orders");
/// assert_eq!(error.to_string(), "lake: no such table (table: orders)");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: Cow<'static, str>,
    retry: Retry,
    write_effect: Option<WriteEffect>,
    operation: Option<Operation>,
    datasource: Option<String>,
    vendor_code: Option<String>,
    context: Vec<(&'static str, String)>,
    hint: Option<Cow<'static, str>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// A new error that no retry can mend, until [`with_retry`](Self::with_retry) says so.
    pub fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            retry: Retry::Never,
            write_effect: None,
            operation: None,
            datasource: None,
            vendor_code: None,
            context: Vec::new(),
            hint: None,
            source: None,
        }))
    }

    /// The operation is not one that this datasource has.
    pub fn unsupported(operation: Operation) -> Self {
        Self::new(
            ErrorKind::Unsupported,
            format!("{operation} is not supported by this datasource"),
        )
        .with_operation(operation)
    }

    /// Says whether a retry helps.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Says what a failed write left behind.
    #[must_use]
    pub fn with_write_effect(mut self, effect: WriteEffect) -> Self {
        self.0.write_effect = Some(effect);
        self
    }

    /// Names the operation, unless somebody closer to the failure did.
    #[must_use]
    pub fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Names the datasource, unless somebody closer to the failure did.
    #[must_use]
    pub fn with_datasource(mut self, name: impl Into<String>) -> Self {
        self.0.datasource.get_or_insert_with(|| name.into());
        self
    }

    /// Keeps the vendor's own code, such as `42P01`.
    #[must_use]
    pub fn with_vendor_code(mut self, code: impl Into<String>) -> Self {
        self.0.vendor_code = Some(code.into());
        self
    }

    /// Adds a field that says where it happened, such as `("table", "orders")`.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.0.context.push((key, value.into()));
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(Arc::from(source.into()));
        self
    }

    /// What sort of failure it was.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without the names around it.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether a retry helps.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// What a failed write left behind; none where nothing was to be written.
    pub fn write_effect(&self) -> Option<WriteEffect> {
        self.0.write_effect
    }

    /// The operation that failed.
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The datasource on which it failed.
    pub fn datasource(&self) -> Option<&str> {
        self.0.datasource.as_deref()
    }

    /// The vendor's own code.
    pub fn vendor_code(&self) -> Option<&str> {
        self.0.vendor_code.as_deref()
    }

    /// Where it happened, in the order in which it was said.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(k, v)| (*k, v.as_str()))
    }

    /// What to do next.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(datasource) = &self.0.datasource {
            write!(f, "{datasource}: ")?;
        }
        f.write_str(&self.0.message)?;
        let code = self.0.vendor_code.as_deref().map(|c| ("code", c));
        let fields = self.context().chain(code);
        let mut separator = " (";
        for (key, value) in fields {
            write!(f, "{separator}{key}: {value}")?;
            separator = ", ";
        }
        if separator == ", " {
            f.write_str(")")?;
        }
        match self.0.write_effect {
            Some(WriteEffect::Partial) => f.write_str("; a part was written")?,
            Some(WriteEffect::Unknown) => {
                f.write_str("; whether it was written is not known, look before writing again")?;
            }
            Some(WriteEffect::None) | None => {}
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("text", &self.to_string())
            .field("operation", &self.0.operation)
            .field("retry", &self.0.retry)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn StdError + 'static))
    }
}
