//! How fast networks run, forward, backward to the input, and in training; beside PyTorch where there is one.
//!
//! ```text
//! cargo bench --bench network -- [--threads N] [--rounds N] [--seconds S] [--only PART] [--batch N] [--compile] [--json]
//! ```
//! With `--write DIR` the networks' descriptions and random weights are written there instead, for `--classes N`.
//!
//! With `LAOCOON_TORCH` naming a Python that has `benches/peers/requirements-network.txt`, `benches/peers/network.py` runs the
//! same weights on the same images, the two sides taking turns; the last column is our rate over PyTorch's best.
//! `LAOCOON_SIMD=avx2` together with `ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2` compares both without AVX-512.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a bench measures time and says it")]

mod common;

use laocoon::evidence::{InputSpec, Limits};
use laocoon::network::description::Description;
use laocoon::network::train::{Optimizer, Trainer, initialise};
use laocoon::network::{Model, save};
use ndarray::{Array2, Array4, ArrayView2, ArrayView4, Axis};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

type Error = Box<dyn std::error::Error>;

/// A network description in the making.
struct Net {
    shape: [usize; 3],
    nodes: Vec<Value>,
    last: String,
}

impl Net {
    fn new(shape: [usize; 3]) -> Self {
        Self { shape, nodes: Vec::new(), last: "input".into() }
    }

    /// Adds a node that reads the last one; gives its name.
    fn push(&mut self, op: &str, more: &Value) -> String {
        let name = format!("{op}{}", self.nodes.len());
        let mut node = json!({"name": name, "op": op, "inputs": [self.last]});
        let roles: &[&str] = match op {
            "conv2d" if more["bias"] == json!(false) => &["weight"],
            "conv2d" | "linear" => &["weight", "bias"],
            "batchnorm2d" => &["weight", "bias", "running_mean", "running_var"],
            _ => &[],
        };
        if let (Value::Object(node), Value::Object(more)) = (&mut node, more) {
            node.extend(more.clone());
            let params = roles.iter().map(|r| ((*r).to_owned(), json!(format!("{name}.{r}"))));
            node.insert("params".into(), Value::Object(params.collect()));
        }
        self.nodes.push(node);
        self.last.clone_from(&name);
        name
    }

    fn conv(&mut self, out: usize, kernel: usize, stride: usize, groups: usize, bias: bool) {
        let more = json!({"out_channels": out, "kernel": kernel, "stride": stride, "padding": kernel / 2,
            "groups": groups, "bias": bias});
        self.push("conv2d", &more);
    }

    /// Convolution, batch normalisation and an activation.
    fn block(&mut self, out: usize, kernel: usize, stride: usize, groups: usize, act: Option<&str>) {
        self.conv(out, kernel, stride, groups, false);
        self.push("batchnorm2d", &json!({}));
        if let Some(act) = act {
            self.push(act, &json!({}));
        }
    }

    fn residual(&mut self, around: &str) {
        self.push("add", &json!({}));
        if let Some(Value::Array(inputs)) = self.nodes.last_mut().map(|n| &mut n["inputs"]) {
            inputs.push(json!(around));
        }
    }

    /// Basic residual blocks: widths and strides.
    fn blocks(&mut self, blocks: &[(usize, usize)], mut width: usize) {
        for &(out, stride) in blocks {
            let before = self.last.clone();
            self.block(out, 3, stride, 1, Some("relu"));
            self.block(out, 3, 1, 1, None);
            let main = self.last.clone();
            let mut around = before.clone();
            if stride != 1 || out != width {
                self.last = before;
                self.block(out, 1, stride, 1, None);
                around.clone_from(&self.last);
            }
            self.last = main;
            self.residual(&around);
            self.push("relu", &json!({}));
            width = out;
        }
    }

    fn head(mut self, classes: usize) -> Result<Description, Error> {
        self.push("globalavgpool", &json!({}));
        self.push("flatten", &json!({}));
        self.push("linear", &json!({"out_features": classes}));
        self.finish()
    }

    fn finish(self) -> Result<Description, Error> {
        let text = json!({"format": "laocoon-network-1", "input": {"name": "input", "shape": self.shape},
            "nodes": self.nodes, "output": self.last});
        Ok(Description::parse(&text.to_string())?)
    }
}

/// `ResNet-18` for CIFAR (He et al. 2016).
fn resnet18(classes: usize) -> Result<Description, Error> {
    let mut net = Net::new([3, 32, 32]);
    net.block(64, 3, 1, 1, Some("relu"));
    net.blocks(&[(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)], 64);
    net.head(classes)
}

/// A residual network of three blocks.
fn resnet8(classes: usize) -> Result<Description, Error> {
    let mut net = Net::new([3, 32, 32]);
    net.block(16, 3, 1, 1, Some("relu"));
    net.blocks(&[(16, 1), (32, 2), (64, 2)], 16);
    net.head(classes)
}

/// Two convolutions, a pool and two fully connected layers, for 28×28 grey images.
fn smallcnn(classes: usize) -> Result<Description, Error> {
    let mut net = Net::new([1, 28, 28]);
    for out in [32, 64] {
        net.conv(out, 3, 1, 1, true);
        net.push("relu", &json!({}));
    }
    net.push("maxpool2d", &json!({"kernel": 2}));
    net.push("flatten", &json!({}));
    net.push("linear", &json!({"out_features": 128}));
    net.push("relu", &json!({}));
    net.push("linear", &json!({"out_features": classes}));
    net.finish()
}

/// `MobileNet` v2 with fewer stages, for CIFAR: inverted residuals around depthwise convolutions.
fn mobilenet(classes: usize) -> Result<Description, Error> {
    let mut net = Net::new([3, 32, 32]);
    net.block(32, 3, 1, 1, Some("relu6"));
    let mut width = 32;
    for (out, stride) in [(16, 1), (24, 1), (24, 1), (32, 2), (32, 1), (64, 2), (64, 1), (96, 1), (160, 2)] {
        let before = net.last.clone();
        let wide = width * 6;
        net.block(wide, 1, 1, 1, Some("relu6"));
        net.block(wide, 3, stride, wide, Some("relu6"));
        net.block(out, 1, 1, 1, None);
        if stride == 1 && out == width {
            net.residual(&before);
        }
        width = out;
    }
    net.block(640, 1, 1, 1, Some("relu6"));
    net.head(classes)
}

/// `VGG-11` with batch normalisation, for CIFAR.
fn vgg11(classes: usize) -> Result<Description, Error> {
    let mut net = Net::new([3, 32, 32]);
    for (out, pool) in [
        (64, true),
        (128, true),
        (256, false),
        (256, true),
        (512, false),
        (512, true),
        (512, false),
        (512, true),
    ] {
        net.block(out, 3, 1, 1, Some("relu"));
        if pool {
            net.push("maxpool2d", &json!({"kernel": 2}));
        }
    }
    net.push("flatten", &json!({}));
    net.push("linear", &json!({"out_features": classes}));
    net.finish()
}

/// PyTorch in another process.
struct Peer {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(python: &str, folder: &Path, threads: usize, compile: bool) -> Result<Self, Error> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/network.py");
        let mut command = Command::new(python);
        command.arg(script).arg(folder).arg(threads.to_string()).args(compile.then_some("--compile"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let ask = child.stdin.take().ok_or("no standard input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no standard output")?);
        Ok(Self { child, ask, answers })
    }

    fn ask(&mut self, line: &str) -> Result<Value, Error> {
        writeln!(self.ask, "{line}")?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            return Err(format!("PyTorch ended on '{line}'").into());
        }
        Ok(serde_json::from_str(&answer)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends by itself at the end of its input; a failure to kill it means that it has.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Images a second, by the median of calls over some seconds. With one thread a second is one of CPU time, which other
/// work on the machine cannot take away.
fn rate(
    count: usize,
    threads: usize,
    seconds: f64,
    mut step: impl FnMut() -> Result<(), Error>,
) -> Result<f64, Error> {
    step()?;
    let (start, mut times) = (Instant::now(), Vec::new());
    let clock = || if threads == 1 { common::cpu() } else { start.elapsed().as_secs_f64() };
    while times.len() < 3 || times.iter().sum::<f64>() < seconds {
        let begin = clock();
        step()?;
        times.push(clock() - begin);
    }
    let (mean, middle) = (times.iter().sum::<f64>() / times.len() as f64, median(&mut times));
    // A call may be shorter than the step in which a system counts CPU time.
    Ok(count as f64 / if middle > 0.0 { middle } else { mean })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The gradient of the summed cross-entropy in the logits, for labels 0, 1, … in turn.
fn cross_entropy(logits: ArrayView2<f32>) -> Array2<f32> {
    let mut gradient = logits.to_owned();
    for (i, mut row) in gradient.outer_iter_mut().enumerate() {
        let top = row.fold(f32::MIN, |m, &v| m.max(v));
        row.mapv_inplace(|v| (v - top).exp());
        let sum = row.sum();
        row /= sum;
        row[i % 10] -= 1.0;
    }
    gradient
}

/// One side's step of a measurement.
fn step(
    what: &str,
    model: &Model,
    trainer: &mut Trainer,
    x: ArrayView4<f32>,
    labels: &[usize],
) -> Result<(), Error> {
    match what {
        "forward" => drop(model.logits(x)?),
        "gradient" => drop(model.input_gradient(x, &mut cross_entropy)?),
        _ => drop(trainer.step(x, labels)?),
    }
    Ok(())
}

struct Arguments {
    threads: usize,
    rounds: usize,
    seconds: f64,
    only: String,
    batches: Vec<usize>,
    compile: bool,
}

fn arguments() -> Result<Arguments, Error> {
    let after = common::option;
    Ok(Arguments {
        threads: common::number("--threads", 2),
        rounds: common::number("--rounds", 5),
        seconds: after("--seconds").map_or(Ok(0.5), |v| v.parse())?,
        only: after("--only").unwrap_or_default(),
        batches: after("--batch").map_or(Ok(vec![32, 128]), |v| v.parse().map(|b| vec![b]))?,
        compile: std::env::args().any(|a| a == "--compile"),
    })
}

fn main() -> Result<(), Error> {
    let arguments = arguments()?;
    let classes = common::number("--classes", 10);
    if let Some(folder) = common::option("--write") {
        return write(Path::new(&folder), &arguments.only, classes);
    }
    let folder = tempfile::tempdir()?;
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build_global()?;
    let mut peer = std::env::var("LAOCOON_TORCH")
        .ok()
        .map(|python| Peer::start(&python, folder.path(), arguments.threads, arguments.compile))
        .transpose()?;
    let kernels = laocoon_kernels::Level::best().name();
    let about = peer.as_mut().map(|peer| peer.ask("about")).transpose()?.unwrap_or_default();
    common::tell(
        &format!("{} threads, {kernels}\n{}", arguments.threads, about["about"].as_str().unwrap_or_default()),
        &json!({"threads": arguments.threads, "kernels": kernels, "peer": about}),
    );
    if !common::json() {
        let heads = ("network", "batch", "pass", "images/s", "PyTorch", "ratio");
        println!(
            "{:<12}{:>6}  {:<9}{:>9}{:>9}{:>7}  mode",
            heads.0, heads.1, heads.2, heads.3, heads.4, heads.5
        );
    }
    let networks = [
        ("resnet18", resnet18(classes)?, true, false),
        ("smallcnn", smallcnn(classes)?, true, true),
        ("mobilenet", mobilenet(classes)?, true, false),
        ("vgg11", vgg11(classes)?, true, false),
        ("resnet8", resnet8(classes)?, true, true),
    ];
    for (name, description, rest, train) in networks {
        if name.contains(&arguments.only) {
            network(&arguments, name, &description, rest, train, folder.path(), peer.as_mut())?;
        }
    }
    let theirs = peer.as_mut().map(|peer| peer.ask("memory")).transpose()?.unwrap_or_default()["mib"].clone();
    common::tell(
        &format!("peak memory in MiB: {:.0}; PyTorch {theirs}", common::peak_mib()),
        &json!({"ours_mib": common::peak_mib(), "peer_mib": theirs}),
    );
    Ok(())
}

/// Descriptions and random weights for other programs and for a scan.
fn write(folder: &Path, only: &str, classes: usize) -> Result<(), Error> {
    let networks = [
        ("resnet18", resnet18(classes)?),
        ("smallcnn", smallcnn(classes)?),
        ("mobilenet", mobilenet(classes)?),
        ("vgg11", vgg11(classes)?),
        ("resnet8", resnet8(classes)?),
    ];
    for (name, description) in networks.into_iter().filter(|(name, _)| name.contains(only)) {
        let graph = initialise(&description, 1, &Limits::default())?;
        std::fs::write(folder.join(format!("{name}.json")), description.to_json()?)?;
        std::fs::write(folder.join(format!("{name}.safetensors")), save::safetensors(&graph)?)?;
    }
    Ok(())
}

fn network(
    arguments: &Arguments,
    name: &str,
    description: &Description,
    rest: bool,
    train: bool,
    folder: &Path,
    mut peer: Option<&mut Peer>,
) -> Result<(), Error> {
    let graph = initialise(description, 1, &Limits::default())?;
    let input: InputSpec = description.input_spec();
    let [c, h, w] = input.shape;
    let mut state = 1u32;
    let most = arguments.batches.iter().copied().max().unwrap_or(8).max(8);
    let images = Array4::from_shape_simple_fn((most, c, h, w), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    });
    let labels: Vec<usize> = (0..most).map(|i| i % 10).collect();
    std::fs::write(folder.join(format!("{name}.json")), description.to_json()?)?;
    std::fs::write(folder.join(format!("{name}.safetensors")), save::safetensors(&graph)?)?;
    let stored = laocoon::evidence::safetensors::Stored::from(images.view().into_dyn());
    let bytes =
        laocoon::evidence::safetensors::write([("images", &stored)], &std::collections::BTreeMap::new())?;
    std::fs::write(folder.join(format!("{name}-images.safetensors")), bytes)?;
    let model = Model::from_graph(graph.clone(), input.clone(), Vec::new())?;
    let sgd = Optimizer::Sgd { rate: 0.01, momentum: 0.9, weight_decay: 0.0 };
    let mut trainer = Trainer::new(graph, input, sgd)?;
    if let Some(peer) = peer.as_deref_mut() {
        let ours = model.logits(images.slice_axis(Axis(0), (0..8).into()))?;
        let theirs = peer.ask(&format!("logits {name} 8"))?;
        let theirs: Vec<f64> = serde_json::from_value(theirs["logits"].clone())?;
        let top = theirs.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let gap = ours.iter().zip(&theirs).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        common::tell(
            &format!("{name}: logits differ by {:.1e} of the largest", gap / top),
            &json!({"network": name, "logits_differ": gap / top}),
        );
    }
    let passes: &[&str] = match (rest, train) {
        (true, true) => &["forward", "gradient", "train"],
        (true, false) => &["forward", "gradient"],
        _ => &["train"],
    };
    for &batch in &arguments.batches {
        for &what in passes {
            let x = images.slice_axis(Axis(0), (0..batch).into());
            let (mut ours, mut theirs, mut mode) = (Vec::new(), Vec::new(), String::new());
            for _ in 0..arguments.rounds {
                ours.push(rate(batch, arguments.threads, arguments.seconds, || {
                    step(what, &model, &mut trainer, x.view(), &labels[..batch])
                })?);
                if let Some(peer) = peer.as_deref_mut() {
                    let answer = peer.ask(&format!("{what} {name} {batch} {}", arguments.seconds))?;
                    theirs.push(answer["rate"].as_f64().ok_or("no rate")?);
                    answer["mode"].as_str().unwrap_or_default().clone_into(&mut mode);
                }
            }
            let facts = json!({"network": name, "batch": batch, "pass": what, "ours": ours, "peer": theirs, "mode": mode});
            let ours = median(&mut ours);
            let mut words = format!("{name:<12}{batch:>6}  {what:<9}{ours:>9.0}");
            if !theirs.is_empty() {
                let theirs = median(&mut theirs);
                words = format!("{words}{theirs:>9.0}{:>7.2}  {mode}", ours / theirs);
            }
            common::tell(&words, &facts);
        }
    }
    Ok(())
}
