//! From a configuration to a [`Graph`](crate::network::Graph): models within models, the order of calls, and what the layers share.

use super::Read;
use super::config::{Arg, Layer, Settings, ends};
use super::source::{Place, Scope, Source};
use super::value::{Form, Live, places};
use crate::evidence::{EvidenceError, InputSpec, Limits, text::visible};
use crate::network::NetworkError;
use crate::network::graph::{Builder, ParamId, ValueId};
use crate::network::op::{Op, Transpose, View};
use ndarray::ArrayD;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Models within models.
const DEPTH: usize = 8;

/// State of the walk.
pub(super) struct Net<'a> {
    path: &'a Path,
    source: &'a Source<'a>,
    pub(super) builder: Builder,
    /// Written by Keras 2 or older, whose hard sigmoid is another.
    pub(super) old: bool,
    params: HashMap<String, ParamId>,
    facts: BTreeSet<String>,
    /// The input is divided by a hundred and more: its pixels are 0 to 255.
    pub(super) bytes: bool,
    layers: usize,
}

/// One call of a layer.
pub(super) struct Call<'c> {
    pub(super) layer: Layer<'c>,
    pub(super) set: Settings<'c>,
    /// Its name with those of the models it is in.
    pub(super) name: String,
    place: Place,
}

impl<'c> Call<'c> {
    /// A layer that is a setting of this one.
    pub(super) fn part(&self, layer: Layer<'c>) -> Call<'c> {
        Call { layer, set: Settings(layer.config), name: self.name.clone(), place: self.place.clone() }
    }
}

/// What a layer is given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Given {
    Live(Live),
    Number(f32),
}

pub(super) fn read(
    path: &Path,
    source: &Source,
    given: Option<[usize; 3]>,
    limits: &Limits,
) -> Result<Read, EvidenceError> {
    let fail = |place: &str, reason: String| EvidenceError::at(path, place, "keras.config", reason);
    let model = Layer::read(&source.config).map_err(|reason| fail("", reason))?;
    if let Some(why) = model.foreign() {
        return Err(EvidenceError::at(path, "model", "keras.op.unknown", format!("is {why}")));
    }
    if !model.is_model() {
        let reason =
            format!("is of class '{}'; Sequential and Functional models are read", visible(model.class));
        return Err(EvidenceError::at(path, "model", "keras.op.unknown", reason));
    }
    let shape = input_shape(&model).map_err(|reason| fail("input", reason))?;
    let open = |axis: usize, from: usize| {
        let known = shape.get(axis).copied().flatten().or_else(|| given.and_then(|g| g.get(from).copied()));
        known.ok_or_else(|| {
            fail("input", "leaves its size open: give [model.input] shape in the case file".to_owned())
        })
    };
    let image = match shape.len() {
        3 => vec![open(2, 0)?, open(0, 1)?, open(1, 2)?],
        2 => vec![1, open(0, 1)?, open(1, 2)?],
        1 => match (shape.first().copied().flatten(), given) {
            (Some(n), Some(g)) if g.iter().try_fold(1usize, |n, &d| n.checked_mul(d)) == Some(n) => {
                g.to_vec()
            }
            (Some(n), _) => vec![n],
            (None, _) => return Err(fail("input", "leaves its size open".to_owned())),
        },
        n => return Err(fail("input", format!("has {n} axes per sample, an image has 3"))),
    };
    let builder = Builder::new("input", &image, limits).map_err(|e| network(path, &e))?;
    let old = !source.version.starts_with(|c: char| ('3'..='9').contains(&c));
    let mut net = Net {
        path,
        source,
        builder,
        old,
        params: HashMap::new(),
        facts: BTreeSet::new(),
        bytes: false,
        layers: 0,
    };
    let first = net.enter(&image, shape.len())?;
    let output = net.model(&model, first, None, "", 0)?;
    let output = net.in_order(output, "output")?;
    let count = net.layers;
    let mut facts = vec![format!(
        "Keras {}{}, {count} layers, read as data",
        if source.version.is_empty() { "of an unknown version".to_owned() } else { visible(&source.version) },
        if model.class == "Sequential" { ", Sequential" } else { ", Functional" },
    )];
    let mut input = None;
    if net.bytes {
        facts.push(
            "it scales its input itself: pixels enter as 0 to 255 unless the case says otherwise".to_owned(),
        );
        if let [c, h, w] = image[..] {
            input =
                Some(InputSpec { shape: [c, h, w], range: [0.0, 255.0], mean: Vec::new(), std: Vec::new() });
        }
    }
    facts.extend(net.facts);
    let graph = net.builder.finish(output.id).map_err(|e| network(path, &e))?;
    Ok(Read { graph, facts, input })
}

/// Extents of a model's input without the batch, `None` where they are left open.
fn input_shape(model: &Layer) -> Result<Vec<Option<usize>>, String> {
    let layers = Layer::list(model.config)?;
    let shape_of = |v: &serde_json::Value| {
        ["batch_shape", "batch_input_shape", "build_input_shape"]
            .iter()
            .find_map(|k| v[*k].as_array().cloned())
    };
    let wanted = match model.config.get("input_layers").map(ends).transpose()? {
        Some(inputs) => match &inputs[..] {
            [Arg::Value { layer, .. }] => Some(layer.clone()),
            list => return Err(format!("the model has {} inputs, an image classifier has one", list.len())),
        },
        None => None,
    };
    let first = match &wanted {
        Some(name) => layers.iter().find(|l| l.name == name),
        None => layers.first(),
    };
    // A model within the model may be the first layer of a Sequential.
    let shape = first.and_then(|l| shape_of(l.config)).or_else(|| shape_of(model.config));
    let inner = || first.filter(|l| l.is_model()).map(input_shape_once);
    match (shape, inner()) {
        (Some(list), _) => Ok(extents(&list)),
        (None, Some(found)) => found,
        (None, None) => Err("the model does not say the shape of its input: it was never built".into()),
    }
}

/// As [`input_shape`] of a model that is the first layer; no further down.
fn input_shape_once(model: &Layer) -> Result<Vec<Option<usize>>, String> {
    let layers = Layer::list(model.config)?;
    let list = layers
        .first()
        .and_then(|l| ["batch_shape", "batch_input_shape"].iter().find_map(|k| l.config[*k].as_array()));
    list.map(|l| extents(l)).ok_or_else(|| "the model does not say the shape of its input".to_owned())
}

fn extents(list: &[serde_json::Value]) -> Vec<Option<usize>> {
    list.iter().skip(1).map(|v| v.as_u64().and_then(|n| usize::try_from(n).ok())).collect()
}

fn network(path: &Path, e: &NetworkError) -> EvidenceError {
    match e {
        NetworkError::Malformed { place, reason } => EvidenceError::at(path, place, "keras.shape", reason),
        NetworkError::Limit { .. } => EvidenceError::whole(path, "keras.limit", e.to_string()),
        other => EvidenceError::whole(path, "keras.shape", other.to_string()),
    }
}

impl Net<'_> {
    /// The image as Keras takes it: of `rank` axes.
    fn enter(&mut self, image: &[usize], rank: usize) -> Result<Live, EvidenceError> {
        let &[c, h, w] = image else { return Ok(Live::plain(0)) };
        match rank {
            3 => Ok(Live::planes(0)),
            2 => Ok(Live::plain(self.push("rows", Op::View(View::Reshape(vec![h, w])), &[0])?)),
            _ => {
                let id = self.push("row", Op::View(View::Flatten), &[0])?;
                Ok(flat(id, [c, h, w]))
            }
        }
    }

    /// The layers of a model over `input`.
    fn model(
        &mut self,
        model: &Layer,
        input: Live,
        outer: Option<&Place>,
        prefix: &str,
        depth: usize,
    ) -> Result<Live, EvidenceError> {
        let place =
            if prefix.is_empty() { "model".to_owned() } else { format!("model '{}'", visible(prefix)) };
        let fail = |reason: String| EvidenceError::at(self.path, &place, "keras.config", reason);
        if depth > DEPTH {
            return Err(fail(format!("lies in more than {DEPTH} models")));
        }
        let layers = Layer::list(model.config).map_err(fail)?;
        let fail = |reason: String| EvidenceError::at(self.path, &place, "keras.config", reason);
        let named: Vec<(String, String)> = layers
            .iter()
            .filter(|l| !l.is_function())
            .map(|l| (l.class.to_owned(), l.name.to_owned()))
            .collect();
        if named.iter().map(|(_, name)| name).collect::<BTreeSet<_>>().len() < named.len() {
            return Err(fail("two of its layers have one name".to_owned()));
        }
        let scope = self.source.scope(outer, &named)?;
        let Some(inputs) = model.config.get("input_layers") else {
            let mut value = input;
            for layer in &layers {
                value = self.call(layer, &[Given::Live(value)], &scope, prefix, depth)?;
            }
            return Ok(value);
        };
        let inputs = ends(inputs).map_err(fail)?;
        let outputs =
            model.config.get("output_layers").map(ends).transpose().map_err(fail)?.unwrap_or_default();
        let [Arg::Value { layer: entry, .. }] = &inputs[..] else {
            return Err(fail(format!("has {} inputs, one is supported", inputs.len())));
        };
        let Some(Arg::Value { layer, node }) = outputs.first() else {
            return Err(fail("has no output".to_owned()));
        };
        if outputs.len() > 1 {
            let first = visible(layer);
            self.facts.insert(format!("{} outputs, the first ('{first}') is used", outputs.len()));
        }
        let wanted = (layer.clone(), *node);
        self.functional(&layers, (entry, input), &wanted, &scope, prefix, depth)
    }

    /// The calls that the wanted one depends on, each after what it reads.
    fn functional(
        &mut self,
        layers: &[Layer],
        (entry, input): (&str, Live),
        wanted: &(String, usize),
        scope: &Scope,
        prefix: &str,
        depth: usize,
    ) -> Result<Live, EvidenceError> {
        let by_name: HashMap<&str, &Layer> = layers.iter().map(|l| (l.name, l)).collect();
        let mut calls = HashMap::new();
        for layer in layers {
            calls.insert(
                layer.name,
                layer.calls().map_err(|reason| self.at(prefix, layer, "keras.config", reason))?,
            );
        }
        // A call with what it waits for; it is asked twice, before and after its inputs.
        let mut done: HashMap<(String, usize), Live> = HashMap::from([((entry.to_owned(), 0), input)]);
        let (mut open, mut begun) = (vec![wanted.clone()], BTreeSet::new());
        while let Some(call) = open.last().cloned() {
            if done.contains_key(&call) {
                open.pop();
                continue;
            }
            let missing = |what: &str| {
                let place = format!("layer '{}'", visible(&call.0));
                EvidenceError::at(self.path, place, "keras.config", what)
            };
            let layer =
                by_name.get(call.0.as_str()).ok_or_else(|| missing("is read, but is not in the model"))?;
            let args = calls
                .get(call.0.as_str())
                .and_then(|(c, first)| c.get(call.1.checked_sub(*first)?))
                .ok_or_else(|| missing("is read by a call that it does not have"))?;
            let needs = args.iter().filter_map(|a| match a {
                Arg::Value { layer, node } => Some((layer.clone(), *node)),
                Arg::Number(_) => None,
            });
            let needs: Vec<(String, usize)> = needs.filter(|n| !done.contains_key(n)).collect();
            if needs.is_empty() {
                let given: Vec<Given> = args
                    .iter()
                    .filter_map(|a| match a {
                        Arg::Value { layer, node } => {
                            done.get(&(layer.clone(), *node)).copied().map(Given::Live)
                        }
                        Arg::Number(n) => Some(Given::Number(*n)),
                    })
                    .collect();
                let value = self.call(layer, &given, scope, prefix, depth)?;
                done.insert(call, value);
                open.pop();
            } else if !begun.insert(call.clone()) {
                return Err(missing("depends on its own value"));
            } else {
                open.extend(needs);
            }
        }
        done.get(wanted).copied().ok_or_else(|| {
            EvidenceError::at(self.path, "output", "keras.config", "does not depend on the input")
        })
    }

    /// One call of a layer.
    fn call(
        &mut self,
        layer: &Layer,
        given: &[Given],
        scope: &Scope,
        prefix: &str,
        depth: usize,
    ) -> Result<Live, EvidenceError> {
        if let Some(why) = layer.foreign() {
            return Err(self.at(prefix, layer, "keras.op.unknown", format!("is {why}")));
        }
        let place = self.source.place(scope, layer.name);
        let name = format!("{prefix}{}", layer.name);
        let live: Vec<Live> = given
            .iter()
            .filter_map(|g| match g {
                Given::Live(v) => Some(*v),
                Given::Number(_) => None,
            })
            .collect();
        if layer.is_model() {
            let &[input] = &live[..] else {
                return Err(self.at(
                    prefix,
                    layer,
                    "keras.config",
                    format!("takes one input, has {}", live.len()),
                ));
            };
            return self.model(layer, input, Some(&place), &format!("{name}/"), depth + 1);
        }
        self.layers += 1;
        let call = Call { layer: *layer, set: Settings(layer.config), name, place };
        self.policy(&call)?;
        super::layers::lower(self, &call, given, &live)
    }

    /// In what numbers a layer computes.
    fn policy(&mut self, call: &Call) -> Result<(), EvidenceError> {
        let dtype = &call.layer.config["dtype"];
        let name = dtype.as_str().or_else(|| dtype["config"]["name"].as_str()).unwrap_or_default();
        if ["int", "float8", "gptq", "awq"].iter().any(|q| name.starts_with(q)) {
            return Err(self.unsupported(call, &format!("with weights quantised as {}", visible(name))));
        }
        if name.contains("16") {
            self.facts.insert(format!("computed as f32 where Keras computes as {}", visible(name)));
        }
        Ok(())
    }

    fn at(
        &self,
        prefix: &str,
        layer: &Layer,
        code: &'static str,
        reason: impl Into<String>,
    ) -> EvidenceError {
        EvidenceError::at(
            self.path,
            format!("layer '{}{}'", visible(prefix), visible(layer.name)),
            code,
            reason,
        )
    }

    pub(super) fn fail(&self, call: &Call, reason: impl Into<String>) -> EvidenceError {
        EvidenceError::at(self.path, format!("layer '{}'", visible(&call.name)), "keras.config", reason)
    }

    /// A layer that is not run, or not in this form.
    pub(super) fn unsupported(&self, call: &Call, how: &str) -> EvidenceError {
        let how = if how.is_empty() { String::new() } else { format!(" {how}") };
        let reason = format!(
            "class '{}'{how} is not supported; export the network to ONNX with tf2onnx, or build it of other layers",
            visible(call.layer.class)
        );
        EvidenceError::at(self.path, format!("layer '{}'", visible(&call.name)), "keras.op.unknown", reason)
    }

    /// The weights of a layer; see [`Source::weights`].
    pub(super) fn weights(&self, call: &Call, roles: &[&str]) -> Result<Vec<ArrayD<f32>>, EvidenceError> {
        self.source.weights(&call.place, roles)
    }

    /// A parameter of a layer under a name; a layer that is called again gets the same one.
    pub(super) fn param(&mut self, call: &Call, role: &str, value: ArrayD<f32>, trainable: bool) -> ParamId {
        let name = format!("{}/{role}", call.name);
        if let Some(&id) = self.params.get(&name)
            && self.builder.params().get(id).is_some_and(|p| p.value == value)
        {
            return id;
        }
        let id = self.builder.param(&name, value, trainable);
        self.params.insert(name, id);
        id
    }

    pub(super) fn push(&mut self, name: &str, op: Op, inputs: &[ValueId]) -> Result<ValueId, EvidenceError> {
        self.builder.push(name, op, inputs).map_err(|e| network(self.path, &e))
    }

    /// Shape of a value as Keras sees it.
    pub(super) fn shape(&self, v: Live) -> Vec<usize> {
        let shape = self.builder.shape(v.id);
        match (v.form, shape) {
            (Form::Planes, &[c, h, w]) => vec![h, w, c],
            _ => shape.to_vec(),
        }
    }

    /// Channels, height, width of planes.
    pub(super) fn planes(&self, call: &Call, v: Live) -> Result<[usize; 3], EvidenceError> {
        match (v.form, self.builder.shape(v.id)) {
            (Form::Planes, &[c, h, w]) => Ok([c, h, w]),
            _ => Err(self.fail(call, format!("takes height × width × channels, gets {:?}", self.shape(v)))),
        }
    }

    /// The same value with its numbers in the order of Keras.
    pub(super) fn in_order(&mut self, v: Live, name: &str) -> Result<Live, EvidenceError> {
        let order = || Op::Transpose(Transpose { order: vec![1, 2, 0] });
        match (v.form, self.builder.shape(v.id)) {
            (Form::Planes, &[c, h, w]) if c == 1 || h * w == 1 => {
                let id =
                    self.push(&format!("{name}/order"), Op::View(View::Reshape(vec![h, w, c])), &[v.id])?;
                Ok(Live::plain(id))
            }
            (Form::Planes, _) => Ok(Live::plain(self.push(&format!("{name}/order"), order(), &[v.id])?)),
            (Form::Flat(planes), _) => {
                let id =
                    self.push(&format!("{name}/planes"), Op::View(View::Reshape(planes.to_vec())), &[v.id])?;
                let id = self.push(&format!("{name}/order"), order(), &[id])?;
                Ok(Live::plain(self.push(&format!("{name}/row"), Op::View(View::Flatten), &[id])?))
            }
            (Form::Plain, _) => Ok(v),
        }
    }
}

/// A flattened value: plain where one order is the other.
pub(super) fn flat(id: ValueId, [c, h, w]: [usize; 3]) -> Live {
    if c == 1 || h * w == 1 { Live::plain(id) } else { Live { id, form: Form::Flat([c, h, w]) } }
}

/// One number per place of the last axis, as it lies in the graph.
pub(super) fn along(form: Form, values: ArrayD<f32>) -> ArrayD<f32> {
    match form {
        Form::Flat(planes) if values.len() > 1 => {
            let row: Vec<f32> = places(planes).filter_map(|k| values.iter().nth(k).copied()).collect();
            ndarray::Array1::from(row).into_dyn()
        }
        _ => values,
    }
}
