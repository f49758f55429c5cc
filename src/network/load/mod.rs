//! From the bytes of a suspect model to a [`Model`].

pub(crate) mod half;
