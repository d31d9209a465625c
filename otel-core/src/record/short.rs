//! Short pieces of bytes, which most names, keys and values are.

/// Copies bytes of which there are mostly few, in place instead of by a call: as two pieces of a fixed length that overlap
/// as much as they have to.
#[inline(always)]
pub(crate) fn copy_short(place: &mut [u8], bytes: &[u8]) {
    let place = &mut place[..bytes.len()];
    let len = bytes.len();
    if len > 32 {
        place.copy_from_slice(bytes);
    } else if len >= 16 {
        copy_ends::<16>(place, bytes);
    } else if len >= 8 {
        copy_ends::<8>(place, bytes);
    } else if len >= 4 {
        copy_ends::<4>(place, bytes);
    } else if len >= 2 {
        copy_ends::<2>(place, bytes);
    } else if len == 1 {
        place[0] = bytes[0];
    }
}

#[inline(always)]
fn copy_ends<const N: usize>(place: &mut [u8], bytes: &[u8]) {
    if let (Some(place), Some(bytes)) = (place.first_chunk_mut::<N>(), bytes.first_chunk()) {
        *place = *bytes;
    }
    if let (Some(place), Some(bytes)) = (place.last_chunk_mut::<N>(), bytes.last_chunk()) {
        *place = *bytes;
    }
}
