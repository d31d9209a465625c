//! The exporter: takes batches of finished spans, fills datagrams, and accounts for every span.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use otel_core::exporter::{ExportError, ForkRecipe, SpanBatch, SpanExporter};
use otel_core::record::SpanView;
use otel_core::{IdGenerator, KeyValue, RandomIdGenerator, Resource, TraceId, diagnostics};

use crate::codec::{Buffer, ThriftProtocol};
use crate::convert::{Dialect, Extras, SpanConverter};
use crate::error::{ReportError, SendError};
use crate::packer::{DoesNotFit, Packer, Protocol, with_protocol};
use crate::stats::{ClientStats, Counters, StatsHandle};
use crate::transport::{Pacer, Resolve, SystemResolver, Transport, UdpTransport};
use crate::trim::Trim;

/// Sends spans to a Jaeger agent as Thrift datagrams over UDP.
///
/// Spans are gathered in one open datagram. A full one goes out at once, the last one at [`flush`](SpanExporter::flush),
/// which a batch processor calls after each round. Nothing is resolved or opened before the first datagram, so an
/// absent agent is no error at the start; what it costs is counted, see [`stats`](Self::stats).
///
/// A batch on the wire has one Process: spans of another [`Resource`] close the open datagram, and several services
/// can share an exporter.
///
/// The child of a `fork` gets an exporter of its own, with a socket, sequence numbers and statistics of its own, and with
/// another `client-uuid` where the resource has one. What is in the open datagram at the fork stays the parent's.
///
/// ```
/// use jaeger_udp::{Dialect, JaegerExporter};
///
/// let exporter = JaegerExporter::builder().agent_host("localhost").agent_port(6831).dialect(Dialect::Otel).build();
/// let stats = exporter.stats();
/// // … the exporter moves into a processor …
/// assert_eq!(stats.snapshot().lost_spans(), 0);
/// ```
#[derive(Debug)]
pub struct JaegerExporter {
    settings: Settings,
    packer: Packer,
    converter: SpanConverter,
    pacer: Pacer,
    transport: Box<dyn Transport>,
    counters: Arc<Counters>,
    /// Whose spans are in the open datagram.
    resource: Option<Resource>,
    /// A span that did not fit, on its way to the next datagram.
    spilled: Buffer,
    seq_no: i64,
    full_queue_dropped_spans: i64,
    /// How many spans were in the last datagram given to the system: it may yet be refused.
    last_given_spans: usize,
    /// The last loss since the last flush.
    last_loss: Option<ReportError>,
    /// Stands in for the resource's in the child of a fork: agents tell clients apart by it.
    client_uuid: Option<String>,
    is_closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    dialect: Dialect,
    extras: Extras,
    protocol: Protocol,
    max_packet_bytes: usize,
    pacing: (u32, Duration),
}

impl JaegerExporter {
    /// Returns a builder: by default it makes an exporter to an agent on this machine.
    pub fn builder() -> JaegerExporterBuilder {
        JaegerExporterBuilder::default()
    }

    fn new(
        settings: Settings,
        transport: Box<dyn Transport>,
        counters: Arc<Counters>,
        client_uuid: Option<String>,
    ) -> Self {
        let (burst_datagrams, interval) = settings.pacing;
        Self {
            settings,
            packer: Packer::new(settings.protocol, settings.max_packet_bytes),
            converter: SpanConverter::new(settings.dialect, settings.extras),
            pacer: Pacer::new(burst_datagrams, interval),
            transport,
            counters,
            resource: None,
            spilled: Buffer::new(),
            seq_no: FIRST_SEQ_NO,
            full_queue_dropped_spans: 0,
            last_given_spans: 0,
            last_loss: None,
            client_uuid,
            is_closed: false,
        }
    }

    /// Returns a handle to the counters, which works after the exporter has moved away.
    pub fn stats(&self) -> StatsHandle {
        StatsHandle::new(Arc::clone(&self.counters))
    }

    /// Takes spans over: each is sent, now or at a flush, or counted as lost.
    pub(crate) fn add<'a>(
        &mut self,
        resource: &Resource,
        spans: impl Iterator<Item = SpanView<'a>>,
    ) {
        self.set_resource(resource);
        for span in spans {
            self.add_span(&span);
        }
    }

    /// Sends the open datagram, and books it should it be refused at once.
    pub(crate) fn send_rest(&mut self) -> Result<(), ReportError> {
        self.send_open();
        if let Err(SendError::Refused(source)) = self.transport.confirm() {
            self.book_refusal(source);
        }
        self.note_receiver_drops();
        self.last_loss.take().map_or(Ok(()), Err)
    }

    fn note_receiver_drops(&self) {
        let dropped = self.transport.receiver_dropped_datagrams();
        let counter = &self.counters.receiver_dropped_datagrams;
        if dropped > counter.get() {
            counter.set(dropped);
            diagnostics::warn(
                "jaeger receiver",
                format_args!(
                    "the agent's port has dropped {dropped} datagrams: a larger receive buffer or a slower pace would help"
                ),
            );
        }
    }

    #[inline]
    fn add_span(&mut self, span: &SpanView<'_>) {
        let Self { packer, converter, spilled, .. } = self;
        let added = with_protocol!(packer.protocol(), P => {
            packer.add(spilled, |out| converter.write_span::<P>(out, span, &Trim::NOTHING))
        });
        if added.is_err() {
            self.add_spilled(span);
        }
    }

    /// Adds a span that did not fit the open datagram to the next one, trimmed if need be.
    #[cold]
    fn add_spilled(&mut self, span: &SpanView<'_>) {
        self.send_open();
        let mut spilled = std::mem::take(&mut self.spilled);
        if self.packer.add_encoded(&spilled) == Err(DoesNotFit) {
            self.add_trimmed(span, &mut spilled);
        }
        spilled.clear();
        spilled.shrink_to(self.packer.max_packet_bytes());
        self.spilled = spilled;
    }

    fn add_trimmed(&mut self, span: &SpanView<'_>, encoded: &mut Buffer) {
        for trim in Trim::steps(span) {
            encoded.clear();
            with_protocol!(self.packer.protocol(), P => {
                encoded.append(|out| self.converter.write_span::<P>(out, span, &trim));
            });
            if self.packer.add_encoded(encoded).is_ok() {
                self.counters.trimmed_spans.add(1);
                self.converter.shrink();
                return;
            }
        }
        self.converter.shrink();
        self.book_too_large(encoded);
    }

    fn set_resource(&mut self, resource: &Resource) {
        if self.resource.as_ref() != Some(resource) {
            self.send_open();
            self.resource = Some(resource.clone());
            self.write_process();
        }
    }

    /// Writes the Process of the datagrams to come; the open one has to be empty.
    fn write_process(&mut self) {
        let Some(resource) = &self.resource else { return };
        let renamed = self
            .client_uuid
            .as_deref()
            .filter(|_| resource.get(CLIENT_UUID).is_some())
            .map(|uuid| resource.with([KeyValue::new(CLIENT_UUID, uuid)]));
        let resource = renamed.as_ref().unwrap_or(resource);
        let Self { packer, converter, .. } = self;
        let (protocol, max_bytes) = (packer.protocol(), packer.max_packet_bytes() / 2);
        let mut n_trimmed = 0;
        packer.set_process(|out| {
            n_trimmed = with_protocol!(protocol, P => converter.write_process::<P>(out, resource, max_bytes));
        });
        if n_trimmed > 0 {
            self.counters.trimmed_process_tags.add(n_trimmed);
            let service_name: String =
                resource.service_name().chars().take(MAX_SHOWN_CHARS).collect();
            diagnostics::warn(
                "jaeger process tags",
                format_args!(
                    "{n_trimmed} process tags of service {service_name:?}, or its name, were shortened or left out, since together they take more than {max_bytes} bytes"
                ),
            );
        }
    }

    /// Sends the open datagram; an empty one is not sent.
    fn send_open(&mut self) {
        if self.packer.is_empty() {
            return;
        }
        let n_spans = self.packer.n_spans();
        self.pacer.wait();
        for _ in 0..MAX_SENDS {
            let stats = self.client_stats();
            let datagram = self.packer.seal(self.seq_no, &stats);
            match self.transport.send(datagram) {
                Ok(()) => {
                    self.counters.given_spans.add(n_spans);
                    self.counters.sent_datagrams.add(1);
                    self.counters.sent_bytes.add(datagram.len());
                    self.last_given_spans = n_spans;
                    return self.begin_next();
                }
                // The one before was refused: this one is sent again, with the loss in its statistics.
                Err(SendError::Refused(source)) => self.book_refusal(source),
                Err(SendError::TooLong(source)) => {
                    let len = datagram.len();
                    return self.resplit(len, source);
                }
                Err(source) => {
                    self.book_failure(n_spans, source);
                    return self.begin_next();
                }
            }
        }
        self.book_failure(n_spans, SendError::Failed(io::ErrorKind::ConnectionRefused.into()));
        self.begin_next();
    }

    fn begin_next(&mut self) {
        self.seq_no += 1;
        self.packer.clear();
    }

    /// Lowers the limit below a datagram that the system found too long, and sends its spans in shorter ones.
    #[cold]
    fn resplit(&mut self, len: usize, source: io::Error) {
        let Some(max_packet_bytes) = USUAL_LIMITS.into_iter().find(|limit| *limit < len) else {
            self.book_failure(self.packer.n_spans(), SendError::TooLong(source));
            return self.begin_next();
        };
        diagnostics::warn(
            "jaeger datagram length",
            format_args!(
                "the system does not take a datagram of {len} bytes ({source}): they get {max_packet_bytes} bytes from now on"
            ),
        );
        self.counters.resplit_datagrams.add(1);
        self.counters.max_packet_bytes.set(max_packet_bytes as u64);
        let spans = self.packer.take_spans();
        self.packer.set_max_packet_bytes(max_packet_bytes);
        self.write_process();
        for span in spans.iter() {
            if self.packer.add_encoded(span).is_err() {
                // This may lower the limit further; it leaves the open datagram empty in any case.
                self.send_open();
                if self.packer.add_encoded(span).is_err() {
                    self.book_too_large(span);
                }
            }
        }
        self.send_open();
    }

    fn client_stats(&self) -> ClientStats {
        ClientStats {
            full_queue_dropped_spans: self.full_queue_dropped_spans,
            too_large_dropped_spans: self.counters.too_large_spans.get() as i64,
            failed_to_emit_spans: self.counters.failed_to_emit_spans() as i64,
        }
    }

    /// Counts the spans of the last datagram as refused; a second refusal of it counts nothing.
    fn book_refusal(&mut self, source: io::Error) {
        let n_spans = std::mem::take(&mut self.last_given_spans);
        if n_spans > 0 {
            self.counters.refused_spans.add(n_spans);
            self.report(
                "jaeger agent",
                ReportError::Send { n_spans, source: SendError::Refused(source) },
            );
        }
    }

    fn book_failure(&mut self, n_spans: usize, source: SendError) {
        let (counter, cause) = match &source {
            SendError::Unresolved { .. } => (&self.counters.unresolved_spans, "jaeger agent name"),
            _ => (&self.counters.send_failed_spans, "jaeger socket"),
        };
        counter.add(n_spans);
        self.report(cause, ReportError::Send { n_spans, source });
    }

    fn book_too_large(&mut self, encoded: &[u8]) {
        self.counters.too_large_spans.add(1);
        let head = with_protocol!(self.packer.protocol(), P => P::peek(encoded));
        let error = ReportError::SpanTooLarge {
            operation_name: head
                .map(|head| String::from_utf8_lossy(head.operation_name).into_owned())
                .unwrap_or_default(),
            trace_id: head.map_or(TraceId::INVALID, |head| {
                TraceId::from_parts(head.trace_id_high as u64, head.trace_id_low as u64)
            }),
            encoded_bytes: encoded.len(),
            limit_bytes: self.packer.max_span_bytes(),
        };
        self.report("jaeger span length", error);
    }

    fn report(&mut self, cause: &'static str, error: ReportError) {
        diagnostics::warn(cause, format_args!("{error}"));
        self.last_loss = Some(error);
    }
}

impl SpanExporter for JaegerExporter {
    fn export(&mut self, batch: &SpanBatch<'_>) -> Result<(), ExportError> {
        if self.is_closed {
            return Err(ExportError::Closed);
        }
        self.add(batch.resource(), batch.spans());
        Ok(())
    }

    fn flush(&mut self, _timeout: Duration) -> Result<(), ExportError> {
        if self.is_closed {
            return Ok(());
        }
        // No use for the timeout: a datagram takes microseconds, or 13 ms where the system's buffers are full. What was
        // lost is counted, and was logged with its cause; an error would have it logged once more.
        let _ = self.send_rest();
        Ok(())
    }

    fn close(&mut self, timeout: Duration) -> Result<(), ExportError> {
        if self.is_closed {
            return Ok(());
        }
        let flushed = self.flush(timeout);
        self.is_closed = true;
        self.transport.close();
        self.note_receiver_drops();
        flushed
    }

    fn lost_spans(&self) -> u64 {
        self.counters.lost_spans()
    }

    fn held_spans(&self) -> u64 {
        self.packer.n_spans() as u64
    }

    fn note_queue_drops(&mut self, dropped_spans: u64) {
        self.full_queue_dropped_spans = dropped_spans as i64;
    }

    fn fork_recipe(&self) -> Option<ForkRecipe<dyn SpanExporter>> {
        let transport = self.transport.fork_recipe()?;
        let (settings, counters) = (self.settings, Arc::clone(&self.counters));
        Some(ForkRecipe::new(move || -> Box<dyn SpanExporter> {
            counters.reset(settings.max_packet_bytes);
            let client_uuid = RandomIdGenerator::new().new_span_id().to_string();
            let (transport, counters) = (transport.make(), Arc::clone(&counters));
            Box::new(Self::new(settings, transport, counters, Some(client_uuid)))
        }))
    }
}

/// Sets up a [`JaegerExporter`]. Every setting has a default that works.
#[derive(Debug)]
pub struct JaegerExporterBuilder {
    agent_host: String,
    agent_port: Option<u16>,
    dialect: Dialect,
    extras: Extras,
    protocol: Protocol,
    max_packet_bytes: usize,
    pacing: Option<(u32, Duration)>,
    resolver: Box<dyn Resolve>,
    transport: Option<Box<dyn Transport>>,
}

impl JaegerExporterBuilder {
    /// Sets where the agent is: a name or an address. Default: `localhost`.
    ///
    /// A name is resolved at the first datagram, every 30 seconds, and when all of its addresses have refused. Where
    /// it has several, the next one is tried when one refuses; of `localhost`, IPv4 comes first.
    #[must_use]
    pub fn agent_host(mut self, agent_host: &str) -> Self {
        // An IPv6 address may come in the brackets that it has in front of a port.
        let bare = agent_host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        self.agent_host = bare.unwrap_or(agent_host).to_owned();
        self
    }

    /// Sets the agent's port. Default: 6831, or 6832 for the binary protocol.
    #[must_use]
    pub fn agent_port(mut self, agent_port: u16) -> Self {
        self.agent_port = Some(agent_port);
        self
    }

    /// Sets which conventions spans follow on the wire. Default: [`Dialect::Otel`].
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Sets whether the attributes of links go out as well, each link's in a log `link` at the start of the span, with
    /// `trace_id` and `span_id` in hexadecimal digits. Default: false, and Jaeger learns of a link only where it leads.
    ///
    /// Links without attributes get no log. A span that has to be trimmed loses these logs before its own.
    #[must_use]
    pub fn link_logs(mut self, link_logs: bool) -> Self {
        self.extras.link_logs = link_logs;
        self
    }

    /// Sets whether an event `exception` goes out as users of the Jaeger clients log an error: `event` is `error`, and
    /// `exception.type`, `.message` and `.stacktrace` are `error.kind`, `message` and `stack`. Default: false.
    ///
    /// It counts in [`Dialect::JaegerClient`] alone, for spans that code of `otel-core` writes to: what came through
    /// OpenTracing goes out as it was given.
    #[must_use]
    pub fn opentracing_errors(mut self, opentracing_errors: bool) -> Self {
        self.extras.opentracing_errors = opentracing_errors;
        self
    }

    /// Sets the Thrift protocol. Default: [`Protocol::Compact`].
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Sets the largest datagram to send.
    ///
    /// Unit: bytes of UDP payload. Default: 65,000, the agent's own; UDP carries 65,507 at the most, and macOS takes
    /// 9,216 unless told otherwise. Where the system finds a datagram too long, the limit is lowered and its spans go
    /// out in shorter ones. A span that alone is larger is trimmed, marked with the tag `internal.span.trimmed`, and
    /// counted in [`Stats::trimmed_spans`](crate::Stats::trimmed_spans).
    ///
    /// Source: `jaeger-client-go:utils/udp_client.go`, `UDPPacketMaxLength`.
    #[must_use]
    pub fn max_packet_bytes(mut self, max_packet_bytes: usize) -> Self {
        self.max_packet_bytes = max_packet_bytes;
        self
    }

    /// Sets how fast a burst may go out: so many datagrams at once, then one an interval; zero means without a pause.
    ///
    /// Default: 2 datagrams, then one in 50 µs, since an agent's receive buffer holds three full datagrams by default
    /// and drops what does not fit; none for a [`transport`](Self::transport) of your own.
    #[must_use]
    pub fn pacing(mut self, burst_datagrams: u32, interval: Duration) -> Self {
        self.pacing = Some((burst_datagrams, interval));
        self
    }

    /// Sets who finds the agent's addresses. Default: the operating system.
    #[must_use]
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.resolver = Box::new(resolver);
        self
    }

    /// Sets who takes the datagrams. Default: UDP to the agent; with another one, host, port and resolver are unused.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Box::new(transport));
        self
    }

    /// Makes the exporter. Nothing is resolved or opened yet.
    pub fn build(self) -> JaegerExporter {
        let default_pacing =
            if self.transport.is_some() { (0, Duration::ZERO) } else { USUAL_PACING };
        let settings = Settings {
            dialect: self.dialect,
            extras: self.extras,
            protocol: self.protocol,
            max_packet_bytes: self.max_packet_bytes,
            pacing: self.pacing.unwrap_or(default_pacing),
        };
        let agent_port = self.agent_port.unwrap_or(match self.protocol {
            Protocol::Compact => COMPACT_PORT,
            Protocol::Binary => BINARY_PORT,
        });
        let transport = self.transport.unwrap_or_else(|| {
            Box::new(UdpTransport::new(
                self.agent_host,
                agent_port,
                self.resolver,
                self.max_packet_bytes,
            ))
        });
        let counters = Arc::new(Counters::default());
        counters.max_packet_bytes.set(self.max_packet_bytes as u64);
        JaegerExporter::new(settings, transport, counters, None)
    }
}

impl Default for JaegerExporterBuilder {
    fn default() -> Self {
        Self {
            agent_host: "localhost".to_owned(),
            agent_port: None,
            dialect: Dialect::default(),
            extras: Extras::default(),
            protocol: Protocol::default(),
            max_packet_bytes: DEFAULT_MAX_PACKET_BYTES,
            pacing: None,
            resolver: Box::new(SystemResolver),
            transport: None,
        }
    }
}

const DEFAULT_MAX_PACKET_BYTES: usize = 65_000;
const COMPACT_PORT: u16 = 6831;
const BINARY_PORT: u16 = 6832;
const FIRST_SEQ_NO: i64 = 1;
/// How much of a service's name a warning shows.
const MAX_SHOWN_CHARS: usize = 64;
/// What the Jaeger clients call the process tag by which an agent tells clients apart.
const CLIENT_UUID: &str = "client-uuid";
const USUAL_PACING: (u32, Duration) = (2, Duration::from_micros(50));
/// How often a datagram is sent again since others before it were refused.
const MAX_SENDS: usize = 8;
/// What systems and paths usually take, largest first: loopback, powers of two, macOS, jumbo frames, Ethernet, IPv6's least.
const USUAL_LIMITS: [usize; 9] = [65_000, 32_768, 16_384, 9_216, 8_932, 4_096, 1_472, 1_232, 508];

#[cfg(all(test, feature = "agent"))]
mod tests;
