//! Counts the steps of every parser, on long inputs of the worst kinds: sixteen times as much input may take twenty times
//! as many steps at the most.
//!
//! A step is a branch that was taken, as the compiler's coverage counts them: the same number in every run, on every
//! machine. To be built as `tests/fuzz/run` does; the standard library's own loops over bytes are not among the steps.

use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| println!("{panic}")));
    let mut is_fine = true;
    for target in TARGETS {
        let (mut worst, mut n_inputs) = ((0.0, String::new()), 0);
        for (name, input) in target.inputs() {
            let [short, long] = target.n_bytes.map(|n_bytes| {
                let input: Vec<u8> = input().take(n_bytes).collect();
                let before = n_steps();
                fuzz::check(target.name, &input);
                n_steps() - before
            });
            if short == 0 {
                println!("no steps are counted: this is not built as tests/fuzz/run builds it");
                return ExitCode::FAILURE;
            }
            n_inputs += 1;
            let ratio = long as f64 / short as f64;
            is_fine &= ratio <= MAX_RATIO;
            if ratio > worst.0 {
                worst = (ratio, format!("{name}: {short} and {long} steps"));
            }
        }
        let (name, (ratio, worst), [short, long]) = (target.name, worst, target.n_bytes);
        println!(
            "{name}: at the most {ratio:.1} times as many steps, {n_inputs} inputs of {short} and {long} bytes"
        );
        if ratio > MAX_RATIO {
            println!("  {worst}");
        }
    }
    assert!(fuzz::targets().eq(TARGETS.map(|target| target.name)), "a target is missing here");
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a target is given.
struct Target {
    name: &'static str,
    /// What comes first, so that the rest is looked at.
    starts: &'static [&'static [u8]],
    /// What comes then, over and over, with a number in place of `#`.
    rest: &'static [&'static str],
    n_bytes: [usize; 2],
}

type Bytes<'a> = Box<dyn Iterator<Item = u8> + 'a>;

impl Target {
    const fn new(
        name: &'static str,
        starts: &'static [&'static [u8]],
        rest: &'static [&'static str],
    ) -> Self {
        Self { name, starts, rest, n_bytes: [64 << 10, 1 << 20] }
    }

    /// Makes inputs without an end, with their names.
    fn inputs(&self) -> Vec<(String, Box<dyn Fn() -> Bytes<'static>>)> {
        let mut inputs: Vec<(String, Box<dyn Fn() -> Bytes<'static>>)> = Vec::new();
        for start in self.starts {
            for piece in self.rest.iter().chain(&PIECES) {
                let of = move || -> Bytes<'static> {
                    let rest: Bytes<'static> = if piece.contains('#') {
                        Box::new(
                            (0_u32..).flat_map(|n| piece.replace('#', &n.to_string()).into_bytes()),
                        )
                    } else {
                        Box::new(piece.bytes().cycle())
                    };
                    Box::new(start.iter().copied().chain(rest))
                };
                let start = start.escape_ascii();
                inputs.push((format!("{start} and then {piece:?}"), Box::new(of)));
            }
        }
        inputs
    }
}

const TARGETS: [Target; 9] = [
    Target::new(
        "trace_context",
        &[
            b"",
            b"00-12345678901234567890123456789012-1234567890123456-01\ntracestate|",
            b"cc-12345678901234567890123456789012-1234567890123456-01-",
        ],
        &["k#=v,", "a#=v\ntracestate|", "|\ntraceparent|"],
    ),
    Target::new("baggage", &[b"", b"a=", b"a=1;"], &["k#=v,", "k#=v\nbaggage|", "a=1;"]),
    Target::new("b3", &[b"", b"x-b3-traceid|", b"x-b3-sampled|"], &["#\nb3|"]),
    Target::new(
        "jaeger",
        &[b"", b"1:2:0:1\nuberctx-a|", b"1:2:0:1\njaeger-baggage|", b"jaeger-debug-id|"],
        &["%3A", "#\nuberctx-#|", "#=\njaeger-baggage|", "k#=v,", "1:2:0:1\nuber-trace-id|"],
    ),
    Target::new(
        "jaeger_binary",
        &[
            b"",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\x01\0\0\0\x64",
        ],
        &["\0\0\0\u{4}abcd", "\0\0\u{7}\u{7f}", "\u{7f}"],
    ),
    Target::new(
        "ot",
        &[b"", b"64fe8b2a57d3eff7\not-tracer-spanid|e457b5a2e4d86bd1\not-baggage-a|"],
        &["#\not-baggage-#|"],
    ),
    Target::new("environment", &[b"", b"x|"], &["K#|\n", "b3,", "x#,"]),
    Target::new("all_formats", &[b"", b"1:2:0:1\nbaggage|"], &["k#=v,", "#\nuberctx-#|"]),
    // A datagram is no longer than this.
    Target {
        n_bytes: [4000, 64_000],
        ..Target::new(
            "thrift",
            &[
                b"\x82\x81\x01\x09emitBatch",
                b"\x82\x81\x01\x09emitBatch\x1c",
                b"\x82\x81\x01\x09emitBatch\x1c\x1c\x18\x01s\x19\xfc\xd8\x04",
                b"\x80\x01\x00\x04\x00\x00\x00\x09emitBatch\x00\x00\x00\x00\x0c\x00\x01",
            ],
            &[
                "\u{18}\u{1}k\u{15}\0\0",
                "\u{1c}",
                "\u{19}",
                "\u{15}\u{2}",
                "\u{7f}",
                "\u{0c}\0\u{1}",
            ],
        )
    },
];

/// What all of them are given.
const PIECES: [&str; 18] = [
    "a", "0", "-", ":", ",", "=", ";", "%", "%41", "+", " ", "\t", "\n", "\0", "ä", "a=1,", "|",
    "|\n",
];

const MAX_RATIO: f64 = 20.0;

/// Returns how many steps were taken until now.
fn n_steps() -> u64 {
    // SAFETY: this program has one thread.
    unsafe { N_STEPS }
}

/// What the compiler calls at each step. The compiler counts no steps in functions of such names, and this calls none.
///
/// # Safety
///
/// The program has one thread.
#[unsafe(no_mangle)]
unsafe extern "C" fn __sanitizer_cov_trace_pc_guard(_: *mut u32) {
    // SAFETY: this program has one thread.
    unsafe { N_STEPS += 1 }
}

/// What the compiler calls at the start, to number the places.
#[unsafe(no_mangle)]
extern "C" fn __sanitizer_cov_trace_pc_guard_init(_: *mut u32, _: *mut u32) {}

static mut N_STEPS: u64 = 0;
