//! What an arm changes: parameters become a *field* over the image, the field acts on images, and gradients come back the
//! same way.

use crate::math::softmax::sigmoid;
use ndarray::{ArrayView3, ArrayViewMut3};

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// x' = (1 − m)·x + m·p, mask m (H·W, one for all channels) and pattern p (C·H·W) each the sigmoid of their
    /// parameters. Size: Σ m.
    Mask,
    /// x' = x + δ, held in 0..=1 (the gradient passes as if it were not). Size: ‖δ‖₂.
    Image,
    /// x' = x + δ, on the values of a middle layer. Size: ‖δ‖₂.
    Feature,
    /// x'(u) = x(u + φ(u)): a smooth displacement φ between [`KNOTS`]² points. Size: root mean square displacement there, in
    /// pixels.
    Flow,
}

/// Points along each side that a displacement is given at.
pub const KNOTS: usize = 5;

impl Form {
    /// Number of parameters for images of `shape` (channels, height, width).
    pub fn parameters(self, [c, h, w]: [usize; 3]) -> usize {
        match self {
            Form::Mask => h * w * (c + 1),
            Form::Image | Form::Feature => h * w * c,
            Form::Flow => 2 * KNOTS * KNOTS,
        }
    }

    /// What acts on the image: mask and pattern, δ, or displacements along height then width.
    pub fn field(self, raw: &[f32], shape: [usize; 3]) -> Vec<f32> {
        match self {
            Form::Mask => raw.iter().map(|&x| sigmoid(x)).collect(),
            Form::Image | Form::Feature => raw.to_vec(),
            Form::Flow => spread(raw, shape),
        }
    }

    /// Writes the changed image.
    pub fn apply(self, field: &[f32], image: ArrayView3<f32>, mut to: ArrayViewMut3<f32>) {
        let (_, h, w) = image.dim();
        let pixels = h * w;
        match self {
            Form::Mask => {
                let (mask, pattern) = field.split_at(pixels);
                for (i, ((t, &x), &p)) in to.iter_mut().zip(image).zip(pattern).enumerate() {
                    *t = x + mask[i % pixels] * (p - x);
                }
            }
            Form::Image => {
                to.iter_mut().zip(image).zip(field).for_each(|((t, &x), &d)| *t = (x + d).clamp(0.0, 1.0));
            }
            Form::Feature => to.iter_mut().zip(image).zip(field).for_each(|((t, &x), &d)| *t = x + d),
            Form::Flow => {
                let (down, across) = field.split_at(pixels);
                for ((c, y, x), t) in to.indexed_iter_mut() {
                    let at = Between::of(y as f32 + down[y * w + x], x as f32 + across[y * w + x], [h, w]);
                    *t = at.value(&image, c);
                }
            }
        }
    }

    /// Adds the gradient in the field, given that in the changed image.
    pub fn pull(self, field: &[f32], image: ArrayView3<f32>, pull: ArrayView3<f32>, to: &mut [f32]) {
        let (_, h, w) = image.dim();
        let pixels = h * w;
        match self {
            Form::Mask => {
                let (mask, pattern) = field.split_at(pixels);
                let (to_mask, to_pattern) = to.split_at_mut(pixels);
                // ∂x'/∂m = p − x, ∂x'/∂p = m.
                for (i, ((&g, &x), (&p, t))) in
                    pull.iter().zip(image).zip(pattern.iter().zip(to_pattern)).enumerate()
                {
                    to_mask[i % pixels] += g * (p - x);
                    *t += g * mask[i % pixels];
                }
            }
            Form::Image | Form::Feature => to.iter_mut().zip(pull).for_each(|(t, &g)| *t += g),
            Form::Flow => {
                let (down, across) = field.split_at(pixels);
                for ((c, y, x), &g) in pull.indexed_iter() {
                    let i = y * w + x;
                    let at = Between::of(y as f32 + down[i], x as f32 + across[i], [h, w]);
                    let [dy, dx] = at.slope(&image, c);
                    to[i] += g * dy;
                    to[pixels + i] += g * dx;
                }
            }
        }
    }

    /// The gradient in the parameters, given that in the field.
    pub fn back(self, field: &[f32], gradient: Vec<f32>, shape: [usize; 3]) -> Vec<f32> {
        match self {
            Form::Mask => gradient.iter().zip(field).map(|(g, s)| g * s * (1.0 - s)).collect(),
            Form::Image | Form::Feature => gradient,
            Form::Flow => gather(&gradient, shape),
        }
    }

    /// The size, and adds `weight` times its gradient to `to`.
    pub fn size(self, raw: &[f32], [_, h, w]: [usize; 3], weight: f32, to: &mut [f32]) -> f64 {
        match self {
            Form::Mask => {
                let mut size = 0.0;
                for (&m, t) in raw[..h * w].iter().zip(to) {
                    let m = sigmoid(m);
                    size += f64::from(m);
                    *t += weight * m * (1.0 - m);
                }
                size
            }
            Form::Image | Form::Feature | Form::Flow => {
                let count = if self == Form::Flow { (KNOTS * KNOTS) as f64 } else { 1.0 };
                let size = (raw.iter().map(|&d| f64::from(d).powi(2)).sum::<f64>() / count).sqrt();
                let scale = weight / (size * count).max(1e-12) as f32;
                raw.iter().zip(to).for_each(|(&d, t)| *t += scale * d);
                size
            }
        }
    }
}

/// Four neighbours of a place between pixels; places outside are brought to the edge.
struct Between {
    y: [usize; 2],
    x: [usize; 2],
    part: [f32; 2],
    inside: [bool; 2],
}

impl Between {
    fn of(y: f32, x: f32, [h, w]: [usize; 2]) -> Self {
        let side = |v: f32, n: usize| {
            let last = (n - 1) as f32;
            let held = v.clamp(0.0, last);
            let low = (held as usize).min(n.saturating_sub(2));
            (low, held - low as f32, v > 0.0 && v < last)
        };
        let ((y, py, iy), (x, px, ix)) = (side(y, h), side(x, w));
        Self { y: [y, (y + 1).min(h - 1)], x: [x, (x + 1).min(w - 1)], part: [py, px], inside: [iy, ix] }
    }

    fn corners(&self, image: &ArrayView3<f32>, c: usize) -> [f32; 4] {
        let ([a, b], [l, r]) = (self.y, self.x);
        [image[[c, a, l]], image[[c, a, r]], image[[c, b, l]], image[[c, b, r]]]
    }

    fn value(&self, image: &ArrayView3<f32>, c: usize) -> f32 {
        let ([p, q], [tl, tr, bl, br]) = (self.part, self.corners(image, c));
        let (top, bottom) = (tl + q * (tr - tl), bl + q * (br - bl));
        top + p * (bottom - top)
    }

    /// How the value changes along height and width; 0 where the place was brought to the edge.
    fn slope(&self, image: &ArrayView3<f32>, c: usize) -> [f32; 2] {
        let ([p, q], [tl, tr, bl, br]) = (self.part, self.corners(image, c));
        let down = (bl - tl) + q * ((br - bl) - (tr - tl));
        let across = (tr - tl) + p * ((br - bl) - (tr - tl));
        [if self.inside[0] { down } else { 0.0 }, if self.inside[1] { across } else { 0.0 }]
    }
}

/// Shares of the two nearest knots at each of `n` places.
fn knots(n: usize) -> impl Iterator<Item = (usize, f32)> {
    (0..n).map(move |i| {
        let at = i as f32 * (KNOTS - 1) as f32 / (n.max(2) - 1) as f32;
        let low = (at as usize).min(KNOTS - 2);
        (low, at - low as f32)
    })
}

/// Displacements at every pixel, from those at the knots, linearly in between.
fn spread(raw: &[f32], [_, h, w]: [usize; 3]) -> Vec<f32> {
    let mut field = Vec::with_capacity(2 * h * w);
    for part in raw.chunks_exact(KNOTS * KNOTS) {
        for (a, p) in knots(h) {
            for (b, q) in knots(w) {
                let at = |y: usize, x: usize| part[y * KNOTS + x];
                let top = at(a, b) + q * (at(a, b + 1) - at(a, b));
                let bottom = at(a + 1, b) + q * (at(a + 1, b + 1) - at(a + 1, b));
                field.push(top + p * (bottom - top));
            }
        }
    }
    field
}

/// The transpose of [`spread`].
fn gather(gradient: &[f32], [_, h, w]: [usize; 3]) -> Vec<f32> {
    let mut raw = vec![0.0; 2 * KNOTS * KNOTS];
    for (part, g) in raw.chunks_exact_mut(KNOTS * KNOTS).zip(gradient.chunks_exact(h * w)) {
        for ((a, p), row) in knots(h).zip(g.chunks_exact(w)) {
            for ((b, q), &g) in knots(w).zip(row) {
                part[a * KNOTS + b] += g * (1.0 - p) * (1.0 - q);
                part[a * KNOTS + b + 1] += g * (1.0 - p) * q;
                part[(a + 1) * KNOTS + b] += g * p * (1.0 - q);
                part[(a + 1) * KNOTS + b + 1] += g * p * q;
            }
        }
    }
    raw
}
