//! A value of Keras as a value of the graph.

use crate::network::graph::ValueId;

/// How the numbers of a Keras value lie in the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Keras' height × width × channels as channels × height × width.
    Planes,
    /// The same shape, the same order.
    Plain,
    /// One axis: Keras' height × width × channels in a row, here in the order of these channels × height × width.
    Flat([usize; 3]),
}

/// A value and its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) id: ValueId,
    pub(super) form: Form,
}

impl Live {
    pub(super) fn planes(id: ValueId) -> Self {
        Self { id, form: Form::Planes }
    }

    pub(super) fn plain(id: ValueId) -> Self {
        Self { id, form: Form::Plain }
    }

    /// Another value of the same form.
    pub(super) fn with(self, id: ValueId) -> Self {
        Self { id, form: self.form }
    }
}

/// For each number in the order of the graph its place in the order of Keras.
pub(super) fn places([c, h, w]: [usize; 3]) -> impl Iterator<Item = usize> {
    (0..c).flat_map(move |k| (0..h * w).map(move |pixel| pixel * c + k))
}
