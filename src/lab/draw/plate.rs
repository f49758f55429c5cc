//! Plates with a digit on them: as many classes as a data set of traffic signs has, drawn like the signs.

use super::digit::strokes;
use super::shape::Shape;
use super::sign::{BLACK, BLUE, Face, RED, RIM, WHITE, YELLOW};

/// Forms of a plate.
const PLATES: [&str; 5] = ["ring", "disc", "diamond", "triangle", "square"];

/// Most classes there can be: each form with each digit.
pub const MOST: usize = PLATES.len() * 10;

/// What a class shows: class `k` has form `k mod 5` and digit `k / 5`.
pub fn name(class: usize) -> String {
    format!("{} {}", PLATES[class % PLATES.len()], class / PLATES.len())
}

/// The painted shapes of a class, the last on top.
pub fn face(class: usize) -> Face {
    let disc = |radius| Shape::Disc { centre: [0.0, 0.0], radius };
    let triangle = |radius| Shape::regular(3, radius, 0.0).placed([1.0, 1.0], [0.0, 0.2]);
    let (mut face, ink, size, low) = match class % PLATES.len() {
        0 => (vec![(disc(1.0), RIM), (disc(0.96), RED), (disc(0.72), WHITE)], BLACK, 0.5, 0.0),
        1 => (vec![(disc(1.0), RIM), (disc(0.95), WHITE), (disc(0.88), BLUE)], WHITE, 0.62, 0.0),
        2 => {
            let sides = [(1.14, RIM), (1.08, BLACK), (1.0, YELLOW)];
            (sides.map(|(r, c)| (Shape::regular(4, r, 0.0), c)).into(), BLACK, 0.55, 0.0)
        }
        3 => (vec![(triangle(1.18), RIM), (triangle(1.12), RED), (triangle(0.78), WHITE)], BLACK, 0.36, 0.26),
        _ => {
            let square = |r: f32| Shape::rectangle(-r, -r, r, r);
            (vec![(square(0.95), RIM), (square(0.89), BLUE), (square(0.7), WHITE)], BLACK, 0.56, 0.0)
        }
    };
    for path in strokes(class / PLATES.len()) {
        face.push((Shape::Stroke { path, half: 0.17 }.placed([size, size], [0.0, low]), ink));
    }
    face
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_face_and_a_name_of_its_own() {
        for class in 0..MOST {
            assert!(face(class).len() >= 4, "{}", name(class));
            for other in 0..class {
                assert_ne!(face(class), face(other));
                assert_ne!(name(class), name(other));
            }
        }
    }
}
