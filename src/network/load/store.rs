//! Named tensors, whatever file they came in, and their numbers as the network takes them.

use crate::evidence::array::{Dtype, RawArray};
use crate::evidence::torch::{Checkpoint, Quantised};
use crate::evidence::{EvidenceError, SafeTensors, Untrusted, text::visible};
use crate::network::description::known::is_bookkeeping;
use ndarray::{ArrayD, Axis, Slice};
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

/// What wrappers put in front of the names of a network: `DataParallel`, training scripts, compilers.
const WRAPPERS: [&str; 12] = [
    "module",
    "model",
    "_model",
    "net",
    "network",
    "_orig_mod",
    "backbone",
    "base_model",
    "wrapped",
    "model_ema",
    "classifier_model",
    "state_dict",
];
/// Wrappers that are taken off one after the other.
const WRAPPED: usize = 4;

struct Stored<'a> {
    name: Untrusted,
    /// Its name without what wrappers put in front.
    short: String,
    dtype: Dtype,
    shape: Vec<usize>,
    data: Cow<'a, [u8]>,
    big_endian: bool,
    quantised: Option<Quantised>,
}

/// The tensors of a file.
pub(super) struct Store<'a> {
    path: &'a Path,
    all: Vec<Stored<'a>>,
    index: HashMap<String, usize>,
    /// Names with dots as underscores, where that is one tensor only.
    loose: HashMap<String, Option<usize>>,
    /// What was taken off the names.
    pub(super) prefix: String,
    /// Names of tensors that are the scale or zero point of another.
    scales: HashSet<String>,
    read: BTreeSet<usize>,
    converted: BTreeSet<String>,
    renamed: bool,
}

impl<'a> Store<'a> {
    pub(super) fn of_safetensors(path: &'a Path, file: &'a SafeTensors) -> Self {
        let stored = |t: RawArray<'a>| Stored {
            name: t.name.clone(),
            short: String::new(),
            dtype: t.dtype,
            shape: t.shape.to_vec(),
            data: Cow::Borrowed(t.data),
            big_endian: false,
            quantised: None,
        };
        Self::new(path, file.iter().map(stored).collect())
    }

    pub(super) fn of_checkpoint(path: &'a Path, file: Checkpoint<'a>) -> Self {
        let stored = |t: crate::evidence::torch::Tensor<'a>| Stored {
            name: t.name,
            short: String::new(),
            dtype: t.dtype,
            shape: t.shape,
            data: t.data,
            big_endian: t.big_endian,
            quantised: t.quantised,
        };
        Self::new(path, file.tensors.into_iter().map(stored).collect())
    }

    fn new(path: &'a Path, mut all: Vec<Stored<'a>>) -> Self {
        let mut prefix = String::new();
        for _ in 0..WRAPPED {
            let rest = |name: &str| name.strip_prefix(prefix.as_str()).map(str::to_owned);
            let next = WRAPPERS.iter().find(|w| {
                let lead = format!("{prefix}{w}.");
                all.iter().all(|t| t.name.raw().starts_with(&lead))
            });
            let (Some(next), true) =
                (next, all.iter().all(|t| rest(t.name.raw()).is_some()) && !all.is_empty())
            else {
                break;
            };
            prefix = format!("{prefix}{next}.");
        }
        let (mut index, mut loose) = (HashMap::new(), HashMap::new());
        for (i, t) in all.iter_mut().enumerate() {
            t.short = t.name.raw().strip_prefix(prefix.as_str()).unwrap_or(t.name.raw()).to_owned();
            index.insert(t.name.raw().to_owned(), i);
            loose.entry(t.short.replace('.', "_")).and_modify(|at| *at = None).or_insert(Some(i));
        }
        for (i, t) in all.iter().enumerate() {
            index.entry(t.short.clone()).or_insert(i);
        }
        let whole = all.iter().filter(|t| is_whole(t.dtype));
        let scales = whole.flat_map(|t| companions(&t.short).into_iter().flatten()).collect();
        let (read, converted) = (BTreeSet::new(), BTreeSet::new());
        Self { path, all, index, loose, prefix, scales, read, converted, renamed: false }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Short names and shapes of the tensors that can be weights.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        let scale = |t: &&Stored| !self.scales.contains(&t.short);
        self.all.iter().filter(scale).map(|t| (t.short.as_str(), t.shape.as_slice()))
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.index.get(name).map(|&i| self.all[i].shape.as_slice())
    }

    /// The place of a tensor by its name as wanted: as it is, without wrappers, or with dots written as underscores.
    fn find(&mut self, wanted: &str) -> Option<usize> {
        if let Some(&i) = self.index.get(wanted) {
            return Some(i);
        }
        let found = self.loose.get(&wanted.replace('.', "_")).copied().flatten();
        self.renamed |= found.is_some();
        found
    }

    fn view(&self, i: usize) -> RawArray<'_> {
        let t = &self.all[i];
        RawArray {
            path: self.path,
            name: &t.name,
            dtype: t.dtype,
            shape: &t.shape,
            data: &t.data,
            big_endian: t.big_endian,
            fortran: false,
        }
    }

    /// The numbers of a tensor, as f32. `shape` is checked first, where given.
    pub(super) fn take(
        &mut self,
        wanted: &str,
        shape: Option<&[usize]>,
        node: &str,
    ) -> Result<ArrayD<f32>, EvidenceError> {
        let i = self.find(wanted).ok_or_else(|| self.missing(wanted))?;
        let t = self.view(i);
        // Checked before the numbers are copied out.
        if let Some(wanted) = shape.filter(|s| *s != t.shape) {
            let reason = format!("has shape {:?}, node '{node}' needs {wanted:?}", t.shape);
            return Err(t.error("model.weights", reason));
        }
        let mut words = Vec::new();
        let array = match (t.dtype, self.scale_of(i)?) {
            (Dtype::F32, _) => t.to_f32()?,
            (dtype, None) if t.is_float() => {
                words.push(format!("{dtype:?}").to_lowercase());
                t.to_f32()?
            }
            (dtype, Some(scale)) if is_whole(dtype) => {
                words.push(format!("{} with scale", format!("{dtype:?}").to_lowercase()));
                scaled(&t, &scale)?
            }
            _ => {
                let reason =
                    "weights must be floating-point numbers, or 8-bit numbers with a scale beside them";
                return Err(t.error("st.dtype", reason));
            }
        };
        self.converted.extend(words);
        self.read.insert(i);
        Ok(array)
    }

    /// What the whole numbers of a tensor stand for: its own scale, or that of tensors named after it.
    fn scale_of(&self, i: usize) -> Result<Option<Quantised>, EvidenceError> {
        let t = &self.all[i];
        if t.quantised.is_some() || !is_whole(t.dtype) {
            return Ok(t.quantised.clone());
        }
        let [scales, zeros] = companions(&t.short);
        let there = |names: Vec<String>| names.iter().find_map(|n| self.index.get(n).copied());
        let Some(scale) = there(scales) else { return Ok(None) };
        let numbers = |i: usize| self.view(i).to_f64().map(|a| a.iter().copied().collect::<Vec<f64>>());
        let scale = numbers(scale)?;
        let zero = match there(zeros) {
            Some(i) => numbers(i)?,
            None => vec![0.0; scale.len()],
        };
        Ok(Some(Quantised { scale, zero, axis: 0 }))
    }

    fn missing(&self, wanted: &str) -> EvidenceError {
        let known: Vec<String> = self.all.iter().take(8).map(|t| t.name.shown()).collect();
        let more = if self.all.len() > 8 { ", …" } else { "" };
        let reason = format!("no tensor '{}'; there is: {}{more}", visible(wanted), known.join(", "));
        EvidenceError::whole(self.path, "st.missing_tensor", reason)
    }

    /// What was done to get the weights, for people.
    pub(super) fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if !self.prefix.is_empty() {
            facts.push(format!("'{}' in front of all names was taken off", visible(&self.prefix)));
        }
        if self.renamed {
            facts.push("names were matched with dots and underscores taken as the same".into());
        }
        if !self.converted.is_empty() {
            let kinds: Vec<&str> = self.converted.iter().map(String::as_str).collect();
            facts.push(format!("weights stored as {} were converted to f32", kinds.join(", ")));
        }
        let unused: Vec<String> = self
            .all
            .iter()
            .enumerate()
            .filter(|(i, t)| {
                !self.read.contains(i) && !is_bookkeeping(&t.short) && !self.scales.contains(&t.short)
            })
            .map(|(_, t)| t.name.shown())
            .collect();
        if !unused.is_empty() {
            let first: Vec<&str> = unused.iter().take(3).map(String::as_str).collect();
            facts.push(format!("{} tensors are used by no node ({})", unused.len(), first.join(", ")));
        }
        facts
    }
}

fn is_whole(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::I8 | Dtype::U8)
}

/// Names that scales and zero points of a tensor go by.
fn companions(name: &str) -> [Vec<String>; 2] {
    let base = name.rsplit_once('.').map_or("", |(base, _)| base);
    let all = |words: &[&str]| {
        words
            .iter()
            .flat_map(|w| [format!("{name}_{w}"), format!("{name}.{w}"), format!("{base}.{w}")])
            .collect::<Vec<_>>()
    };
    [all(&["scale", "scales"]), all(&["zero_point", "zero_points", "zeros"])]
}

/// `(number − zero) · scale`.
fn scaled(t: &RawArray, q: &Quantised) -> Result<ArrayD<f32>, EvidenceError> {
    let numbers = t.to_f64()?;
    let along = numbers.shape().get(q.axis).copied().unwrap_or(1);
    let fits = q.scale.len() == q.zero.len() && (q.scale.len() == 1 || q.scale.len() == along);
    if !fits || !q.scale.iter().chain(&q.zero).all(|x| x.is_finite()) {
        let reason = format!(
            "{} scales and {} zero points do not fit shape {:?}",
            q.scale.len(),
            q.zero.len(),
            t.shape
        );
        return Err(t.error("model.weights", reason));
    }
    if q.scale.len() == 1 {
        return Ok(numbers.mapv(|x| ((x - q.zero[0]) * q.scale[0]) as f32));
    }
    let mut out = numbers.mapv(|x| x as f32);
    for (k, (scale, zero)) in q.scale.iter().zip(&q.zero).enumerate() {
        let slice = Slice::from(k..=k);
        let from = numbers.slice_axis(Axis(q.axis), slice);
        out.slice_axis_mut(Axis(q.axis), slice)
            .zip_mut_with(&from, |to, &x| *to = ((x - zero) * scale) as f32);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(name: &str, dtype: Dtype, shape: &[usize], data: &[u8]) -> Stored<'static> {
        Stored {
            name: Untrusted::new(name),
            short: String::new(),
            dtype,
            shape: shape.to_vec(),
            data: Cow::Owned(data.to_vec()),
            big_endian: false,
            quantised: None,
        }
    }

    fn floats(x: &[f32]) -> Vec<u8> {
        x.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    #[test]
    fn wrappers_come_off_and_eight_bit_weights_get_their_scale() {
        let all = vec![
            stored("module.model.fc.weight", Dtype::I8, &[2, 2], &[1, 0xff, 4, 127]),
            stored("module.model.fc.weight_scale", Dtype::F32, &[2, 1], &floats(&[0.5, 2.0])),
            stored("module.model.fc.weight_zero_point", Dtype::I8, &[2, 1], &[1, 0]),
            stored("module.model.fc.bias", Dtype::BF16, &[2], &[0x80, 0x3f, 0, 0xc0]),
        ];
        let mut store = Store::new(Path::new("w"), all);
        assert_eq!(store.prefix, "module.model.");
        let weight = store.take("fc.weight", Some(&[2, 2]), "fc").unwrap();
        assert_eq!(weight, ndarray::array![[0.0, -1.0], [8.0, 254.0]].into_dyn());
        // A description may write its names with underscores.
        assert_eq!(store.take("fc_bias", None, "fc").unwrap(), ndarray::array![1.0, -2.0].into_dyn());
        let shapes: Vec<_> = store.shapes().map(|(n, _)| n.to_owned()).collect();
        assert_eq!(shapes, ["fc.weight", "fc.bias"]);
        let facts = store.facts().join("; ");
        assert!(
            facts.contains("bf16, i8 with scale were converted") && facts.contains("taken off"),
            "{facts}"
        );
        assert!(!facts.contains("used by no node"), "{facts}");
    }

    #[test]
    fn whole_numbers_without_a_scale_and_scales_that_do_not_fit_are_refused() {
        let bare = vec![stored("w", Dtype::I8, &[1], &[1])];
        assert_eq!(Store::new(Path::new("w"), bare).take("w", None, "n").unwrap_err().code, "st.dtype");
        let wrong = vec![
            stored("w", Dtype::U8, &[2], &[1, 2]),
            stored("w_scale", Dtype::F32, &[3], &floats(&[1.0; 3])),
        ];
        assert_eq!(Store::new(Path::new("w"), wrong).take("w", None, "n").unwrap_err().code, "model.weights");
    }
}
