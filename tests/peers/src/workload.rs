//! What is measured: the spans of a trace, and the loops that make many of them.

use std::collections::BTreeMap;
use std::fmt;
use std::hint::black_box;
use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::peers::{Entry, Settings};
use crate::sink::{Arrivals, Sink};
use crate::{alloc, os};

/// A pipeline under measurement, as one of its callers sees it.
pub trait Peer: Send {
    /// Makes the spans of one trace: a root and nine children of it, one after another.
    fn trace(&mut self);

    /// Has everything sent that ended before, where the pipeline can be asked to.
    fn flush(&mut self);

    /// Returns another caller of the same pipeline, for a thread of its own.
    fn another(&self) -> Box<dyn Peer>;

    /// Returns how many spans came through, where no sink can tell.
    fn delivered(&self) -> Option<u64> {
        None
    }

    /// Returns how many spans the pipeline says that it lost, where it says so.
    fn counted_drops(&self) -> Option<u64> {
        None
    }
}

/// The names and values of the workload.
pub mod names {
    pub const SERVICE: &str = "checkout";
    pub const ROOT: &str = "get-orders";
    pub const CHILD: &str = "load-order";
    pub const COMPONENT_KEY: &str = "component";
    pub const COMPONENT: &str = "grpc";
    pub const URL_KEY: &str = "http.url";
    pub const URL: &str = "/api/v1/customers/4711/orders";
    pub const STATUS_KEY: &str = "http.status_code";
    pub const EVENT: &str = "cache-miss";
    pub const LOG_KEY: &str = "key";
    pub const LOG_VALUE: &str = "order:4711";
}

/// How many spans a trace has.
pub const TRACE_SPANS: i64 = 10;

/// Which child has the log.
pub const LOGGING_CHILD: i64 = 5;

/// Returns the text that is known at run time alone, 29 bytes.
#[inline]
pub fn url() -> &'static str {
    black_box(names::URL)
}

/// Returns the whole number of a span, by its place in the trace.
#[inline]
pub fn status(index: i64) -> i64 {
    black_box(200 + index)
}

/// What is done with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Workload {
    /// 200,000 sampled spans, paced.
    W1,
    /// 1,000,000 spans that the sampler does not keep.
    W2,
    /// W1 on two threads at once.
    W4,
    /// 20,000 spans, with allocations counted.
    Alloc,
    /// 400,000 spans without a pause, and a large queue.
    Burst,
    /// The same with the queue as it is by default.
    BurstDefault,
}

impl Workload {
    /// All workloads, in the order of the tables.
    pub const ALL: [Self; 6] =
        [Self::W1, Self::W2, Self::W4, Self::Alloc, Self::Burst, Self::BurstDefault];

    /// Returns the name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::W2 => "w2",
            Self::W4 => "w4",
            Self::Alloc => "alloc",
            Self::Burst => "burst",
            Self::BurstDefault => "burst-default",
        }
    }

    /// Finds workloads by a name; W3 is measured in the runs of W1.
    pub fn find(name: &str) -> Option<Self> {
        let name = if name == "w3" { "w1" } else { name };
        Self::ALL.into_iter().find(|workload| workload.name() == name)
    }

    /// Tells whether the workload says anything about a peer.
    pub fn applies_to(self, entry: &Entry) -> bool {
        match self {
            Self::W2 => entry.has_sampler,
            Self::BurstDefault => entry.role == crate::peers::Role::Ours,
            _ => true,
        }
    }

    /// Tells whether the figures depend on how far the CPUs are from each other: where a caller and a worker share memory.
    pub fn is_shared(self) -> bool {
        !matches!(self, Self::W2 | Self::Alloc)
    }

    /// Returns how many traces a run makes.
    pub fn traces(self) -> u64 {
        match self {
            Self::W1 | Self::W4 => 20_000,
            Self::W2 => 100_000,
            Self::Alloc => 2_000,
            Self::Burst | Self::BurstDefault => 40_000,
        }
    }
}

/// The figures of one run, by name.
#[derive(Clone, Debug, Default)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// Returns a figure, where the run has it.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    /// Reads what `Display` has written.
    pub fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once(' '));
        Self(
            pairs
                .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
                .collect(),
        )
    }

    fn set(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), value);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| writeln!(f, "{name} {value}"))
    }
}

/// Sets a peer up with a sink of its own and runs a workload, of its usual length or of so many traces.
///
/// # Errors
///
/// Where the sink cannot be started.
pub fn run(entry: &Entry, workload: Workload, n_traces: Option<u64>) -> io::Result<Figures> {
    let is_pinned = workload != Workload::W4;
    // A run of another length is for a profiler, which has no use for threads that spin.
    let is_usual = n_traces.is_none();
    let n_traces = n_traces.unwrap_or(workload.traces());
    let hop_before = is_usual.then(hop_nanos).flatten();
    let sink = Sink::start(is_pinned)?;
    if is_pinned {
        // What the peer starts stays there; the caller goes on on the other CPU.
        os::pin(0, 1);
    }
    let peer = (entry.build)(&Settings {
        agent_port: sink.port(),
        is_sampled: workload != Workload::W2,
        max_queue_bytes: (workload == Workload::Burst).then_some(BURST_QUEUE_BYTES),
    });
    let mut bench = Bench { peer, sink, is_pinned, sent: 0, missing: 0, waiting_nanos: 0 };
    bench.separate();
    if workload == Workload::W2 {
        bench.emit(WARM_UP_TRACES);
    } else {
        bench.paced(WARM_UP_TRACES);
    }
    // Some threads start with the first spans.
    bench.separate();
    let mut figures = match workload {
        Workload::W1 => bench.sampled(n_traces),
        Workload::W2 => bench.unsampled(n_traces),
        Workload::W4 => bench.two_callers(n_traces),
        Workload::Alloc => bench.allocations(n_traces),
        Workload::Burst | Workload::BurstDefault => bench.burst(n_traces),
    };
    // The longer one of before and after: the CPUs may have moved apart meanwhile.
    if let Some(before) = hop_before {
        let nanos = hop_nanos().map_or(before, |after| after.max(before));
        figures.set("hop_ns", nanos);
    }
    Ok(figures)
}

/// Returns how long a cache line takes from one CPU to the other, in nanoseconds; `None` where there is only one.
///
/// In a virtual machine the two CPUs are neighbours at one moment and far apart at another, which nothing else tells, and
/// then all that a caller and a worker share costs several times as much.
pub fn hop_nanos() -> Option<f64> {
    if os::n_cpus() < 2 {
        return None;
    }
    let turn = AtomicU64::new(0);
    // Each side adds one when it is its turn.
    let play = |cpu: usize, is_first: bool| {
        os::pin(0, cpu);
        let mut least = f64::INFINITY;
        for round in 0..HOP_ROUNDS {
            let start = Instant::now();
            for number in round * HOPS..(round + 1) * HOPS {
                if (number % 2 == 0) == is_first {
                    while turn.load(Ordering::Acquire) != number {
                        std::hint::spin_loop();
                    }
                    turn.store(number + 1, Ordering::Release);
                }
            }
            least = least.min(start.elapsed().as_nanos() as f64 / HOPS as f64);
        }
        least
    };
    // Two threads of their own, so that nobody stays pinned.
    thread::scope(|scope| {
        let other = scope.spawn(|| play(1, false));
        let least = scope.spawn(|| play(0, true)).join().ok();
        other.join().ok().and(least)
    })
}

/// A peer, its sink, and what was asked of them.
struct Bench {
    peer: Box<dyn Peer>,
    sink: Sink,
    is_pinned: bool,
    /// Spans made so far.
    sent: u64,
    /// Those of them that nobody waits for any more.
    missing: u64,
    /// CPU time that the caller spent on waiting.
    waiting_nanos: u64,
}

/// What a stretch of work took its caller.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    cpu_nanos: u64,
    wall_nanos: u64,
    allocations: u64,
}

impl Bench {
    /// Puts the caller on CPU 0, and every other thread of the process on CPU 1.
    fn separate(&self) {
        if !self.is_pinned {
            return;
        }
        let caller = os::thread_id();
        for entry in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            if let Some(thread_id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                os::pin(thread_id, usize::from(thread_id != caller));
            }
        }
    }

    /// W1 and W3.
    fn sampled(mut self, n_traces: u64) -> Figures {
        let before = self.arrivals();
        let (start_nanos, start_waiting) = (os::process_cpu_nanos(), self.waiting_nanos);
        let cost = self.paced(n_traces);
        // Waiting is the bench's own work, and no part of the pipeline's.
        let process_nanos =
            os::process_cpu_nanos() - start_nanos - (self.waiting_nanos - start_waiting);
        let mut figures = self.figures(&before, n_traces);
        set_cost(&mut figures, cost, n_traces);
        let delivered = figures.get("delivered").unwrap_or_default();
        figures.set("process_ns", process_nanos as f64 / delivered.max(1.0));
        figures
    }

    /// W2.
    fn unsampled(mut self, n_traces: u64) -> Figures {
        let cost = self.emit(n_traces);
        let mut figures = Figures::default();
        set_cost(&mut figures, cost, n_traces);
        figures.set("sent", (n_traces * TRACE_SPANS as u64) as f64);
        figures.set("rss_mib", peak_mib());
        figures
    }

    /// W4.
    fn two_callers(mut self, n_traces: u64) -> Figures {
        let before = self.arrivals();
        let (sent, barrier) = (self.sent, Barrier::new(2));
        let mut other = self.peer.another();
        let Self { peer, sink, .. } = &mut self;
        let costs = thread::scope(|scope| {
            let (sink, barrier) = (&*sink, &barrier);
            let other = scope.spawn(move || caller(&mut *other, sink, barrier, sent, n_traces));
            let one = caller(&mut **peer, sink, barrier, sent, n_traces);
            [one, other.join().expect("a caller does not panic")]
        });
        self.sent += 2 * n_traces * TRACE_SPANS as u64;
        self.settle();
        let mut figures = self.figures(&before, 2 * n_traces);
        let cpu_nanos = costs[0].cpu_nanos + costs[1].cpu_nanos;
        let wall_nanos = costs[0].wall_nanos.max(costs[1].wall_nanos) * 2;
        set_cost(&mut figures, Cost { cpu_nanos, wall_nanos, allocations: 0 }, 2 * n_traces);
        figures
    }

    fn allocations(mut self, n_traces: u64) -> Figures {
        let before = self.arrivals();
        alloc::start();
        let cost = self.paced(n_traces);
        let all = alloc::counts().all;
        let mut figures = self.figures(&before, n_traces);
        let n_spans = (n_traces * TRACE_SPANS as u64) as f64;
        figures.set("allocs_caller", cost.allocations as f64 / n_spans);
        figures.set("allocs_all", all as f64 / n_spans);
        figures
    }

    fn burst(mut self, n_traces: u64) -> Figures {
        let before = self.arrivals();
        let (start_nanos, start_waiting) = (os::process_cpu_nanos(), self.waiting_nanos);
        let cost = self.emit(n_traces);
        self.peer.flush();
        self.settle();
        let process_nanos =
            os::process_cpu_nanos() - start_nanos - (self.waiting_nanos - start_waiting);
        let in_time = self.delivered() - before.spans;
        let rss_mib = peak_mib();
        let mut n_late_traces = 0;
        if self.missing > 0 {
            // A program that goes on may yet bring through what stuck with its thread.
            self.missing = 0;
            n_late_traces = LATE_TRACES;
            for _ in 0..n_late_traces {
                self.emit(1);
                self.peer.flush();
            }
            self.settle();
        }
        let mut figures = self.figures(&before, n_traces + n_late_traces);
        set_cost(&mut figures, cost, n_traces);
        let late_spans = n_late_traces * TRACE_SPANS as u64;
        let late = (self.delivered() - before.spans).saturating_sub(in_time + late_spans);
        figures.set("late", late as f64);
        figures.set("process_ns", process_nanos as f64 / in_time.max(1) as f64);
        figures.set("rss_mib", rss_mib);
        figures
    }

    /// Makes traces in portions, and after each waits until the sink has them all, so that no queue overflows.
    fn paced(&mut self, n_traces: u64) -> Cost {
        let mut total = Cost::default();
        let mut left = n_traces;
        while left > 0 {
            let portion = left.min(PORTION_TRACES);
            let cost = self.emit(portion);
            total.cpu_nanos += cost.cpu_nanos;
            total.wall_nanos += cost.wall_nanos;
            total.allocations += cost.allocations;
            left -= portion;
            self.peer.flush();
            self.settle();
        }
        total
    }

    /// Makes traces without a pause.
    fn emit(&mut self, n_traces: u64) -> Cost {
        self.sent += n_traces * TRACE_SPANS as u64;
        emit(&mut *self.peer, n_traces)
    }

    /// Waits until all spans have arrived, or none has for a second: those are given up.
    fn settle(&mut self) {
        let start_nanos = os::thread_cpu_nanos();
        let mut last = (self.delivered(), Instant::now());
        while last.0 + self.missing < self.sent {
            thread::sleep(POLL_INTERVAL);
            let delivered = self.delivered();
            if delivered > last.0 {
                last = (delivered, Instant::now());
            } else if last.1.elapsed() > PATIENCE {
                self.missing = self.sent - delivered;
            }
        }
        self.waiting_nanos += os::thread_cpu_nanos() - start_nanos;
    }

    fn delivered(&self) -> u64 {
        self.peer.delivered().unwrap_or_else(|| self.sink.spans())
    }

    fn arrivals(&self) -> Arrivals {
        Arrivals { spans: self.delivered(), ..self.sink.arrivals() }
    }

    /// Returns what every workload with deliveries has to tell, of this many traces.
    fn figures(&self, before: &Arrivals, n_traces: u64) -> Figures {
        let now = self.arrivals();
        let (delivered, bytes) = (now.spans - before.spans, now.bytes - before.bytes);
        let datagrams = now.datagrams - before.datagrams;
        let mut figures = Figures::default();
        figures.set("sent", (n_traces * TRACE_SPANS as u64) as f64);
        figures.set("delivered", delivered as f64);
        figures.set("bad_datagrams", now.bad_datagrams as f64);
        figures.set("kernel_drops", self.sink.kernel_drops() as f64);
        figures.set("rss_mib", peak_mib());
        if datagrams > 0 && delivered > 0 {
            figures.set("bytes_per_span", bytes as f64 / delivered as f64);
            figures.set("datagram_fill", bytes as f64 / datagrams as f64 / MAX_PACKET_BYTES);
            figures.set("spans_per_datagram", delivered as f64 / datagrams as f64);
        }
        if let Some(drops) = self.peer.counted_drops() {
            figures.set("counted_drops", drops as f64);
        }
        figures
    }
}

/// One of two callers that work at the same time.
fn caller(
    peer: &mut dyn Peer,
    sink: &Sink,
    barrier: &Barrier,
    mut sent: u64,
    n_traces: u64,
) -> Cost {
    let mut total = Cost::default();
    for _ in 0..n_traces / PORTION_TRACES {
        barrier.wait();
        let cost = emit(peer, PORTION_TRACES);
        total.cpu_nanos += cost.cpu_nanos;
        total.wall_nanos += cost.wall_nanos;
        barrier.wait();
        peer.flush();
        sent += 2 * PORTION_TRACES * TRACE_SPANS as u64;
        let start = Instant::now();
        let delivered = || peer.delivered().unwrap_or_else(|| sink.spans());
        while delivered() < sent && start.elapsed() < PATIENCE {
            thread::sleep(POLL_INTERVAL);
        }
    }
    total
}

#[inline(never)]
fn emit(peer: &mut dyn Peer, n_traces: u64) -> Cost {
    let allocations = alloc::counts().caller;
    let (start, cpu_nanos) = (Instant::now(), os::thread_cpu_nanos());
    for _ in 0..n_traces {
        peer.trace();
    }
    let cpu_nanos = os::thread_cpu_nanos() - cpu_nanos;
    let wall_nanos = start.elapsed().as_nanos() as u64;
    Cost { cpu_nanos, wall_nanos, allocations: alloc::counts().caller - allocations }
}

fn set_cost(figures: &mut Figures, cost: Cost, n_traces: u64) {
    let n_spans = (n_traces * TRACE_SPANS as u64) as f64;
    figures.set("caller_ns", cost.cpu_nanos as f64 / n_spans);
    figures.set("wall_ns", cost.wall_nanos as f64 / n_spans);
}

/// Returns the most memory that the process has had, in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<f64>().ok()
    });
    kib.unwrap_or_default() / 1024.0
}

/// 20,000 spans.
const WARM_UP_TRACES: u64 = 2_000;
/// 4,000 spans are timed before the sink is waited for: no queue that was measured is too short for them.
const PORTION_TRACES: u64 = 400;
/// Spans that stuck get this many traces to move on.
const LATE_TRACES: u64 = 60;
const BURST_QUEUE_BYTES: usize = 64 << 20;
/// What fill is measured against: the agent's own limit.
const MAX_PACKET_BYTES: f64 = 65_000.0;
const HOP_ROUNDS: u64 = 20;
const HOPS: u64 = 500;
const POLL_INTERVAL: Duration = Duration::from_micros(100);
const PATIENCE: Duration = Duration::from_secs(1);
