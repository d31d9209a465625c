//! OpenTelemetry's own member of the trace state: `ot=th:…;rv:…`, of which samplers read and write two parts.

use crate::trace_state::TraceState;

/// The parts of the member `ot`, as they came.
///
/// Source: `open-telemetry/opentelemetry-specification:specification/trace/tracestate-handling.md`.
#[derive(Clone, Copy, Debug)]
pub(super) struct OtEntry<'a> {
    parts: &'a str,
}

impl<'a> OtEntry<'a> {
    /// Finds the member; an empty one where there is none.
    pub(super) fn of(trace_state: &'a TraceState) -> Self {
        Self { parts: trace_state.get(MEMBER).unwrap_or_default() }
    }

    /// Returns the randomness that the trace carries beside its id: 56 bits, of exactly 14 digits.
    pub(super) fn randomness(self) -> Option<u64> {
        let digits = self.get("rv").filter(|digits| digits.len() == 14)?;
        // A sign would be read as a number as well.
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(digits, 16).ok())?
    }

    /// Tells whether a threshold stands there, valid or not.
    pub(super) fn has_threshold(self) -> bool {
        self.get(THRESHOLD).is_some()
    }

    /// Returns the member with this threshold in the place of any other, and all other parts as they were; `None` where that
    /// would be longer than a member may be.
    pub(super) fn with_threshold(self, threshold: u64) -> Option<String> {
        let digits = format!("{threshold:014x}");
        let digits = digits.trim_end_matches('0');
        let mut parts = format!("{THRESHOLD}:{}", if digits.is_empty() { "0" } else { digits });
        for part in self.others() {
            parts.push(';');
            parts.push_str(part);
        }
        // A member does not end in a space, though what stood in front of another part may.
        parts.truncate(parts.trim_end().len());
        (parts.len() <= MAX_CHARS).then_some(parts)
    }

    /// Returns the member without a threshold; empty where nothing else is there.
    pub(super) fn without_threshold(self) -> String {
        self.others().collect::<Vec<_>>().join(";").trim_end().to_owned()
    }

    /// Returns a trace state in which the member is this.
    pub(super) fn put(trace_state: &TraceState, parts: &str) -> TraceState {
        if parts.is_empty() { trace_state.without(MEMBER) } else { trace_state.with(MEMBER, parts) }
    }

    fn get(self, key: &str) -> Option<&'a str> {
        let mut parts = self.parts.split(';').filter_map(|part| part.split_once(':'));
        parts.find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    fn others(self) -> impl Iterator<Item = &'a str> {
        let is_other = |part: &&str| {
            !part.is_empty() && part.split_once(':').is_none_or(|(name, _)| name != THRESHOLD)
        };
        self.parts.split(';').filter(is_other)
    }
}

const MEMBER: &str = "ot";
const THRESHOLD: &str = "th";

/// Of the whole member.
const MAX_CHARS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn randomness_is_fourteen_digits_and_nothing_else() {
        for (parts, expected) in [
            ("rv:00000000000001", Some(1)),
            ("th:8;rv:FFFFFFFFFFFFFF", Some((1 << 56) - 1)),
            ("rv:ffffffffffffff;th:8", Some((1 << 56) - 1)),
            ("rv:0000000000001", None),
            ("rv:000000000000001", None),
            ("rv:+0000000000001", None),
            ("rv:0000000000000g", None),
            ("rv", None),
            ("xrv:00000000000001", None),
            ("", None),
        ] {
            assert_eq!(OtEntry { parts }.randomness(), expected, "parts {parts:?}");
        }
    }

    #[test]
    fn a_threshold_takes_the_place_of_another_and_the_other_parts_stay() {
        let threshold = 0x00e6_6600_0000_0000;
        for (parts, with, without) in [
            ("", "th:e666", ""),
            ("th:8", "th:e666", ""),
            ("rv:00000000000001", "th:e666;rv:00000000000001", "rv:00000000000001"),
            ("a:1;th:8;rv:2;th:9;odd", "th:e666;a:1;rv:2;odd", "a:1;rv:2;odd"),
            (";;a:1;", "th:e666;a:1", "a:1"),
            ("a:1 ;th:8", "th:e666;a:1", "a:1"),
            (" ;th:8", "th:e666;", ""),
        ] {
            let entry = OtEntry { parts };
            assert_eq!(entry.with_threshold(threshold).as_deref(), Some(with), "parts {parts:?}");
            assert_eq!(entry.without_threshold(), without, "parts {parts:?}");
            let trace_state = TraceState::EMPTY.with(MEMBER, "th:7");
            let put = OtEntry::put(&trace_state, with);
            assert_eq!(put.get(MEMBER), Some(with), "parts {parts:?}");
        }
        assert_eq!(OtEntry { parts: "" }.with_threshold(0).as_deref(), Some("th:0"));
        assert_eq!(OtEntry { parts: "" }.with_threshold(1).as_deref(), Some("th:00000000000001"));
    }

    #[test]
    fn a_member_never_gets_too_long() {
        let parts = format!("a:{}", "x".repeat(246));
        let entry = OtEntry { parts: &parts };
        assert_eq!(entry.with_threshold(1 << 52).map(|parts| parts.len()), Some(253));
        assert_eq!(entry.with_threshold(1), None);
    }
}
