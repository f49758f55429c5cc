//! A foreign array still in its bytes: type, shape and storage order known and checked, converted on demand.

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

use super::{EvidenceError, Untrusted};
use ndarray::{Array1, ArrayD, IxDyn, ShapeBuilder};
pub use safetensors::Dtype;
use std::path::Path;

/// An array as stored in a file. Readers make it only after checking that `data` holds exactly
/// `shape.product() · dtype` bytes.
#[derive(Debug, Clone, Copy)]
pub struct RawArray<'a> {
    /// The file it is in.
    pub path: &'a Path,
    /// Its name in that file.
    pub name: &'a Untrusted,
    /// Element type.
    pub dtype: Dtype,
    /// Extent of each axis; empty for a scalar.
    pub shape: &'a [usize],
    /// The elements.
    pub data: &'a [u8],
    /// Whether elements are stored most significant byte first.
    pub big_endian: bool,
    /// Whether the first axis varies fastest.
    pub fortran: bool,
}

impl RawArray<'_> {
    /// As 32-bit floats; wider types are rounded.
    ///
    /// # Errors
    /// A type that is no real number of at least 16 bits (complex, 4- to 8-bit floats).
    pub fn to_f32(&self) -> Result<ArrayD<f32>, EvidenceError> {
        match self.dtype {
            Dtype::F32 => self.collect(f32::from_le_bytes),
            Dtype::F16 => self.collect(|b| half_to_f32(u16::from_le_bytes(b))),
            Dtype::BF16 => self.collect(|b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
            Dtype::F64 => self.collect(|b| narrow(f64::from_le_bytes(b))),
            Dtype::U64 => self.collect(|b| u64::from_le_bytes(b) as f32),
            Dtype::BOOL | Dtype::U8 => self.collect(|[b]| f32::from(b)),
            _ if self.is_integer() => Ok(self.to_i64()?.mapv(|x| x as f32)),
            _ => Err(self.wrong_type("real numbers")),
        }
    }

    /// As 64-bit floats.
    ///
    /// # Errors
    /// As [`RawArray::to_f32`].
    pub fn to_f64(&self) -> Result<ArrayD<f64>, EvidenceError> {
        match self.dtype {
            Dtype::F64 => self.collect(f64::from_le_bytes),
            Dtype::U64 => self.collect(|b| u64::from_le_bytes(b) as f64),
            _ if self.is_integer() => Ok(self.to_i64()?.mapv(|x| x as f64)),
            _ => Ok(self.to_f32()?.mapv(f64::from)),
        }
    }

    /// As 64-bit integers.
    ///
    /// # Errors
    /// A type that is no integer, or a value above 2⁶³ − 1.
    pub fn to_i64(&self) -> Result<ArrayD<i64>, EvidenceError> {
        let out = match self.dtype {
            Dtype::U8 | Dtype::BOOL => self.collect(|[b]| i64::from(b)),
            Dtype::I8 => self.collect(|b| i64::from(i8::from_le_bytes(b))),
            Dtype::I16 => self.collect(|b| i64::from(i16::from_le_bytes(b))),
            Dtype::U16 => self.collect(|b| i64::from(u16::from_le_bytes(b))),
            Dtype::I32 => self.collect(|b| i64::from(i32::from_le_bytes(b))),
            Dtype::U32 => self.collect(|b| i64::from(u32::from_le_bytes(b))),
            Dtype::I64 | Dtype::U64 => self.collect(i64::from_le_bytes),
            _ => Err(self.wrong_type("integers")),
        }?;
        match out.iter().position(|&x| x < 0) {
            Some(at) if self.dtype == Dtype::U64 => {
                Err(self.error("data.range", format!("element {at} is above 2^63 - 1")))
            }
            _ => Ok(out),
        }
    }

    /// As bytes.
    ///
    /// # Errors
    /// A type that is not `U8` or `BOOL`.
    pub fn to_u8(&self) -> Result<ArrayD<u8>, EvidenceError> {
        match self.dtype {
            Dtype::U8 | Dtype::BOOL => self.collect(|[b]| b),
            _ => Err(self.wrong_type("bytes (U8)")),
        }
    }

    /// Whether the elements are integers (not `BOOL`).
    pub fn is_integer(&self) -> bool {
        use Dtype::{I8, I16, I32, I64, U8, U16, U32, U64};
        matches!(self.dtype, U8 | I8 | U16 | I16 | U32 | I32 | U64 | I64)
    }

    /// Whether the elements are floats of 16, 32 or 64 bits.
    pub fn is_float(&self) -> bool {
        matches!(self.dtype, Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64)
    }

    /// How many elements are infinite or no number.
    pub fn not_finite(&self) -> usize {
        if self.big_endian {
            self.to_f64().map_or(0, |values| values.iter().filter(|x| !x.is_finite()).count())
        } else {
            not_finite(self.data, self.dtype)
        }
    }

    /// An error about this array.
    pub fn error(&self, code: &'static str, reason: impl Into<String>) -> EvidenceError {
        // The one array of an npy file has no name.
        let name = self.name.shown();
        let place = if name.is_empty() { name } else { format!("array '{name}'") };
        EvidenceError::at(self.path, place, code, reason)
    }

    fn wrong_type(&self, wanted: &str) -> EvidenceError {
        self.error("data.dtype", format!("elements are {:?}, {wanted} are needed", self.dtype))
    }

    /// Converts every element; `read` gets its bytes least significant first.
    fn collect<T: Clone, const WIDTH: usize>(
        &self,
        read: impl Fn([u8; WIDTH]) -> T,
    ) -> Result<ArrayD<T>, EvidenceError> {
        let stored = self.data.as_chunks::<WIDTH>().0.iter().copied();
        let values: Vec<T> = if self.big_endian {
            stored
                .map(|mut b| {
                    b.reverse();
                    read(b)
                })
                .collect()
        } else {
            stored.map(read).collect()
        };
        let shape = IxDyn(self.shape).set_f(self.fortran);
        let array = ArrayD::from_shape_vec(shape, values)
            .map_err(|_| self.error("data.size", "the bytes do not fill the shape"))?;
        Ok(if self.fortran { array.as_standard_layout().into_owned() } else { array })
    }
}

/// The nearest number of 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
fn narrow(number: f64) -> f32 {
    number as f32
}

/// The labels of an array of any integer type, N or N×1.
///
/// # Errors
/// Floats, another shape, or a negative label, naming its row.
pub fn labels(array: &RawArray) -> Result<Vec<usize>, EvidenceError> {
    if !array.is_integer() {
        return Err(array.wrong_type("integer labels"));
    }
    if !matches!(array.shape, [_] | [_, 1]) {
        return Err(
            array.error("labels.shape", format!("shape {:?}, one label per sample is needed", array.shape))
        );
    }
    let values: Array1<i64> = array.to_i64()?.into_iter().collect();
    let to_label = |(row, &v): (usize, &i64)| {
        usize::try_from(v)
            .map_err(|_| array.error("labels.range", format!("row {row}: label {v} is negative")))
    };
    values.iter().enumerate().map(to_label).collect()
}

/// How many floats of a type are infinite or no number, least significant byte first: those whose exponent is all ones.
/// None of a type that is no float of 16, 32 or 64 bits.
pub fn not_finite(data: &[u8], dtype: Dtype) -> usize {
    fn count<const WIDTH: usize>(data: &[u8], exponent: impl Fn(&[u8; WIDTH]) -> bool) -> usize {
        data.as_chunks().0.iter().filter(|b| exponent(b)).count()
    }
    match dtype {
        Dtype::F64 => count(data, |b| !f64::from_le_bytes(*b).is_finite()),
        Dtype::F32 => count(data, |b| !f32::from_le_bytes(*b).is_finite()),
        Dtype::F16 => count(data, |b| u16::from_le_bytes(*b) & 0x7c00 == 0x7c00),
        Dtype::BF16 => count(data, |b| u16::from_le_bytes(*b) & 0x7f80 == 0x7f80),
        _ => 0,
    }
}

/// IEEE 754 half precision to single precision, exactly.
fn half_to_f32(h: u16) -> f32 {
    let sign = if h & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(h & 0x3ff);
    match (h >> 10) & 0x1f {
        0 => sign * fraction * 2f32.powi(-24),
        0x1f if fraction == 0.0 => sign * f32::INFINITY,
        0x1f => f32::NAN,
        e => sign * (1.0 + fraction / 1024.0) * 2f32.powi(i32::from(e) - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw<'a>(name: &'a Untrusted, dtype: Dtype, shape: &'a [usize], data: &'a [u8]) -> RawArray<'a> {
        RawArray { path: Path::new("f"), name, dtype, shape, data, big_endian: false, fortran: false }
    }

    #[test]
    fn floats_that_are_no_numbers_are_counted_in_either_byte_order() {
        let name = Untrusted::new("x");
        let halves: Vec<u8> =
            [0x7bffu16, 0x7c00, 0xfc00, 0x7e01].iter().flat_map(|b| b.to_le_bytes()).collect();
        assert_eq!(raw(&name, Dtype::F16, &[4], &halves).not_finite(), 3);
        let brain: Vec<u8> = [0x7f7fu16, 0x7f80, 0xffc0].iter().flat_map(|b| b.to_le_bytes()).collect();
        assert_eq!(raw(&name, Dtype::BF16, &[3], &brain).not_finite(), 2);
        let singles = [1.0f32, f32::MAX, f32::NAN, f32::NEG_INFINITY];
        let little: Vec<u8> = singles.iter().flat_map(|x| x.to_le_bytes()).collect();
        let big: Vec<u8> = singles.iter().flat_map(|x| x.to_be_bytes()).collect();
        assert_eq!(raw(&name, Dtype::F32, &[4], &little).not_finite(), 2);
        assert_eq!(RawArray { big_endian: true, ..raw(&name, Dtype::F32, &[4], &big) }.not_finite(), 2);
        let wide: Vec<u8> = [1e300f64, f64::INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(raw(&name, Dtype::F64, &[2], &wide).not_finite(), 1);
        assert_eq!(raw(&name, Dtype::U8, &[2], &[0xff, 0xff]).not_finite(), 0);
    }

    #[test]
    fn halves_and_brain_floats_are_exact() {
        let name = Untrusted::new("x");
        let bits: Vec<u8> = [0x3c00u16, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000]
            .iter()
            .flat_map(|b| b.to_le_bytes())
            .collect();
        let got = raw(&name, Dtype::F16, &[6], &bits).to_f32().unwrap();
        let expected = [1.0, -2.0, 5.960_464_5e-8, 65504.0, f32::INFINITY].map(f32::to_bits);
        assert_eq!(got.iter().take(5).map(|x| x.to_bits()).collect::<Vec<_>>(), expected);
        assert_eq!(got[[5]].to_bits(), (-0f32).to_bits());
        let brain = raw(&name, Dtype::BF16, &[1], &[0xc0, 0x3f]).to_f32().unwrap();
        assert_eq!(brain[[0]].to_bits(), 1.5f32.to_bits());
    }

    #[test]
    fn byte_and_axis_order_are_undone() {
        let name = Untrusted::new("x");
        let data: Vec<u8> = [1f32, 4., 2., 5., 3., 6.].iter().flat_map(|x| x.to_be_bytes()).collect();
        let array = RawArray { big_endian: true, fortran: true, ..raw(&name, Dtype::F32, &[2, 3], &data) };
        assert_eq!(array.to_f32().unwrap(), ndarray::array![[1f32, 2., 3.], [4., 5., 6.]].into_dyn());
        assert_eq!(array.to_f64().unwrap()[[1, 2]].to_bits(), 6f64.to_bits());
    }

    #[test]
    fn labels_of_any_integer_type_and_never_negative() {
        let name = Untrusted::new("labels");
        assert_eq!(labels(&raw(&name, Dtype::I16, &[2], &[1, 0, 2, 1])).unwrap(), [1, 258]);
        let e = labels(&raw(&name, Dtype::I8, &[2], &[1, 0xff])).unwrap_err();
        assert_eq!((e.code, e.reason.as_str()), ("labels.range", "row 1: label -1 is negative"));
        assert_eq!(labels(&raw(&name, Dtype::F32, &[1], &[0; 4])).unwrap_err().code, "data.dtype");
        assert_eq!(labels(&raw(&name, Dtype::U64, &[1], &[0xff; 8])).unwrap_err().code, "data.range");
        assert_eq!(labels(&raw(&name, Dtype::U8, &[1, 2], &[0; 2])).unwrap_err().code, "labels.shape");
    }
}
