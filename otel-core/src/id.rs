//! Trace and span ids: which trace a span belongs to, and which span of it.

use std::fmt;

/// Names a trace: 16 bytes, valid when they are not all zero.
///
/// Displays as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TraceId {
    high: u64,
    low: u64,
}

impl TraceId {
    /// The id of no trace.
    pub const INVALID: Self = Self { high: 0, low: 0 };

    /// Puts an id together from its first and its last eight bytes.
    pub const fn from_parts(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// Reads an id from its binary form, big endian.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self::from(u128::from_be_bytes(bytes))
    }

    /// Returns the binary form, big endian.
    pub fn to_bytes(self) -> [u8; 16] {
        u128::from(self).to_be_bytes()
    }

    /// Reads exactly 32 lower-case hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let (high, low) = text.as_bytes().split_at_checked(16)?;
        Some(Self { high: lower_hex_u64(high)?, low: lower_hex_u64(low)? })
    }

    /// Tells whether the id names a trace.
    pub const fn is_valid(self) -> bool {
        self.high | self.low != 0
    }

    /// Returns the first eight bytes: zero in a 64-bit trace id.
    pub const fn high(self) -> u64 {
        self.high
    }

    /// Returns the last eight bytes.
    pub const fn low(self) -> u64 {
        self.low
    }
}

impl From<u128> for TraceId {
    fn from(id: u128) -> Self {
        Self { high: (id >> 64) as u64, low: id as u64 }
    }
}

impl From<TraceId> for u128 {
    fn from(id: TraceId) -> Self {
        Self::from(id.high) << 64 | Self::from(id.low)
    }
}

impl fmt::LowerHex for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(self, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(self, f)
    }
}

/// Names a span within its trace: 8 bytes, valid when they are not all zero.
///
/// Displays as 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(u64);

impl SpanId {
    /// The id of no span.
    pub const INVALID: Self = Self(0);

    /// Takes the id as a number.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// Reads an id from its binary form, big endian.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Returns the binary form, big endian.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// Reads exactly 16 lower-case hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        lower_hex_u64(text.as_bytes()).map(Self)
    }

    /// Tells whether the id names a span.
    pub const fn is_valid(self) -> bool {
        self.0 != 0
    }

    /// Returns the id as a number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::LowerHex for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::LowerHex::fmt(self, f)
    }
}

/// Reads exactly 16 lower-case hexadecimal digits.
///
/// `from_str_radix` would take a leading `+` and upper case as well.
fn lower_hex_u64(digits: &[u8]) -> Option<u64> {
    if digits.len() != 16 {
        return None;
    }
    digits.iter().try_fold(0, |id, digit| {
        let nibble = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(id << 4 | u64::from(nibble))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_forms_are_lower_case_and_of_fixed_length() {
        let trace_id = TraceId::from_parts(0x1f, 0xABCD);
        assert_eq!(trace_id.to_string(), "000000000000001f000000000000abcd");
        assert_eq!(TraceId::from_hex(&trace_id.to_string()), Some(trace_id));
        assert_eq!(SpanId::new(0xAB).to_string(), "00000000000000ab");
        assert_eq!(SpanId::from_hex("00000000000000ab"), Some(SpanId::new(0xAB)));
    }

    #[test]
    fn hex_that_is_not_exactly_lower_case_digits_is_refused() {
        for text in
            ["", "+000000000000001", "00000000000000AB", "ab", "00000000000000 b", "٠٠٠٠٠٠٠٠"]
        {
            assert_eq!(SpanId::from_hex(text), None, "text {text:?}");
        }
        assert_eq!(TraceId::from_hex("+0000000000000000000000000000001"), None);
    }

    #[test]
    fn binary_forms_are_big_endian_and_come_back() {
        let trace_id = TraceId::from_parts(0xFF00_0000_0000_0000, 1);
        assert_eq!(trace_id.to_bytes()[0], 0xFF);
        assert_eq!(trace_id.to_bytes()[15], 1);
        assert_eq!(TraceId::from_bytes(trace_id.to_bytes()), trace_id);
        assert_eq!(SpanId::from_bytes(SpanId::new(7).to_bytes()), SpanId::new(7));
    }

    #[test]
    fn zero_ids_are_not_valid() {
        assert!(!TraceId::INVALID.is_valid() && !SpanId::INVALID.is_valid());
        assert!(TraceId::from_parts(1, 0).is_valid() && TraceId::from_parts(0, 1).is_valid());
    }
}
