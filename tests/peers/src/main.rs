//! Span pipelines side by side: ours, what the bytes alone cost, and what else there is.
//!
//! ```sh
//! cargo run --release --manifest-path tests/peers/Cargo.toml -- --quick          # 3 repeats, minutes
//! cargo run --profile full --manifest-path tests/peers/Cargo.toml -- --full      # 7 repeats, fat link-time optimisation
//! cargo run --release --manifest-path tests/peers/Cargo.toml -- --check          # what is sent is right; no timing
//! ```
//!
//! `--peers a,b` and `--workloads w1,w2` choose some of them, `--json FILE` writes a record for each. The names are in
//! [`peers::ENTRIES`] and [`workload::Workload`].
//!
//! # Method
//!
//! Every measurement is a fresh process with a sink in another one, on 127.0.0.1. Repeats go over all peers in turn, so
//! that noise falls on all alike. The caller is on CPU 0, what the peer starts and the sink on CPU 1; with two callers
//! all CPUs are shared. Compare figures of one run only, and read minimum and median. "CPU to CPU" in the tables is how
//! long a cache line takes from one to the other. On a virtual machine it changes from minute to minute, by a factor of
//! eight where this was written, and with it whatever has a worker. So a run waits until the CPUs are as near as they have
//! been before, and is done again where they did not stay so, as long as there is time for it.
//!
//! | workload | what | figure |
//! | --- | --- | --- |
//! | W1 | traces of a root and nine children, each with three tags, one with a log; 200,000 spans after 20,000, paced | CPU time of the calling thread per span |
//! | W2 | the same calls where the sampler keeps nothing, 1,000,000 spans | the same |
//! | W3 | the runs of W1 | CPU time of the process per span that arrived, without the bench's own waiting |
//! | W4 | W1 on two threads at once | CPU time of the callers per span |
//! | alloc | 20,000 spans with a counting allocator | allocations per span, of the caller and of all threads |
//! | burst | 400,000 spans without a pause; queue of 64 MiB or 65,536 spans | what arrives, and peak memory |
//! | burst-default | the same with the default queue, ours alone | the same |
//!
//! Paced: 4,000 spans are timed, then, untimed, the pipeline is flushed and the sink waited for. After a burst that does
//! not arrive in full, 60 more traces follow, each with a flush; what only they bring through is called late.
//!
//! Instructions per span: run `peers one PEER w1 TRACES` under `valgrind --tool=callgrind --separate-threads=yes` with
//! 400 and with 2,000 traces, and divide the difference by 16,000 spans. Of the calling thread, take what
//! `callgrind_annotate --inclusive=yes` says of `workload::emit`: the thread also waits, and fastrace's clock, which is in
//! every process of the bench, is busy for 20 ms before `main`. Under `perf`, the sink is a process of the same name.
//!
//! # Left out
//!
//! No peer: all of them build with Rust 1.95. opentelemetry 0.33 has no exporter to Jaeger's agent, so its exporter counts,
//! and it has no figures on the wire.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use crate::peers::{ENTRIES, Entry};
use crate::report::Results;
use crate::workload::{Figures, Workload};

mod workload;
mod peers;
mod sink;
mod verify;
mod report;
mod alloc;
mod os;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["sink", path, how] => sink::run(Path::new(path), how == "pinned").map_err(Into::into),
        ["one", peer, "verify"] => verify_one(peer),
        ["one", peer, workload] => run_one(peer, workload, None),
        ["one", peer, workload, n_traces] => run_one(peer, workload, Some(n_traces)),
        _ => Options::parse(&words).and_then(|options| run_all(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line asks for.
struct Options {
    n_repeats: usize,
    is_check: bool,
    entries: Vec<&'static Entry>,
    workloads: Vec<Workload>,
    json: Option<PathBuf>,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            n_repeats: QUICK_REPEATS,
            is_check: false,
            entries: ENTRIES.iter().collect(),
            workloads: Workload::ALL.to_vec(),
            json: None,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} takes a value"));
            match *word {
                "--quick" => options.n_repeats = QUICK_REPEATS,
                "--full" => options.n_repeats = FULL_REPEATS,
                "--check" => options.is_check = true,
                "--json" => options.json = Some(value()?.into()),
                "--peers" => {
                    options.entries =
                        value()?.split(',').map(find_entry).collect::<Result<_, _>>()?;
                }
                "--workloads" => {
                    options.workloads =
                        value()?.split(',').map(find_workload).collect::<Result<_, _>>()?;
                    options.workloads.sort();
                    options.workloads.dedup();
                }
                _ => return Err(format!("unknown argument {word:?}: {USAGE}").into()),
            }
        }
        Ok(options)
    }
}

fn run_all(options: &Options) -> Result<(), Box<dyn Error>> {
    println!("{}", machine());
    check_all(&options.entries)?;
    if options.is_check {
        return Ok(());
    }
    println!("### What is measured\n");
    for entry in &options.entries {
        println!("- {}: {}", entry.name, entry.what);
    }
    println!();
    if options.n_repeats > QUICK_REPEATS && env!("PEERS_PROFILE") != "full" {
        eprintln!(
            "not built with `--profile full`: the figures are those of thin link-time optimisation"
        );
    }
    let mut results = Results::default();
    let mut neighbours = Neighbours::new(options.n_repeats);
    for workload in &options.workloads {
        for repeat in 1..=options.n_repeats {
            eprintln!("{}, {repeat} of {}", workload.name(), options.n_repeats);
            for entry in options.entries.iter().filter(|entry| workload.applies_to(entry)) {
                results.add(entry, *workload, neighbours.measure(entry, *workload)?);
            }
        }
    }
    print!("{}{}", results.tables(), results.targets());
    println!("Load after the runs: {}.", read("/proc/loadavg"));
    if let Some(path) = &options.json {
        std::fs::write(path, results.json())?;
    }
    Ok(())
}

/// Has each peer that sends checked in a process of its own.
fn check_all(entries: &[&Entry]) -> Result<(), Box<dyn Error>> {
    println!("### Content check\n");
    let mut is_good = true;
    for entry in entries.iter().filter(|entry| entry.sends) {
        let output =
            Command::new(std::env::current_exe()?).args(["one", entry.name, "verify"]).output()?;
        println!("- {}: {}", entry.name, String::from_utf8_lossy(&output.stdout).trim());
        is_good &= output.status.success();
    }
    println!();
    if is_good { Ok(()) } else { Err("a content check is bad".into()) }
}

/// Sees to it that runs are made while the CPUs are near each other, as far as it can be had.
struct Neighbours {
    /// The least time from CPU to CPU up to now, in nanoseconds.
    least_nanos: f64,
    /// How long may yet be spent on waiting, and on runs that are thrown away.
    left: Duration,
}

impl Neighbours {
    fn new(n_repeats: usize) -> Self {
        let least_nanos = workload::hop_nanos().unwrap_or(f64::INFINITY);
        Self { least_nanos, left: WAIT_PER_REPEAT * n_repeats as u32 }
    }

    fn measure(&mut self, entry: &Entry, workload: Workload) -> io::Result<Figures> {
        loop {
            let start = Instant::now();
            while workload.is_shared() && !self.are_near(workload::hop_nanos()) {
                if start.elapsed() > self.left {
                    break;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            let waited = start.elapsed();
            let figures = measure(entry, workload)?;
            if !workload.is_shared() || self.are_near(figures.get("hop_ns")) {
                self.left = self.left.saturating_sub(waited);
                return Ok(figures);
            }
            self.left = self.left.saturating_sub(start.elapsed());
            if self.left.is_zero() {
                return Ok(figures);
            }
        }
    }

    fn are_near(&mut self, hop_nanos: Option<f64>) -> bool {
        let Some(nanos) = hop_nanos else { return true };
        self.least_nanos = self.least_nanos.min(nanos);
        nanos <= self.least_nanos * 2.0
    }
}

/// Runs a workload in a process of its own.
fn measure(entry: &Entry, workload: Workload) -> io::Result<Figures> {
    let output = Command::new(std::env::current_exe()?)
        .args(["one", entry.name, workload.name()])
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        let name = workload.name();
        return Err(io::Error::other(format!("{} in {name}: {}", entry.name, output.status)));
    }
    Ok(Figures::parse(&String::from_utf8_lossy(&output.stdout)))
}

/// Is the process that measures.
fn run_one(peer: &str, workload: &str, n_traces: Option<&str>) -> Result<(), Box<dyn Error>> {
    let (entry, workload) = (find_entry(peer)?, find_workload(workload)?);
    let n_traces = n_traces.map(str::parse).transpose()?;
    std::thread::spawn(|| {
        std::thread::sleep(MAX_RUN);
        eprintln!("a run took more than {MAX_RUN:?}");
        std::process::exit(1);
    });
    print!("{}", workload::run(entry, workload, n_traces)?);
    Ok(())
}

fn verify_one(peer: &str) -> Result<(), Box<dyn Error>> {
    let check = verify::check(find_entry(peer)?)?;
    println!("{check}");
    if check.is_good() { Ok(()) } else { Err("the content is not what was put in".into()) }
}

fn find_entry(name: &str) -> Result<&'static Entry, String> {
    peers::find(name).ok_or_else(|| {
        let names: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
        format!("unknown peer {name:?}: one of {}", names.join(", "))
    })
}

fn find_workload(name: &str) -> Result<Workload, String> {
    Workload::find(name).ok_or_else(|| {
        let names = Workload::ALL.map(Workload::name);
        format!(
            "unknown workload {name:?}: one of {}, or w3, which is measured in w1",
            names.join(", ")
        )
    })
}

/// Describes where and when the figures were taken.
fn machine() -> String {
    let cpu_info = read("/proc/cpuinfo");
    let model = cpu_info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown CPU", |(_, model)| model);
    let n_cpus = os::n_cpus();
    let date = Command::new("date").args(["-u", "+%F %T UTC"]).output();
    let date = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!(
        "{}. CPU: {model}, {n_cpus} CPUs; Linux {}, clock source {}; {}, profile {}; load {}. \
         A read of `SystemTime` takes {:.1} ns, of `Instant` {:.1} ns.\n",
        date.unwrap_or_default(),
        read("/proc/sys/kernel/osrelease"),
        read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        env!("PEERS_RUSTC"),
        env!("PEERS_PROFILE"),
        read("/proc/loadavg"),
        nanos_of(SystemTime::now),
        nanos_of(Instant::now),
    )
}

/// Returns how long a call takes, in nanoseconds: the least of some attempts.
fn nanos_of<T>(call: impl Fn() -> T) -> f64 {
    let attempt = || {
        let start = Instant::now();
        for _ in 0..N_CALLS {
            std::hint::black_box(call());
        }
        start.elapsed().as_nanos() as f64 / f64::from(N_CALLS)
    };
    (0..20).map(|_| attempt()).fold(f64::INFINITY, f64::min)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

const QUICK_REPEATS: usize = 3;
const FULL_REPEATS: usize = 7;

const WAIT_PER_REPEAT: Duration = Duration::from_secs(40);

/// No run takes a tenth of it on a quiet machine.
const MAX_RUN: Duration = Duration::from_secs(120);

const N_CALLS: u32 = 10_000;

const USAGE: &str = "[--quick | --full | --check] [--peers a,b] [--workloads w1,w2] [--json FILE]";
