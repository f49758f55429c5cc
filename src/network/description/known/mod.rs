//! Published architectures, recognised by the names and shapes of their weights: torchvision's, the CIFAR variants of
//! the backdoor toolkits, and small networks whose layers can be worked out.
//!
//! A family describes the network that the weights would belong to; it fits when that network asks for exactly the
//! tensors that there are. Functions without weights (activations, pooling, strides) are those of the published code;
//! [`Fit::assumed`] says which were taken on trust.

mod dense;
mod mobile;
mod net;
mod resnet;
mod small;
#[cfg(test)]
mod tests;
mod vgg;
mod wide;

pub use net::Shapes;
pub(crate) use net::is_bookkeeping;

use super::Description;
use net::Net;

/// Names that can be asked for, for messages.
pub const NAMES: [&str; 29] = [
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnet18-cifar",
    "resnet34-cifar",
    "resnet50-cifar",
    "wide_resnet50_2",
    "preactresnet18",
    "preactresnet34",
    "preactresnet50",
    "wrn-16-1",
    "wrn-28-10",
    "vgg11",
    "vgg13",
    "vgg16",
    "vgg19",
    "vgg11_bn",
    "vgg13_bn",
    "vgg16_bn",
    "vgg19_bn",
    "mobilenet_v2",
    "mobilenet_v2-cifar",
    "densenet121",
    "densenet121-cifar",
    "small-vgg-elu",
    "badnets-cnn",
    "cnn",
];

/// A network that weights belong to.
#[derive(Debug, Clone)]
pub struct Fit {
    /// Name of the architecture.
    pub name: String,
    /// Its layers; parameters are named as in the weights.
    pub description: Description,
    /// What the weights do not say and was taken as published or as usual.
    pub assumed: Vec<String>,
}

/// A family's answer: the name, what was assumed, and whether the image size was guessed.
struct Match<'s> {
    name: String,
    net: Net<'s>,
    assumed: Vec<String>,
    /// Side of the images, if neither weights nor case say it.
    usual: usize,
}

/// What a family of architectures makes of weights.
type Family = for<'a> fn(&'a Shapes, Option<[usize; 3]>) -> Vec<Match<'a>>;

/// Everything that the weights fit. `input` is channels, height, width of the images, where known.
pub fn fits(shapes: &Shapes, input: Option<[usize; 3]>) -> Vec<Fit> {
    let families: [Family; 6] = [resnet::fits, wide::fits, vgg::fits, mobile::fits, dense::fits, small::fits];
    let mut out: Vec<Fit> = Vec::new();
    for renamed in shapes.readings() {
        for family in families {
            for found in family(&renamed, input) {
                let Some(fit) = finish(&renamed, found, input) else { continue };
                if !out.iter().any(|f| f.name == fit.name && f.description.nodes == fit.description.nodes) {
                    out.push(fit);
                }
            }
        }
        if !out.is_empty() {
            break;
        }
    }
    out
}

/// The description of a match that uses every tensor there is.
fn finish(shapes: &Shapes, found: Match, input: Option<[usize; 3]>) -> Option<Fit> {
    let Match { name, net, mut assumed, usual } = found;
    let channels = net.channels_in();
    let shape = input.unwrap_or_else(|| net.side().map_or([channels, usual, usual], |s| [channels, s, s]));
    if input.is_none() && net.side().is_none() {
        assumed.push(format!(
            "images of {usual}×{usual} pixels (give [model.input] in the case file if they are not)"
        ));
    }
    let classes = net.outputs()?;
    let description = net.description(&name, shape, classes, shapes)?;
    Some(Fit { name, description, assumed })
}
