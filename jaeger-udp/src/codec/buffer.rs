//! Where encoders write: room that is there already, taken from the front.
//!
//! A `Vec` asks at each push whether it has to grow, and holds its length in memory for that. A [`Cursor`] is the rest of
//! a slice, in registers, and a write to it one comparison and one store. It does not grow: what finds no room is counted,
//! and the [`Buffer`] behind it then makes room and has everything written once more.

use std::mem;
use std::ops::Deref;

/// The room that is left to write to.
#[derive(Debug, Default)]
pub(crate) struct Cursor<'a> {
    rest: &'a mut [u8],
    /// How many bytes found no room: after the first, none does.
    n_missing: usize,
}

// Inlined always, as are the codec's few functions on the way of every tag: the compiler finds them too large, and a call
// would take the address of the cursor.
impl<'a> Cursor<'a> {
    #[inline(always)]
    pub(crate) fn new(room: &'a mut [u8]) -> Self {
        Self { rest: room, n_missing: 0 }
    }

    /// Returns how much room is left.
    #[inline(always)]
    pub(crate) fn n_left(&self) -> usize {
        self.rest.len()
    }

    /// Writes bytes whose number is known to the compiler.
    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.put_first(N, bytes);
    }

    /// Writes bytes of which the first `n` count: storing them all costs less than a copy of `n`.
    #[inline(always)]
    pub(crate) fn put_first<const N: usize>(&mut self, n: usize, bytes: [u8; N]) {
        let rest = mem::take(&mut self.rest);
        match rest.first_chunk_mut() {
            Some(place) => *place = bytes,
            None => return self.run_out(N),
        }
        self.rest = rest.get_mut(n..).unwrap_or_default();
    }

    /// Writes bytes of any number.
    #[inline(always)]
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        match mem::take(&mut self.rest).split_at_mut_checked(bytes.len()) {
            Some((place, rest)) => {
                copy(place, bytes);
                self.rest = rest;
            }
            None => self.run_out(bytes.len()),
        }
    }

    /// Takes the room away, to be put back in the end. A cursor whose address is never taken stays in registers: so a
    /// function that is not inlined works on a cursor of its own.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Self {
        mem::take(self)
    }

    /// Lends the room to a function that is not inlined, in a cursor of its own for the same reason.
    #[inline(always)]
    pub(crate) fn lend(&mut self, write: impl FnOnce(&mut Self)) {
        let mut lent = self.take();
        write(&mut lent);
        *self = lent;
    }

    /// Books what found no room; the rest is empty by now, so nothing that follows finds any.
    #[inline(always)]
    fn run_out(&mut self, n: usize) {
        self.n_missing += n;
    }
}

/// Bytes that a cursor writes, and room for more of them, which is initialised.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    len: usize,
}

impl Buffer {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), len: 0 }
    }

    /// Appends what `write` writes. It is called again where there was too little room, which then lasts for long.
    #[inline]
    pub(crate) fn append(&mut self, mut write: impl FnMut(&mut Cursor<'_>)) {
        loop {
            let room = self.bytes.get_mut(self.len..).unwrap_or_default();
            let room_len = room.len();
            let mut cursor = Cursor::new(room);
            write(&mut cursor);
            if cursor.n_missing == 0 {
                self.len += room_len - cursor.n_left();
                return;
            }
            let n_missing = cursor.n_missing;
            self.make_room(room_len.saturating_add(n_missing));
        }
    }

    /// Appends bytes.
    pub(crate) fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.append(|out| out.copy(bytes));
    }

    /// Appends bytes that are to be written over later.
    pub(crate) fn skip(&mut self, n_bytes: usize) {
        if self.bytes.len() - self.len < n_bytes {
            self.make_room(n_bytes);
        }
        self.len += n_bytes;
    }

    /// Cuts off what is beyond a length.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Removes everything, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Gives memory back that is neither in use nor within `n_bytes`.
    pub(crate) fn shrink_to(&mut self, n_bytes: usize) {
        if self.bytes.len() > n_bytes.max(self.len) {
            self.bytes.truncate(n_bytes.max(self.len));
            self.bytes.shrink_to_fit();
        }
    }

    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Makes room for so many bytes, and for as many as there are already.
    #[cold]
    fn make_room(&mut self, n_bytes: usize) {
        let wanted = self.len.saturating_add(n_bytes).max(2 * self.bytes.len()).max(LEAST_BYTES);
        self.bytes.resize(wanted, 0);
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }
}

/// Copies bytes between slices of one length. Most keys and values are short: of those, the first and the last bytes are
/// copied at fixed lengths, which overlap in the middle, since a call of `memcpy` costs more.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    match from.len() {
        16..=32 => copy_ends::<16>(to, from),
        8..16 => copy_ends::<8>(to, from),
        4..8 => copy_ends::<4>(to, from),
        _ => to.copy_from_slice(from),
    }
}

#[inline(always)]
fn copy_ends<const N: usize>(to: &mut [u8], from: &[u8]) {
    if let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) {
        if let Some(place) = to.first_chunk_mut() {
            *place = *first;
        }
        if let Some(place) = to.last_chunk_mut() {
            *place = *last;
        }
    }
}

const LEAST_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_stands_there_whatever_its_length_and_the_room() {
        let text: Vec<u8> = (0..100).collect();
        for len in 0..text.len() {
            let mut buffer = Buffer::new();
            for n_times in 1..100 {
                buffer.append(|out| {
                    out.put([1, 2]);
                    out.copy(&text[..len]);
                    out.put_first(1, [3; 16]);
                });
                assert_eq!(buffer.len(), n_times * (len + 3));
            }
            for written in buffer.chunks(len + 3) {
                assert_eq!(written[..2], [1, 2]);
                assert_eq!(written[2..len + 2], text[..len]);
                assert_eq!(written[len + 2], 3);
            }
        }
    }

    #[test]
    fn nothing_is_written_after_something_found_no_room() {
        let mut room = [0; 8];
        let mut cursor = Cursor::new(&mut room);
        cursor.put([1; 6]);
        cursor.put([2; 3]);
        cursor.copy(b"4");
        cursor.lend(|out| out.put_first(1, [5; 4]));
        assert_eq!((cursor.rest.len(), cursor.n_missing), (0, 8));
        assert_eq!(room, [1, 1, 1, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn memory_beyond_what_is_kept_is_given_back() {
        let mut buffer = Buffer::new();
        buffer.extend_from_slice(&[7; 10_000]);
        buffer.shrink_to(100);
        assert_eq!(*buffer, [7; 10_000]);
        buffer.clear();
        buffer.shrink_to(100);
        assert!(buffer.capacity() < 10_000);
        buffer.extend_from_slice(b"still works");
        assert_eq!(*buffer, *b"still works");
    }
}
