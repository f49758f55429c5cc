//! Small networks: numbered convolutions, then numbered linear layers (`conv1`, `conv2`, `fc1`, `fc2`). Padding and
//! pooling are worked out from the inputs of the first linear layer, where only one of the usual ways gives them.

use super::net::Shapes;
use super::{Match, Net};

pub(super) fn fits(s: &Shapes, input: Option<[usize; 3]>) -> Vec<Match<'_>> {
    let mut out: Vec<Match<'_>> =
        [residual(s), badnets(s, input), perceptron(s, input)].into_iter().flatten().collect();
    out.extend(convolutional(s, input));
    out
}

/// Sides of images that are tried when nothing says it.
const SIDES: [usize; 2] = [28, 32];

/// `name1`, `name2`, … as long as they have weights of so many axes.
fn numbered(s: &Shapes, names: &[&str], axes: usize) -> Vec<String> {
    let there = |n: &String| s.get(&format!("{n}.weight")).is_some_and(|w| w.len() == axes);
    names
        .iter()
        .map(|name| (1..=16).map(|k| format!("{name}{k}")).take_while(there).collect::<Vec<_>>())
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// Where pooling stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pools {
    Each,
    Pairs,
    Last,
    Nowhere,
}

impl Pools {
    fn after(self, k: usize, count: usize) -> bool {
        match self {
            Self::Each => true,
            Self::Pairs => k % 2 == 1,
            Self::Last => k + 1 == count,
            Self::Nowhere => false,
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Each => "2×2 max pooling after each convolution",
            Self::Pairs => "2×2 max pooling after every second convolution",
            Self::Last => "2×2 max pooling after the last convolution",
            Self::Nowhere => "no pooling",
        }
    }
}

fn convolutional(s: &Shapes, input: Option<[usize; 3]>) -> Vec<Match<'_>> {
    let convs = numbered(s, &["conv", "c"], 4);
    let mut linear = numbered(s, &["fc", "linear", "lin", "dense", "f"], 2);
    for single in ["fc", "out", "output", "linear", "classifier", "head"] {
        if s.get(&format!("{single}.weight")).is_some_and(|w| w.len() == 2) {
            linear.push(single.to_owned());
        }
    }
    let mut out = Vec::new();
    let (false, Some(first)) = (convs.is_empty(), linear.first()) else { return out };
    let Some(&[_, wanted]) = s.get(&format!("{first}.weight")) else { return out };
    let sides: Vec<Option<usize>> = match input {
        Some([_, h, w]) => vec![(h == w).then_some(h)],
        None => SIDES.iter().map(|&s| Some(s)).collect(),
    };
    let mut seen = Vec::new();
    for side in sides.into_iter().flatten() {
        for same in [true, false] {
            for pools in [Pools::Each, Pools::Pairs, Pools::Last, Pools::Nowhere] {
                let places: Vec<bool> = (0..convs.len()).map(|k| pools.after(k, convs.len())).collect();
                let key = (side, same, places);
                if seen.contains(&key) {
                    continue;
                }
                seen.push(key);
                out.extend(attempt(s, &convs, &linear, (side, same, pools), wanted));
            }
        }
    }
    // Different sides with the same layers are told apart by the case only.
    out
}

fn attempt<'s>(
    s: &'s Shapes,
    convs: &[String],
    linear: &[String],
    (side, same, pools): (usize, bool, Pools),
    wanted: usize,
) -> Option<Match<'s>> {
    let mut net = Net::new(s);
    let mut at = side;
    let mut normed = 0;
    for (k, conv) in convs.iter().enumerate() {
        let &[_, _, kernel, width] = s.get(&format!("{conv}.weight"))? else { return None };
        (kernel == width && kernel % 2 == 1).then_some(())?;
        net.conv(conv, 1, if same { kernel / 2 } else { 0 })?;
        at = if same { at } else { (at + 1).checked_sub(kernel).filter(|&a| a > 0)? };
        let norms = ["bn", "norm", "batch_norm", "batchnorm"].map(|n| format!("{n}{}", k + 1));
        if let Some(norm) = norms.iter().find(|n| s.has(&format!("{n}.running_mean"))) {
            net.norm(norm)?;
            normed += 1;
        }
        net.act("relu");
        if pools.after(k, convs.len()) {
            net.pool("maxpool2d", 2, 2, 0);
            at /= 2;
        }
    }
    (at > 0 && at * at * net.channels() == wanted).then_some(())?;
    net.act("flatten");
    for (k, layer) in linear.iter().enumerate() {
        if k > 0 {
            net.act("relu");
        }
        net.linear(layer)?;
    }
    net.known_side(Some(side));
    let ours = convs.len() == 2 && linear.len() == 2 && same && pools == Pools::Each && normed == 0;
    let ours = ours
        && s.get("conv1.weight").is_some_and(|w| w[0] == 16 && w[2] == 3)
        && s.get("fc1.weight").is_some_and(|w| w[0] == 64);
    let name = if ours {
        "smallcnn".to_owned()
    } else {
        let padding = if same { "padded" } else { "unpadded" };
        format!(
            "cnn of {} convolutions ({padding}, {}) and {} linear layers",
            convs.len(),
            pools.says(),
            linear.len()
        )
    };
    let assumed = vec![format!(
        "ReLU and {}: the way that gives the {wanted} inputs of '{}' from {side}×{side} images",
        pools.says(),
        linear[0]
    )];
    Some(Match { name, net, assumed, usual: side })
}

/// The network of `verazuo/badnets-pytorch` (after Gu et al. 2017): unpadded convolutions, average pooling, softmax.
fn badnets(s: &Shapes, input: Option<[usize; 3]>) -> Option<Match<'_>> {
    let mut net = Net::new(s);
    for conv in ["conv1.0", "conv2.0"] {
        net.conv(conv, 1, 0)?;
        net.act("relu");
        net.pool("avgpool2d", 2, 2, 0);
    }
    let cells = s.get("fc1.0.weight")?.get(1)?.checked_div(net.channels())?;
    net.act("flatten");
    net.linear("fc1.0")?;
    net.act("relu");
    net.linear("fc2.0")?;
    net.act("softmax");
    let side = (cells.isqrt() * 2 + 4) * 2 + 4;
    (cells.isqrt() * cells.isqrt() == cells && input.is_none_or(|[_, h, w]| h == side && w == side))
        .then_some(())?;
    net.known_side(Some(side));
    let assumed = vec!["ReLU, average pooling and a closing softmax as published".into()];
    Some(Match { name: "badnets-cnn".into(), net, assumed, usual: side })
}

/// `fc1`, `fc2`, … over all pixels.
fn perceptron(s: &Shapes, input: Option<[usize; 3]>) -> Option<Match<'_>> {
    let layers = numbered(s, &["fc", "linear", "lin"], 2);
    let inputs = *s.get(&format!("{}.weight", layers.first()?))?.get(1)?;
    let mut net = Net::new(s);
    let shape = match input {
        Some([c, h, w]) => (c * h * w == inputs && h == w).then_some([c, h])?,
        None => [1, 3].into_iter().find_map(|c| {
            let side = inputs.checked_div(c)?.isqrt();
            (c * side * side == inputs && SIDES.contains(&side)).then_some([c, side])
        })?,
    };
    net.act("flatten");
    for (k, layer) in layers.iter().enumerate() {
        if k > 0 {
            net.act("relu");
        }
        net.linear(layer)?;
    }
    net.image(shape[0], shape[1]);
    let name = format!("mlp of {} layers", layers.len());
    Some(Match { name, net, assumed: vec!["ReLU between the layers".into()], usual: shape[1] })
}

/// The built-in `resnet8`.
fn residual(s: &Shapes) -> Option<Match<'_>> {
    let mut net = Net::new(s);
    net.block("stem", "stem_bn", 1)?;
    for stage in 0..3 {
        let name = |part: &str| format!("s{stage}b0_{part}");
        let stride = if stage == 0 { 1 } else { 2 };
        let from = net.at();
        net.block(&name("conv1"), &name("bn1"), stride)?;
        net.same(&name("conv2"), 1)?;
        net.norm(&name("bn2"))?;
        let out = net.at();
        net.goto(from);
        if s.has(&name("short.weight")) {
            net.conv(&name("short"), stride, 0)?;
            net.norm(&name("shortbn"))?;
        }
        let around = net.at();
        (around.1 == out.1).then_some(())?;
        net.goto(out);
        net.add(&name("add"), &around.0);
        net.act("relu");
    }
    net.head(&["fc"])?;
    Some(Match {
        name: "resnet8".into(),
        net,
        assumed: vec!["ReLU and strides as built in".into()],
        usual: 32,
    })
}
