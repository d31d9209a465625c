//! Hexadecimal digits, read and written by hand: `from_str_radix` takes a leading `+` and any length.

/// Reads up to 16 digits of either case; no digits are 0. `None` for anything else.
#[inline]
pub(super) fn read_u64(digits: &[u8]) -> Option<u64> {
    if let Ok(digits) = <&[u8; 16]>::try_from(digits) {
        return read_16::<false>(digits);
    }
    let (number, seen) = if digits.len() < 16 { read(digits) } else { return None };
    (seen & NO_DIGIT == 0).then_some(number)
}

/// Reads exactly `N` digits, at most 16, lower case only. `None` for anything else.
#[inline]
pub(super) fn read_lower<const N: usize>(digits: &[u8]) -> Option<u64> {
    const { assert!(N <= 16) };
    let digits: &[u8; N] = digits.try_into().ok()?;
    if let Ok(digits) = <&[u8; 16]>::try_from(&digits[..]) {
        return read_16::<true>(digits);
    }
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

/// Reads the usual length, eight digits at once: that takes a third of the instructions.
#[inline]
fn read_16<const IS_LOWER: bool>(digits: &[u8; 16]) -> Option<u64> {
    let digits = u128::from_be_bytes(*digits);
    let (high, are_digits_high) = read_8::<IS_LOWER>((digits >> 64) as u64);
    let (low, are_digits_low) = read_8::<IS_LOWER>(digits as u64);
    (are_digits_high & are_digits_low == TOPS).then_some(high << 32 | low)
}

/// Reads eight digits, the last in the lowest byte. Returns the number, and the top bit of each byte that is a digit.
///
/// Each byte is treated on its own: no sum reaches the next one.
#[inline]
fn read_8<const IS_LOWER: bool>(digits: u64) -> (u64, u64) {
    // Sets the top bit of each byte that is `limit` at the least; without top bits before, there is no carry.
    let at_least = |bytes: u64, limit: u8| (bytes & !TOPS) + each(0x80 - limit);
    let is_number = at_least(digits, b'0') & !at_least(digits, b'9' + 1);
    let letters = if IS_LOWER { digits } else { digits | each(0x20) };
    let is_letter = at_least(letters, b'a') & !at_least(letters, b'f' + 1) & TOPS;
    // The lower half of a letter is its distance from nine.
    let values = (digits & each(0x0F)) + (is_letter >> 7) * 9;
    let pairs = (values | values >> 4) & 0x00FF_00FF_00FF_00FF;
    let fours = (pairs | pairs >> 8) & 0x0000_FFFF_0000_FFFF;
    let number = (fours | fours >> 16) & 0xFFFF_FFFF;
    (number, (is_number | is_letter) & !digits & TOPS)
}

const TOPS: u64 = each(0x80);

/// Repeats a byte eight times.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
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

/// A short text of ASCII on the stack. What does not fit is left out. `N` is a multiple of 16, so that the whole of it is
/// checked to be text faster than the part that is used.
#[derive(Debug)]
#[repr(align(16))]
pub(super) struct StackText<const N: usize> {
    /// Behind the text there are zeros, which are ASCII too.
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> StackText<N> {
    pub(super) fn new() -> Self {
        const { assert!(N % 16 == 0) };
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
        let digits = u128::from(digits_of((number >> 32) as u32)) << 64
            | u128::from(digits_of(number as u32));
        self.push(&digits.to_be_bytes());
    }

    /// Appends two lower-case digits.
    #[inline]
    pub(super) fn push_u8(&mut self, number: u8) {
        self.push(&pair_of(number));
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    #[inline]
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes)
            .ok()
            .and_then(|all| all.get(..self.len))
            .unwrap_or_default()
    }
}

/// Returns eight lower-case digits, the last in the lowest byte: all at once, as [`read_8`] reads them.
#[inline]
fn digits_of(number: u32) -> u64 {
    let fours = u64::from(number);
    let fours = (fours | fours << 16) & 0x0000_FFFF_0000_FFFF;
    let pairs = (fours | fours << 8) & 0x00FF_00FF_00FF_00FF;
    let values = (pairs | pairs << 4) & each(0x0F);
    // Above nine, six more reach the upper half of a byte.
    let is_letter = (values + each(6)) >> 4 & each(1);
    values + each(b'0') + is_letter * u64::from(b'a' - b'9' - 1)
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
    fn sixteen_digits_are_read_as_one_by_one_whatever_byte_stands_among_them() {
        for place in 0..16 {
            for byte in 0..=255 {
                let mut digits = *b"0123456789abcdef";
                digits[place] = byte;
                let (number, seen) = read(&digits);
                let is_digit = seen & NO_DIGIT == 0;
                assert_eq!(read_u64(&digits), is_digit.then_some(number), "{digits:?}");
                let is_lower = is_digit && seen & UPPER == 0;
                assert_eq!(read_lower::<16>(&digits), is_lower.then_some(number), "{digits:?}");
            }
        }
    }

    #[test]
    fn written_digits_are_lower_case_and_padded() {
        for shift in 0..64 {
            for number in [1 << shift, !(1 << shift), 0x0123_4567_89AB_CDEF_u64.rotate_left(shift)]
            {
                let mut text = StackText::<16>::new();
                text.push_u64(number);
                assert_eq!(text.as_str(), format!("{number:016x}"));
            }
        }
        let mut text = StackText::<32>::new();
        text.push_u64(0x1F);
        text.push(b"-");
        text.push_u8(0xA);
        assert_eq!(text.as_str(), "000000000000001f-0a");
        text.push(b"too long to fit");
        assert_eq!(text.as_str(), "000000000000001f-0a");
    }
}
