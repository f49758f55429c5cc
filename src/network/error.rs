//! What can be wrong with a network.

/// A network that cannot be built or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// An operator this version does not run.
    #[error("node '{node}': operator '{operator}' is not supported; {advice}")]
    Unsupported {
        /// The node, as visible text.
        node: String,
        /// The operator.
        operator: String,
        /// What could be done.
        advice: String,
    },
    /// The graph or its parameters do not fit together.
    #[error("{place}: {reason}")]
    Malformed {
        /// Node or tensor, as visible text.
        place: String,
        /// Why.
        reason: String,
    },
    /// Running it would need more than a cap allows.
    #[error("{place}: needs {needed} of {what}, the cap is {cap} (--limit {what}=N sets another)")]
    Limit {
        /// Node or tensor, as visible text.
        place: String,
        /// Which cap of [`crate::evidence::Limits`].
        what: &'static str,
        /// What it would take.
        needed: u64,
        /// What is allowed.
        cap: u64,
    },
    /// Asked for something the network does not have.
    #[error("no layer '{asked}'; the layers are: {known}")]
    NoLayer {
        /// What was asked for.
        asked: String,
        /// Some of what there is.
        known: String,
    },
    /// Input of another shape.
    #[error("input has shape {got:?}, the network takes {want:?} (channels, height, width)")]
    InputShape {
        /// What was given.
        got: Vec<usize>,
        /// What it takes.
        want: Vec<usize>,
    },
}

impl NetworkError {
    /// Something about a place that does not fit.
    pub fn malformed(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Malformed { place: place.into(), reason: reason.into() }
    }
}
