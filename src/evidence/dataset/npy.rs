//! NumPy arrays: the header is a Python literal, read by a parser that knows its three keys and nothing else.

use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Limits, RawArray, Untrusted, text};
use safetensors::Dtype;
use std::path::{Path, PathBuf};

/// Bytes of evidence quoted in a message.
const QUOTE: usize = 60;

/// A checked `.npy` file over borrowed bytes.
#[derive(Debug)]
pub struct Npy<'a> {
    path: PathBuf,
    name: Untrusted,
    header: Header,
    data: &'a [u8],
}

impl<'a> Npy<'a> {
    /// Checks the header against `bytes`, the complete file or archive member; `name` is the array's name.
    ///
    /// # Errors
    /// Not an npy file (`format.mismatch`), version (`npy.version`), header (`npy.header`), type (`npy.dtype`,
    /// `npy.object`), shape (`npy.shape`, `npy.overflow`), size (`npy.size_mismatch`), caps of `limits`.
    pub fn parse(
        path: &Path,
        name: Untrusted,
        bytes: &'a [u8],
        limits: &Limits,
    ) -> Result<Self, EvidenceError> {
        let place = if name.raw().is_empty() { String::new() } else { format!("array '{}'", name.shown()) };
        let fail = |code, reason: String| EvidenceError::at(path, place.clone(), code, reason);
        let (literal, data) = split(bytes, limits).map_err(|(code, reason)| fail(code, reason))?;
        let header = Literal { rest: literal }.header().map_err(|(code, reason)| fail(code, reason))?;
        if header.shape.len() > limits.rank {
            let (n, cap) = (header.shape.len(), cap!(limits, rank));
            return Err(fail("npy.shape", format!("{n} axes, {cap}")));
        }
        let width = header.dtype.bitsize() as u64 / 8;
        let elements = header.shape.iter().try_fold(1u64, |n, &d| n.checked_mul(d as u64));
        let Some((elements, needs)) = elements.and_then(|n| Some((n, n.checked_mul(width)?))) else {
            return Err(fail("npy.overflow", format!("shape {:?} overflows 64 bits", header.shape)));
        };
        if needs != data.len() as u64 {
            let (shape, dtype, has) = (&header.shape, header.dtype, data.len());
            return Err(fail(
                "npy.size_mismatch",
                format!("{has} bytes; {shape:?} of {dtype:?} takes {needs}"),
            ));
        }
        if elements > limits.tensor_elements {
            let cap = cap!(limits, tensor_elements);
            return Err(fail("npy.limit", format!("{elements} elements, {cap}")));
        }
        Ok(Self { path: path.to_owned(), name, header, data })
    }

    /// The array's name.
    pub fn name(&self) -> &Untrusted {
        &self.name
    }

    /// The array.
    pub fn raw(&self) -> RawArray<'_> {
        RawArray {
            path: &self.path,
            name: &self.name,
            dtype: self.header.dtype,
            shape: &self.header.shape,
            data: self.data,
            big_endian: self.header.big_endian,
            fortran: self.header.fortran,
        }
    }
}

type Fault = (&'static str, String);

/// Magic, version and length: the literal and what follows it.
fn split<'a>(bytes: &'a [u8], limits: &Limits) -> Result<(&'a [u8], &'a [u8]), Fault> {
    let Some(rest) = bytes.strip_prefix(b"\x93NUMPY") else {
        return Err((
            "format.mismatch",
            "this is no npy file: it does not begin with its signature".to_owned(),
        ));
    };
    let short = || ("npy.header", "the file ends inside its header".to_owned());
    let ([major, minor], rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
    let (length, rest) = match (major, minor) {
        (1, 0) => rest.split_first_chunk::<2>().map(|(n, rest)| (u32::from(u16::from_le_bytes(*n)), rest)),
        (2 | 3, 0) => rest.split_first_chunk::<4>().map(|(n, rest)| (u32::from_le_bytes(*n), rest)),
        _ => return Err(("npy.version", format!("version {major}.{minor}; 1.0, 2.0 and 3.0 are read"))),
    }
    .ok_or_else(short)?;
    if u64::from(length) > limits.header_bytes {
        let cap = cap!(limits, header_bytes);
        return Err(("npy.header", format!("header of {length} bytes, {cap}")));
    }
    rest.split_at_checked(length as usize)
        .ok_or_else(|| ("npy.header", format!("header of {length} bytes, the file has {} left", rest.len())))
}

#[derive(Debug)]
struct Header {
    dtype: Dtype,
    big_endian: bool,
    fortran: bool,
    shape: Vec<usize>,
}

/// A cursor over the header text. Flat by construction: a tuple holds integers only, so that nesting is an error and
/// never a recursion.
struct Literal<'a> {
    rest: &'a [u8],
}

impl<'a> Literal<'a> {
    fn header(mut self) -> Result<Header, Fault> {
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        self.expect(b'{')?;
        loop {
            if self.take(b'}') {
                break;
            }
            let key = self.string()?;
            self.expect(b':')?;
            let new = match key {
                b"descr" => descr.replace(self.descr()?).is_none(),
                b"fortran_order" => fortran.replace(self.truth()?).is_none(),
                b"shape" => shape.replace(self.shape()?).is_none(),
                _ => return Err(("npy.header", format!("unknown key '{}'", quote(key)))),
            };
            if !new {
                return Err(("npy.header", format!("the key '{}' is there twice", quote(key))));
            }
            if !self.take(b',') {
                self.expect(b'}')?;
                break;
            }
        }
        self.skip_space();
        if !self.rest.is_empty() {
            return Err((
                "npy.header",
                format!("text after the header's dictionary: '{}'", quote(self.rest)),
            ));
        }
        let missing = |key: &str| ("npy.header", format!("the key '{key}' is missing"));
        let (dtype, big_endian) = descr.ok_or_else(|| missing("descr"))?;
        Ok(Header {
            dtype,
            big_endian,
            fortran: fortran.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn take(&mut self, byte: u8) -> bool {
        self.skip_space();
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.take(byte) {
            return Ok(());
        }
        let found =
            if self.rest.is_empty() { "its end".to_owned() } else { format!("'{}'", quote(self.rest)) };
        Err(("npy.header", format!("'{}' was expected in the header, found {found}", char::from(byte))))
    }

    /// A quoted string without escapes.
    fn string(&mut self) -> Result<&'a [u8], Fault> {
        self.skip_space();
        let bad = |rest: &[u8]| ("npy.header", format!("a quoted key was expected, found '{}'", quote(rest)));
        let Some((mark @ (b'\'' | b'"'), rest)) = self.rest.split_first() else { return Err(bad(self.rest)) };
        let end = rest.iter().position(|b| b == mark).ok_or_else(|| bad(self.rest))?;
        let (text, rest) = rest.split_at(end);
        if text.contains(&b'\\') {
            return Err(bad(self.rest));
        }
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(text)
    }

    fn truth(&mut self) -> Result<bool, Fault> {
        self.skip_space();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(("npy.header", "fortran_order is neither True nor False".to_owned()))
    }

    fn descr(&mut self) -> Result<(Dtype, bool), Fault> {
        self.skip_space();
        if matches!(self.rest.first(), Some(b'[' | b'(')) {
            let fields = quote(self.rest);
            return Err(("npy.dtype", format!("a record array ({fields}); plain numbers are needed")));
        }
        let text = self.string()?;
        let (order, kind) = match text {
            [order @ (b'<' | b'>' | b'|' | b'='), kind @ ..] => (*order, kind),
            kind => (b'=', kind),
        };
        let dtype = match kind {
            b"f2" => Dtype::F16,
            b"f4" => Dtype::F32,
            b"f8" => Dtype::F64,
            b"i1" => Dtype::I8,
            b"i2" => Dtype::I16,
            b"i4" => Dtype::I32,
            b"i8" => Dtype::I64,
            b"u1" => Dtype::U8,
            b"u2" => Dtype::U16,
            b"u4" => Dtype::U32,
            b"u8" => Dtype::U64,
            b"b1" | b"?" => Dtype::BOOL,
            [b'O', ..] => {
                let reason = "an object array: its body is a pickle, which would run code when loaded";
                return Err(("npy.object", reason.to_owned()));
            }
            _ => return Err(("npy.dtype", format!("unknown type '{}'", quote(text)))),
        };
        Ok((dtype, order == b'>'))
    }

    fn shape(&mut self) -> Result<Vec<usize>, Fault> {
        self.skip_space();
        if self.rest.first() != Some(&b'(') {
            return Err(("npy.shape", format!("the shape is no tuple: '{}'", quote(self.rest))));
        }
        self.expect(b'(')?;
        let mut out = Vec::new();
        while !self.take(b')') {
            out.push(self.extent()?);
            if out.len() > 64 {
                return Err(("npy.shape", "more than 64 axes".to_owned()));
            }
            if !self.take(b',') {
                self.expect(b')')?;
                break;
            }
        }
        Ok(out)
    }

    /// A non-negative integer; Python 2 wrote an `L` behind it.
    fn extent(&mut self) -> Result<usize, Fault> {
        self.skip_space();
        let digits = self.rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at(digits);
        let rest = rest.strip_prefix(b"L").unwrap_or(rest);
        let fine = digits > 0 && matches!(rest.trim_ascii_start().first(), Some(b',' | b')'));
        if !fine {
            let code = if self.rest.first() == Some(&b'(') { "npy.header" } else { "npy.shape" };
            return Err((code, format!("'{}' is no extent", quote(self.rest))));
        }
        self.rest = rest;
        let number = std::str::from_utf8(number).unwrap_or_default();
        number
            .parse()
            .map_err(|_| ("npy.overflow", format!("extent {} is too large", quote(number.as_bytes()))))
    }
}

/// The beginning of a piece of the header as visible text.
fn quote(bytes: &[u8]) -> String {
    let cut = bytes.get(..QUOTE).unwrap_or(bytes);
    let more = if bytes.len() > QUOTE { "…" } else { "" };
    format!("{}{more}", text::visible(String::from_utf8_lossy(cut).trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(literal: &str, data: &[u8]) -> Vec<u8> {
        [b"\x93NUMPY\x01\0", &(literal.len() as u16).to_le_bytes()[..], literal.as_bytes(), data].concat()
    }

    fn code(bytes: &[u8]) -> &'static str {
        Npy::parse(Path::new("a.npy"), Untrusted::new(""), bytes, &Limits::default())
            .map_or_else(|e| e.code, |_| "ok")
    }

    #[test]
    fn versions_types_and_orders() {
        let literal = "{'descr': '>i2', 'fortran_order': True, 'shape': (2, 2), }   \n";
        let bytes = file(literal, &[0, 1, 0, 2, 0, 3, 0, 4]);
        let npy = Npy::parse(Path::new("a"), Untrusted::new("x"), &bytes, &Limits::default()).unwrap();
        assert_eq!(npy.raw().to_i64().unwrap(), ndarray::array![[1i64, 3], [2, 4]].into_dyn());
        let v3 = [b"\x93NUMPY\x03\0", &(literal.len() as u32).to_le_bytes()[..], literal.as_bytes(), &[0; 8]]
            .concat();
        assert_eq!(code(&v3), "ok");
        assert_eq!(code(&file("{\"descr\":\"|u1\",\"fortran_order\":False,\"shape\":(3L,)}", &[0; 3])), "ok");
        assert_eq!(code(&file("{'descr': 'f8', 'fortran_order': False, 'shape': ()}", &[0; 8])), "ok");
    }

    #[test]
    fn faults_have_codes() {
        let with = |descr: &str, shape: &str| {
            code(&file(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"), &[0; 4]))
        };
        assert_eq!(with("'<f4'", "(1,)"), "ok");
        assert_eq!(with("'<f4'", "(1)"), "ok");
        assert_eq!(with("'|O'", "(1,)"), "npy.object");
        assert_eq!(with("'<f3'", "(1,)"), "npy.dtype");
        assert_eq!(with("[('a', '<f4')]", "(1,)"), "npy.dtype");
        assert_eq!(with("'<f4'", "(-1,)"), "npy.shape");
        assert_eq!(with("'<f4'", "(1.0,)"), "npy.shape");
        assert_eq!(with("'<f4'", "4"), "npy.shape");
        assert_eq!(with("'<f4'", "(2,)"), "npy.size_mismatch");
        assert_eq!(with("'<f4'", "(4294967296, 4294967296)"), "npy.overflow");
        assert_eq!(with("'<f4'", "(99999999999999999999,)"), "npy.overflow");
        assert_eq!(with("'<f4'", "((1,),)"), "npy.header");
        assert_eq!(with("'<f4'", "(1,1,1,1,1,1,1,1,1)"), "npy.shape");
        assert_eq!(code(&file("{'descr': '<f4', 'shape': (1,)}", &[0; 4])), "npy.header");
        assert_eq!(code(b"\x93NUMPY\x04\0"), "npy.version");
        assert_eq!(code(b"\x93NUMPY\x01"), "npy.header");
        assert_eq!(code(b"NUMPY"), "format.mismatch");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = code(&bytes);
            let _ = code(&[b"\x93NUMPY\x01\0", &bytes[..]].concat());
        }

        #[test]
        fn literals_of_pieces_never_panic(pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "'descr'", ":", "'<f4'", ",", "'fortran_order'", "False", "'shape'", "(", ")", "1", "-", "L", " ", "'"
        ]), 0..30)) {
            let _ = code(&file(&pieces.concat(), &[0; 4]));
        }

        #[test]
        fn what_is_written_is_read_back(values in prop::collection::vec(any::<i32>(), 0..20)) {
            let literal = format!("{{'descr': '<i4', 'fortran_order': False, 'shape': ({},), }}", values.len());
            let data: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            let bytes = file(&literal, &data);
            let npy = Npy::parse(Path::new("a"), Untrusted::new("x"), &bytes, &Limits::default()).unwrap();
            let read: Vec<i64> = npy.raw().to_i64().unwrap().into_iter().collect();
            prop_assert_eq!(read, values.into_iter().map(i64::from).collect::<Vec<_>>());
        }
    }
}
