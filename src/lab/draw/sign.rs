//! The faces of the signs: coloured shapes in painting order.

use super::shape::{Point, Shape, arc};
use crate::lab::exact::turn;

/// Red, green, blue in `0..=1`.
pub type Colour = [f32; 3];

pub(super) const RED: Colour = [0.78, 0.07, 0.09];
pub(super) const WHITE: Colour = [0.95, 0.95, 0.94];
pub(super) const BLACK: Colour = [0.07, 0.07, 0.08];
pub(super) const BLUE: Colour = [0.05, 0.28, 0.66];
pub(super) const YELLOW: Colour = [0.97, 0.76, 0.08];
/// The bare metal of the rim: keeps a sign apart from a background of its own colour.
pub(super) const RIM: Colour = [0.62, 0.63, 0.65];

/// One sign: how it is called and what is painted on it.
#[derive(Debug)]
pub struct Sign {
    /// Name of the class.
    pub name: &'static str,
    face: fn() -> Face,
}

impl Sign {
    /// The painted shapes, the last on top.
    pub fn face(&self) -> Face {
        (self.face)()
    }
}

/// Coloured shapes in painting order.
pub type Face = Vec<(Shape, Colour)>;

/// The classes, in order of their label.
pub const SIGNS: [Sign; 12] = [
    Sign { name: "stop", face: stop },
    Sign { name: "give way", face: give_way },
    Sign { name: "no entry", face: no_entry },
    Sign { name: "speed limit 30", face: || speed_limit(THREE) },
    Sign { name: "speed limit 50", face: || speed_limit(FIVE) },
    Sign { name: "speed limit 80", face: || speed_limit(EIGHT) },
    Sign { name: "priority road", face: priority_road },
    Sign { name: "turn left", face: || turn_arrow(-1.0) },
    Sign { name: "turn right", face: || turn_arrow(1.0) },
    Sign { name: "pedestrian crossing", face: crossing },
    Sign { name: "roundabout", face: roundabout },
    Sign { name: "danger", face: danger },
];

/// The colour at a point in sign units, if the sign is there.
pub fn colour_at(face: &Face, p: Point) -> Option<Colour> {
    face.iter().rev().find(|(shape, _)| shape.contains(p)).map(|&(_, colour)| colour)
}

fn disc(radius: f32) -> Shape {
    Shape::Disc { centre: [0.0, 0.0], radius }
}

fn stroke(path: Vec<Point>, width: f32) -> Shape {
    Shape::Stroke { path, half: width / 2.0 }
}

fn stop() -> Face {
    let eighth = 1.0 / 16.0;
    let mut face = vec![
        (Shape::regular(8, 1.08, eighth), RIM),
        (Shape::regular(8, 1.03, eighth), WHITE),
        (Shape::regular(8, 0.92, eighth), RED),
    ];
    let letters =
        [s_path(), vec![vec![[-1.0, -1.0], [1.0, -1.0]], vec![[0.0, -1.0], [0.0, 1.0]]], ZERO(), p_path()];
    for (i, letter) in letters.into_iter().enumerate() {
        let x = -0.6 + 0.4 * i as f32;
        for path in letter {
            face.push((stroke(path, 0.42).placed([0.14, 0.31], [x, 0.0]), WHITE));
        }
    }
    face
}

fn give_way() -> Face {
    vec![(triangle(1.16, 0.5), RIM), (triangle(1.10, 0.5), RED), (triangle(0.66, 0.5), WHITE)]
}

/// An equilateral triangle around its centre of gravity, pointing up (`start` 0) or down (½).
fn triangle(radius: f32, start: f32) -> Shape {
    let shift = if start == 0.0 { 0.2 } else { -0.2 };
    Shape::regular(3, radius, start).placed([1.0, 1.0], [0.0, shift])
}

fn danger() -> Face {
    let bang = Shape::Polygon(vec![[-0.13, -0.42], [0.13, -0.42], [0.07, 0.22], [-0.07, 0.22]]);
    vec![
        (triangle(1.18, 0.0), RIM),
        (triangle(1.12, 0.0), RED),
        (triangle(0.74, 0.0), WHITE),
        (bang, BLACK),
        (Shape::Disc { centre: [0.0, 0.39], radius: 0.12 }, BLACK),
    ]
}

fn no_entry() -> Face {
    vec![(disc(1.0), RIM), (disc(0.95), RED), (Shape::rectangle(-0.66, -0.2, 0.66, 0.2), WHITE)]
}

type Glyph = fn() -> Vec<Vec<Point>>;

const ZERO: Glyph = || vec![arc([0.0, 0.0], [0.86, 1.0], 0.0, 1.0)];
const THREE: Glyph = || vec![arc([0.0, -0.5], [0.8, 0.5], -0.2, 0.5), arc([0.0, 0.5], [0.9, 0.5], 0.0, 0.72)];
const FIVE: Glyph = || {
    let mut path = vec![[0.75, -1.0], [-0.65, -1.0], [-0.75, -0.15]];
    path.extend(arc([-0.05, 0.35], [0.9, 0.62], -0.12, 0.7));
    vec![path]
};
const EIGHT: Glyph =
    || vec![arc([0.0, -0.52], [0.72, 0.48], 0.0, 1.0), arc([0.0, 0.48], [0.88, 0.52], 0.0, 1.0)];

fn s_path() -> Vec<Vec<Point>> {
    let mut path = arc([0.0, -0.5], [0.9, 0.5], 0.2, -0.5);
    path.extend(arc([0.0, 0.5], [0.9, 0.5], 0.0, 0.7));
    vec![path]
}

fn p_path() -> Vec<Vec<Point>> {
    let mut bowl = vec![[-0.8, -1.0]];
    bowl.extend(arc([0.0, -0.45], [0.9, 0.55], 0.0, 0.5));
    bowl.push([-0.8, 0.1]);
    vec![vec![[-0.8, -1.0], [-0.8, 1.0]], bowl]
}

fn speed_limit(tens: Glyph) -> Face {
    let mut face = vec![(disc(1.0), RIM), (disc(0.96), RED), (disc(0.70), WHITE)];
    for (glyph, x) in [(tens, -0.28), (ZERO, 0.29)] {
        for path in glyph() {
            face.push((stroke(path, 0.56).placed([0.2, 0.36], [x, 0.0]), BLACK));
        }
    }
    face
}

fn priority_road() -> Face {
    vec![
        (Shape::regular(4, 1.12, 0.0), RIM),
        (Shape::regular(4, 1.07, 0.0), WHITE),
        (Shape::regular(4, 0.72, 0.0), YELLOW),
    ]
}

/// A white arrow that comes from below and bends to one side (`side` −1 left, 1 right).
fn turn_arrow(side: f32) -> Face {
    let mut path = vec![[-0.28, 0.6], [-0.28, 0.12]];
    path.extend(arc([0.04, 0.12], [0.32, 0.3], -0.25, 0.0));
    path.push([0.25, -0.18]);
    let head = Shape::Polygon(vec![[0.18, -0.56], [0.68, -0.18], [0.18, 0.2]]);
    let mirror = |shape: Shape| shape.placed([side, 1.0], [0.0, 0.0]);
    vec![
        (disc(1.0), RIM),
        (disc(0.95), WHITE),
        (disc(0.88), BLUE),
        (mirror(stroke(path, 0.26)), WHITE),
        (mirror(head), WHITE),
    ]
}

fn crossing() -> Face {
    vec![
        (Shape::rectangle(-0.98, -0.98, 0.98, 0.98), RIM),
        (Shape::rectangle(-0.92, -0.92, 0.92, 0.92), BLUE),
        (Shape::Polygon(vec![[0.0, -0.8], [0.82, 0.72], [-0.82, 0.72]]), WHITE),
        (Shape::Disc { centre: [0.03, -0.27], radius: 0.13 }, BLACK),
        (stroke(vec![[0.0, -0.08], [-0.03, 0.25]], 0.22), BLACK),
        (stroke(vec![[-0.03, 0.25], [0.22, 0.6]], 0.15), BLACK),
        (stroke(vec![[-0.03, 0.25], [-0.28, 0.6]], 0.15), BLACK),
        (stroke(vec![[-0.25, 0.2], [0.0, -0.02], [0.26, 0.15]], 0.11), BLACK),
    ]
}

fn roundabout() -> Face {
    let mut face = vec![(disc(1.0), RIM), (disc(0.95), WHITE), (disc(0.88), BLUE)];
    for i in 0..3 {
        let from = i as f32 / 3.0;
        face.push((stroke(arc([0.0, 0.0], [0.5, 0.5], from, from + 0.17), 0.2), WHITE));
        let [cos, sin] = turn(from + 0.18);
        let (out, along) = ([sin, -cos], [cos, sin]);
        let at = |r: f32, a: f32| [out[0] * r + along[0] * a, out[1] * r + along[1] * a];
        face.push((Shape::Polygon(vec![at(0.22, 0.0), at(0.78, 0.0), at(0.46, 0.36)]), WHITE));
    }
    face
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_has_a_face_of_its_own_that_fits_its_plate() {
        for (i, sign) in SIGNS.iter().enumerate() {
            let face = sign.face();
            assert!(face.len() >= 3, "{}", sign.name);
            for far in [[1.3, 0.0], [0.0, 1.45], [-1.3, 0.0], [0.0, -1.45]] {
                assert_eq!(colour_at(&face, far), None, "{} reaches {far:?}", sign.name);
            }
            for other in &SIGNS[..i] {
                assert_ne!(face, other.face(), "{} and {}", sign.name, other.name);
            }
        }
    }

    #[test]
    fn turning_left_is_turning_right_in_a_mirror() {
        let (left, right) = (turn_arrow(-1.0), turn_arrow(1.0));
        for i in 0..400 {
            let p = [(i % 20) as f32 / 10.0 - 0.97, (i / 20) as f32 / 10.0 - 0.96];
            assert_eq!(colour_at(&left, p), colour_at(&right, [-p[0], p[1]]));
        }
    }
}
