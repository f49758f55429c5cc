//! Where the batch axis of a value stands. Values of the graph have no batch axis; in the file it may move, and be one
//! with another axis for a while (attention heads).

use crate::network::graph::ValueId;

/// Stands for the size of the batch in arithmetic on shapes: a prime that no network has as a size, so that multiples of
/// it are told from other numbers.
pub(crate) const BATCH: i64 = 1_000_003;

/// Whether the batch axis is one with an axis of each image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// It has the size of the batch.
    Alone,
    /// It has batch × size of the axis: all of the first image, then all of the second.
    Outer,
    /// It has size of the axis × batch: the first of all images, then the second of all.
    Inner,
}

/// A value of the network as the file sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Live {
    /// Its numbers, per image.
    pub(crate) id: ValueId,
    /// The axis of the batch.
    pub(crate) at: usize,
    /// Whether it is one with the axis of each image that has the same number.
    pub(crate) merge: Merge,
}

impl Live {
    /// A value whose first axis is the batch.
    pub(crate) fn first(id: ValueId) -> Self {
        Self { id, at: 0, merge: Merge::Alone }
    }

    /// Another value of the same place.
    pub(crate) fn with(self, id: ValueId) -> Self {
        Self { id, ..self }
    }

    /// Whether the batch stands in the same place.
    pub(crate) fn like(self, other: Self) -> bool {
        (self.at, self.merge) == (other.at, other.merge)
    }

    /// Whether the batch axis is one with another.
    pub(crate) fn merged(self) -> bool {
        self.merge != Merge::Alone
    }

    /// How many numbers of an image of this shape stand in front of the batch axis.
    pub(crate) fn front(self, shape: &[usize]) -> usize {
        let axes = self.at + usize::from(self.merge == Merge::Inner);
        shape.iter().take(axes).product()
    }

    /// The axis per image of an axis of the file; `None` for that of the batch.
    pub(crate) fn axis(self, axis: usize) -> Option<usize> {
        match axis {
            a if a == self.at => None,
            a if a > self.at && !self.merged() => Some(a - 1),
            a => Some(a),
        }
    }
}
