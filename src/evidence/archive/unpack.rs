//! Unpacking one compressed stream, never beyond a cap.

// Foreign bytes: what is not there is a `None`, never a panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_possible_wrap
    )
)]

use crate::evidence::Limits;
use std::io::Read;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// gzip.
    Gzip,
    /// zlib.
    Zlib,
    /// Bare deflate (zip method 8).
    Deflate,
    /// bzip2 (zip method 12).
    Bzip2,
    /// xz (zip method 95).
    Xz,
    /// The older lzma container (joblib, `.lzma`).
    Lzma,
}

/// What came out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// At most the cap.
    pub data: Vec<u8>,
    /// There is more than the cap.
    pub more: bool,
    /// Why unpacking stopped early, in the unpacker's words; what came before is in `data`.
    pub error: Option<String>,
    /// Packed bytes used; the rest follows the stream.
    pub used: u64,
}

impl Packing {
    /// By the first bytes.
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [0x5d, 0, 0, _, _, rest @ ..]
                if rest.starts_with(&[0xff; 8]) || rest.get(5..8).is_some_and(|b| b == [0; 3]) =>
            {
                Some(Self::Lzma)
            }
            [0x78, b @ (0x01 | 0x5e | 0x9c | 0xda), ..] if (0x7800 + u32::from(*b)).is_multiple_of(31) => {
                Some(Self::Zlib)
            }
            _ => None,
        }
    }

    /// The name used in reason codes and facts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zlib => "zlib",
            Self::Deflate => "deflate",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
        }
    }

    /// Unpacks at most `cap` bytes. Every member of a gzip, bzip2 or xz file of several is unpacked.
    pub fn unpack(self, packed: &[u8], cap: u64) -> Unpacked {
        let mut rest = packed;
        // The size of an xz or lzma dictionary is a claim of the file.
        let dictionary = Limits::in_force().dictionary_kib;
        match self {
            Self::Gzip => read(flate2::bufread::MultiGzDecoder::new(&mut rest), cap).using(packed.len()),
            Self::Zlib => {
                let mut z = flate2::bufread::ZlibDecoder::new(&mut rest);
                let out = read(&mut z, cap);
                let used = z.total_in();
                Unpacked { used, ..out }
            }
            Self::Deflate => {
                let mut z = flate2::bufread::DeflateDecoder::new(&mut rest);
                let out = read(&mut z, cap);
                let used = z.total_in();
                Unpacked { used, ..out }
            }
            Self::Bzip2 => read(bzip2::bufread::MultiBzDecoder::new(&mut rest), cap).using(packed.len()),
            Self::Xz => read(lzma_rust2::XzReader::new_mem_limit(&mut rest, true, dictionary), cap)
                .using(packed.len()),
            Self::Lzma => match lzma_rust2::LzmaReader::new_mem_limit(&mut rest, dictionary, None) {
                Ok(reader) => read(reader, cap).using(packed.len()),
                Err(e) => Unpacked { error: Some(e.to_string()), ..Unpacked::default() },
            },
        }
    }
}

impl Unpacked {
    fn using(mut self, used: usize) -> Self {
        self.used = used as u64;
        self
    }
}

fn read(mut from: impl Read, cap: u64) -> Unpacked {
    let mut out = Unpacked::default();
    let got = from.by_ref().take(cap).read_to_end(&mut out.data);
    if let Err(e) = got {
        out.error = Some(e.to_string());
    } else if out.data.len() as u64 == cap {
        let mut one = [0];
        out.more = matches!(from.read(&mut one), Ok(1));
    }
    out
}
