//! Sine and cosine by polynomials, from `+ − × ÷` alone: the same bits on every machine. Those of a C library differ
//! between versions and processors, and a drawing must come out the same everywhere.

/// Cosine and sine of a fraction of a full turn, to within 1e-6.
pub fn turn(fraction: f32) -> [f32; 2] {
    let f = f64::from(fraction);
    let quarter = (f * 4.0 - 0.5).ceil();
    let x = (f - quarter / 4.0) * std::f64::consts::TAU;
    let x2 = x * x;
    let sin = x * (1.0 - x2 / 6.0 * (1.0 - x2 / 20.0 * (1.0 - x2 / 42.0 * (1.0 - x2 / 72.0))));
    let cos = 1.0 - x2 / 2.0 * (1.0 - x2 / 12.0 * (1.0 - x2 / 30.0 * (1.0 - x2 / 56.0 * (1.0 - x2 / 90.0))));
    let [cos, sin] = match (quarter as i64).rem_euclid(4) {
        0 => [cos, sin],
        1 => [-sin, cos],
        2 => [-cos, -sin],
        _ => [sin, -cos],
    };
    [cos as f32, sin as f32]
}

/// Which way a number lies from zero: −1, 0 or 1. (`signum` knows no 0.)
pub fn sign(x: f32) -> f32 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_has_the_cosine_and_sine_of_its_angle() {
        for i in -400..=400 {
            let f = i as f32 / 173.0;
            let angle = f64::from(f) * std::f64::consts::TAU;
            let [cos, sin] = turn(f);
            assert!((f64::from(cos) - angle.cos()).abs() < 1e-6, "cos at {f}: {cos}");
            assert!((f64::from(sin) - angle.sin()).abs() < 1e-6, "sin at {f}: {sin}");
        }
    }
}
