//! zlib's own output, through the C library, and that of `pigz`, which uses it block by block.
