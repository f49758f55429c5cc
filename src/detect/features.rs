//! What the data-side procedures look at: one activation vector per training sample, grouped by its label.

use super::classes;
use super::params::Params;
use crate::evidence::DataSet;
use crate::math::softmax::argmax;
use crate::procedure::{Case, Context, Data, Skip, Stop};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis, CowArray, Ix2, Slice};
use std::ops::Range;

/// Images run through the network between two looks at the cancel.
const BATCH: usize = 16;
/// Cap on samples × features held at once (2 GiB of f32).
pub(super) const MOST_ELEMENTS: usize = 1 << 29;

/// Name in `params` for activations that came with the data set.
const RECORDED: &str = "recorded";

/// Activations of the training set by label.
#[derive(Debug)]
pub struct Features<'a> {
    /// N×D, all finite; those that came with the data set are not copied.
    pub values: CowArray<'a, f32, Ix2>,
    /// Sample indices of each class, in order.
    pub members: Vec<Vec<usize>>,
    /// Where they come from, for people.
    pub source: String,
}

/// A checked request: which data set, which layer.
#[derive(Debug)]
pub struct Request<'a> {
    /// The training set.
    pub data: &'a Data,
    /// Layer to read, or `None` for the activations recorded in the data set.
    pub layer: Option<String>,
    /// Number of classes K.
    pub classes: usize,
}

impl<'a> Request<'a> {
    /// The request that `case` and the parameter `layer` allow.
    ///
    /// # Errors
    /// No labelled training set; neither recorded activations nor a model to compute them with.
    pub fn plan(case: &'a Case, params: &Params) -> Result<Self, Skip> {
        let data = case
            .training()
            .ok_or_else(|| Skip("no training set: add one with the role 'training' (--data)".into()))?;
        let set = &data.set;
        if set.labels.is_empty() || set.labels.len() != set.len() {
            return Err(Skip(
                "the training set has no label for every sample: samples are compared within a label".into(),
            ));
        }
        let layer = match (params.text("layer")?, &set.activations, &case.model) {
            (Some(RECORDED) | None, Some(recorded), _) if recorded.nrows() == set.len() => None,
            (Some(RECORDED), ..) => return Err(Skip("the training set has no recorded activations".into())),
            (asked, _, Some(model)) => {
                if set.shape() != Some(model.input.shape) {
                    return Err(Skip(format!(
                        "training images have shape {:?}, the network takes {:?} (channels, height, width)",
                        set.shape().unwrap_or_default(),
                        model.input.shape
                    )));
                }
                Some(asked.unwrap_or_else(|| model.penultimate()).to_owned())
            }
            _ => {
                return Err(Skip(
                    "no model to compute activations with, and none recorded in the training set (array 'activations')".into(),
                ));
            }
        };
        Ok(Self { data, layer, classes: classes::count(case, &set.labels)? })
    }

    /// The layer's name for the journal.
    pub fn layer_name(&self) -> &str {
        self.layer.as_deref().unwrap_or(RECORDED)
    }

    /// Clean images (or their recorded activations) to hold the training set against; `None` when there are none that
    /// fit.
    pub fn clean(&self, case: &'a Case) -> Option<&'a Data> {
        let data = case.clean()?;
        let fits = match (&self.layer, &case.model) {
            (None, _) => data.set.activations.is_some() && !data.set.labels.is_empty(),
            (Some(_), Some(model)) => data.set.shape() == Some(model.input.shape),
            _ => false,
        };
        fits.then_some(data)
    }

    /// Evidence ids it reads.
    pub fn inputs(&self, case: &Case) -> Vec<String> {
        let model = case.model_item().filter(|_| self.layer.is_some()).map(|item| item.id.clone());
        model.into_iter().chain([self.data.item.clone()]).collect()
    }

    /// Work units of [`Self::load`] for a data set.
    pub fn units(&self, data: &Data) -> u64 {
        if self.layer.is_some() { data.set.len().div_ceil(BATCH) as u64 } else { 1 }
    }

    /// Computes or takes the activations of a data set; reports steps `from..from + units(data)` of `total`. Samples
    /// are grouped by label, or by the network's prediction in a set without labels.
    ///
    /// # Errors
    /// Cancelled; the network refuses; too many features; a value that is not finite.
    pub fn load<'d>(
        &self,
        case: &Case,
        data: &'d Data,
        cx: &mut Context,
        from: u64,
        total: u64,
    ) -> Result<Features<'d>, Stop> {
        let set = &data.set;
        let (values, predicted) = match (&self.layer, &set.activations) {
            (None, Some(recorded)) => (CowArray::from(recorded), Vec::new()),
            (Some(layer), _) => {
                let (values, predicted) = compute(case, set, layer, cx, from, total)?;
                (CowArray::from(values), predicted)
            }
            _ => return Err(Stop::failed("the activations planned for are gone")),
        };
        if let Some(at) = first_not_finite(values.view()) {
            return Err(Stop::failed(format!(
                "an activation of {} sample {at} is not a finite number",
                data.role.name()
            )));
        }
        let labels = if set.labels.len() == values.nrows() { &set.labels } else { &predicted };
        let mut members = vec![Vec::new(); self.classes];
        for (i, &label) in labels.iter().enumerate() {
            if let Some(class) = members.get_mut(label) {
                class.push(i);
            }
        }
        let source = match &self.layer {
            Some(layer) => {
                format!("layer '{}', {} features", crate::evidence::text::visible(layer), values.ncols())
            }
            None => format!("activations recorded in the data set, {} features", values.ncols()),
        };
        Ok(Features { values, members, source })
    }
}

/// Activations N×D of every image, and the predicted classes.
fn compute(
    case: &Case,
    set: &DataSet,
    layer: &str,
    cx: &mut Context,
    from: u64,
    total: u64,
) -> Result<(Array2<f32>, Vec<usize>), Stop> {
    let model = case.model.as_ref().ok_or_else(|| Stop::failed("the model planned for is gone"))?;
    let n = set.len();
    let mut all: Option<Array2<f32>> = None;
    let mut predicted = Vec::with_capacity(n);
    for (step, range) in batches(n).enumerate() {
        cx.step(from + step as u64, total)?;
        let indices: Vec<usize> = range.clone().collect();
        let unit = set.unit(&indices).ok_or_else(|| Stop::failed("the data set has no images"))?;
        let (batch, logits) = model.activations(unit.view(), layer).map_err(Stop::failed)?;
        let width = batch.ncols();
        if n.saturating_mul(width) > MOST_ELEMENTS {
            return Err(Stop::failed(format!(
                "layer '{}' has {width} features for each of {n} samples: more than {MOST_ELEMENTS} values; choose a \
                 narrower layer",
                crate::evidence::text::visible(layer)
            )));
        }
        all.get_or_insert_with(|| Array2::zeros((n, width)))
            .slice_axis_mut(Axis(0), Slice::from(range))
            .assign(&batch);
        predicted.extend(logits.rows().into_iter().map(argmax));
    }
    Ok((all.unwrap_or_else(|| Array2::zeros((0, 0))), predicted))
}

impl Features<'_> {
    /// The activations of some samples in double precision.
    pub fn select(&self, samples: &[usize]) -> Array2<f64> {
        self.values.select(Axis(0), samples).mapv(f64::from)
    }
}

fn batches(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(BATCH).map(move |start| start..(start + BATCH).min(n))
}

fn first_not_finite(values: ArrayView2<f32>) -> Option<usize> {
    // Without branches within a row, so that it is done side by side.
    let odd = |row: ArrayView1<f32>| row.fold(false, |odd, x| odd | !x.is_finite());
    values.rows().into_iter().position(odd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture;
    use crate::procedure::Silent;
    use std::sync::Arc;

    fn plan(case: &Case) -> Result<Request<'_>, Skip> {
        Request::plan(case, &Params::of(case, "activation-clustering", &["layer"]).unwrap())
    }

    #[test]
    fn recorded_activations_are_grouped_by_label() {
        let case = fixture::recorded(
            Array2::from_shape_fn((6, 2), |(i, j)| (i * 2 + j) as f32),
            vec![1, 0, 1, 3, 0, 1],
        );
        let request = plan(&case).unwrap();
        assert_eq!((request.classes, request.layer_name()), (4, "recorded"));
        let features = request.load(&case, request.data, &mut Context::new(0, "t", &Silent), 0, 1).unwrap();
        assert_eq!(features.members, [vec![1, 4], vec![0, 2, 5], vec![], vec![3]]);
        assert_eq!(features.select(&[3]), ndarray::array![[6.0, 7.0]]);
    }

    #[test]
    fn what_is_missing_is_said() {
        assert!(plan(&fixture::case()).unwrap_err().0.contains("no training set"));
        let unlabelled = fixture::recorded(Array2::zeros((6, 2)), vec![]);
        assert!(plan(&unlabelled).unwrap_err().0.contains("label"));
        let mut bare = fixture::recorded(Array2::zeros((2, 2)), vec![0, 1]);
        Arc::make_mut(&mut bare.data[0].set).activations = None;
        assert!(plan(&bare).unwrap_err().0.contains("no model"));
        let many = fixture::recorded(Array2::zeros((2, 2)), vec![0, usize::MAX]);
        assert!(plan(&many).unwrap_err().0.contains("classes"));
    }

    #[test]
    fn a_value_that_is_no_number_fails_with_its_sample() {
        let mut values = Array2::zeros((3, 2));
        values[[2, 1]] = f32::NAN;
        let case = fixture::recorded(values, vec![0, 0, 1]);
        let stop = {
            let request = plan(&case).unwrap();
            request.load(&case, request.data, &mut Context::new(0, "t", &Silent), 0, 1).unwrap_err()
        };
        assert_eq!(stop, Stop::failed("an activation of training sample 2 is not a finite number"));
    }
}
