//! Sixteen-bit floating-point formats.

/// IEEE 754 binary16 to f32, exactly.
pub(crate) fn from_f16(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits) & 0x3ff;
    match exponent {
        // Subnormal: fraction · 2⁻²⁴.
        0 => {
            let value = fraction as f32 * f32::from_bits(0x3380_0000);
            if sign == 0 { value } else { -value }
        }
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// bfloat16 to f32, exactly.
pub(crate) fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_bit_patterns() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0400, 6.103_515_6e-5),
            (0x0001, 5.960_464_5e-8),
            (0x8001, -5.960_464_5e-8),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(from_f16(bits).to_bits(), f32::to_bits(value), "{bits:#x}");
        }
        assert_eq!(from_f16(0x7c00).to_bits(), f32::INFINITY.to_bits());
        assert!(from_f16(0x7e00).is_nan());
        assert_eq!(from_bf16(0x3f80).to_bits(), 1f32.to_bits());
        assert_eq!(from_bf16(0xc040).to_bits(), (-3f32).to_bits());
    }
}
