//! How the numbers of a value lie in memory. Images are interleaved (height, width, channel), so that vectors run along
//! the channels; everything else is row-major. A view keeps the order of what it views.

use super::op::{Kernel, Layout, Op};
use super::scalar::Scalar;
use laocoon_kernels::order::{interleave, separate};
use std::borrow::Cow;

/// The order of the numbers of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Row-major in the value's shape.
    Planar,
    /// As the image of this shape (channels, height, width) with the channels of a pixel side by side. Never where
    /// that is row-major too.
    Interleaved([usize; 3]),
}

impl Order {
    /// That of an image, or of anything else whose first axis is channels.
    pub(crate) fn image(shape: &[usize]) -> Self {
        match shape {
            [c, high, rest @ ..] if *c > 1 && high * rest.iter().product::<usize>() > 1 => {
                Self::Interleaved([*c, *high, rest.iter().product()])
            }
            _ => Self::Planar,
        }
    }

    /// What an operator takes its inputs as, given their shapes and orders.
    pub(crate) fn taken(op: &Op, shapes: &[&[usize]], orders: &[Order], out: &[usize]) -> Vec<Self> {
        match op.layout(shapes, out) {
            Layout::Planar => vec![Self::Planar; shapes.len()],
            Layout::Images => shapes.iter().map(|s| Self::image(s)).collect(),
            Layout::Same => {
                let one = orders.iter().find(|o| **o != Self::Planar).unwrap_or(&Self::Planar);
                vec![*one; shapes.len()]
            }
            Layout::Any => orders.to_vec(),
        }
    }

    /// What an operator gives its output as, given what its inputs are taken as.
    pub(crate) fn given(op: &Op, shapes: &[&[usize]], taken: &[Order], out: &[usize]) -> Self {
        match op.layout(shapes, out) {
            Layout::Planar | Layout::Any => Self::Planar,
            Layout::Images => Self::image(out),
            Layout::Same => taken.first().copied().unwrap_or(Self::Planar),
        }
    }

    /// Where the row-major number `i` of an image is.
    pub(crate) fn place(self, i: usize) -> usize {
        match self {
            Self::Planar => i,
            Self::Interleaved([c, h, w]) => i % (h * w) * c + i / (h * w),
        }
    }
}

/// Images in another order.
pub(crate) fn reorder<T: Scalar>(x: &[T], from: Order, to: Order) -> Cow<'_, [T]> {
    if from == to {
        return Cow::Borrowed(x);
    }
    let mut planar = Cow::Borrowed(x);
    if let Order::Interleaved([c, h, w]) = from {
        let mut y = vec![T::zero(); x.len()];
        separate(c, h * w, x, &mut y);
        planar = Cow::Owned(y);
    }
    if let Order::Interleaved([c, h, w]) = to {
        let mut y = vec![T::zero(); x.len()];
        interleave(c, h * w, &planar, &mut y);
        planar = Cow::Owned(y);
    }
    planar
}
