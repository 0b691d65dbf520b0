//! COMPRESS=DEFLATE (RFC 4978): raw deflate streams both ways.
//!
//! What a client sends is expanded only as far as it is read, a piece at a time, so a bomb costs what its expanded
//! octets would cost when sent as they are. The compressor, which is most of the memory, is given back while nothing
//! is sent: after a flush its stream may go on without what was before.

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io;

/// Octets expanded at a time.
const PIECE: usize = 16 * 1024;
/// Fast, and for texts nearly as small as it gets.
const LEVEL: Compression = Compression::new(3);

/// Both directions of a compressed connection.
pub(super) struct Deflate {
    expand: Decompress,
    /// As it came.
    pub(super) raw: BytesMut,
    /// The last piece filled all its room: there may be more without more input.
    more: bool,
    compress: Option<Compress>,
    /// Compressed, to be sent.
    pub(super) ready: BytesMut,
}

impl Deflate {
    /// `raw`: what came after the command that began it.
    pub(super) fn new(raw: BytesMut) -> Self {
        let expand = Decompress::new(false);
        Self { expand, raw, more: false, compress: None, ready: BytesMut::new() }
    }

    /// Expands at most one piece into `out`; 0: more input is needed. `None`: the client ended the stream.
    pub(super) fn expand(&mut self, out: &mut BytesMut) -> io::Result<Option<usize>> {
        if self.raw.is_empty() && !self.more {
            return Ok(Some(0));
        }
        let before = out.len();
        out.resize(before + PIECE, 0);
        let (taken, made) = (self.expand.total_in(), self.expand.total_out());
        let status = self.expand.decompress(&self.raw, &mut out[before..], FlushDecompress::None);
        let taken = (self.expand.total_in() - taken) as usize;
        let made = (self.expand.total_out() - made) as usize;
        out.truncate(before + made);
        self.raw.advance(taken);
        self.more = made == PIECE;
        match status {
            Ok(Status::StreamEnd) if made == 0 => Ok(None),
            Ok(_) => Ok(Some(made)),
            Err(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "not a deflate stream")),
        }
    }

    /// Whether [`Deflate::expand`] needs more input.
    pub(super) fn is_hungry(&self) -> bool {
        self.raw.is_empty() && !self.more
    }

    /// Compresses all of `out`, so that the client can read it to its end.
    pub(super) fn compress(&mut self, out: &mut BytesMut) -> io::Result<()> {
        let compress = self.compress.get_or_insert_with(|| Compress::new(LEVEL, false));
        loop {
            let before = self.ready.len();
            self.ready.resize(before + PIECE, 0);
            let (taken, made) = (compress.total_in(), compress.total_out());
            let flush = FlushCompress::Sync;
            let status = compress.compress(out, &mut self.ready[before..], flush);
            let taken = (compress.total_in() - taken) as usize;
            let made = (compress.total_out() - made) as usize;
            self.ready.truncate(before + made);
            out.advance(taken);
            status.map_err(io::Error::other)?;
            // Room was left: everything is flushed.
            if out.is_empty() && made < PIECE {
                return Ok(());
            }
        }
    }

    /// Whether the compressor is there.
    pub(super) fn is_warm(&self) -> bool {
        self.compress.is_some()
    }

    /// Gives memory back that is not needed before something is sent again.
    pub(super) fn cool(&mut self) {
        self.compress = None;
        if self.ready.is_empty() {
            self.ready = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compressed(pieces: &[Vec<u8>], cool: bool) -> BytesMut {
        let mut deflate = Deflate::new(BytesMut::new());
        for piece in pieces {
            deflate.compress(&mut BytesMut::from(piece.as_slice())).unwrap();
            if cool {
                deflate.cool();
                assert!(!deflate.is_warm());
            }
        }
        deflate.ready
    }

    fn expanded(raw: &[u8], chunk: usize) -> Vec<u8> {
        let mut deflate = Deflate::new(BytesMut::new());
        let mut out = BytesMut::new();
        for chunk in raw.chunks(chunk) {
            deflate.raw.extend_from_slice(chunk);
            while !deflate.is_hungry() {
                let before = out.len();
                let made = deflate.expand(&mut out).unwrap().unwrap();
                assert!(made <= PIECE && out.len() == before + made);
            }
        }
        out.to_vec()
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            pieces in prop::collection::vec(prop::collection::vec(0u8..4, 0..40_000), 0..4), cool: bool, chunk in 1..5_000usize,
        ) {
            prop_assert_eq!(expanded(&compressed(&pieces, cool), chunk), pieces.concat());
        }

        #[test]
        fn any_octets_are_survived(raw in prop::collection::vec(any::<u8>(), 0..2_000)) {
            let mut deflate = Deflate::new(BytesMut::from(raw.as_slice()));
            let mut out = BytesMut::new();
            while !deflate.is_hungry() {
                match deflate.expand(&mut out) {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        }
    }

    #[test]
    fn a_bomb_comes_in_pieces() {
        let bomb = compressed(&[vec![b'x'; 32 << 20]], false);
        assert!(bomb.len() < 200_000, "{}", bomb.len());
        let mut deflate = Deflate::new(bomb);
        let (mut out, mut all) = (BytesMut::new(), 0);
        while !deflate.is_hungry() {
            let made = deflate.expand(&mut out).unwrap().unwrap();
            assert!(made <= PIECE);
            all += made;
            out.clear();
        }
        assert_eq!(all, 32 << 20);
    }

    /// What a flush ends can be read at once.
    #[test]
    fn every_flush_can_be_read() {
        let mut deflate = Deflate::new(BytesMut::new());
        let mut reader = Deflate::new(BytesMut::new());
        for line in ["* OK hello\r\n", "a1 OK done\r\n", "* 5 EXISTS\r\n"] {
            deflate.compress(&mut BytesMut::from(line)).unwrap();
            reader.raw.extend_from_slice(&deflate.ready.split());
            let mut out = BytesMut::new();
            while !reader.is_hungry() {
                reader.expand(&mut out).unwrap();
            }
            assert_eq!(out, line);
        }
    }
}
