//! What to leave out of a span that alone is larger than a datagram, step by step.

use otel_core::record::SpanView;

/// How much of a span is written.
///
/// Never left out: ids, flags, times, and the tags `error` and `span.kind`. The operation name is cut last of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trim {
    /// The longest text or binary value, in bytes; text is cut at the end of a character.
    pub(crate) value_bytes: usize,
    /// How many logs stay: the newest.
    pub(crate) n_logs: usize,
    /// How many tags stay: the first ones. With none, derived tags go as well.
    pub(crate) n_tags: usize,
    /// How many references stay: the first ones.
    pub(crate) n_references: usize,
    /// The longest operation name, in bytes.
    pub(crate) name_bytes: usize,
}

impl Trim {
    /// Leaves out nothing.
    pub(crate) const NOTHING: Self = Self {
        value_bytes: usize::MAX,
        n_logs: usize::MAX,
        n_tags: usize::MAX,
        n_references: usize::MAX,
        name_bytes: usize::MAX,
    };

    /// Returns the steps for a span, each leaving out more than the one before.
    pub(crate) fn steps(span: &SpanView<'_>) -> impl Iterator<Item = Self> + use<> {
        let (n_logs, n_tags, n_references) = (span.n_events(), span.n_attributes(), span.n_links());
        let values =
            VALUE_BYTES.into_iter().map(|value_bytes| Self { value_bytes, ..Self::NOTHING });
        let short = Self { value_bytes: SHORTEST_VALUE_BYTES, ..Self::NOTHING };
        let logs = halves(n_logs).map(move |n_logs| Self { n_logs, ..short });
        let no_logs = Self { n_logs: 0, ..short };
        let tags = halves(n_tags).map(move |n_tags| Self { n_tags, ..no_logs });
        let no_tags = Self { n_tags: 0, ..no_logs };
        let references =
            halves(n_references).map(move |n_references| Self { n_references, ..no_tags });
        let bare = Self { n_references: 0, ..no_tags };
        let names = NAME_BYTES.into_iter().map(move |name_bytes| Self { name_bytes, ..bare });
        values.chain(logs).chain(tags).chain(references).chain(names)
    }

    /// Tells whether something is left out, which a tag is to say.
    #[inline]
    pub(crate) fn is_trimmed(&self) -> bool {
        self.value_bytes != usize::MAX
    }
}

/// Cuts text after at most `max_bytes`, at the end of a character.
#[inline]
pub(crate) fn cut_text(text: &[u8], max_bytes: usize) -> &[u8] {
    if text.len() <= max_bytes { text } else { cut_long_text(text, max_bytes) }
}

#[cold]
fn cut_long_text(text: &[u8], max_bytes: usize) -> &[u8] {
    let is_boundary = |at: &usize| text[*at] & 0xC0 != 0x80;
    let end = (0..=max_bytes).rev().find(is_boundary).unwrap_or_default();
    &text[..end]
}

/// Half of a number, half of that, and so on down to 0; 0 alone for 0.
fn halves(n: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(n / 2), |n| (*n > 0).then_some(n / 2))
}

const VALUE_BYTES: [usize; 5] = [16_384, 4096, 1024, 512, SHORTEST_VALUE_BYTES];
/// What Jaeger's clients leave of a value where nothing else is set.
const SHORTEST_VALUE_BYTES: usize = 256;
const NAME_BYTES: [usize; 3] = [1024, 256, 64];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_end_with_none() {
        assert_eq!(halves(5).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!(halves(0).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn text_is_cut_between_characters() {
        for (text, max_bytes, expected) in [
            ("abc", 3, "abc"),
            ("abc", 2, "ab"),
            ("aüc", 2, "a"),
            ("aüc", 3, "aü"),
            ("😀", 3, ""),
            ("", 0, ""),
        ] {
            assert_eq!(
                cut_text(text.as_bytes(), max_bytes),
                expected.as_bytes(),
                "{text} after {max_bytes}"
            );
        }
    }
}
