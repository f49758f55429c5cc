//! What stands behind a sign: sky over a tree line and a road, a house front, or a hedge; and value noise.

use super::sign::Colour;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Smooth random values over the plane, in `0..=1`.
#[derive(Debug)]
pub struct Noise {
    lattice: [f32; Noise::SIDE * Noise::SIDE],
}

impl Noise {
    const SIDE: usize = 16;

    /// A fresh field.
    pub fn new(rng: &mut ChaCha8Rng) -> Self {
        Self { lattice: std::array::from_fn(|_| rng.r#gen()) }
    }

    /// The value at a point in lattice units; repeats every 16.
    pub fn at(&self, x: f32, y: f32) -> f32 {
        let (x0, y0) = (x.floor(), y.floor());
        let ease = |t: f32| t * t * (3.0 - 2.0 * t);
        let (tx, ty) = (ease(x - x0), ease(y - y0));
        let corner = |dx: i64, dy: i64| {
            let wrap = |k: f32, d: i64| (k as i64 + d).rem_euclid(Self::SIDE as i64) as usize;
            self.lattice[wrap(y0, dy) * Self::SIDE + wrap(x0, dx)]
        };
        let top = mix(corner(0, 0), corner(1, 0), tx);
        let bottom = mix(corner(0, 1), corner(1, 1), tx);
        mix(top, bottom, ty)
    }
}

fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// Between two colours.
pub fn blend(a: Colour, b: Colour, t: f32) -> Colour {
    std::array::from_fn(|c| mix(a[c], b[c], t))
}

/// A place. Coordinates are fractions of the picture: x to the right, y down, `0..=1`.
#[derive(Debug)]
pub struct Backdrop {
    kind: Kind,
    noise: Noise,
    near: Colour,
    far: Colour,
    ground: Colour,
    horizon: f32,
}

#[derive(Debug)]
enum Kind {
    Open,
    House { windows: f32, offset: f32 },
    Hedge,
}

impl Backdrop {
    /// A random place.
    pub fn new(rng: &mut ChaCha8Rng) -> Self {
        const SKIES: [Colour; 4] =
            [[0.42, 0.63, 0.88], [0.72, 0.77, 0.82], [0.88, 0.72, 0.58], [0.55, 0.60, 0.68]];
        const WALLS: [Colour; 4] =
            [[0.62, 0.40, 0.32], [0.74, 0.68, 0.56], [0.50, 0.52, 0.55], [0.82, 0.78, 0.70]];
        const LEAVES: [Colour; 4] =
            [[0.16, 0.33, 0.13], [0.30, 0.42, 0.16], [0.44, 0.36, 0.16], [0.12, 0.24, 0.16]];
        const GROUNDS: [Colour; 3] = [[0.34, 0.34, 0.36], [0.46, 0.44, 0.41], [0.30, 0.38, 0.20]];
        let noise = Noise::new(rng);
        let pick = |rng: &mut ChaCha8Rng, from: &[Colour]| from[rng.gen_range(0..from.len())];
        let (near, sky, wall) = (pick(rng, &LEAVES), pick(rng, &SKIES), pick(rng, &WALLS));
        let ground = pick(rng, &GROUNDS);
        let horizon = rng.gen_range(0.5..0.85);
        let (kind, far) = match rng.gen_range(0..10) {
            0..=4 => (Kind::Open, sky),
            5..=7 => (Kind::House { windows: rng.gen_range(2.5..5.0), offset: rng.r#gen() }, wall),
            _ => (Kind::Hedge, near),
        };
        Self { kind, noise, near, far, ground, horizon }
    }

    /// The colour at a point.
    pub fn at(&self, x: f32, y: f32) -> Colour {
        let grain = self.noise.at(x * 13.0, y * 13.0) - 0.5;
        let coarse = self.noise.at(x * 4.0 + 7.3, y * 4.0 + 2.1) - 0.5;
        let colour = match self.kind {
            _ if y > self.horizon + 0.12 => blend(self.ground, [0.5; 3], coarse * 0.4),
            Kind::Open => {
                let trees = self.horizon - 0.22 * self.noise.at(x * 5.0 + 3.7, 0.5) - 0.02;
                if y > trees {
                    blend(self.near, [0.55, 0.62, 0.40], 0.3 + grain * 0.8)
                } else {
                    blend(self.far, [0.95, 0.95, 0.93], (0.35 * y + coarse * 0.7).clamp(0.0, 0.8))
                }
            }
            Kind::House { windows, offset } => {
                let (u, v) = ((x * windows + offset).fract(), (y * windows * 0.8 + offset * 3.0).fract());
                let window = (0.3..0.7).contains(&u) && (0.25..0.8).contains(&v);
                let wall = blend(self.far, [0.3; 3], 0.15 + grain * 0.25);
                if window { blend([0.14, 0.17, 0.22], [0.55, 0.66, 0.76], v * 0.6) } else { wall }
            }
            Kind::Hedge => {
                blend(self.near, [0.68, 0.74, 0.42], (0.35 + grain + coarse * 0.6).clamp(0.0, 0.8))
            }
        };
        std::array::from_fn(|c| (colour[c] + grain * 0.05).clamp(0.0, 1.0))
    }
}
