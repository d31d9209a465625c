//! Tables, targets and records of what was measured.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::peers::{ENTRIES, Entry, FLOOR, FLOOR_SAME_CLOCK, Role};
use crate::workload::{Figures, Workload};

/// All runs, by peer and workload.
#[derive(Debug, Default)]
pub struct Results(BTreeMap<(&'static str, Workload), Vec<Figures>>);

impl Results {
    /// Adds a run.
    pub fn add(&mut self, entry: &Entry, workload: Workload, figures: Figures) {
        self.0.entry((entry.name, workload)).or_default().push(figures);
    }

    /// Returns the tables of callers, pipelines and bursts.
    pub fn tables(&self) -> String {
        [self.caller_table(), self.pipeline_table(), self.burst_table()].concat()
    }

    /// Returns our figures beside what they are to be.
    pub fn targets(&self) -> String {
        let mut out = String::from(
            "### Ours against the targets\n\nMedians. In brackets the target where the clock is `Instant`.\n\n\
             | figure | value | target | |\n|---|---|---|---|\n",
        );
        for target in self.all_targets() {
            let (value, verdict) = match target.value {
                None => ("-".to_owned(), "not measured"),
                Some(value) => (number(value), target.verdict(value)),
            };
            let sign = if target.is_at_least { "≥" } else { "≤" };
            let limit = match target.limit_with_instant {
                Some(other) => format!("{sign} {} ({})", number(target.limit), number(other)),
                None => format!("{sign} {}", number(target.limit)),
            };
            let _ = writeln!(out, "| {} | {value} | {limit} | {verdict} |", target.figure);
        }
        out.push('\n');
        out
    }

    /// Returns one record for each peer and workload, as JSON.
    pub fn json(&self) -> String {
        let mut records = Vec::new();
        for (name, workload) in self.0.keys() {
            let mut fields = vec![
                format!("\"peer\":\"{name}\""),
                format!("\"workload\":\"{}\"", workload.name()),
            ];
            for (field, figure, statistic) in JSON_FIELDS {
                let value = statistic(&self.values(name, *workload, figure));
                let value = value.map_or_else(|| "null".to_owned(), |value| format!("{value:.3}"));
                fields.push(format!("\"{field}\":{value}"));
            }
            records.push(format!("  {{{}}}", fields.join(",")));
        }
        format!("[\n{}\n]\n", records.join(",\n"))
    }

    fn caller_table(&self) -> String {
        let mut rows = Vec::new();
        for entry in self.entries_of(&[Workload::W1, Workload::W2, Workload::W4, Workload::Alloc]) {
            let name = entry.name;
            rows.push(vec![
                name.to_owned(),
                self.spread(name, Workload::W1, "caller_ns"),
                self.spread(name, Workload::W1, "wall_ns"),
                self.spread(name, Workload::W2, "caller_ns"),
                self.spread(name, Workload::W4, "caller_ns"),
                self.show(self.w4_over_w1(name)),
                self.show(self.median(name, Workload::Alloc, "allocs_caller")),
                self.show(self.median(name, Workload::Alloc, "allocs_all")),
                self.spread(name, Workload::W1, "hop_ns"),
            ]);
        }
        table(
            "Caller: CPU ns per span, min / median",
            "peer | W1 sampled | W1 wall | W2 unsampled | W4, two callers | W4 ÷ W1 | allocations caller | allocations all | CPU to CPU",
            &rows,
        )
    }

    fn pipeline_table(&self) -> String {
        let mut rows = Vec::new();
        for entry in self.entries_of(&[Workload::W1]) {
            let name = entry.name;
            let of = |figure| self.median(name, Workload::W1, figure);
            rows.push(vec![
                name.to_owned(),
                self.spread(name, Workload::W1, "process_ns"),
                self.show(of("process_ns").map(|nanos| 1e9 / nanos)),
                self.show(of("bytes_per_span")),
                self.show(of("spans_per_datagram")),
                self.show(
                    of("sent").zip(of("delivered")).map(|(sent, delivered)| sent - delivered),
                ),
                self.show(of("kernel_drops")),
                self.show(of("bad_datagrams")),
                self.show(of("rss_mib")),
            ]);
        }
        table(
            "Pipeline (W3): CPU ns of the whole process per delivered span, min / median",
            "peer | W3 | spans per CPU second | bytes/span | spans/datagram | missing | kernel drops | bad datagrams | peak RSS MiB",
            &rows,
        )
    }

    fn burst_table(&self) -> String {
        let mut rows = Vec::new();
        for workload in [Workload::Burst, Workload::BurstDefault] {
            for entry in self.entries_of(&[workload]) {
                let name = entry.name;
                let of = |figure| self.median(name, workload, figure);
                let share =
                    |figure| of(figure).zip(of("sent")).map(|(part, sent)| 100.0 * part / sent);
                rows.push(vec![
                    name.to_owned(),
                    workload.name().to_owned(),
                    self.spread(name, workload, "caller_ns"),
                    self.show(of("wall_ns").map(|nanos| 1e3 / nanos)),
                    self.show(share("delivered")),
                    self.show(share("late")),
                    self.show(share("counted_drops")),
                    self.show(of("kernel_drops")),
                    self.show(
                        share("datagram_fill").and(of("datagram_fill")).map(|fill| 100.0 * fill),
                    ),
                    self.show(of("process_ns")),
                    self.show(of("rss_mib")),
                ]);
            }
        }
        table(
            "Burst: 400,000 spans without a pause; medians",
            "peer | workload | caller ns, min / median | M spans/s | delivered % | of it late % | counted as lost % | kernel drops | datagram fill % | CPU ns per span in time | peak RSS MiB",
            &rows,
        )
    }

    fn all_targets(&self) -> Vec<Target> {
        use Workload::{Alloc, Burst, BurstDefault, W1, W2};

        let (face, core) = ("ours-opentracing", "ours-core");
        let w1 = |name| self.median(name, W1, "caller_ns");
        let w3 = |name| self.median(name, W1, "process_ns");
        let best = |workload, figure, is_peer: fn(&Entry) -> bool| {
            ENTRIES
                .iter()
                .filter(|entry| entry.role == Role::Peer && is_peer(entry))
                .filter_map(|entry| self.median(entry.name, workload, figure))
                .min_by(f64::total_cmp)
        };
        // An inactive span of rustracing has no context to hand on, so there is nothing to compare.
        let best_w2 = best(W2, "caller_ns", |entry| entry.name != "rustracing");
        let best_w1 = best(W1, "caller_ns", |_| true);
        let best_w3 = best(W1, "process_ns", |entry| entry.sends);
        let share = |workload| {
            ratio(self.median(face, workload, "delivered"), self.median(face, workload, "sent"))
                .map(|share| 100.0 * share)
        };
        let unaccounted = |workload| {
            let of = |figure| self.median(face, workload, figure);
            Some((of("sent")? - of("delivered")? - of("counted_drops")?).abs())
        };
        vec![
            Target::at_most("W1 ours-opentracing, ns", w1(face), 65.0).with_instant(115.0),
            Target::at_most("W1 ours-opentracing ÷ best peer", ratio(w1(face), best_w1), 0.5)
                .with_instant(0.83),
            Target::at_most(
                "W1 ours-opentracing ÷ floor with the same clock",
                ratio(w1(face), w1(FLOOR_SAME_CLOCK)),
                1.6,
            ),
            Target::at_most(
                "W1 ours-core ÷ floor with the same clock",
                ratio(w1(core), w1(FLOOR_SAME_CLOCK)),
                1.4,
            ),
            Target::at_most("W2 ours-opentracing, ns", self.median(face, W2, "caller_ns"), 8.0),
            Target::at_most("W2 ours-core, ns", self.median(core, W2, "caller_ns"), 8.0),
            Target::at_most(
                "W2 ours-opentracing ÷ best peer with a context",
                ratio(self.median(face, W2, "caller_ns"), best_w2),
                0.15,
            ),
            Target::at_most("W3 ours-opentracing, ns", w3(face), 140.0),
            Target::at_most(
                "W3 ours-opentracing ÷ best sending peer",
                ratio(w3(face), best_w3),
                0.1,
            ),
            Target::at_most("W3 ours-opentracing ÷ floor", ratio(w3(face), w3(FLOOR)), 1.5),
            Target::at_most("W3 ours-core ÷ floor", ratio(w3(core), w3(FLOOR)), 1.5),
            Target::at_most(
                "allocations per span, caller",
                self.median(face, Alloc, "allocs_caller"),
                0.0,
            ),
            Target::at_most(
                "allocations per span, all",
                self.median(face, Alloc, "allocs_all"),
                0.0,
            ),
            Target::at_most(
                "bytes per span, ours-core",
                self.median(core, W1, "bytes_per_span"),
                165.0,
            ),
            Target::at_most(
                "bytes per span, ours-opentracing",
                self.median(face, W1, "bytes_per_span"),
                170.0,
            ),
            Target::at_most("W4 ÷ W1, ours-opentracing", self.w4_over_w1(face), 1.2),
            Target::at_most("W4 ÷ W1, ours-core", self.w4_over_w1(core), 1.2),
            Target::at_least("burst: delivered, %", share(Burst), 95.0),
            Target::at_most("burst: spans neither delivered nor counted", unaccounted(Burst), 0.0),
            Target::at_least(
                "burst: datagram fill, %",
                self.median(face, Burst, "datagram_fill").map(|fill| 100.0 * fill),
                95.0,
            ),
            Target::at_most("burst: peak RSS, MiB", self.median(face, Burst, "rss_mib"), 96.0),
            Target::at_most(
                "burst-default: spans neither delivered nor counted",
                unaccounted(BurstDefault),
                0.0,
            ),
            Target::at_most(
                "burst-default: peak RSS, MiB",
                self.median(face, BurstDefault, "rss_mib"),
                32.0,
            ),
        ]
    }

    fn w4_over_w1(&self, name: &str) -> Option<f64> {
        ratio(
            self.median(name, Workload::W4, "caller_ns"),
            self.median(name, Workload::W1, "caller_ns"),
        )
    }

    fn entries_of(&self, workloads: &[Workload]) -> impl Iterator<Item = &'static Entry> {
        ENTRIES.iter().filter(move |entry| {
            workloads.iter().any(|workload| self.0.contains_key(&(entry.name, *workload)))
        })
    }

    fn values(&self, name: &str, workload: Workload, figure: &str) -> Vec<f64> {
        let entry = ENTRIES.iter().find(|entry| entry.name == name);
        let runs = entry.and_then(|entry| self.0.get(&(entry.name, workload)));
        let mut values: Vec<f64> =
            runs.into_iter().flatten().filter_map(|figures| figures.get(figure)).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self, name: &str, workload: Workload, figure: &str) -> Option<f64> {
        median(&self.values(name, workload, figure))
    }

    fn spread(&self, name: &str, workload: Workload, figure: &str) -> String {
        let values = self.values(name, workload, figure);
        match (minimum(&values), median(&values)) {
            (Some(minimum), Some(median)) => format!("{} / {}", number(minimum), number(median)),
            _ => "-".to_owned(),
        }
    }

    fn show(&self, value: Option<f64>) -> String {
        value.map_or_else(|| "-".to_owned(), number)
    }
}

/// A figure of ours, and how much of it there may be.
struct Target {
    figure: &'static str,
    value: Option<f64>,
    limit: f64,
    limit_with_instant: Option<f64>,
    is_at_least: bool,
}

impl Target {
    fn at_most(figure: &'static str, value: Option<f64>, limit: f64) -> Self {
        Self { figure, value, limit, limit_with_instant: None, is_at_least: false }
    }

    fn at_least(figure: &'static str, value: Option<f64>, limit: f64) -> Self {
        Self { is_at_least: true, ..Self::at_most(figure, value, limit) }
    }

    fn with_instant(self, limit: f64) -> Self {
        Self { limit_with_instant: Some(limit), ..self }
    }

    fn verdict(&self, value: f64) -> &'static str {
        let meets = |limit: f64| match self.is_at_least {
            true => value >= limit,
            // Half of the last digit that is shown.
            false => value <= limit + 0.0005,
        };
        if meets(self.limit) {
            "met"
        } else if self.limit_with_instant.is_some_and(meets) {
            "met for `Instant`"
        } else {
            "**not met**"
        }
    }
}

fn table(title: &str, head: &str, rows: &[Vec<String>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut out = format!("### {title}\n\n| {head} |\n|");
    out.push_str(&"---|".repeat(head.split(" | ").count()));
    out.push('\n');
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out.push('\n');
    out
}

fn ratio(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    Some(part? / whole.filter(|whole| *whole > 0.0)?)
}

fn median(sorted: &[f64]) -> Option<f64> {
    let (low, high) =
        (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((low + high) / 2.0)
}

fn minimum(sorted: &[f64]) -> Option<f64> {
    sorted.first().copied()
}

/// Writes a number with about three digits.
fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 1000.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

type Statistic = fn(&[f64]) -> Option<f64>;

/// The fields of a record: name, figure, and which of its values.
const JSON_FIELDS: &[(&str, &str, Statistic)] = &[
    ("caller_ns_median", "caller_ns", median),
    ("caller_ns_min", "caller_ns", minimum),
    ("process_ns_per_delivered", "process_ns", median),
    ("allocs_caller", "allocs_caller", median),
    ("allocs_all", "allocs_all", median),
    ("bytes_per_span", "bytes_per_span", median),
    ("datagram_fill", "datagram_fill", median),
    ("sent", "sent", median),
    ("delivered", "delivered", median),
    ("counted_drops", "counted_drops", median),
    ("rss_mib", "rss_mib", median),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[1.0, 2.0, 4.0, 8.0]), Some(3.0));
    }

    #[test]
    fn numbers_have_about_three_digits() {
        for (value, expected) in
            [(0.0, "0"), (0.1234, "0.123"), (9.876, "9.88"), (65.04, "65.0"), (1234.5, "1234")]
        {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn a_record_has_null_where_nothing_was_measured() {
        let mut results = Results::default();
        results.add(&ENTRIES[0], Workload::W2, Figures::parse("caller_ns 7.5\nsent 10\n"));
        let json = results.json();
        assert!(json.contains("\"caller_ns_median\":7.500"), "{json}");
        assert!(json.contains("\"delivered\":null"), "{json}");
    }
}
