//! Vectors of numbers, whatever their width: the one place that knows the instruction sets.
//!
//! Kernels are written once over [`Lanes`] and compiled for each [`Level`]; `pulp` gives safe vector types and enters
//! the function in which the instructions may be used. On every level with fused multiply-add a number is computed by
//! the same operations in the same order, whatever the width, so that its bits are the same.

use crate::Level;
use pulp::{Simd, WithSimd};
use std::array::from_fn;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::{Add, AddAssign, Mul, Sub};

/// A set of vector instructions on numbers of one type. The value is proof that the processor has them.
pub trait Lanes: Copy {
    /// The numbers.
    type T: Real;
    /// A vector of [`Self::N`] numbers.
    type V: Copy;
    /// Numbers of a vector.
    const N: usize;
    /// Whether there are 32 registers (else 16).
    const MANY: bool;

    fn splat(self, x: Self::T) -> Self::V;
    /// Numbers as whole vectors; a rest is left out.
    fn vectors(from: &[Self::T]) -> &[Self::V];
    /// See [`Self::vectors`].
    fn vectors_mut(from: &mut [Self::T]) -> &mut [Self::V];
    /// The first [`Self::N`] numbers, with zeros behind the end.
    fn load_part(self, from: &[Self::T]) -> Self::V;
    /// Writes the first [`Self::N`] numbers, or as many as there is room for.
    fn store_part(self, to: &mut [Self::T], v: Self::V);
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Zero where `v` is below zero, else `v` (also when it is not a number).
    fn relu(self, v: Self::V) -> Self::V;
    /// `v` where `gate` is above zero, else zero.
    fn gate(self, gate: Self::V, v: Self::V) -> Self::V;

    /// `top` where `v` is above it, else `v` (also when it is not a number).
    fn clamp(self, v: Self::V, top: Self::V) -> Self::V;
    /// `v` where `gate` is below `top`, else zero.
    fn below(self, gate: Self::V, top: Self::V, v: Self::V) -> Self::V;

    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(Self::T::ZERO)
    }

    /// The first [`Self::N`] numbers.
    #[inline(always)]
    fn load(self, from: &[Self::T]) -> Self::V {
        Self::vectors(&from[..Self::N])[0]
    }

    /// Writes the first [`Self::N`] numbers.
    #[inline(always)]
    fn store(self, to: &mut [Self::T], v: Self::V) {
        Self::vectors_mut(&mut to[..Self::N])[0] = v;
    }
}

/// The types of numbers that kernels take: `f32` for work, `f64` to check with.
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + AddAssign
{
    /// 0.
    const ZERO: Self;
    /// The nearest number to `x`.
    fn real(x: f64) -> Self;
    /// As `f64`.
    fn to_f64(self) -> f64;
    #[doc(hidden)]
    type On<S: Simd>: Lanes<T = Self>;
    #[doc(hidden)]
    fn on<S: Simd>(simd: S) -> Self::On<S>;
}

/// Something to do with the instructions of the machine.
pub(crate) trait Task<T: Real> {
    fn run<L: Lanes<T = T>>(self, lanes: L);
}

/// Runs a task on a level. A level that the processor does not have becomes the portable one.
pub(crate) fn dispatch<T: Real>(level: Level, task: impl Task<T>) {
    #[cfg(target_arch = "x86_64")]
    {
        if let (Level::Avx512, Some(simd)) = (level, pulp::x86::V4::try_new()) {
            return Simd::vectorize(simd, With(task, PhantomData));
        }
        if let (Level::Avx2, Some(simd)) = (level, pulp::x86::V3::try_new()) {
            return Simd::vectorize(simd, With(task, PhantomData));
        }
    }
    #[cfg(target_arch = "aarch64")]
    if let (Level::Neon, Some(simd)) = (level, pulp::aarch64::Neon::try_new()) {
        return Simd::vectorize(simd, With(task, PhantomData));
    }
    task.run(Plain(PhantomData));
}

/// Turns a [`Task`] into what `pulp` runs.
struct With<T, K>(K, PhantomData<T>);

impl<T: Real, K: Task<T>> WithSimd for With<T, K> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.0.run(T::on(simd));
    }
}

macro_rules! wide {
    ($name:ident, $t:ident, $v:ident, $vs:ident, $vs_mut:ident, $lanes:ident, $splat:ident, $load:ident, $store:ident,
     $add:ident, $sub:ident, $mul:ident, $fma:ident, $less:ident, $greater:ident, $select:ident) => {
        /// Vectors of a `pulp` instruction set.
        #[derive(Debug, Clone, Copy)]
        pub struct $name<S>(S);

        impl<S: Simd> Lanes for $name<S> {
            type T = $t;
            type V = S::$v;
            const N: usize = S::$lanes;
            const MANY: bool = S::REGISTER_COUNT >= 32;

            #[inline(always)]
            fn splat(self, x: $t) -> S::$v {
                self.0.$splat(x)
            }
            #[inline(always)]
            fn vectors(from: &[$t]) -> &[S::$v] {
                S::$vs(from).0
            }
            #[inline(always)]
            fn vectors_mut(from: &mut [$t]) -> &mut [S::$v] {
                S::$vs_mut(from).0
            }
            #[inline(always)]
            fn load_part(self, from: &[$t]) -> S::$v {
                self.0.$load(&from[..from.len().min(Self::N)])
            }
            #[inline(always)]
            fn store_part(self, to: &mut [$t], v: S::$v) {
                let count = to.len().min(Self::N);
                self.0.$store(&mut to[..count], v);
            }
            #[inline(always)]
            fn add(self, a: S::$v, b: S::$v) -> S::$v {
                self.0.$add(a, b)
            }
            #[inline(always)]
            fn sub(self, a: S::$v, b: S::$v) -> S::$v {
                self.0.$sub(a, b)
            }
            #[inline(always)]
            fn mul(self, a: S::$v, b: S::$v) -> S::$v {
                self.0.$mul(a, b)
            }
            #[inline(always)]
            fn fma(self, a: S::$v, b: S::$v, c: S::$v) -> S::$v {
                self.0.$fma(a, b, c)
            }
            #[inline(always)]
            fn relu(self, v: S::$v) -> S::$v {
                let zero = self.zero();
                self.0.$select(self.0.$less(v, zero), zero, v)
            }
            #[inline(always)]
            fn gate(self, gate: S::$v, v: S::$v) -> S::$v {
                let zero = self.zero();
                self.0.$select(self.0.$greater(gate, zero), v, zero)
            }
            #[inline(always)]
            fn clamp(self, v: S::$v, top: S::$v) -> S::$v {
                self.0.$select(self.0.$greater(v, top), top, v)
            }
            #[inline(always)]
            fn below(self, gate: S::$v, top: S::$v, v: S::$v) -> S::$v {
                self.0.$select(self.0.$less(gate, top), v, self.zero())
            }
        }

        impl Real for $t {
            const ZERO: $t = 0.0;
            fn real(x: f64) -> $t {
                x as $t
            }
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            type On<S: Simd> = $name<S>;
            #[inline(always)]
            fn on<S: Simd>(simd: S) -> $name<S> {
                $name(simd)
            }
        }
    };
}

wide!(
    Single,
    f32,
    f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    F32_LANES,
    splat_f32s,
    partial_load_f32s,
    partial_store_f32s,
    add_f32s,
    sub_f32s,
    mul_f32s,
    mul_add_f32s,
    less_than_f32s,
    greater_than_f32s,
    select_f32s
);
wide!(
    Double,
    f64,
    f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    F64_LANES,
    splat_f64s,
    partial_load_f64s,
    partial_store_f64s,
    add_f64s,
    sub_f64s,
    mul_f64s,
    mul_add_f64s,
    less_than_f64s,
    greater_than_f64s,
    select_f64s
);

/// Numbers of a portable vector: what every 64-bit processor has in a register of `f32`.
const PLAIN: usize = 4;

/// Portable vectors, for the compiler to make of them what it can.
#[derive(Debug, Clone, Copy)]
struct Plain<T>(PhantomData<T>);

impl<T: Real> Plain<T> {
    #[inline(always)]
    fn each(f: impl FnMut(usize) -> T) -> [T; PLAIN] {
        from_fn(f)
    }
}

impl<T: Real> Lanes for Plain<T> {
    type T = T;
    type V = [T; PLAIN];
    const N: usize = PLAIN;
    const MANY: bool = false;

    #[inline(always)]
    fn splat(self, x: T) -> Self::V {
        [x; PLAIN]
    }
    #[inline(always)]
    fn vectors(from: &[T]) -> &[Self::V] {
        from.as_chunks().0
    }
    #[inline(always)]
    fn vectors_mut(from: &mut [T]) -> &mut [Self::V] {
        from.as_chunks_mut().0
    }
    #[inline(always)]
    fn load_part(self, from: &[T]) -> Self::V {
        Self::each(|i| from.get(i).copied().unwrap_or(T::ZERO))
    }
    #[inline(always)]
    fn store_part(self, to: &mut [T], v: Self::V) {
        to.iter_mut().zip(v).for_each(|(to, v)| *to = v);
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        Self::each(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        Self::each(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        Self::each(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        Self::each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn relu(self, v: Self::V) -> Self::V {
        Self::each(|i| if v[i] < T::ZERO { T::ZERO } else { v[i] })
    }
    #[inline(always)]
    fn gate(self, gate: Self::V, v: Self::V) -> Self::V {
        Self::each(|i| if gate[i] > T::ZERO { v[i] } else { T::ZERO })
    }
    #[inline(always)]
    fn clamp(self, v: Self::V, top: Self::V) -> Self::V {
        Self::each(|i| if v[i] > top[i] { top[i] } else { v[i] })
    }
    #[inline(always)]
    fn below(self, gate: Self::V, top: Self::V, v: Self::V) -> Self::V {
        Self::each(|i| if gate[i] < top[i] { v[i] } else { T::ZERO })
    }
}
