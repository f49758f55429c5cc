//! `DenseNet` (Huang et al. 2017): torchvision's names, and those of `pytorch-cifar`.

use super::net::Shapes;
use super::{Match, Net};

pub(super) fn fits(s: &Shapes, _: Option<[usize; 3]>) -> Vec<Match<'_>> {
    [torchvision(s), cifar(s)].into_iter().flatten().collect()
}

/// Layers of a block.
const LAYERS: usize = 256;

fn layers(blocks: &[usize]) -> usize {
    blocks.iter().sum::<usize>() * 2 + blocks.len() + 1
}

fn torchvision(s: &Shapes) -> Option<Match<'_>> {
    let mut net = Net::new(s);
    net.block("features.conv0", "features.norm0", 2)?;
    net.pool("maxpool2d", 3, 2, 1);
    let mut blocks = Vec::new();
    for stage in 1..=8 {
        let prefix = format!("features.denseblock{stage}.denselayer");
        // One more than is allowed is enough to see that there are too many.
        let count = (1..=LAYERS + 1).take_while(|i| s.has(&format!("{prefix}{i}.norm1.weight"))).count();
        if count == 0 {
            break;
        }
        // A block of more layers would be built to exhaust: each layer joins all before it.
        (count <= LAYERS).then_some(())?;
        blocks.push(count);
        let mut parts = vec![net.at()];
        for i in 1..=count {
            let name = |part: &str| format!("{prefix}{i}.{part}");
            if i > 1 {
                net.concat(&name("concat"), &parts);
            }
            net.norm(&name("norm1"))?;
            net.act("relu");
            net.block(&name("conv1"), &name("norm2"), 1)?;
            net.same(&name("conv2"), 1)?;
            parts.push(net.at());
        }
        net.concat(&format!("features.denseblock{stage}"), &parts);
        let transition = format!("features.transition{stage}");
        if s.has(&format!("{transition}.conv.weight")) {
            net.norm(&format!("{transition}.norm"))?;
            net.act("relu");
            net.conv(&format!("{transition}.conv"), 1, 0)?;
            net.pool("avgpool2d", 2, 2, 0);
        }
    }
    let last = format!("features.norm{}", blocks.len() + 1);
    net.norm(&last)?;
    net.act("relu");
    net.head(&["classifier"])?;
    let name = format!("densenet{}", layers(&blocks));
    Some(Match { name, net, assumed: vec!["ReLU and pooling as published".into()], usual: 224 })
}

fn cifar(s: &Shapes) -> Option<Match<'_>> {
    let mut net = Net::new(s);
    net.same("conv1", 1)?;
    let mut blocks = Vec::new();
    for stage in 1..=8 {
        let count = s.indices(&format!("dense{stage}.")).len();
        if count == 0 {
            break;
        }
        // A block of more layers would be built to exhaust: each layer joins all before it.
        (count <= LAYERS).then_some(())?;
        blocks.push(count);
        for i in 0..count {
            let name = |part: &str| format!("dense{stage}.{i}.{part}");
            let from = net.at();
            net.norm(&name("bn1"))?;
            net.act("relu");
            net.block(&name("conv1"), &name("bn2"), 1)?;
            net.same(&name("conv2"), 1)?;
            // The new channels come first.
            let parts = [net.at(), from];
            net.concat(&name("concat"), &parts);
        }
        let transition = format!("trans{stage}");
        if s.has(&format!("{transition}.conv.weight")) {
            net.norm(&format!("{transition}.bn"))?;
            net.act("relu");
            net.conv(&format!("{transition}.conv"), 1, 0)?;
            net.pool("avgpool2d", 2, 2, 0);
        }
    }
    net.norm("bn")?;
    net.act("relu");
    net.head(&["linear"])?;
    let name = format!("densenet{}-cifar", layers(&blocks));
    Some(Match { name, net, assumed: vec!["ReLU and pooling as in pytorch-cifar".into()], usual: 32 })
}
