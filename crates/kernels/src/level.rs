//! Which vector instructions are used.

use crate::product::{FEW, MANY};
use std::sync::OnceLock;

/// A level of vector instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What every processor of the family has.
    Portable,
    /// ARM: NEON.
    Neon,
    /// x86-64: AVX2 and FMA.
    Avx2,
    /// x86-64: AVX-512 (F, BW, CD, DQ, VL).
    Avx512,
}

impl Level {
    /// The levels that this processor has, best first.
    pub fn available() -> Vec<Self> {
        let mut levels = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            levels.extend(pulp::x86::V4::try_new().map(|_| Self::Avx512));
            levels.extend(pulp::x86::V3::try_new().map(|_| Self::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        levels.extend(pulp::aarch64::Neon::try_new().map(|_| Self::Neon));
        levels.push(Self::Portable);
        levels
    }

    /// The best level that this processor has; `LAOCOON_SIMD` (`avx512`, `avx2`, `neon`, `portable`) may choose a
    /// lesser one.
    pub fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        *BEST.get_or_init(|| {
            let asked = std::env::var("LAOCOON_SIMD").unwrap_or_default();
            let levels = Self::available();
            levels.iter().copied().find(|l| l.name() == asked).unwrap_or(levels[0])
        })
    }

    /// Its name for people and for `LAOCOON_SIMD`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Rows of a panel of a left matrix.
    pub(crate) fn rows(self) -> usize {
        if matches!(self, Self::Avx512 | Self::Neon) { MANY } else { FEW }
    }

    /// Columns of a panel of a right matrix: two vectors.
    pub(crate) fn width<T>(self) -> usize {
        let bytes = match self {
            Self::Portable => 4 * size_of::<T>(),
            Self::Neon => 16,
            Self::Avx2 => 32,
            Self::Avx512 => 64,
        };
        2 * bytes / size_of::<T>()
    }
}
