//! Wide residual networks for small images (Zagoruyko and Komodakis 2016), under the names of `xternalz/WideResNet`
//! (`block1.layer.0`, `convShortcut`), which ABL and NAD use too.

use super::net::Shapes;
use super::{Match, Net};

pub(super) fn fits(s: &Shapes, _: Option<[usize; 3]>) -> Vec<Match<'_>> {
    fit(s).into_iter().collect()
}

fn fit(s: &Shapes) -> Option<Match<'_>> {
    let mut net = Net::new(s);
    net.same("conv1", 1)?;
    let base = net.channels();
    let mut count = 0;
    for stage in 1..=3 {
        count = s.indices(&format!("block{stage}.layer.")).len();
        (count > 0).then_some(())?;
        for block in 0..count {
            let at = format!("block{stage}.layer.{block}");
            let name = |part: &str| format!("{at}.{part}");
            let stride = if stage > 1 && block == 0 { 2 } else { 1 };
            let from = net.at();
            net.norm(&name("bn1"))?;
            net.act("relu");
            let active = net.at();
            net.same(&name("conv1"), stride)?;
            net.norm(&name("bn2"))?;
            net.act("relu");
            net.same(&name("conv2"), 1)?;
            let out = net.at();
            let around = if s.has(&name("convShortcut.weight")) {
                net.goto(active);
                net.conv(&name("convShortcut"), stride, 0)?;
                net.at()
            } else {
                from
            };
            (around.1 == out.1).then_some(())?;
            net.goto(out);
            net.add(&name("add"), &around.0);
        }
    }
    net.norm("bn1")?;
    net.act("relu");
    let width = net.channels().checked_div(4 * base)?;
    net.head(&["fc", "linear"])?;
    let name = format!("wrn-{}-{width}", 6 * count + 4);
    Some(Match { name, net, assumed: vec!["ReLU, strides and pooling as published".into()], usual: 32 })
}
