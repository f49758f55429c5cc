//! Flat shapes with an exact inside test, and the polylines that letters and arrows are made of.
//!
//! Only `+ − × ÷` and comparisons are used, and angles go through [`turn`], so that a picture has the same bits on
//! every machine.

use crate::lab::exact::turn;

/// A point in sign units: the sign's half height is 1, x to the right, y down.
pub type Point = [f32; 2];

/// Something a point is inside or outside of.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A filled circle.
    Disc {
        /// Its centre.
        centre: Point,
        /// Its radius.
        radius: f32,
    },
    /// A filled polygon (even-odd rule).
    Polygon(Vec<Point>),
    /// A polyline drawn with a round pen.
    Stroke {
        /// Its corners in order.
        path: Vec<Point>,
        /// Half the pen's width.
        half: f32,
    },
}

impl Shape {
    /// Whether `p` is inside.
    pub fn contains(&self, p: Point) -> bool {
        match self {
            Shape::Disc { centre, radius } => distance2(p, *centre) <= radius * radius,
            Shape::Polygon(corners) => in_polygon(corners, p),
            Shape::Stroke { path, half } => {
                path.windows(2).any(|ends| segment_distance2(ends[0], ends[1], p) <= half * half)
            }
        }
    }

    /// A regular polygon with `n` corners on a circle, the first `start` of a full turn clockwise from the top.
    pub fn regular(n: usize, radius: f32, start: f32) -> Self {
        Shape::Polygon(
            (0..n)
                .map(|i| {
                    let [cos, sin] = turn(start + i as f32 / n as f32);
                    [radius * sin, -radius * cos]
                })
                .collect(),
        )
    }

    /// An upright rectangle by its left, top, right and bottom.
    pub fn rectangle(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Shape::Polygon(vec![[left, top], [right, top], [right, bottom], [left, bottom]])
    }

    /// The same shape, scaled by `(sx, sy)` about the origin and then moved. A disc keeps `sx`, a pen the mean.
    #[must_use]
    pub fn placed(&self, [sx, sy]: [f32; 2], by: Point) -> Self {
        let place = |p: Point| [p[0] * sx + by[0], p[1] * sy + by[1]];
        match self {
            Shape::Disc { centre, radius } => {
                Shape::Disc { centre: place(*centre), radius: radius * sx.abs() }
            }
            Shape::Polygon(corners) => Shape::Polygon(corners.iter().map(|&p| place(p)).collect()),
            Shape::Stroke { path, half } => Shape::Stroke {
                path: path.iter().map(|&p| place(p)).collect(),
                half: half * (sx.abs() + sy.abs()) / 2.0,
            },
        }
    }
}

/// Points on an ellipse from `from` to `to` (fractions of a full turn, clockwise from the top), as a path.
pub fn arc(centre: Point, [rx, ry]: [f32; 2], from: f32, to: f32) -> Vec<Point> {
    const STEPS: usize = 16;
    (0..=STEPS)
        .map(|i| {
            let [cos, sin] = turn(from + (to - from) * i as f32 / STEPS as f32);
            [centre[0] + rx * sin, centre[1] - ry * cos]
        })
        .collect()
}

fn distance2(a: Point, b: Point) -> f32 {
    let (dx, dy) = (a[0] - b[0], a[1] - b[1]);
    dx * dx + dy * dy
}

fn segment_distance2(a: Point, b: Point, p: Point) -> f32 {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let length2 = dx * dx + dy * dy;
    if length2 == 0.0 {
        return distance2(a, p);
    }
    let t = (((p[0] - a[0]) * dx + (p[1] - a[1]) * dy) / length2).clamp(0.0, 1.0);
    distance2(p, [a[0] + t * dx, a[1] + t * dy])
}

fn in_polygon(corners: &[Point], p: Point) -> bool {
    let mut inside = false;
    let mut previous = corners.len().wrapping_sub(1);
    for (i, &a) in corners.iter().enumerate() {
        let b = corners[previous];
        if (a[1] > p[1]) != (b[1] > p[1]) && p[0] < (b[0] - a[0]) * (p[1] - a[1]) / (b[1] - a[1]) + a[0] {
            inside = !inside;
        }
        previous = i;
    }
    inside
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inside_tests_agree_with_areas() {
        let area = |shape: &Shape| {
            let n = 400;
            let hits = (0..n * n).filter(|i| {
                let at = |k: i32| (k as f32 + 0.5) / n as f32 * 4.0 - 2.0;
                shape.contains([at(i % n), at(i / n)])
            });
            hits.count() as f32 * 16.0 / (n * n) as f32
        };
        let pi = std::f32::consts::PI;
        assert!((area(&Shape::Disc { centre: [0.2, -0.1], radius: 1.0 }) - pi).abs() < 0.01);
        assert!((area(&Shape::rectangle(-1.0, -0.5, 1.0, 0.5)) - 2.0).abs() < 0.02);
        let octagon = 2.0 * 2f32.sqrt();
        assert!((area(&Shape::regular(8, 1.0, 0.0625)) - octagon).abs() < 0.02);
        let pen = Shape::Stroke { path: vec![[-1.0, 0.0], [1.0, 0.0]], half: 0.25 };
        assert!((area(&pen) - (1.0 + pi / 16.0)).abs() < 0.02);
    }
}
