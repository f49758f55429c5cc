//! A described network with fresh weights.

use crate::evidence::Limits;
use crate::math::rng::seeded;
use crate::network::description::{Description, ParamKind};
use crate::network::{Graph, NetworkError};
use ndarray::ArrayD;
use rand::Rng;

/// Builds `description` with weights drawn from `seed`: uniform with variance 2 / fan-in (He et al. 2015), biases and
/// shifts 0, scales and variances 1. Each parameter has its own stream, named after it.
///
/// # Errors
/// A description that does not fit together, or that needs a constant only a weights file could give.
pub fn initialise(description: &Description, seed: u64, limits: &Limits) -> Result<Graph, NetworkError> {
    description.build(limits, &mut |wanted| {
        let shape = wanted.shape.as_slice();
        Ok(match wanted.kind {
            ParamKind::Weight => {
                let fan_in: usize = shape[1..].iter().product();
                let bound = (6.0 / fan_in.max(1) as f64).sqrt() as f32;
                let mut rng = seeded(seed, "network/init", &wanted.name);
                ArrayD::from_shape_simple_fn(shape, || rng.gen_range(-bound..bound))
            }
            ParamKind::Bias | ParamKind::Shift | ParamKind::Mean => ArrayD::zeros(shape),
            ParamKind::Scale | ParamKind::Variance => ArrayD::ones(shape),
            ParamKind::Slope => ArrayD::from_elem(shape, 0.25),
            ParamKind::Constant => {
                let reason = format!("constant '{}' has no value to start from", wanted.name);
                return Err(NetworkError::malformed(format!("node '{}'", wanted.node), reason));
            }
        })
    })
}
