//! The configuration of a model: its layers, what each is called with, and the settings of one layer.

use crate::evidence::text::visible;
use serde_json::{Map, Value};

/// A layer as its model lists it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layer<'a> {
    pub(super) class: &'a str,
    pub(super) name: &'a str,
    pub(super) whole: &'a Map<String, Value>,
    pub(super) config: &'a Value,
}

/// What a layer is called with.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Arg {
    /// The value of call `node` of a layer.
    Value { layer: String, node: usize },
    /// A number.
    Number(f32),
}

impl<'a> Layer<'a> {
    /// Reads an entry of a list of layers.
    pub(super) fn read(value: &'a Value) -> Result<Self, String> {
        let whole = value.as_object().ok_or("a layer is no JSON object")?;
        let class = value["class_name"].as_str().ok_or("a layer without class")?;
        let config = value.get("config").unwrap_or(&Value::Null);
        let name = value["name"].as_str().or_else(|| config["name"].as_str()).unwrap_or(class);
        Ok(Self { class, name, whole, config })
    }

    /// The layers of a model's configuration.
    pub(super) fn list(config: &'a Value) -> Result<Vec<Self>, String> {
        // Long ago a Sequential was its list of layers.
        let list = config.get("layers").unwrap_or(config);
        list.as_array().ok_or("a model without layers")?.iter().map(Self::read).collect()
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.whole.get(key).and_then(Value::as_str)
    }

    /// Whether it is a model of its own.
    pub(super) fn is_model(&self) -> bool {
        matches!(self.class, "Sequential" | "Functional" | "Model")
    }

    /// Whether it is one of Keras' functions on arrays (`x + y`).
    pub(super) fn is_function(&self) -> bool {
        match self.text("module") {
            Some(module) => module.contains(".ops."),
            // `.h5` names no modules; a function has no setting but its name.
            None => self.config.as_object().is_some_and(|c| c.keys().all(|k| k == "name")),
        }
    }

    /// Why it is not one of Keras' own; `None` when it is.
    pub(super) fn foreign(&self) -> Option<String> {
        let class = visible(self.class);
        if matches!(self.class, "Lambda" | "__lambda__") {
            return Some(
                "a Lambda layer: it holds Python code, which is never run here; rebuild the model without it"
                    .into(),
            );
        }
        if let Some(module) = self.text("module") {
            let root = module.split('.').next().unwrap_or_default();
            let own = matches!(root, "keras" | "tf_keras" | "builtins")
                || module.starts_with("tensorflow.keras")
                || module.starts_with("tensorflow.python.keras");
            if !own {
                return Some(format!(
                    "of class '{class}' of module '{}', which is not Keras' own: it is never imported or run",
                    visible(module)
                ));
            }
        }
        match self.text("registered_name") {
            Some(name) if name.contains('>') => Some(format!(
                "of the class '{}', registered by a program of its author: it is never imported or run",
                visible(name)
            )),
            _ => None,
        }
    }

    /// What each of its calls is called with, and the number of the first.
    pub(super) fn calls(&self) -> Result<(Vec<Vec<Arg>>, usize), String> {
        let Some(nodes) = self.whole.get("inbound_nodes") else { return Ok((Vec::new(), 0)) };
        let nodes = nodes.as_array().ok_or("'inbound_nodes' is no list")?;
        // For Keras 2 a model that begins with its input was called once already, when it was made.
        let made = nodes.first().is_some_and(Value::is_array)
            && self.is_model()
            && self.config["layers"][0]["class_name"].as_str() == Some("InputLayer");
        Ok((nodes.iter().map(call).collect::<Result<_, _>>()?, usize::from(made)))
    }
}

fn call(node: &Value) -> Result<Vec<Arg>, String> {
    let mut out = Vec::new();
    match node {
        // Keras 2: a list of [layer, node, tensor, further arguments].
        Value::Array(inputs) => {
            // One input may stand without the list around it.
            let single = inputs.first().is_some_and(Value::is_string);
            let inputs = if single { std::slice::from_ref(node) } else { inputs.as_slice() };
            for input in inputs {
                let parts = input.as_array().ok_or("an input of a call is no list")?;
                out.push(history(parts)?);
                if let Some(more) = parts.get(3) {
                    further(more)?;
                }
            }
        }
        Value::Object(node) => {
            let args = node.get("args").and_then(Value::as_array).ok_or("a call without arguments")?;
            for arg in args {
                match arg {
                    Value::Array(list) => {
                        for one in list {
                            out.push(tensor(one)?);
                        }
                    }
                    Value::Null => {}
                    Value::Number(n) => out.push(Arg::Number(n.as_f64().unwrap_or(f64::NAN) as f32)),
                    one => out.push(tensor(one)?),
                }
            }
            if let Some(more) = node.get("kwargs") {
                further(more)?;
            }
        }
        _ => return Err("a call that is neither list nor object".into()),
    }
    Ok(out)
}

fn tensor(value: &Value) -> Result<Arg, String> {
    if value["class_name"].as_str() != Some("__keras_tensor__") {
        return Err("is called with something that is no value of the network".into());
    }
    let parts = value["config"]["keras_history"].as_array().ok_or("a value without origin")?;
    history(parts)
}

/// Layer, call of it, and which of its outputs.
pub(super) fn history(parts: &[Value]) -> Result<Arg, String> {
    let number = |k: usize| parts.get(k).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
    match (parts.first().and_then(Value::as_str), number(1), number(2)) {
        (Some(layer), Some(node), Some(0)) => Ok(Arg::Value { layer: layer.to_owned(), node }),
        (Some(layer), _, Some(_)) => Err(format!("reads a further output of layer '{}'", visible(layer))),
        _ => Err("an origin that is not layer, call, output".into()),
    }
}

/// Further arguments of a call: only those that say nothing.
fn further(more: &Value) -> Result<(), String> {
    let Some(map) = more.as_object() else {
        return if more.is_null() { Ok(()) } else { Err("further arguments of a call are no object".into()) };
    };
    for (key, value) in map {
        let silent = value.is_null() || key == "training" && value == &Value::Bool(false) || key == "name";
        if !silent {
            return Err(format!("is called with '{}', which is not supported", visible(key)));
        }
    }
    Ok(())
}

/// `input_layers` and `output_layers`: one origin, or a list of them.
pub(super) fn ends(value: &Value) -> Result<Vec<Arg>, String> {
    let list = value.as_array().ok_or("a model without input and output layers")?;
    if list.first().is_some_and(Value::is_string) {
        return Ok(vec![history(list)?]);
    }
    list.iter().map(|one| history(one.as_array().ok_or("an input or output layer is no list")?)).collect()
}

/// The settings of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a>(pub(super) &'a Value);

/// Largest size that a setting may have.
const SIZE: u64 = 1 << 20;

impl<'a> Settings<'a> {
    pub(super) fn get(self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|v| !v.is_null())
    }

    pub(super) fn text(self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Value::as_str)
    }

    pub(super) fn flag(self, key: &str, default: bool) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(default)
    }

    pub(super) fn float(self, key: &str, default: f32) -> Result<f32, String> {
        match self.get(key) {
            None => Ok(default),
            // Numbers of numpy are kept as objects by some versions.
            Some(v) => float(v).ok_or_else(|| format!("'{key}' is no number")),
        }
    }

    /// A number or a list of numbers, however nested.
    pub(super) fn floats(self, key: &str) -> Result<Option<Vec<f32>>, String> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let (mut open, mut out) = (vec![value], Vec::new());
        while let Some(v) = open.pop() {
            match v {
                Value::Array(list) => open.extend(list.iter().rev()),
                v => out.push(float(v).ok_or_else(|| format!("'{key}' is not made of numbers"))?),
            }
        }
        Ok(Some(out))
    }

    /// A whole number, or a list of one.
    pub(super) fn axis(self, key: &str, default: i64) -> Result<i64, String> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Array(list)) if list.len() == 1 => {
                list.first().and_then(Value::as_i64).ok_or_else(|| format!("'{key}' is no axis"))
            }
            Some(v) => v.as_i64().ok_or_else(|| format!("'{key}' is not one axis")),
        }
    }

    /// One size, or two.
    pub(super) fn pair(self, key: &str, default: [usize; 2]) -> Result<[usize; 2], String> {
        let Some(value) = self.get(key) else { return Ok(default) };
        let size = |v: &Value| v.as_u64().filter(|&n| n > 0 && n <= SIZE).map(|n| n as usize);
        let found = match value {
            Value::Array(list) => match list.as_slice() {
                [a, b] => size(a).zip(size(b)).map(|(a, b)| [a, b]),
                _ => None,
            },
            one => size(one).map(|n| [n, n]),
        };
        found.ok_or_else(|| format!("'{key}' is not one or two sizes of 1 to {SIZE}"))
    }

    /// Sizes above, left, below, right: one for all, `[vertical, horizontal]`, or `[[above, below], [left, right]]`.
    pub(super) fn sides(self, key: &str) -> Result<[usize; 4], String> {
        let size = |v: &Value| v.as_u64().filter(|&n| n <= SIZE).map(|n| n as usize);
        let two = |v: &Value| match v {
            Value::Array(list) => match list.as_slice() {
                [a, b] => size(a).zip(size(b)),
                _ => None,
            },
            one => size(one).map(|n| (n, n)),
        };
        let found = match self.get(key) {
            None => Some([1; 4]),
            Some(Value::Array(list)) => match list.as_slice() {
                [y, x] => two(y).zip(two(x)).map(|((t, b), (l, r))| [t, l, b, r]),
                _ => None,
            },
            Some(one) => size(one).map(|n| [n; 4]),
        };
        found.ok_or_else(|| format!("'{key}' is not one, two or four sizes"))
    }
}

fn float(v: &Value) -> Option<f32> {
    let n = v.as_f64().or_else(|| v["config"]["value"].as_f64())?;
    Some(n as f32)
}
