//! How requests reach a Collector: the trait, and what is said at that border.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::exporter::ForkRecipe;

/// Posts bodies over HTTP. The default one is a small blocking client; another one may bring its own TLS, proxies or
/// connections.
///
/// It is called by one thread at a time, and while it works the exporter's spans have to wait: so it must come back within
/// the time it is given.
///
/// ```
/// use otel_core::exporter::otlp::{HttpAnswer, HttpError, HttpPost, HttpTransport, OtlpExporter};
///
/// /// Accepts everything and sends nothing.
/// #[derive(Debug)]
/// struct Nowhere;
///
/// impl HttpTransport for Nowhere {
///     fn post(&mut self, post: &HttpPost<'_>) -> Result<HttpAnswer, HttpError> {
///         println!("{} bytes for {}", post.body.len(), post.url);
///         Ok(HttpAnswer::new(200))
///     }
/// }
///
/// let exporter = OtlpExporter::builder().transport(Nowhere).build()?;
/// # Ok::<(), otel_core::exporter::otlp::OtlpConfigError>(())
/// ```
pub trait HttpTransport: fmt::Debug + Send + 'static {
    /// Posts a body and waits for the answer, whatever its status; redirects are not followed.
    ///
    /// # Errors
    ///
    /// Where no answer came: the request is then tried once more, later.
    fn post(&mut self, post: &HttpPost<'_>) -> Result<HttpAnswer, HttpError>;

    /// Returns how to make a transport for the child of a `fork`, with connections of its own; see
    /// [`SpanExporter::fork_recipe`](crate::exporter::SpanExporter::fork_recipe).
    ///
    /// Default: none. Spans that end in the child are then lost.
    fn fork_recipe(&self) -> Option<ForkRecipe<dyn HttpTransport>> {
        None
    }
}

/// A request that is to be posted.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct HttpPost<'a> {
    /// Where to.
    pub url: &'a str,
    /// All headers but `Host` and `Content-Length`.
    pub headers: &'a [(String, String)],
    /// What.
    pub body: &'a [u8],
    /// How long it may take until the answer is there as a whole.
    pub timeout: Duration,
}

impl fmt::Debug for HttpPost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the URL nor the headers: both may hold secrets.
        f.debug_struct("HttpPost")
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// What a server answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpAnswer {
    /// The status.
    pub status: u16,
    /// The header `Retry-After`, where there is one.
    pub retry_after: Option<String>,
    /// The body, or as much of it as came: no more than [`MAX_ANSWER_BYTES`](Self::MAX_ANSWER_BYTES) is read.
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// How much of an answer's body is of any use, in bytes.
    pub const MAX_ANSWER_BYTES: usize = 64 << 10;

    /// Makes an answer with this status and nothing else.
    pub fn new(status: u16) -> Self {
        Self { status, retry_after: None, body: Vec::new() }
    }
}

/// Why no answer came.
pub type HttpError = Box<dyn Error + Send + Sync>;
