//! Hexadecimal digits, read and written by hand: `from_str_radix` takes a leading `+` and any length.

/// Reads up to 16 digits of either case; no digits are 0. `None` for anything else.
#[inline]
pub(super) fn read_u64(digits: &[u8]) -> Option<u64> {
    let (number, seen) = match <&[u8; 16]>::try_from(digits) {
        // The usual length, known to the compiler: twice as fast.
        Ok(digits) => read(digits),
        Err(_) if digits.len() > 16 => return None,
        Err(_) => read(digits),
    };
    (seen & NO_DIGIT == 0).then_some(number)
}

/// Reads exactly `N` digits, at most 16, lower case only. `None` for anything else.
#[inline]
pub(super) fn read_lower<const N: usize>(digits: &[u8]) -> Option<u64> {
    const { assert!(N <= 16) };
    let digits: &[u8; N] = digits.try_into().ok()?;
    let (number, seen) = read(digits);
    (seen & (NO_DIGIT | UPPER) == 0).then_some(number)
}

/// Returns the value of one digit of either case.
pub(super) fn digit(byte: u8) -> Option<u8> {
    let class = CLASSES[usize::from(byte)];
    (class & NO_DIGIT == 0).then_some(class & 0xF)
}

/// Returns the number with all the classes that were met: one test at the end is cheaper than one for each digit.
#[inline]
fn read(digits: &[u8]) -> (u64, u8) {
    digits.iter().fold((0, 0), |(number, seen), byte| {
        let class = CLASSES[usize::from(*byte)];
        (number << 4 | u64::from(class & 0xF), seen | class)
    })
}

/// Of each byte its value as a digit, and whether it is one.
static CLASSES: [u8; 256] = {
    let mut classes = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        classes[LOWER_DIGITS[value as usize].to_ascii_uppercase() as usize] = UPPER | value;
        classes[LOWER_DIGITS[value as usize] as usize] = value;
        value += 1;
    }
    classes
};

const UPPER: u8 = 0x10;

const NO_DIGIT: u8 = 0x80;

const LOWER_DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A short text of ASCII on the stack. What does not fit is left out: `N` is the length of the longest.
#[derive(Debug)]
pub(super) struct StackText<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> StackText<N> {
    pub(super) fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Some(free) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            free.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    /// Appends 16 lower-case digits.
    #[inline]
    pub(super) fn push_u64(&mut self, number: u64) {
        let mut digits = [0; 16];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
            pair.copy_from_slice(&pair_of(byte));
        }
        self.push(&digits);
    }

    /// Appends two lower-case digits.
    #[inline]
    pub(super) fn push_u8(&mut self, number: u8) {
        self.push(&pair_of(number));
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

#[inline]
fn pair_of(byte: u8) -> [u8; 2] {
    [LOWER_DIGITS[usize::from(byte >> 4)], LOWER_DIGITS[usize::from(byte & 0xF)]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_either_case_are_read_up_to_sixteen() {
        for (text, expected) in [
            ("", Some(0)),
            ("0", Some(0)),
            ("1f", Some(0x1f)),
            ("1F", Some(0x1f)),
            ("ffffffffffffffff", Some(u64::MAX)),
            ("0000000000000000f", None),
            ("+1", None),
            ("-1", None),
            ("0x1", None),
            ("1_0", None),
            (" 1", None),
            ("g", None),
            ("1\0", None),
            ("١", None), // a digit, and none of ours
        ] {
            assert_eq!(read_u64(text.as_bytes()), expected, "text {text:?}");
        }
    }

    #[test]
    fn strict_reading_wants_the_exact_length_in_lower_case() {
        for (text, expected) in
            [("0a", Some(0x0a)), ("0A", None), ("a", None), ("00a", None), ("+a", None)]
        {
            assert_eq!(read_lower::<2>(text.as_bytes()), expected, "text {text:?}");
        }
        assert_eq!(read_lower::<16>(b"0123456789abcdef"), Some(0x0123_4567_89ab_cdef));
    }

    #[test]
    fn every_byte_is_a_digit_exactly_when_the_standard_library_says_so() {
        for byte in 0..=255 {
            let expected = char::from(byte).to_digit(16).map(|value| value as u8);
            assert_eq!(digit(byte), expected, "byte {byte}");
        }
    }

    #[test]
    fn written_digits_are_lower_case_and_padded() {
        let mut text = StackText::<19>::new();
        text.push_u64(0x1F);
        text.push(b"-");
        text.push_u8(0xA);
        assert_eq!(text.as_str(), "000000000000001f-0a");
        text.push(b"too long");
        assert_eq!(text.as_bytes().len(), 19);
    }
}
