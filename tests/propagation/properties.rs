//! Every parser under chance: bytes of any kind, and values that are nearly right.

use std::fs;
use std::path::PathBuf;

use proptest::collection::vec;
use proptest::prelude::*;

use super::checks::{self, Check};

/// A change of a value: where, what is taken out, and what is put there.
#[derive(Clone, Debug)]
struct Change {
    place: prop::sample::Index,
    n_taken: usize,
    put: Vec<u8>,
}

impl Change {
    fn apply(self, bytes: &mut Vec<u8>) {
        let start = self.place.index(bytes.len() + 1);
        let end = bytes.len().min(start + self.n_taken);
        bytes.splice(start..end, self.put);
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    // What means something to one of the parsers, and what means nothing to any.
    let word = prop::sample::select(vec![
        "",
        "0",
        "f",
        "F",
        "-",
        ":",
        ",",
        "=",
        ";",
        "%",
        "%4",
        "%41",
        "%ff",
        "+",
        " ",
        "\t",
        "|",
        "\n",
        "\0",
        "ä",
        "uberctx-",
        "baggage|",
        "tracestate|",
        "a=1,",
        "00000000000000000000000000000000",
        "\u{7f}",
    ]);
    let put = prop_oneof![word.prop_map(|word| word.as_bytes().to_vec()), vec(any::<u8>(), 0..4),];
    let change = (any::<prop::sample::Index>(), 0..5_usize, put)
        .prop_map(|(place, n_taken, put)| Change { place, n_taken, put });
    vec(change, 0..5)
}

/// Reads the values that the fuzzer starts from, too.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

fn run(bytes: impl Strategy<Value = Vec<u8>>, check: Check) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) };
    let seed = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, seed);
    let ran = runner.run(&bytes, |bytes| {
        check(&bytes);
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn whatever_bytes_come_in_no_parser_fails() {
    for (_, check) in checks::ALL {
        run(vec(any::<u8>(), 0..300), check);
        run(any::<String>().prop_map(String::into_bytes), check);
    }
}

#[test]
fn what_is_nearly_right_is_read_so_that_it_goes_round() {
    for (target, check) in checks::ALL {
        let seeds = seeds(target);
        assert!(!seeds.is_empty(), "{target}");
        seeds.iter().for_each(|seed| check(seed));
        let changed = (prop::sample::select(seeds), changes()).prop_map(|(mut bytes, changes)| {
            changes.into_iter().for_each(|change| change.apply(&mut bytes));
            bytes
        });
        run(changed, check);
    }
}

#[test]
fn long_input_takes_memory_for_itself_alone() {
    for (target, check) in checks::ALL {
        let pieces =
            ["a", ":", ",", "=", ";", "%", "%41", "a=1,", "a=1;", " ", "0", "-", "ä", "\n", "\0"];
        for piece in pieces {
            check(&piece.repeat((64 << 10) / piece.len()).into_bytes());
        }
        for seed in seeds(target) {
            check(&seed.repeat((64 << 10) / seed.len()));
            check(&[&seed[..], b"\n"].concat().repeat((64 << 10) / (seed.len() + 1)));
        }
        for line in ["uberctx-#|v\n", "ot-baggage-#|v\n", "baggage|k#=v\n", "k#=v,", "#|\n"] {
            let lines: String = (0..6000).map(|n| line.replace('#', &n.to_string())).collect();
            check(lines.as_bytes());
        }
    }
}
