use super::*;
use crate::evidence::Limits;
use crate::network::op::Kernel;
use ndarray::ArrayD;

type Named = Vec<(String, Vec<usize>)>;

struct State(Named);

impl State {
    fn put(&mut self, name: String, shape: &[usize]) {
        self.0.push((name, shape.to_vec()));
    }

    fn norm(&mut self, name: &str, channels: usize) {
        for role in ["weight", "bias", "running_mean", "running_var"] {
            self.put(format!("{name}.{role}"), &[channels]);
        }
        self.put(format!("{name}.num_batches_tracked"), &[]);
    }

    fn linear(&mut self, name: &str, outputs: usize, inputs: usize) {
        self.put(format!("{name}.weight"), &[outputs, inputs]);
        self.put(format!("{name}.bias"), &[outputs]);
    }

    fn fits(&self, input: Option<[usize; 3]>) -> Vec<Fit> {
        fits(&Shapes::new(self.0.iter().map(|(n, s)| (n.as_str(), s.as_slice()))), input)
    }
}

/// As torchvision's `resnet18`, with another stem, prefix and names where asked.
fn resnet18(kernel: usize, way: &str, head: &str, prefix: &str) -> State {
    let mut s = State(Vec::new());
    let p = |n: &str| format!("{prefix}{n}");
    s.put(p("conv1.weight"), &[64, 3, kernel, kernel]);
    s.norm(&p("bn1"), 64);
    let mut from = 64;
    for (k, to) in [64, 128, 256, 512].into_iter().enumerate() {
        for block in 0..2 {
            let at = p(&format!("layer{}.{block}", k + 1));
            s.put(format!("{at}.conv1.weight"), &[to, from, 3, 3]);
            s.norm(&format!("{at}.bn1"), to);
            s.put(format!("{at}.conv2.weight"), &[to, to, 3, 3]);
            s.norm(&format!("{at}.bn2"), to);
            if from != to {
                s.put(format!("{at}.{way}.0.weight"), &[to, from, 1, 1]);
                s.norm(&format!("{at}.{way}.1"), to);
            }
            from = to;
        }
    }
    s.linear(head, 10, 512);
    s
}

fn built(fit: &Fit) -> crate::network::Graph {
    fit.description.build(&Limits::default(), &mut |w| Ok(ArrayD::zeros(w.shape.as_slice()))).unwrap()
}

#[test]
fn residual_networks_of_three_worlds_are_one_each() {
    for (state, name, side) in [
        (resnet18(7, "downsample", "fc", ""), "resnet18", 224),
        (resnet18(3, "shortcut", "linear", ""), "resnet18-cifar", 32),
        (resnet18(3, "downsample", "classifier.fc", "features."), "resnet18-cifar", 32),
    ] {
        let found = state.fits(None);
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].name, name);
        assert_eq!(found[0].description.input.shape, [3, side, side]);
        let graph = built(&found[0]);
        assert_eq!(graph.shape(graph.output), [10]);
        // Published: 11,689,512 parameters with 1,000 classes; 10 classes and running statistics are counted here.
        let trained: usize =
            graph.params.iter().filter(|p| p.trainable).map(crate::network::graph::Param::len).sum();
        assert_eq!(trained, if side == 224 { 11_689_512 - 990 * 513 } else { 11_173_962 }, "{name}");
    }
    // One tensor more than the network has, or one of another shape, and nothing fits.
    let mut more = resnet18(3, "shortcut", "linear", "");
    more.put("head2.weight".into(), &[3, 3]);
    assert!(more.fits(None).is_empty());
    let mut other = resnet18(3, "shortcut", "linear", "");
    other.0[1].1 = vec![65];
    assert!(other.fits(None).is_empty());
}

#[test]
fn pre_activation_is_told_from_plain_by_its_norms() {
    let mut s = State(Vec::new());
    s.put("conv1.weight".into(), &[64, 3, 3, 3]);
    let mut from = 64;
    for (k, to) in [64, 128, 256, 512].into_iter().enumerate() {
        for block in 0..2 {
            let at = format!("layer{}.{block}", k + 1);
            s.norm(&format!("{at}.bn1"), from);
            s.put(format!("{at}.conv1.weight"), &[to, from, 3, 3]);
            s.norm(&format!("{at}.bn2"), to);
            s.put(format!("{at}.conv2.weight"), &[to, to, 3, 3]);
            if from != to {
                s.put(format!("{at}.shortcut.0.weight"), &[to, from, 1, 1]);
            }
            from = to;
        }
    }
    s.linear("linear", 43, 512);
    let found = s.fits(None);
    assert_eq!(found.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["preactresnet18"]);
    let graph = built(&found[0]);
    assert_eq!(graph.shape(graph.output), [43]);
    // The way round of a block with a shortcut begins behind its first activation.
    let short = found[0].description.nodes.iter().find(|n| n.name == "layer2.0.shortcut.0").unwrap();
    assert_eq!(short.inputs, ["layer2.0.bn1.relu"]);
}

#[test]
fn small_networks_fit_only_where_their_sizes_come_out() {
    let lenet = |inputs: usize| {
        let mut s = State(Vec::new());
        s.put("conv1.weight".into(), &[6, 1, 5, 5]);
        s.put("conv1.bias".into(), &[6]);
        s.put("conv2.weight".into(), &[16, 6, 5, 5]);
        s.put("conv2.bias".into(), &[16]);
        s.linear("fc1", 120, inputs);
        s.linear("fc2", 84, 120);
        s.linear("fc3", 10, 84);
        s
    };
    // 32 → 28 → 14 → 10 → 5, and 28 → 24 → 12 → 8 → 4.
    for (inputs, side) in [(16 * 25, 32), (16 * 16, 28)] {
        let found = lenet(inputs).fits(None);
        assert_eq!(found.len(), 1, "{inputs}");
        assert_eq!(found[0].description.input.shape, [1, side, side]);
        assert_eq!(built(&found[0]).nodes.last().unwrap().shape, [10]);
        assert!(found[0].assumed[0].contains("max pooling after each convolution"));
    }
    assert!(lenet(16 * 26).fits(None).is_empty());
    assert!(lenet(16 * 25).fits(Some([1, 28, 28])).is_empty());
}

#[test]
fn gaps_between_numbers_are_activation_and_pooling() {
    let mut s = State(Vec::new());
    let (mut index, mut from) = (0, 3);
    for out in [64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0] {
        if out == 0 {
            index += 1;
            continue;
        }
        s.put(format!("features.{index}.weight"), &[out, from, 3, 3]);
        s.put(format!("features.{index}.bias"), &[out]);
        s.norm(&format!("features.{}", index + 1), out);
        (index, from) = (index + 3, out);
    }
    let mut torchvision = State(s.0.clone());
    torchvision.linear("classifier.0", 4096, 512 * 49);
    torchvision.linear("classifier.3", 4096, 4096);
    torchvision.linear("classifier.6", 10, 4096);
    let found = torchvision.fits(Some([3, 32, 32]));
    assert_eq!(found.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["vgg11_bn"]);
    let graph = built(&found[0]);
    assert_eq!(graph.nodes.iter().filter(|n| n.op.name() == "maxpool2d").count(), 5);
    s.linear("classifier", 10, 512);
    let found = s.fits(None);
    assert_eq!(found.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["vgg11_bn"]);
    assert_eq!(found[0].description.input.shape, [3, 32, 32]);
}
