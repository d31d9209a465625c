//! Sends finished spans to an OpenTelemetry Collector, as protobuf over HTTP: OTLP.
//!
//! | file | holds |
//! | --- | --- |
//! | `builder` | the settings, of which `environment` reads some from variables; `endpoint` is where requests go |
//! | `request` | spans gathered into requests |
//! | `encode` | a span in OTLP, field by field |
//! | `protobuf` | fields as bytes |
//! | `gzip` | bodies made smaller |
//! | `transport` | the border to HTTP, and `http_client`, which is there by default |
//! | `answer` | what a Collector says |
//! | `retry` | when to try once more; `http_date` is for Collectors that name a date |
//! | `stats` | what became of the spans |

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::{ExportError, ForkRecipe, SpanBatch, SpanExporter};
use crate::{diagnostics, foreign};

mod answer;
mod builder;
mod encode;
mod endpoint;
mod environment;
mod gzip;
mod http_client;
mod http_date;
mod protobuf;
mod request;
mod retry;
mod stats;
mod transport;

use answer::PartialSuccess;
use builder::{Headers, Settings};
use request::{OpenRequest, Request};
use retry::Backoff;
use stats::Counters;

pub use builder::{Compression, OtlpConfigError, OtlpExporterBuilder};
pub use stats::{OtlpStats, OtlpStatsHandle};
pub use transport::{HttpAnswer, HttpError, HttpPost, HttpTransport};

/// Sends spans to an OpenTelemetry Collector, or whoever takes OTLP over HTTP, as Jaeger does on port 4318.
///
/// Spans are gathered in one open request, by resource and scope. A full one goes out at once, the last one at
/// [`flush`](SpanExporter::flush) or at the end of the batch processor's interval. A simple processor has no interval: behind
/// one, spans wait for a flush or the close. Nothing is resolved or opened before that,
/// so a Collector that is not there is no error at the start; what it costs is counted, see [`stats`](Self::stats).
///
/// A request that fails is tried once more where that may help: no answer, and the statuses 429, 502, 503 and 504. Between
/// two attempts there is a wait, which nobody sleeps through: meanwhile requests are made and kept up to a limit, and the
/// next attempt is that of the interval after the wait. A flush waits for it, no longer than its time and until
/// somebody closes; the close too, and what is left then is lost. A request under way is not interrupted, and takes [`timeout`](OtlpExporterBuilder::timeout) at the
/// most.
///
/// The child of a `fork` gets an exporter of its own, with a connection and statistics of its own. What waits at the fork
/// stays the parent's.
///
/// ```
/// use otel_core::exporter::otlp::OtlpExporter;
///
/// let exporter = OtlpExporter::builder().endpoint("http://localhost:4318").build()?;
/// let stats = exporter.stats();
/// // … the exporter moves into a processor …
/// assert_eq!(stats.snapshot().lost_spans(), 0);
/// # Ok::<(), otel_core::exporter::otlp::OtlpConfigError>(())
/// ```
///
/// Source: `open-telemetry/opentelemetry-proto:docs/specification.md`.
#[derive(Debug)]
pub struct OtlpExporter {
    settings: Settings,
    gzip_headers: Headers,
    open: OpenRequest,
    /// Requests that wait to be sent, the oldest first.
    backlog: VecDeque<Waiting>,
    backlog_bytes: usize,
    backoff: Backoff,
    /// None once the exporter is closed.
    transport: Option<Box<dyn HttpTransport>>,
    counters: Arc<Counters>,
}

/// A request that waits to be sent.
struct Waiting {
    request: Request,
    is_gzip: bool,
    since: Instant,
}

impl OtlpExporter {
    /// Returns a builder: by default it makes an exporter to a Collector on this machine.
    pub fn builder() -> OtlpExporterBuilder {
        OtlpExporterBuilder::default()
    }

    fn new(settings: Settings, transport: Box<dyn HttpTransport>) -> Self {
        Self::with_counters(settings, transport, Arc::default())
    }

    fn with_counters(
        settings: Settings,
        transport: Box<dyn HttpTransport>,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            gzip_headers: settings.headers.clone().with_gzip(),
            open: OpenRequest::new(settings.max_request_bytes),
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            backoff: Backoff::new(settings.retry),
            transport: Some(transport),
            counters,
            settings,
        }
    }

    /// Returns where spans are posted to, without what may be secret in a URL.
    pub fn endpoint(&self) -> String {
        self.settings.endpoint.to_string()
    }

    /// Returns a handle to the counters, which works after the exporter has moved away.
    pub fn stats(&self) -> OtlpStatsHandle {
        OtlpStatsHandle::new(Arc::clone(&self.counters))
    }

    /// Puts a request at the end of those that wait.
    fn enqueue(&mut self, request: Request) {
        let compressed = match self.settings.compression {
            Compression::Gzip => gzip::compressed(&request.body),
            Compression::None => None,
        };
        let is_gzip = compressed.is_some();
        let n_spans = request.n_spans;
        let body = compressed.unwrap_or(request.body);
        if !self.backlog.is_empty()
            && self.backlog_bytes + body.len() > self.settings.max_backlog_bytes
        {
            self.counters.backlog_full_spans.add(n_spans);
            diagnostics::warn(
                "otlp backlog",
                format_args!(
                    "{n_spans} spans are lost: as much as may wait for the Collector at {} does so already",
                    self.settings.endpoint
                ),
            );
            return;
        }
        self.backlog_bytes += body.len();
        let request = Request { body, n_spans };
        self.backlog.push_back(Waiting { request, is_gzip, since: Instant::now() });
    }

    /// Sends what waits, until an attempt fails or the time is over. Comes back where it would have to wait.
    fn send_due(&mut self, deadline: Option<Instant>) {
        while let Some(waiting) = self.backlog.front() {
            let now = Instant::now();
            let left = deadline.map_or(Duration::MAX, |moment| moment - now.min(moment));
            if !self.backoff.left(now).is_zero() || left < LEAST_TIMEOUT {
                return;
            }
            let headers = if waiting.is_gzip { &self.gzip_headers } else { &self.settings.headers };
            let post = HttpPost {
                url: self.settings.endpoint.url(),
                headers: headers.as_slice(),
                body: &waiting.request.body,
                timeout: left.min(self.settings.timeout),
            };
            let Some(transport) = &mut self.transport else { return };
            let answer = foreign::call(|| transport.post(&post))
                .unwrap_or_else(|| Err("the transport panicked".into()));
            match answer {
                Ok(answer) if (200..300).contains(&answer.status) => self.book_success(&answer),
                Ok(answer) if RETRIED.contains(&answer.status) => {
                    let retry_after = answer.retry_after.as_deref();
                    let retry_after =
                        retry_after.and_then(|value| retry::retry_after(value, SystemTime::now()));
                    self.book_failure(retry_after, &Refusal(&answer));
                }
                Ok(answer) => self.book_refusal(&answer),
                Err(error) => self.book_failure(None, &format_args!("gave no answer: {error}")),
            }
        }
    }

    /// Sends what waits until nothing does or the time is over, and sleeps in between.
    fn send_until(&mut self, deadline: Instant) {
        loop {
            self.send_due(Some(deadline));
            let now = Instant::now();
            let wait = self.backoff.left(now);
            if self.backlog.is_empty() || wait >= deadline.saturating_duration_since(now) {
                return;
            }
            thread::sleep(wait);
        }
    }

    fn book_success(&mut self, answer: &HttpAnswer) {
        self.backoff.succeed();
        let Some(request) = self.take_first() else { return };
        let Some(partial_success) = PartialSuccess::read(&answer.body) else {
            diagnostics::warn(
                "otlp answer",
                format_args!(
                    "the Collector at {} accepted {} spans with an answer that is no OTLP: {:?}",
                    self.settings.endpoint,
                    request.n_spans,
                    answer::error_message(&answer.body)
                ),
            );
            return self.count_delivered(&request, 0);
        };
        let rejected_spans = usize::try_from(partial_success.rejected_spans)
            .map_or(request.n_spans, |rejected_spans| rejected_spans.min(request.n_spans));
        if rejected_spans > 0 || !partial_success.error_message.is_empty() {
            diagnostics::warn(
                "otlp partial success",
                format_args!(
                    "the Collector at {} rejected {rejected_spans} of {} spans: {:?}",
                    self.settings.endpoint, request.n_spans, partial_success.error_message
                ),
            );
        }
        self.count_delivered(&request, rejected_spans);
    }

    fn count_delivered(&self, request: &Request, rejected_spans: usize) {
        self.counters.accepted_requests.add(1);
        self.counters.sent_bytes.add(request.body.len());
        self.counters.delivered_spans.add(request.n_spans - rejected_spans);
        self.counters.rejected_spans.add(rejected_spans);
    }

    /// Counts a request as lost to which the Collector said no for good. It is well otherwise, so the next one may go.
    fn book_refusal(&mut self, answer: &HttpAnswer) {
        self.backoff.succeed();
        let Some(request) = self.take_first() else { return };
        self.counters.refused_spans.add(request.n_spans);
        diagnostics::warn(
            "otlp refusal",
            format_args!(
                "{} spans are lost: the Collector at {} {}",
                request.n_spans,
                self.settings.endpoint,
                Refusal(answer)
            ),
        );
    }

    /// Notes that an attempt failed, and counts those requests as lost whose time is over before the next one.
    fn book_failure(&mut self, retry_after: Option<Duration>, reason: &dyn fmt::Display) {
        let now = Instant::now();
        self.counters.failed_requests.add(1);
        self.backoff.fail(now, retry_after);
        let wait = self.backoff.left(now);
        let wait_millis = wait.as_millis();
        let mut n_expired = 0;
        while let Some(waiting) = self.backlog.front() {
            if (now + wait).saturating_duration_since(waiting.since) <= self.settings.retry.max_time
            {
                break;
            }
            n_expired += self.take_first().map_or(0, |request| request.n_spans);
        }
        self.counters.expired_spans.add(n_expired);
        diagnostics::warn(
            "otlp failure",
            format_args!(
                "the Collector at {} {reason}: {n_expired} spans are lost, {} wait for the next attempt in {wait_millis} ms",
                self.settings.endpoint,
                self.held_spans(),
            ),
        );
    }

    fn take_first(&mut self) -> Option<Request> {
        let waiting = self.backlog.pop_front()?;
        self.backlog_bytes -= waiting.request.body.len();
        Some(waiting.request)
    }

    fn enqueue_open(&mut self) {
        if let Some(request) = self.open.take() {
            self.enqueue(request);
        }
    }
}

impl SpanExporter for OtlpExporter {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        if self.transport.is_none() {
            return Err(ExportError::Closed);
        }
        for span in batch.spans() {
            if let Some(request) = self.open.add(batch.resource(), &span) {
                self.enqueue(request);
                self.send_due(None);
            }
        }
        Ok(())
    }

    fn flush(&mut self, timeout: Duration) -> Result<(), ExportError> {
        self.enqueue_open();
        self.send_due(Some(after(timeout)));
        if self.backlog.is_empty() {
            return Ok(());
        }
        Err(ExportError::Later(self.backoff.left(Instant::now())))
    }

    fn tick(&mut self, timeout: Duration) -> Result<(), ExportError> {
        self.enqueue_open();
        self.send_due(Some(after(timeout)));
        Ok(())
    }

    fn close(&mut self, timeout: Duration) -> Result<(), ExportError> {
        self.enqueue_open();
        self.backoff.hurry();
        // The account is to be there before the one who closes gives up waiting for it.
        let rest = (timeout / 8).min(LONGEST_REST);
        self.send_until(after(timeout.saturating_sub(rest)));
        self.transport = None;
        let mut n_left = 0;
        while let Some(request) = self.take_first() {
            n_left += request.n_spans;
        }
        if n_left > 0 {
            self.counters.closed_spans.add(n_left);
            diagnostics::warn(
                "otlp close",
                format_args!(
                    "{n_left} spans are lost: they could not be sent to the Collector at {} before the close",
                    self.settings.endpoint
                ),
            );
        }
        Ok(())
    }

    fn lost_spans(&self) -> u64 {
        self.counters.snapshot().lost_spans()
    }

    fn held_spans(&self) -> u64 {
        let waiting: usize = self.backlog.iter().map(|waiting| waiting.request.n_spans).sum();
        (self.open.n_spans() + waiting) as u64
    }

    fn fork_recipe(&self) -> Option<ForkRecipe<dyn SpanExporter>> {
        let transport = self.transport.as_ref()?.fork_recipe()?;
        let (settings, counters) = (self.settings.clone(), Arc::clone(&self.counters));
        Some(ForkRecipe::new(move || -> Box<dyn SpanExporter> {
            counters.reset();
            let (settings, counters) = (settings.clone(), Arc::clone(&counters));
            Box::new(Self::with_counters(settings, transport.make(), counters))
        }))
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("n_spans", &self.request.n_spans).finish_non_exhaustive()
    }
}

/// An answer that says no, in words that follow "the Collector".
struct Refusal<'a>(&'a HttpAnswer);

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered {} {:?}", self.0.status, answer::error_message(&self.0.body))
    }
}

/// Returns the moment when so much time is over; one that no clock shows is far enough away.
fn after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(|| now + FAR)
}

/// The statuses after which a request is to be sent once more.
const RETRIED: [u16; 4] = [429, 502, 503, 504];
const LEAST_TIMEOUT: Duration = Duration::from_millis(1);
const LONGEST_REST: Duration = Duration::from_millis(250);
const FAR: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests;
