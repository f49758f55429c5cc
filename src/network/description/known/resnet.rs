//! Residual networks: torchvision's names (`downsample`, `fc`) and those of the CIFAR variants (`shortcut`, `linear`),
//! plain and pre-activation (He et al. 2016; the latter as in `pytorch-cifar` and `BackdoorBench`, without a last norm).

use super::net::Shapes;
use super::{Match, Net};

pub(super) fn fits(s: &Shapes, _: Option<[usize; 3]>) -> Vec<Match<'_>> {
    [plain(s), pre_activation(s)].into_iter().flatten().collect()
}

/// Blocks of each stage.
fn blocks(s: &Shapes) -> Vec<usize> {
    (1..=8).map(|stage| s.indices(&format!("layer{stage}.")).len()).take_while(|&n| n > 0).collect()
}

fn depth(stages: &[usize], bottleneck: bool) -> usize {
    stages.iter().sum::<usize>() * if bottleneck { 3 } else { 2 } + 2
}

fn shortcut(net: &mut Net, s: &Shapes, at: &str, stride: usize, normed: bool) -> Option<()> {
    let way = ["downsample", "shortcut", "skip"]
        .iter()
        .map(|w| format!("{at}.{w}"))
        .find(|w| s.has(&format!("{w}.0.weight")));
    let Some(way) = way else { return Some(()) };
    net.conv(&format!("{way}.0"), stride, 0)?;
    if normed { net.norm(&format!("{way}.1")) } else { Some(()) }
}

/// 7×7 (photographs: stride 2 and max pooling follow) or 3×3 (small images).
fn stem(net: &mut Net, s: &Shapes) -> Option<bool> {
    let large = match s.get("conv1.weight")? {
        [_, _, 7, 7] => true,
        [_, _, 3, 3] => false,
        _ => return None,
    };
    net.same("conv1", if large { 2 } else { 1 })?;
    Some(large)
}

fn plain(s: &Shapes) -> Option<Match<'_>> {
    let mut net = Net::new(s);
    let large = stem(&mut net, s)?;
    net.norm("bn1")?;
    net.act("relu");
    if large {
        net.pool("maxpool2d", 3, 2, 1);
    }
    let stages = blocks(s);
    let bottleneck = s.has("layer1.0.conv3.weight");
    let width = net.channels();
    for (k, &count) in stages.iter().enumerate() {
        for block in 0..count {
            let at = format!("layer{}.{block}", k + 1);
            let name = |part: &str| format!("{at}.{part}");
            let stride = if k > 0 && block == 0 { 2 } else { 1 };
            let from = net.at();
            if bottleneck {
                // The stride is in the 3×3 convolution, as in torchvision and pytorch-cifar.
                net.block(&name("conv1"), &name("bn1"), 1)?;
                net.block(&name("conv2"), &name("bn2"), stride)?;
                net.same(&name("conv3"), 1)?;
                net.norm(&name("bn3"))?;
            } else {
                net.block(&name("conv1"), &name("bn1"), stride)?;
                net.same(&name("conv2"), 1)?;
                net.norm(&name("bn2"))?;
            }
            let out = net.at();
            net.goto(from);
            shortcut(&mut net, s, &at, stride, true)?;
            let around = net.at();
            (around.1 == out.1).then_some(())?;
            net.goto(out);
            net.add(&name("add"), &around.0);
            net.act("relu");
        }
    }
    net.head(&["fc", "linear", "classifier"])?;
    let depth = depth(&stages, bottleneck);
    let inner = s.get("layer1.0.conv1.weight").map_or(0, |w| w[0]);
    let grouped = s.get("layer1.0.conv2.weight").is_some_and(|w| w[1] != inner);
    let base = match (width, stages.len()) {
        (64, 4) if bottleneck && grouped => format!("resnext{depth}"),
        (64, 4) if bottleneck && inner == 128 => format!("wide_resnet{depth}_2"),
        (64, 4) => format!("resnet{depth}"),
        (width, stages) => format!("resnet{depth}-{width}x{stages}"),
    };
    let name = if large { base } else { format!("{base}-cifar") };
    let usual = if large { 224 } else { 32 };
    Some(Match { name, net, assumed: vec!["ReLU, strides and pooling as published".into()], usual })
}

fn pre_activation(s: &Shapes) -> Option<Match<'_>> {
    let mut net = Net::new(s);
    (!stem(&mut net, s)?).then_some(())?;
    let stages = blocks(s);
    let bottleneck = s.has("layer1.0.conv3.weight");
    for (k, &count) in stages.iter().enumerate() {
        for block in 0..count {
            let at = format!("layer{}.{block}", k + 1);
            let name = |part: &str| format!("{at}.{part}");
            let stride = if k > 0 && block == 0 { 2 } else { 1 };
            let from = net.at();
            net.norm(&name("bn1"))?;
            net.act("relu");
            let active = net.at();
            let around = if ["downsample", "shortcut", "skip"]
                .iter()
                .any(|w| s.has(&name(&format!("{w}.0.weight"))))
            {
                shortcut(&mut net, s, &at, stride, false)?;
                net.at()
            } else {
                from
            };
            net.goto(active);
            net.same(&name("conv1"), if bottleneck { 1 } else { stride })?;
            net.norm(&name("bn2"))?;
            net.act("relu");
            net.same(&name("conv2"), if bottleneck { stride } else { 1 })?;
            if bottleneck {
                net.norm(&name("bn3"))?;
                net.act("relu");
                net.same(&name("conv3"), 1)?;
            }
            (around.1 == net.channels()).then_some(())?;
            net.add(&name("add"), &around.0);
        }
    }
    for last in ["bn", "bn1", "bn_last"] {
        if s.has(&format!("{last}.weight")) {
            net.norm(last)?;
            net.act("relu");
            break;
        }
    }
    net.head(&["linear", "fc", "classifier"])?;
    let name = format!("preactresnet{}", depth(&stages, bottleneck));
    Some(Match { name, net, assumed: vec!["ReLU, strides and pooling as published".into()], usual: 32 })
}
