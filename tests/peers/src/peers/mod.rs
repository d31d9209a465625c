//! The peers: one file each, and the list of them.

use std::net::{Ipv4Addr, SocketAddr};

use crate::workload::Peer;

mod ours_opentracing;
mod ours_core;
mod floor;
mod rustracing;
mod otel23;
mod otel33;
mod fastrace;

/// What a peer is set up with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where the sink listens, on 127.0.0.1.
    pub agent_port: u16,
    /// Whether traces are kept.
    pub is_sampled: bool,
    /// The budget of a queue that counts in bytes; `None` leaves the default. One that counts in spans gets
    /// [`MAX_QUEUE_SPANS`].
    pub max_queue_bytes: Option<usize>,
}

impl Settings {
    /// Returns where the sink listens.
    pub fn agent(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.agent_port).into()
    }
}

/// A pipeline that can be measured.
pub struct Entry {
    /// What it is called in tables and on the command line.
    pub name: &'static str,
    /// What it is to us.
    pub role: Role,
    /// Whether spans leave the process.
    pub sends: bool,
    /// Whether a sampler can be asked not to keep traces.
    pub has_sampler: bool,
    /// What it is, for the head of the report.
    pub what: &'static str,
    /// Sets it up.
    pub build: fn(&Settings) -> Box<dyn Peer>,
}

/// What an entry is measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To see how fast we are.
    Ours,
    /// To see what the bytes alone cost: no API, no queue, no sampler.
    Floor,
    /// To see how fast others are.
    Peer,
}

/// All pipelines, in the order of the tables.
pub const ENTRIES: &[Entry] = &[
    Entry {
        name: "ours-opentracing",
        role: Role::Ours,
        sends: true,
        has_sampler: true,
        what: "opentracing-api on opentracing-shim, `jaeger::Config`, `child_of`",
        build: ours_opentracing::build,
    },
    Entry {
        name: "ours-core",
        role: Role::Ours,
        sends: true,
        has_sampler: true,
        what: "otel-core with jaeger-udp, Jaeger clients' dialect, no sampler tags",
        build: ours_core::build,
    },
    Entry {
        name: FLOOR,
        role: Role::Floor,
        sends: true,
        has_sampler: false,
        what: "the same spans written straight into a datagram, two reads of `SystemTime` a span",
        build: floor::build_on_system_time,
    },
    Entry {
        name: FLOOR_SAME_CLOCK,
        role: Role::Floor,
        sends: true,
        has_sampler: false,
        what: "the same with two reads of the engine's `SystemClock`",
        build: floor::build_on_our_clock,
    },
    Entry {
        name: "floor-udp-instant",
        role: Role::Floor,
        sends: true,
        has_sampler: false,
        what: "the same with two reads of `Instant`",
        build: floor::build_on_instant,
    },
    Entry {
        name: "rustracing",
        role: Role::Peer,
        sends: true,
        has_sampler: true,
        what: "rustracing 0.6, rustracing_jaeger 0.10, `JaegerCompactReporter`: drained every 5 ms, 100 spans a report",
        build: rustracing::build,
    },
    Entry {
        name: "otel23-jaeger",
        role: Role::Peer,
        sends: true,
        has_sampler: true,
        what: "opentelemetry 0.23, opentelemetry-jaeger 0.22: agent pipeline, Tokio batch of 512, auto-split, library tags off",
        build: otel23::build,
    },
    Entry {
        name: "otel33-null",
        role: Role::Peer,
        sends: false,
        has_sampler: true,
        what: "opentelemetry 0.33, BatchSpanProcessor on its thread; the exporter only counts, since none for Jaeger exists",
        build: otel33::build,
    },
    Entry {
        name: "fastrace",
        role: Role::Peer,
        sends: true,
        has_sampler: true,
        what: "fastrace 0.7, fastrace-jaeger 0.7, `Span::enter_with_parent`, properties at the start",
        build: fastrace::build,
    },
];

/// The floor that ratios are taken of.
pub const FLOOR: &str = "floor-udp";
/// The floor that reads the clock that we read.
pub const FLOOR_SAME_CLOCK: &str = "floor-udp-same-clock";

/// How long a queue is that counts in spans.
pub const MAX_QUEUE_SPANS: usize = 65_536;

/// Finds a pipeline by its name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}
