//! What all encoders have in common: plain bytes in, raw DEFLATE out.

/// Writes one raw DEFLATE stream (RFC 1951), without header or trailer of any container.
///
/// How the plain bytes are cut into calls changes nothing of what comes out.
#[allow(dead_code, reason = "the encoders that implement it come next")]
pub(crate) trait RawEncoder: Send {
    /// Takes more plain bytes, and appends what can be told of the stream to `out`.
    fn write(&mut self, plain: &[u8], out: &mut Vec<u8>);

    /// Ends the stream, and appends its rest to `out`.
    fn finish(&mut self, out: &mut Vec<u8>);
}
