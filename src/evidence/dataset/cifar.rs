//! CIFAR's binary batches (Krizhevsky 2009): records of one label byte (CIFAR-10) or two (CIFAR-100: coarse, fine) and
//! 3×32×32 pixels, plane by plane. There is no header: the name, the size and the labels tell them.

use super::{DataSet, Pixels};
use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Limits};
use ndarray::Array4;
use std::path::Path;

/// Pixels of a record.
const PIXELS: usize = 3 * 32 * 32;

/// Label bytes of each record, if a file of this size and beginning can be a batch.
pub(crate) fn label_bytes(head: &[u8], len: u64, name: &str) -> Option<usize> {
    let named = name.strip_suffix(".bin").is_some()
        && ["data_batch", "test_batch", "train", "test", "cifar"].iter().any(|n| name.contains(n));
    named.then_some(())?;
    [1usize, 2].into_iter().find(|labels| {
        let record = PIXELS + labels;
        let most: [u8; 2] = if *labels == 1 { [10, 0] } else { [20, 100] };
        let fits = |r: &[u8]| r.iter().zip(most).take(*labels).all(|(&label, most)| label < most);
        len > 0 && len.is_multiple_of(record as u64) && head.chunks(record).all(fits)
    })
}

/// Reads a batch; of CIFAR-100 the fine label counts. The pixels stay in the memory they were read into.
pub(super) fn read(
    path: &Path,
    mut bytes: Vec<u8>,
    name: &str,
    limits: &Limits,
) -> Result<DataSet, EvidenceError> {
    let fail = |code, reason: String| EvidenceError::whole(path, code, reason);
    let labels = label_bytes(&bytes, bytes.len() as u64, name)
        .ok_or_else(|| fail("cifar.label", "a record has a label that is no class of CIFAR".to_owned()))?;
    let record = PIXELS + labels;
    let count = bytes.len() / record;
    if count > limits.samples {
        return Err(fail("data.limit", format!("{count} samples, {}", cap!(limits, samples))));
    }
    let label = |r: &[u8]| r.get(labels - 1).copied().map_or(0, usize::from);
    let classes = bytes.chunks_exact(record).map(label).collect();
    // Each record moves to the front, over the labels before it.
    for k in 0..count {
        let from = k * record + labels;
        bytes.copy_within(from..from + PIXELS, k * PIXELS);
    }
    bytes.truncate(count * PIXELS);
    let images =
        Array4::from_shape_vec((count, 3, 32, 32), bytes).map_err(|e| fail("cifar.size", e.to_string()))?;
    Ok(DataSet { images: Some(Pixels::U8(images)), labels: classes, ..DataSet::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_of_both_kinds_are_told_by_size_and_labels() {
        let record = |labels: &[u8], pixel: u8| [labels, &[pixel; PIXELS]].concat();
        let ten = [record(&[3], 7), record(&[9], 255)].concat();
        let set = read(Path::new("b"), ten.clone(), "data_batch_1.bin", &Limits::default()).unwrap();
        assert_eq!((set.labels.as_slice(), set.shape()), (&[3, 9][..], Some([3, 32, 32])));
        assert_eq!(set.unit(&[1]).unwrap()[[0, 2, 31, 31]], 1.0);
        let hundred = record(&[19, 99], 1);
        let set = read(Path::new("b"), hundred.clone(), "train.bin", &Limits::default()).unwrap();
        assert_eq!(set.labels, [99]);
        for (bytes, name) in
            [(&ten[1..], "data_batch_1.bin"), (&ten, "weights.dat"), (&record(&[10], 0), "test.bin")]
        {
            assert_eq!(label_bytes(bytes, bytes.len() as u64, name), None, "{name}");
        }
        assert_eq!(
            read(Path::new("b"), record(&[10], 0), "test.bin", &Limits::default()).unwrap_err().code,
            "cifar.label"
        );
    }
}
