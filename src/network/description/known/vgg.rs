//! Sequences of convolutions (`features.N`) and a head (`classifier`): VGG with and without batch normalisation, of
//! torchvision and for small images. Gaps between the numbers of layers with weights tell what stands between them: one
//! number for the activation, one for a pooling, one for a dropout behind it.

use super::net::Shapes;
use super::{Match, Net};

pub(super) fn fits(s: &Shapes, input: Option<[usize; 3]>) -> Vec<Match<'_>> {
    fit(s, input).into_iter().collect()
}

/// Convolutions (and poolings, `0`) of the networks of the paper.
const PUBLISHED: [(&str, &[usize]); 4] = [
    ("vgg11", &[64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0]),
    ("vgg13", &[64, 64, 0, 128, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0]),
    ("vgg16", &[64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0]),
    ("vgg19", &[64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512, 0]),
];

fn fit(s: &Shapes, input: Option<[usize; 3]>) -> Option<Match<'_>> {
    let indices: Vec<usize> = s.indices("features.").into_iter().collect();
    let rank = |i: usize| s.get(&format!("features.{i}.weight")).map(<[usize]>::len);
    (indices.first() == Some(&0)).then_some(())?;
    let mut net = Net::new(s);
    let (mut plan, mut pools, mut normed, mut dropped) = (Vec::new(), 0u32, 0, false);
    // The activation is decided by the gaps: poolings followed by dropout are those of I-BAU's network, which has ELU.
    let gaps: Vec<usize> = gaps(&indices, &rank)?;
    dropped |= gaps.contains(&2);
    let act = if dropped { "elu" } else { "relu" };
    let mut convs = gaps.iter();
    let mut at = 0;
    while let Some(&i) = indices.get(at) {
        net.same(&format!("features.{i}"), 1)?;
        plan.push(net.channels());
        at += 1;
        if indices.get(at) == Some(&(i + 1)) && rank(i + 1) == Some(1) {
            net.norm(&format!("features.{}", i + 1))?;
            normed += 1;
            at += 1;
        }
        net.act(act);
        if *convs.next()? > 0 {
            net.pool("maxpool2d", 2, 2, 0);
            plan.push(0);
            pools += 1;
        }
    }
    let convolutions = plan.iter().filter(|&&c| c > 0).count();
    (normed == 0 || normed == convolutions).then_some(())?;
    let heads: Vec<String> = if s.has("classifier.weight") {
        vec!["classifier".into()]
    } else {
        s.indices("classifier.").into_iter().map(|i| format!("classifier.{i}")).collect()
    };
    let inputs = *s.get(&format!("{}.weight", heads.first()?))?.get(1)?;
    let cells = inputs.checked_div(net.channels()).filter(|c| c * net.channels() == inputs)?;
    let side = cells.isqrt();
    (side * side == cells && side > 0).then_some(())?;
    let mut usual = 32;
    let mut assumed = Vec::new();
    let whole = side.checked_shl(pools)?;
    let given = input.map(|[_, h, w]| [h >> pools, w >> pools]);
    match (side, given) {
        // torchvision averages to 7×7 whatever comes in.
        (7, _) if heads.len() > 1 => {
            net.adaptive(7);
            usual = 224;
        }
        (_, Some([h, w])) if h == side && w == side => {}
        (1, _) if heads.len() == 1 => {
            net.act("globalavgpool");
        }
        (_, None) => net.known_side(Some(whole)),
        _ => return None,
    }
    net.act("flatten");
    for (k, head) in heads.iter().enumerate() {
        if k > 0 {
            net.act("relu");
        }
        net.linear(head)?;
    }
    let known = PUBLISHED.iter().find(|(_, p)| *p == plan.as_slice()).map(|(name, _)| *name);
    let name = match (known, normed > 0, dropped) {
        (Some(name), true, false) => format!("{name}_bn"),
        (Some(name), false, false) => name.to_owned(),
        (_, _, true) => {
            assumed.push("ELU, and dropout behind each pooling, as in I-BAU's published network".into());
            "small-vgg-elu".to_owned()
        }
        _ => format!("vgg-like with {convolutions} convolutions"),
    };
    if !dropped {
        assumed.push("ReLU and 2×2 max pooling as published".into());
    }
    Some(Match { name, net, assumed, usual })
}

/// For each convolution how many numbers are left over behind its norm and activation: 0, 1 (a pooling), 2 (and a
/// dropout). Behind the last one a pooling is usual.
fn gaps(indices: &[usize], rank: &dyn Fn(usize) -> Option<usize>) -> Option<Vec<usize>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&i) = indices.get(at) {
        (rank(i) == Some(4)).then_some(())?;
        let mut last = i;
        at += 1;
        if indices.get(at) == Some(&(i + 1)) && rank(i + 1) == Some(1) {
            last = i + 1;
            at += 1;
        }
        out.push(match indices.get(at) {
            None => 1,
            Some(next) => next.checked_sub(last + 2).filter(|&g| g <= 2)?,
        });
    }
    Some(out)
}
