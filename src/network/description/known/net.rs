//! A list of nodes that is read off weights, layer by layer.

use super::super::{Description, FORMAT, InputDescription, NodeDescription, Size};
use std::collections::{BTreeMap, BTreeSet};

/// Names and shapes of the tensors that weights have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shapes {
    /// Shape by the name that families know it by; and the name in the file.
    all: BTreeMap<String, (Vec<usize>, String)>,
}

impl Shapes {
    /// Of tensors; those that only count training steps are left out.
    pub fn new<'n>(tensors: impl IntoIterator<Item = (&'n str, &'n [usize])>) -> Self {
        let kept = tensors.into_iter().filter(|(name, _)| !is_bookkeeping(name));
        Self { all: kept.map(|(n, s)| (n.to_owned(), (s.to_vec(), n.to_owned()))).collect() }
    }

    /// The same tensors under the names that families may know them by: as they are, and without the containers that
    /// `TrojanZoo` puts around a network (`features.…`, `classifier.fc`).
    pub(super) fn readings(&self) -> Vec<Self> {
        let renamed = |rename: &dyn Fn(&str) -> Option<String>| {
            let all = self.all.iter().map(|(name, value)| Some((rename(name)?, value.clone())));
            all.collect::<Option<BTreeMap<_, _>>>()
                .filter(|a| a.len() == self.all.len())
                .map(|all| Self { all })
        };
        let trojan_zoo = renamed(&|name| {
            let bare = name.strip_prefix("features.").or_else(|| name.strip_prefix("classifier."));
            bare.map(str::to_owned)
        });
        let mut out = vec![self.clone()];
        out.extend(trojan_zoo);
        out
    }

    pub(super) fn get(&self, name: &str) -> Option<&[usize]> {
        self.all.get(name).map(|(shape, _)| shape.as_slice())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// Numbers that stand behind `prefix` in names, in order: of `features.0.weight` and `features.3.weight`, 0 and 3.
    pub(super) fn indices(&self, prefix: &str) -> BTreeSet<usize> {
        let index =
            |name: &str| name.strip_prefix(prefix)?.split('.').next()?.parse().ok().filter(|&i| i < 10_000);
        self.all.keys().filter_map(|name| index(name)).collect()
    }

    fn origin(&self, name: &str) -> Option<&str> {
        self.all.get(name).map(|(_, origin)| origin.as_str())
    }

    fn len(&self) -> usize {
        self.all.len()
    }
}

/// Whether a tensor is no part of the network's function.
pub(crate) fn is_bookkeeping(name: &str) -> bool {
    name.ends_with("num_batches_tracked")
}

/// Nodes so far, and the value that the next one reads.
pub(super) struct Net<'s> {
    shapes: &'s Shapes,
    nodes: Vec<NodeDescription>,
    at: String,
    channels: usize,
    first: Option<usize>,
    outputs: Option<usize>,
    side: Option<usize>,
}

impl<'s> Net<'s> {
    pub(super) fn new(shapes: &'s Shapes) -> Self {
        Self {
            shapes,
            nodes: Vec::new(),
            at: "input".into(),
            channels: 0,
            first: None,
            outputs: None,
            side: None,
        }
    }

    /// Name and channels of the current value.
    pub(super) fn at(&self) -> (String, usize) {
        (self.at.clone(), self.channels)
    }

    /// Goes back to an earlier value.
    pub(super) fn goto(&mut self, (at, channels): (String, usize)) {
        (self.at, self.channels) = (at, channels);
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    pub(super) fn channels_in(&self) -> usize {
        self.first.unwrap_or(0)
    }

    pub(super) fn outputs(&self) -> Option<usize> {
        self.outputs
    }

    /// Says what the images are, of a network whose first layer is no convolution.
    pub(super) fn image(&mut self, channels: usize, side: usize) {
        (self.first, self.side) = (Some(channels), Some(side));
    }

    /// Says the side of the (square) images, where the weights tell.
    pub(super) fn known_side(&mut self, side: Option<usize>) {
        self.side = side;
    }

    pub(super) fn side(&self) -> Option<usize> {
        self.side
    }

    fn push(&mut self, name: String, op: &str) -> &mut NodeDescription {
        let node = NodeDescription {
            name: name.clone(),
            op: op.into(),
            inputs: vec![std::mem::replace(&mut self.at, name)],
            ..NodeDescription::default()
        };
        self.nodes.push(node);
        let last = self.nodes.len() - 1;
        &mut self.nodes[last]
    }

    fn params(&self, layer: &str, roles: &[&str]) -> BTreeMap<String, String> {
        let named = |role: &&str| ((*role).to_owned(), format!("{layer}.{role}"));
        roles.iter().map(named).filter(|(_, name)| self.shapes.has(name)).collect()
    }

    /// A convolution whose weights are `layer.weight`; sizes and groups come from their shape.
    pub(super) fn conv(&mut self, layer: &str, stride: usize, padding: usize) -> Option<()> {
        let &[out, inner, kh, kw] = self.shapes.get(&format!("{layer}.weight"))? else { return None };
        if self.first.is_none() {
            (self.first, self.channels) = (Some(inner), inner);
        }
        if let Some(bias) = self.shapes.get(&format!("{layer}.bias")) {
            (bias == [out]).then_some(())?;
        }
        let groups = self
            .channels
            .checked_div(inner)
            .filter(|g| g * inner == self.channels && *g > 0 && out % g == 0)?;
        let params = self.params(layer, &["weight", "bias"]);
        let node = self.push(layer.to_owned(), "conv2d");
        node.out_channels = Some(out);
        node.kernel = Some(Size::Two([kh, kw]));
        node.stride = Some(Size::One(stride));
        node.padding = Some(Size::One(padding));
        node.groups = Some(groups);
        node.params = params;
        self.channels = out;
        Some(())
    }

    /// A convolution that keeps height and width at stride 1 (odd kernel).
    pub(super) fn same(&mut self, layer: &str, stride: usize) -> Option<()> {
        let k = *self.shapes.get(&format!("{layer}.weight"))?.last()?;
        self.conv(layer, stride, k / 2)
    }

    pub(super) fn norm(&mut self, layer: &str) -> Option<()> {
        let params = self.params(layer, &["weight", "bias", "running_mean", "running_var"]);
        (params.len() == 4).then_some(())?;
        let fits = |name: &String| self.shapes.get(name) == Some(&[self.channels]);
        params.values().all(fits).then_some(())?;
        self.push(layer.to_owned(), "batchnorm2d").params = params;
        Some(())
    }

    /// Convolution, normalisation, `ReLU`.
    pub(super) fn block(&mut self, conv: &str, norm: &str, stride: usize) -> Option<()> {
        self.same(conv, stride)?;
        self.norm(norm)?;
        self.act("relu");
        Some(())
    }

    /// A node without weights, named after what it reads.
    pub(super) fn act(&mut self, op: &str) -> &mut NodeDescription {
        let name = format!("{}.{op}", self.at);
        self.push(name, op)
    }

    pub(super) fn pool(&mut self, op: &str, kernel: usize, stride: usize, padding: usize) {
        let node = self.act(op);
        node.kernel = Some(Size::One(kernel));
        node.stride = Some(Size::One(stride));
        node.padding = Some(Size::One(padding));
    }

    pub(super) fn adaptive(&mut self, side: usize) {
        self.act("adaptiveavgpool2d").output_size = Some(Size::One(side));
    }

    /// The sum with an earlier value, as a node of this name.
    pub(super) fn add(&mut self, name: &str, other: &str) {
        let node = self.push(name.to_owned(), "add");
        node.inputs.push(other.to_owned());
    }

    /// Values joined along the channels.
    pub(super) fn concat(&mut self, name: &str, parts: &[(String, usize)]) {
        let node = self.push(name.to_owned(), "concat");
        node.inputs = parts.iter().map(|(name, _)| name.clone()).collect();
        self.channels = parts.iter().map(|(_, channels)| channels).sum();
    }

    /// A linear layer; the last one gives the classes.
    pub(super) fn linear(&mut self, layer: &str) -> Option<()> {
        let &[out, inputs] = self.shapes.get(&format!("{layer}.weight"))? else { return None };
        if self.first.is_none() {
            self.first = Some(inputs);
        }
        let params = self.params(layer, &["weight", "bias"]);
        let node = self.push(layer.to_owned(), "linear");
        node.out_features = Some(out);
        node.params = params;
        self.channels = out;
        self.outputs = Some(out);
        Some(())
    }

    /// Global average, then the linear layer that is there under one of the names.
    pub(super) fn head(&mut self, names: &[&str]) -> Option<()> {
        let name = names.iter().find(|n| self.shapes.has(&format!("{n}.weight")))?;
        self.act("globalavgpool");
        self.act("flatten");
        let &[_, inputs] = self.shapes.get(&format!("{name}.weight"))? else { return None };
        (inputs == self.channels).then_some(())?;
        self.linear(name)
    }

    /// The description, if its parameters are exactly the tensors that there are. Parameters get their names in the
    /// file.
    pub(super) fn description(
        mut self,
        name: &str,
        shape: [usize; 3],
        classes: usize,
        shapes: &Shapes,
    ) -> Option<Description> {
        let mut used = BTreeSet::new();
        for node in &mut self.nodes {
            for param in node.params.values_mut() {
                used.insert(param.clone());
                *param = shapes.origin(param)?.to_owned();
            }
        }
        (used.len() == shapes.len()).then_some(())?;
        Some(Description {
            format: FORMAT.into(),
            arch: Some(name.into()),
            num_classes: Some(classes),
            class_names: Vec::new(),
            input: InputDescription {
                name: "input".into(),
                shape,
                layout: None,
                range: [0.0, 1.0],
                mean: Vec::new(),
                std: Vec::new(),
            },
            output: self.at,
            nodes: self.nodes,
        })
    }
}
