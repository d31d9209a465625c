//! Bodies made smaller for the way.

use std::io::Write;

use flate2::write::GzEncoder;

/// Compresses a body, at little cost rather than to the last byte: spans repeat themselves anyway.
///
/// `None` should the encoder fail, which one that writes to memory does not; the body can then go out as it is.
pub(super) fn compressed(body: &[u8]) -> Option<Vec<u8>> {
    let room = Vec::with_capacity(body.len() / 4);
    let mut encoder = GzEncoder::new(room, flate2::Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).ok()
}
