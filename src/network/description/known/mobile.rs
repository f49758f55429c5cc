//! `MobileNetV2` (Sandler et al. 2018): torchvision's names, and those of `pytorch-cifar`.

use super::net::Shapes;
use super::{Match, Net};

pub(super) fn fits(s: &Shapes, _: Option<[usize; 3]>) -> Vec<Match<'_>> {
    [torchvision(s), cifar(s)].into_iter().flatten().collect()
}

/// Stride of block `i` (from 0) when stages of `[1, 2, 3, 4, 3, 3, 1]` blocks begin with `strides`.
fn stride(i: usize, strides: [usize; 7]) -> usize {
    let mut first = 0;
    for (count, stride) in [1, 2, 3, 4, 3, 3, 1].into_iter().zip(strides) {
        if i == first {
            return stride;
        }
        first += count;
    }
    1
}

fn torchvision(s: &Shapes) -> Option<Match<'_>> {
    let mut net = Net::new(s);
    let step = |net: &mut Net, conv: &str, norm: &str, stride: usize| -> Option<()> {
        net.same(conv, stride)?;
        net.norm(norm)?;
        net.act("relu6");
        Some(())
    };
    step(&mut net, "features.0.0", "features.0.1", 2)?;
    let last = *s.indices("features.").last()?;
    (last == 18).then_some(())?;
    for i in 1..last {
        let stride = stride(i - 1, [1, 2, 2, 2, 1, 2, 1]);
        let name = |part: &str| format!("features.{i}.conv.{part}");
        let from = net.at();
        let wide = s.has(&name("3.weight"));
        if wide {
            step(&mut net, &name("0.0"), &name("0.1"), 1)?;
            step(&mut net, &name("1.0"), &name("1.1"), stride)?;
        } else {
            step(&mut net, &name("0.0"), &name("0.1"), stride)?;
        }
        let (conv, norm) = if wide { ("2", "3") } else { ("1", "2") };
        net.same(&name(conv), 1)?;
        net.norm(&name(norm))?;
        if stride == 1 && from.1 == net.channels() {
            net.add(&format!("features.{i}.add"), &from.0);
        }
    }
    step(&mut net, &format!("features.{last}.0"), &format!("features.{last}.1"), 1)?;
    net.head(&["classifier.1"])?;
    let assumed = vec!["ReLU6 and strides as published".into()];
    Some(Match { name: "mobilenet_v2".into(), net, assumed, usual: 224 })
}

fn cifar(s: &Shapes) -> Option<Match<'_>> {
    let mut net = Net::new(s);
    net.block("conv1", "bn1", 1)?;
    let count = s.indices("layers.").len();
    (count == 17).then_some(())?;
    for i in 0..count {
        let stride = stride(i, [1, 1, 2, 2, 1, 2, 1]);
        let name = |part: &str| format!("layers.{i}.{part}");
        let from = net.at();
        net.block(&name("conv1"), &name("bn1"), 1)?;
        net.block(&name("conv2"), &name("bn2"), stride)?;
        net.same(&name("conv3"), 1)?;
        net.norm(&name("bn3"))?;
        if stride == 1 {
            let out = net.at();
            net.goto(from);
            if s.has(&name("shortcut.0.weight")) {
                net.conv(&name("shortcut.0"), 1, 0)?;
                net.norm(&name("shortcut.1"))?;
            }
            let around = net.at();
            (around.1 == out.1).then_some(())?;
            net.goto(out);
            net.add(&name("add"), &around.0);
        }
    }
    net.block("conv2", "bn2", 1)?;
    net.head(&["linear"])?;
    let assumed = vec!["ReLU and strides as in pytorch-cifar".into()];
    Some(Match { name: "mobilenet_v2-cifar".into(), net, assumed, usual: 32 })
}
