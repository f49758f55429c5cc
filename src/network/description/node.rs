//! A node of a network description.
//!
//! | op | fields (default) | params |
//! |---|---|---|
//! | `conv2d` | `out_channels`, `kernel`, `stride` (1), `padding` (0), `dilation` (1), `groups` (1), `bias` | `weight`, `bias` |
//! | `linear` | `out_features`, `bias` | `weight`, `bias` |
//! | `batchnorm2d` | `eps` (1e-5), `momentum` (0.1) | `weight`, `bias`, `running_mean`, `running_var` |
//! | `relu` `selu` `relu6` `sigmoid` `tanh` `hardswish` `hardsigmoid` `silu` `gelu` `softplus` | | |
//! | `leakyrelu` `elu` | `alpha` (0.01; 1) | |
//! | `clip` | `min`, `max` | |
//! | `prelu` | | `weight` |
//! | `maxpool2d` `avgpool2d` | `kernel`, `stride` (the kernel), `padding` (0), `ceil_mode` (false); `dilation` (1); `count_include_pad` (true) | |
//! | `globalavgpool` | | |
//! | `adaptiveavgpool2d` | `output_size` | |
//! | `add` `sub` `mul` `div` | | `value`, if the second side is a constant |
//! | `concat` `softmax` `logsoftmax` | `axis` per image (0) | |
//! | `pad` | `padding`, `value` (0) | |
//! | `flatten` `identity` `dropout` | | |
//! | `reshape` | `shape` per image | |
//!
//! Sizes are one number, `[height, width]`, or for padding also `[top, left, bottom, right]`. `in_channels`,
//! `in_features` and `channels` may be given and are checked.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A size along height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Size {
    /// The same for both (all four sides).
    One(usize),
    /// Height, width.
    Two([usize; 2]),
    /// Top, left, bottom, right.
    Four([usize; 4]),
}

/// A node: fields that its operator does not use must be absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the table above documents the fields")]
pub struct NodeDescription {
    pub name: String,
    pub op: String,
    pub inputs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_channels: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_channels: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_features: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_features: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stride: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dilation: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_size: Option<Size>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bias: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceil_mode: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count_include_pad: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eps: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none", alias = "slope", alias = "negative_slope")]
    pub alpha: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none", alias = "dim")]
    pub axis: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
}
