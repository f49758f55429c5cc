//! Sine, cosine and exponential by polynomials, from `+ − × ÷` alone: the same bits on every machine. Those of a C
//! library differ between versions and processors, and a specimen must come out the same everywhere.

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

/// eˣ to within 1e-12 of itself; 0 below −700.
pub fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    // eˣ = (e^(x/2ᵏ))^(2ᵏ), with the inner argument small enough for ten terms.
    let (mut y, mut halvings) = (x, 0);
    while y.abs() > 0.25 {
        y /= 2.0;
        halvings += 1;
    }
    let mut sum = 1.0;
    for n in (1..=10).rev() {
        sum = 1.0 + y / f64::from(n) * sum;
    }
    for _ in 0..halvings {
        sum *= sum;
    }
    sum
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

    #[test]
    fn the_exponential_is_close_everywhere_it_is_used() {
        for i in -7000..=500 {
            let x = f64::from(i) / 10.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-12, "at {x}");
        }
        assert_eq!(exp(-701.0), 0.0);
        assert_eq!(exp(0.0), 1.0);
    }
}
