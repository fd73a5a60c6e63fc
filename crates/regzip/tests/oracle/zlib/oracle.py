"""zlib's own output, for `examples/soak-zlib.rs`.

Reads level, memory level (a byte each), length (four bytes, the lowest first) and so many plain bytes; answers with the
length and the bytes of the raw DEFLATE stream that zlib makes of them in one call. Again and again until the input ends.
"""

import struct
import sys
import zlib

source, target = sys.stdin.buffer, sys.stdout.buffer
while head := source.read(6):
    level, memory, length = struct.unpack("<BBI", head)
    encoder = zlib.compressobj(level, zlib.DEFLATED, -15, memory)
    stream = encoder.compress(source.read(length)) + encoder.flush()
    target.write(struct.pack("<I", len(stream)) + stream)
    target.flush()
