//! The settings of an exporter.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue};

use super::OtlpExporter;
use super::endpoint::{self, Endpoint};
use super::http_client::HttpClient;
use super::retry::RetrySettings;
use super::transport::HttpTransport;

/// Sets up an [`OtlpExporter`]. Every setting has a default that works.
#[derive(Debug)]
#[must_use = "an exporter is made by `build`"]
pub struct OtlpExporterBuilder {
    pub(super) endpoint: Result<Endpoint, OtlpConfigError>,
    pub(super) headers: Result<Headers, OtlpConfigError>,
    settings: Settings,
    transport: Option<Box<dyn HttpTransport>>,
}

/// How bodies are made smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// By gzip.
    Gzip,
}

impl OtlpExporterBuilder {
    /// Sets where the Collector is: its URL, to which `/v1/traces` is appended. Default: `http://localhost:4318`.
    ///
    /// `https://` needs the feature `otlp-tls`.
    pub fn endpoint(mut self, url: &str) -> Self {
        self.endpoint = Endpoint::of_collector(url).map_err(|allowed| no_endpoint(url, allowed));
        self
    }

    /// Sets where spans are posted to, as it is: nothing is appended. Replaces what [`endpoint`](Self::endpoint) said.
    pub fn traces_endpoint(mut self, url: &str) -> Self {
        self.endpoint = Endpoint::exact(url).map_err(|allowed| no_endpoint(url, allowed));
        self
    }

    /// Adds a header to each request, as a key that the Collector asks for; one of the same name is replaced. Those that
    /// tell what the body is are the exporter's own.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers = self.headers.and_then(|mut headers| {
            headers.set(name, value)?;
            Ok(headers)
        });
        self
    }

    /// Sets whether bodies are compressed. Default: they are not, since a Collector mostly is near.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.settings.compression = compression;
        self
    }

    /// Sets how long a request may take, from the look-up of the name to the end of the answer.
    ///
    /// Default: 10 seconds. From a millisecond to a day; what is outside counts as the nearer of the two. A flush or close
    /// that has less time than that gives its requests no more than it has.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout.clamp(LEAST_TIMEOUT, LONGEST_TIMEOUT);
        self
    }

    /// Sets the largest request to send.
    ///
    /// Unit: bytes of protobuf, before compression. Default: 1 MiB, some five thousand spans; a Collector takes 20 MiB
    /// unless told otherwise. A span that alone is larger goes out in a request of its own.
    pub fn max_request_bytes(mut self, max_request_bytes: usize) -> Self {
        self.settings.max_request_bytes = max_request_bytes;
        self
    }

    /// Sets how much may wait while a Collector is in trouble.
    ///
    /// Unit: bytes of requests as sent. Default: 16 MiB. At least one request waits, however large; spans past the limit
    /// are lost, and counted in [`OtlpStats::backlog_full_spans`](super::OtlpStats::backlog_full_spans).
    pub fn max_backlog_bytes(mut self, max_backlog_bytes: usize) -> Self {
        self.settings.max_backlog_bytes = max_backlog_bytes;
        self
    }

    /// Sets how long to wait before a request is tried once more: after the first failure, and at the most; each wait is
    /// twice as long as the one before, and by chance up to half shorter.
    ///
    /// Default: 1 second, up to 30. At least a millisecond each.
    pub fn retry_wait(mut self, first: Duration, longest: Duration) -> Self {
        let first = first.clamp(LEAST_TIMEOUT, LONGEST_TIMEOUT);
        self.settings.retry.first_wait = first;
        self.settings.retry.longest_wait = longest.clamp(first, LONGEST_TIMEOUT);
        self
    }

    /// Sets for how long a request is tried, from when it is ready. What was not delivered by then is lost, and counted in
    /// [`OtlpStats::expired_spans`](super::OtlpStats::expired_spans).
    ///
    /// Default: 1 minute; zero means that nothing is tried twice.
    pub fn max_retry_time(mut self, max_retry_time: Duration) -> Self {
        self.settings.retry.max_time = max_retry_time;
        self
    }

    /// Sets who posts the requests. Default: a small client, which uses no proxy.
    pub fn transport(mut self, transport: impl HttpTransport) -> Self {
        self.transport = Some(Box::new(transport));
        self
    }

    /// Makes the exporter. Nothing is resolved or opened yet: a Collector that is not there is no error.
    ///
    /// # Errors
    ///
    /// Where an endpoint is no URL, or a header none.
    pub fn build(self) -> Result<OtlpExporter, OtlpConfigError> {
        let mut settings = self.settings;
        settings.endpoint = self.endpoint?;
        settings.headers = self.headers?;
        let transport = self.transport.unwrap_or_else(|| Box::new(HttpClient::new()));
        Ok(OtlpExporter::new(settings, transport))
    }
}

impl Default for OtlpExporterBuilder {
    fn default() -> Self {
        Self {
            endpoint: Ok(Endpoint::default()),
            headers: Ok(Headers::default()),
            settings: Settings::default(),
            transport: None,
        }
    }
}

/// What an exporter is told when it is built, and its child after a fork.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) endpoint: Endpoint,
    pub(super) headers: Headers,
    pub(super) compression: Compression,
    pub(super) timeout: Duration,
    pub(super) max_request_bytes: usize,
    pub(super) max_backlog_bytes: usize,
    pub(super) retry: RetrySettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::default(),
            headers: Headers::default(),
            compression: Compression::default(),
            timeout: DEFAULT_TIMEOUT,
            max_request_bytes: DEFAULT_REQUEST_BYTES,
            max_backlog_bytes: DEFAULT_BACKLOG_BYTES,
            retry: RetrySettings::default(),
        }
    }
}

/// The headers of each request.
#[derive(Clone)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(super) fn as_slice(&self) -> &[(String, String)] {
        &self.0
    }

    /// Returns these headers with the one that says how the body is compressed.
    pub(super) fn with_gzip(mut self) -> Self {
        self.put("Content-Encoding", "gzip");
        self
    }

    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), OtlpConfigError> {
        let is_own = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
        let is_header = HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok();
        if is_own || !is_header {
            return Err(OtlpConfigError::Header { name: name.to_owned() });
        }
        self.put(name, value);
        Ok(())
    }

    fn put(&mut self, name: &str, value: &str) {
        self.0.retain(|(present, _)| !present.eq_ignore_ascii_case(name));
        self.0.push((name.to_owned(), value.to_owned()));
    }
}

impl Default for Headers {
    fn default() -> Self {
        let mut headers = Self(Vec::new());
        headers.put("Content-Type", "application/x-protobuf");
        headers.put("User-Agent", USER_AGENT);
        headers
    }
}

/// Shows the names alone: a value may be a key to the Collector.
impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Why an exporter could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OtlpConfigError {
    /// The endpoint is no URL that requests can be posted to.
    Endpoint {
        /// What was given instead, without a name, a password or a query.
        url: String,
        /// What would be one.
        allowed: &'static str,
    },
    /// A header cannot be sent: its name is none, or the exporter's own, or there is a line break in its value. The value
    /// is not shown, since it may be a secret.
    Header {
        /// The header's name.
        name: String,
    },
}

impl fmt::Display for OtlpConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint { url, allowed } => {
                write!(f, "endpoint {url:?} is none, allowed: {allowed}")
            }
            Self::Header { name } => write!(
                f,
                "header {name:?} cannot be sent, allowed: a token other than {}, and a value in one line",
                OWN_HEADERS.join(", ")
            ),
        }
    }
}

impl Error for OtlpConfigError {}

fn no_endpoint(url: &str, allowed: &'static str) -> OtlpConfigError {
    OtlpConfigError::Endpoint { url: endpoint::without_secrets(url), allowed }
}

const USER_AGENT: &str = concat!("OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));
const OWN_HEADERS: [&str; 6] = [
    "Content-Type",
    "Content-Encoding",
    "Content-Length",
    "Transfer-Encoding",
    "Connection",
    "Expect",
];
const LEAST_TIMEOUT: Duration = Duration::from_millis(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_REQUEST_BYTES: usize = 1 << 20;
const DEFAULT_BACKLOG_BYTES: usize = 16 << 20;
