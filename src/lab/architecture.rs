//! Small networks by name, for training here: those that every command knows, and a few more.

use crate::network::NetworkError;
use crate::network::description::{Description, FORMAT, builtin};
use serde_json::{Value, json};

/// Names of the networks that only the laboratory has.
pub const OWN: [&str; 4] = ["mlp", "vgg6", "signcnn", "signbn"];

/// A network for images of `shape` (channels, height, width) and `classes` classes, pixels entering as −2..2 (mean 0.5,
/// deviation 0.25 on 0..1).
///
/// - `mlp`: hidden layers of 128 and 64.
/// - `vgg6`: two pairs of 3×3 convolutions (16, 32 channels) with batch normalisation, a hidden layer of 64.
/// - `signcnn`: three 3×3 convolutions (16, 32, 48 channels) with pooling, a hidden layer of 64.
/// - `signbn`: the same with batch normalisation behind each convolution.
/// - and the built-in ones ([`builtin::describe`]).
///
/// # Errors
/// No such name, or images too small for it.
pub fn architecture(name: &str, shape: [usize; 3], classes: usize) -> Result<Description, NetworkError> {
    let nodes = match name {
        "mlp" => vec![
            json!({"name": "flat", "op": "flatten", "inputs": ["input"]}),
            linear("fc1", "flat", 128),
            one("relu1", "relu", "fc1"),
            linear("fc2", "relu1", 64),
            one("relu2", "relu", "fc2"),
            linear("fc3", "relu2", classes),
        ],
        "vgg6" => {
            let mut nodes = Vec::new();
            let mut from = "input".to_owned();
            for (k, out) in [(1, 16), (2, 16), (3, 32), (4, 32)] {
                nodes.push(conv(&format!("conv{k}"), &from, out, false));
                nodes.push(norm(&format!("bn{k}"), &format!("conv{k}")));
                from = format!("relu{k}");
                nodes.push(one(&from, "relu", &format!("bn{k}")));
                if k % 2 == 0 {
                    nodes.push(pool(&format!("pool{k}"), &from));
                    from = format!("pool{k}");
                }
            }
            nodes.extend(head(&from, classes));
            nodes
        }
        "signcnn" | "signbn" => {
            let normal = name == "signbn";
            let mut nodes = Vec::new();
            let mut from = "input".to_owned();
            for (k, out) in [(1, 16), (2, 32), (3, 48)] {
                let mut last = format!("conv{k}");
                nodes.push(conv(&last, &from, out, !normal));
                if normal {
                    nodes.push(norm(&format!("bn{k}"), &last));
                    last = format!("bn{k}");
                }
                nodes.push(one(&format!("relu{k}"), "relu", &last));
                from = format!("pool{k}");
                nodes.push(pool(&from, &format!("relu{k}")));
            }
            nodes.extend(head(&from, classes));
            nodes
        }
        other => {
            let known = || OWN.iter().chain(&builtin::NAMES).copied().collect::<Vec<_>>().join(", ");
            let mut description = builtin::describe(other, shape, classes).ok_or_else(|| {
                let name = crate::evidence::text::visible(other);
                NetworkError::malformed("architecture", format!("no '{name}'; there is {}", known()))
            })?;
            (description.input.mean, description.input.std) = normalisation(shape);
            return Ok(description);
        }
    };
    let output = nodes.last().map(|n| n["name"].clone()).unwrap_or_default();
    let (mean, std) = normalisation(shape);
    let input = json!({"name": "input", "shape": shape, "range": [0.0, 1.0], "mean": mean, "std": std});
    let whole = json!({"format": FORMAT, "arch": name, "num_classes": classes, "input": input,
        "nodes": nodes, "output": output});
    serde_json::from_value(whole).map_err(|e| NetworkError::malformed("architecture", e.to_string()))
}

fn normalisation([channels, ..]: [usize; 3]) -> (Vec<f32>, Vec<f32>) {
    (vec![0.5; channels], vec![0.25; channels])
}

fn one(name: &str, op: &str, from: &str) -> Value {
    json!({"name": name, "op": op, "inputs": [from]})
}

fn conv(name: &str, from: &str, out: usize, bias: bool) -> Value {
    let mut params = json!({"weight": format!("{name}.weight")});
    if bias {
        params["bias"] = format!("{name}.bias").into();
    }
    json!({"name": name, "op": "conv2d", "inputs": [from], "out_channels": out, "kernel": [3, 3],
        "stride": [1, 1], "padding": [1, 1], "bias": bias, "params": params})
}

fn norm(name: &str, from: &str) -> Value {
    let params: serde_json::Map<String, Value> = ["weight", "bias", "running_mean", "running_var"]
        .map(|r| (r.to_owned(), Value::from(format!("{name}.{r}"))))
        .into_iter()
        .collect();
    json!({"name": name, "op": "batchnorm2d", "inputs": [from], "params": params})
}

fn pool(name: &str, from: &str) -> Value {
    json!({"name": name, "op": "maxpool2d", "inputs": [from], "kernel": [2, 2], "stride": [2, 2]})
}

fn linear(name: &str, from: &str, out: usize) -> Value {
    json!({"name": name, "op": "linear", "inputs": [from], "out_features": out,
        "params": {"weight": format!("{name}.weight"), "bias": format!("{name}.bias")}})
}

fn head(from: &str, classes: usize) -> [Value; 4] {
    [
        one("flat", "flatten", from),
        linear("fc1", "flat", 64),
        one("relu", "relu", "fc1"),
        linear("fc2", "relu", classes),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Limits;
    use crate::network::train::initialise;

    #[test]
    fn every_name_gives_a_network_that_fits_together() {
        for name in OWN.iter().chain(&["smallcnn", "resnet8"]) {
            for shape in [[3, 20, 20], [1, 28, 28]] {
                let description = architecture(name, shape, 7).unwrap();
                let graph = initialise(&description, 0, &Limits::default()).unwrap();
                assert_eq!(graph.shape(graph.output), [7], "{name}");
                assert_eq!(description.input_spec().std.len(), shape[0]);
                assert_eq!(Description::parse(&description.to_json().unwrap()).unwrap(), description);
            }
        }
        let error = architecture("alexnet", [3, 20, 20], 7).unwrap_err().to_string();
        assert!(error.contains("no 'alexnet'; there is mlp"), "{error}");
    }
}
