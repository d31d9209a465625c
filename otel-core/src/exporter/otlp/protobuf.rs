//! Protobuf on the wire: fields in, bytes out, and back again for the few bytes that a Collector answers.
//!
//! A message within a message has its length in front of it, which is known when it is written. The writer leaves as many
//! bytes as such a length usually takes, fills them in afterwards, and moves the message by a byte or two where it guessed
//! wrong: so a record is read once, and every length is as short as it can be. The alternatives cost more. To compute the
//! sizes ahead is a second walk over the record, and lengths padded to a fixed width make a span a tenth longer.

use crate::record::short::copy_short;

/// Appends fields to a message, one after another.
///
/// Fields that are empty or zero are left out where [`Option`]al fields of protobuf are meant; who has to tell a zero from
/// nothing writes it with [`key`](Self::key).
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// What was written, then room for more, which is initialised: a write is a copy into a slice.
    bytes: Vec<u8>,
    len: usize,
}

impl Writer {
    /// Returns what was written.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Returns how many bytes were written.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Removes everything, and keeps the memory as far as it is within `n_bytes`.
    pub(super) fn clear(&mut self, n_bytes: usize) {
        self.len = 0;
        if self.bytes.len() > n_bytes {
            self.bytes.truncate(n_bytes);
            self.bytes.shrink_to_fit();
        }
    }

    /// Removes what is beyond a length.
    pub(super) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Appends the key of a field.
    #[inline(always)]
    pub(super) fn key(&mut self, field: u8, wire: Wire) {
        debug_assert!(field < 32, "a field past 15 has a key of two bytes, past 2047 of three");
        if field < 16 {
            self.put([field << 3 | wire as u8]);
        } else {
            self.put([field << 3 | wire as u8 | 0x80, field >> 4]);
        }
    }

    /// Appends a number of varying length.
    #[inline]
    pub(super) fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.put([number as u8 | 0x80]);
            number >>= 7;
        }
        self.put([number as u8]);
    }

    /// Appends bytes as they are.
    #[inline(always)]
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        copy_short(self.extend(bytes.len()), bytes);
    }

    /// Appends bytes or a text with the length in front.
    #[inline(always)]
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Appends eight bytes.
    #[inline(always)]
    pub(super) fn fixed64(&mut self, number: u64) {
        self.put(number.to_le_bytes());
    }

    /// Appends a field of bytes or a text, unless it is empty.
    #[inline]
    pub(super) fn bytes_field(&mut self, field: u8, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.key(field, Wire::Bytes);
            self.bytes(bytes);
        }
    }

    /// Appends a field with a number of varying length, unless it is zero.
    #[inline]
    pub(super) fn varint_field(&mut self, field: u8, number: u64) {
        if number != 0 {
            self.key(field, Wire::Varint);
            self.varint(number);
        }
    }

    /// Appends a field of eight bytes, unless it is zero.
    #[inline]
    pub(super) fn fixed64_field(&mut self, field: u8, number: u64) {
        if number != 0 {
            self.key(field, Wire::Fixed64);
            self.fixed64(number);
        }
    }

    /// Appends a field of four bytes, unless it is zero.
    #[inline]
    pub(super) fn fixed32_field(&mut self, field: u8, number: u32) {
        if number != 0 {
            self.key(field, Wire::Fixed32);
            self.put(number.to_le_bytes());
        }
    }

    /// Appends a message of at the most `2^(7 * USUAL_LEN_BYTES)` bytes, or of more at the price of moving it.
    #[inline(always)]
    pub(super) fn message<const USUAL_LEN_BYTES: usize>(
        &mut self,
        field: u8,
        write: impl FnOnce(&mut Self),
    ) {
        self.key(field, Wire::Bytes);
        let start = self.len;
        self.put([0; USUAL_LEN_BYTES]);
        write(self);
        self.fill_in_len::<USUAL_LEN_BYTES>(start);
    }

    /// Writes the length of a message, for which bytes were left at `start`.
    #[inline(always)]
    fn fill_in_len<const USUAL_LEN_BYTES: usize>(&mut self, start: usize) {
        let len = self.len - start - USUAL_LEN_BYTES;
        if varint_len(len as u64) != USUAL_LEN_BYTES {
            self.move_message(start, USUAL_LEN_BYTES, len);
        }
        let mut rest = len;
        let len_bytes = varint_len(len as u64);
        let place = &mut self.bytes[start..start + len_bytes];
        for (index, byte) in place.iter_mut().enumerate() {
            *byte = rest as u8 & 0x7F | if index + 1 < len_bytes { 0x80 } else { 0 };
            rest >>= 7;
        }
    }

    /// Moves a message to where it begins with a length of its own size in front.
    #[cold]
    fn move_message(&mut self, start: usize, left_bytes: usize, len: usize) {
        let from = start + left_bytes;
        let to = start + varint_len(len as u64);
        if to > from {
            self.extend(to - from);
        }
        self.bytes.copy_within(from..from + len, to);
        self.len = to + len;
    }

    /// Appends bytes whose number is known to the compiler.
    #[inline(always)]
    pub(super) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.extend(N).copy_from_slice(&bytes);
    }

    /// Takes the next bytes of the room, to be written over.
    #[inline(always)]
    fn extend(&mut self, n_bytes: usize) -> &mut [u8] {
        if self.bytes.len() - self.len < n_bytes {
            self.grow(n_bytes);
        }
        let start = self.len;
        self.len += n_bytes;
        &mut self.bytes[start..start + n_bytes]
    }

    #[cold]
    fn grow(&mut self, n_bytes: usize) {
        let wanted = (self.len + n_bytes).max(2 * self.bytes.len()).max(LEAST_BYTES);
        self.bytes.resize(wanted, 0);
    }
}

/// What follows the key of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

/// Returns how many bytes a number of varying length takes: one for each seven bits, and one for zero.
#[inline(always)]
pub(super) fn varint_len(number: u64) -> usize {
    (70 - (number | 1).leading_zeros() as usize) / 7
}

/// Visits the fields of a message; ends where the bytes are none.
///
/// What it reads came from outside: nothing is trusted, nothing allocated, and each byte read once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
    is_broken: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn of(message: &'a [u8]) -> Self {
        Self { rest: message, is_broken: false }
    }

    /// Tells whether the visit ended before the message did.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken
    }

    fn read(&mut self) -> Option<Field<'a>> {
        let key = self.read_varint()?;
        let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0)?;
        let content = match key & 7 {
            0 => Content::Number(self.read_varint()?),
            1 => Content::Number(u64::from_le_bytes(*self.take(8)?.first_chunk()?)),
            2 => {
                let len = usize::try_from(self.read_varint()?).ok()?;
                Content::Bytes(self.take(len)?)
            }
            5 => Content::Number(u64::from(u32::from_le_bytes(*self.take(4)?.first_chunk()?))),
            _ => return None,
        };
        Some(Field { number, content })
    }

    fn read_varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            number |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn take(&mut self, n_bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(n_bytes)?;
        self.rest = rest;
        Some(taken)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.rest.is_empty() || self.is_broken {
            return None;
        }
        let field = self.read();
        self.is_broken = field.is_none();
        field
    }
}

/// A field of a message that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) number: u32,
    pub(super) content: Content<'a>,
}

/// What a field holds, as far as it can be told without knowing the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'a> {
    Number(u64),
    /// Bytes, a text or a message.
    Bytes(&'a [u8]),
}

const LEAST_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_the_shortest_length_whatever_was_left_for_it() {
        fn written<const USUAL_LEN_BYTES: usize>(len: usize) -> Vec<u8> {
            let mut writer = Writer::default();
            writer.raw(b"before");
            writer.message::<USUAL_LEN_BYTES>(1, |message| message.raw(&vec![7; len]));
            writer.raw(b"after");
            writer.as_bytes().to_vec()
        }
        for len in [0, 1, 2, 127, 128, 129, 1_000, 16_383, 16_384, 2_097_151, 2_097_152] {
            let mut expected = b"before\x0A".to_vec();
            prost::encoding::encode_varint(len as u64, &mut expected);
            expected.resize(expected.len() + len, 7);
            expected.extend(b"after");
            assert!(written::<1>(len) == expected, "{len} bytes, one left");
            assert!(written::<2>(len) == expected, "{len} bytes, two left");
            assert!(written::<3>(len) == expected, "{len} bytes, three left");
        }
    }

    #[test]
    fn a_length_is_told_for_every_number() {
        for shift in 0..64 {
            for number in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                assert_eq!(varint_len(number), prost::encoding::encoded_len_varint(number));
            }
        }
    }

    #[test]
    fn what_was_written_is_read_and_nothing_is_read_from_garbage() {
        let mut writer = Writer::default();
        writer.varint_field(1, u64::MAX);
        writer.fixed64_field(2, 3);
        writer.bytes_field(16, b"text");
        writer.fixed32_field(17, 5);
        let message = writer.as_bytes();
        let mut fields = Fields::of(message);
        let read: Vec<_> = fields.by_ref().map(|field| (field.number, field.content)).collect();
        let expected = [
            (1, Content::Number(u64::MAX)),
            (2, Content::Number(3)),
            (16, Content::Bytes(b"text")),
            (17, Content::Number(5)),
        ];
        assert_eq!(read, expected);
        assert!(!fields.is_broken());

        // Cut off anywhere, the visit ends, and says so unless the cut is between two fields.
        let ends = [0, 11, 20, 27, message.len()];
        for len in 0..message.len() {
            let mut fields = Fields::of(&message[..len]);
            assert!(fields.by_ref().count() < 4, "cut after {len}");
            assert_eq!(fields.is_broken(), !ends.contains(&len), "cut after {len}");
        }
        for garbage in [&[0][..], &[0x0B], &[0x0C], &[0x0F], &[0xFF; 20], &[0x0A, 0xFF, 0xFF, 3]] {
            let mut fields = Fields::of(garbage);
            assert_eq!(fields.by_ref().count(), 0, "{garbage:?}");
            assert!(fields.is_broken(), "{garbage:?}");
        }
    }
}
