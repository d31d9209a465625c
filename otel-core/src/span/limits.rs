//! How much one span may hold.

/// Limits on what a span records. What is over a limit is dropped and counted; exporters show the counts.
///
/// At a limit the first ones stay: the newest is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanLimits {
    pub(crate) attributes: usize,
    pub(crate) events: usize,
    pub(crate) links: usize,
    pub(crate) attributes_per_event: usize,
    pub(crate) attributes_per_link: usize,
    pub(crate) value_chars: usize,
}

impl SpanLimits {
    /// No limits but those of the record itself: 65,535 of each, and 64 MiB a span.
    pub const UNLIMITED: Self = Self {
        attributes: MOST,
        events: MOST,
        links: MOST,
        attributes_per_event: MOST,
        attributes_per_link: MOST,
        value_chars: usize::MAX,
    };

    /// Sets how many attributes a span may have. Default: 128. At the most 65,535.
    #[must_use]
    pub fn attributes(mut self, attributes: usize) -> Self {
        self.attributes = attributes.min(MOST);
        self
    }

    /// Sets how many events a span may have. Default: 128. At the most 65,535.
    #[must_use]
    pub fn events(mut self, events: usize) -> Self {
        self.events = events.min(MOST);
        self
    }

    /// Sets how many links a span may have. Default: 128. At the most 65,535.
    #[must_use]
    pub fn links(mut self, links: usize) -> Self {
        self.links = links.min(MOST);
        self
    }

    /// Sets how many attributes an event may have. Default: 128. At the most 65,535.
    #[must_use]
    pub fn attributes_per_event(mut self, attributes: usize) -> Self {
        self.attributes_per_event = attributes.min(MOST);
        self
    }

    /// Sets how many attributes a link may have. Default: 128. At the most 65,535.
    #[must_use]
    pub fn attributes_per_link(mut self, attributes: usize) -> Self {
        self.attributes_per_link = attributes.min(MOST);
        self
    }

    /// Sets how long a value may be. Unit: characters of a text, bytes of a byte array, also of those inside an array
    /// or a map. Default: no limit. A longer one is cut, at a character's border.
    #[must_use]
    pub fn value_length(mut self, value_chars: usize) -> Self {
        self.value_chars = value_chars;
        self
    }

    /// Cuts a text after the number of characters that is allowed.
    #[inline]
    pub(crate) fn cut_text<'a>(&self, text: &'a str) -> &'a str {
        // A text has at least as many bytes as characters, so most need no count.
        if text.len() <= self.value_chars { text } else { cut_after_chars(text, self.value_chars) }
    }

    #[inline]
    pub(crate) fn cut_bytes<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[..bytes.len().min(self.value_chars)]
    }
}

impl Default for SpanLimits {
    fn default() -> Self {
        Self {
            attributes: 128,
            events: 128,
            links: 128,
            attributes_per_event: 128,
            attributes_per_link: 128,
            value_chars: usize::MAX,
        }
    }
}

#[cold]
fn cut_after_chars(text: &str, n_chars: usize) -> &str {
    text.char_indices().nth(n_chars).map_or(text, |(end, _)| &text[..end])
}

/// What the record's 16-bit counts can say.
const MOST: usize = u16::MAX as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_after_characters_and_bytes_after_bytes() {
        let limits = SpanLimits::default().value_length(2);
        assert_eq!(limits.cut_text("äöü"), "äö");
        assert_eq!(limits.cut_text("äö"), "äö");
        assert_eq!(limits.cut_text(""), "");
        assert_eq!(limits.cut_bytes(b"abc"), b"ab");
        assert_eq!(SpanLimits::default().value_length(0).cut_text("a"), "");
    }
}
