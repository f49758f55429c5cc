use crate::evidence::{Bytes, Format, InputSpec, Limits, ModelEntry, Untrusted, format, intake};
use crate::network::Model;
use crate::network::load::open_model;
use ndarray::Array4;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/keras").join(name)
}

fn entry(path: &Path, input: Option<InputSpec>) -> ModelEntry {
    ModelEntry {
        path: path.to_owned(),
        architecture: None,
        sha256: None,
        signature: None,
        key: None,
        labels: None,
        input,
        analyse_flagged: false,
        external_data: false,
    }
}

fn open(name: &str) -> Model {
    let bytes = intake::read(&golden(name), &Limits::default()).unwrap();
    open_model(&entry(&bytes.path, None), &bytes, None, &[], &Limits::default()).unwrap()
}

/// The pixels that the logits were computed from.
fn pixels([c, h, w]: [usize; 3]) -> Array4<f32> {
    Array4::from_shape_fn((3, c, h, w), |(i, k, y, x)| ((i * 7 + k * 5 + y * 3 + x * 2) % 17) as f32 / 16.0)
}

#[test]
fn logits_are_those_of_keras_from_every_form_of_file() {
    for (version, kinds) in [("keras3", &["keras", "h5"][..]), ("keras2", &["h5"])] {
        let text = std::fs::read_to_string(golden(&format!("{version}.json"))).unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        for (model, kind) in
            ["sequential", "functional"].into_iter().flat_map(|m| kinds.iter().map(move |k| (m, k)))
        {
            let name = format!("{version}-{model}.{kind}");
            let network = open(&name);
            assert!(network.closing_softmax(), "{name}");
            let got = network.logits(pixels(network.input.shape).view()).unwrap();
            let wanted = expected[model].as_array().unwrap();
            assert_eq!(got.nrows(), wanted.len());
            for (got, wanted) in got.rows().into_iter().zip(wanted) {
                assert_eq!(got.len(), wanted.as_array().unwrap().len());
                for (k, &value) in got.iter().enumerate() {
                    let apart = (f64::from(value) - wanted[k].as_f64().unwrap()).abs();
                    assert!(apart < 1e-5, "{name}: class {k} is {apart} apart");
                }
            }
        }
    }
}

#[test]
fn a_rescaling_in_front_says_that_pixels_are_bytes() {
    let network = open("keras3-sequential.keras");
    assert_eq!((network.input.shape, network.input.range), ([3, 9, 8], [0.0, 255.0]));
    let facts: Vec<&str> = network.facts.iter().map(Untrusted::raw).collect();
    assert!(facts.iter().any(|f| f.contains("0 to 255")), "{facts:?}");
    assert!(facts[0].starts_with("Keras 3.") && facts[0].contains("Sequential"), "{facts:?}");
    assert_eq!(open("keras3-functional.h5").input.range, [0.0, 1.0]);
}

/// A `.keras` file with the weights of the sequential golden model and another configuration.
fn with_config(change: impl FnOnce(&mut Value)) -> Bytes {
    use crate::evidence::archive::zip::Zip;
    use std::io::Write as _;
    let bytes = intake::read(&golden("keras3-sequential.keras"), &Limits::default()).unwrap();
    let zip = Zip::read(&bytes.data);
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut change = Some(change);
    for member in &zip.members {
        let content = zip.unpack(member, 1 << 20).unwrap();
        let mut content = content.bytes().to_vec();
        if member.name == "config.json" {
            let mut config: Value = serde_json::from_slice(&content).unwrap();
            change.take().unwrap()(&mut config);
            content = config.to_string().into_bytes();
        }
        out.start_file(&member.name, stored).unwrap();
        out.write_all(&content).unwrap();
    }
    let data = out.finish().unwrap().into_inner();
    Bytes { sha256: intake::sha256(&data), data: data.into(), ..bytes }
}

fn refused(change: impl FnOnce(&mut Value)) -> (&'static str, String) {
    let bytes = with_config(change);
    assert_eq!(format::sniff(&bytes.data, bytes.data.len() as u64, None), Format::KerasV3);
    let e = open_model(&entry(&bytes.path, None), &bytes, None, &[], &Limits::default()).unwrap_err();
    (e.code, e.to_string())
}

#[test]
fn code_and_classes_of_others_are_refused_by_name_and_never_called() {
    // The layers are: input, rescaling, conv, norm, relu, …
    let change =
        |key: &'static str, value: Value| refused(move |config| config["config"]["layers"][4][key] = value);
    let (code, said) = change("class_name", json!("Lambda"));
    assert!(
        code == "keras.op.unknown" && said.contains("layer 'relu'") && said.contains("never run"),
        "{said}"
    );
    let (code, said) = change("module", json!("their_package.layers"));
    assert!(code == "keras.op.unknown" && said.contains("their_package.layers"), "{said}");
    let (code, said) = change("registered_name", json!("theirs>Relu"));
    assert!(code == "keras.op.unknown" && said.contains("theirs>Relu"), "{said}");
    let (code, said) = change("class_name", json!("MultiHeadAttention"));
    assert!(code == "keras.op.unknown" && said.contains("'MultiHeadAttention' is not supported"), "{said}");
    let (code, said) = refused(|config| {
        config["config"]["layers"][2]["config"]["activation"] = json!({"module": "builtins", "class_name": "function", "config": "mine", "registered_name": "function"});
    });
    assert!(code == "keras.op.unknown" && said.contains("layer 'conv'") && said.contains("'mine'"), "{said}");
}

#[test]
fn what_does_not_fit_is_refused_with_its_layer() {
    let set = |k: usize, key: &'static str, value: Value| {
        refused(move |config| config["config"]["layers"][k]["config"][key] = value)
    };
    for ((code, said), (wanted, words)) in [
        (set(2, "strides", json!([0, 1])), ("keras.config", "'strides'")),
        (set(2, "strides", json!(1 << 30)), ("keras.config", "'strides'")),
        (set(2, "data_format", json!("channels_first")), ("keras.op.unknown", "channels_first")),
        (set(2, "padding", json!("reflect")), ("keras.op.unknown", "reflect")),
        (set(2, "use_bias", json!(true)), ("keras.weights", "not in the file")),
        (set(2, "groups", json!(2)), ("keras.shape", "groups")),
        (set(3, "axis", json!(1)), ("keras.op.unknown", "axis 1")),
        (set(0, "batch_shape", json!([null, null, 8, 3])), ("keras.config", "[model.input]")),
        (set(0, "batch_shape", json!([null, 900_000_000_000u64, 8, 3])), ("keras.limit", "activation_bytes")),
        (set(0, "batch_shape", json!([null, 9, 9, 3])), ("keras.config", "has a kernel for")),
        (refused(|config| config["config"]["layers"] = json!({})), ("keras.config", "without layers")),
        (refused(|config| config["class_name"] = json!("MyModel")), ("keras.op.unknown", "MyModel")),
    ] {
        assert!(code == wanted && said.contains(words), "{code}: {said}, not {wanted}: {words}");
    }
}

#[test]
fn models_in_models_end_and_circles_are_seen() {
    let (code, said) = refused(|config| {
        let mut inner = config.clone();
        inner["config"]["name"] = json!("inner");
        for _ in 0..20 {
            let mut outer = config.clone();
            outer["config"]["layers"] = json!([config["config"]["layers"][0], inner]);
            outer["config"]["name"] = json!("inner");
            inner = outer;
        }
        *config = inner;
    });
    assert!(code == "keras.config" && said.contains("more than 8 models"), "{code}: {said}");
    let tensor = |layer: &str| json!([{"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}}], "kwargs": {}}]);
    let (code, said) = refused(|config| {
        let layer = |name: &str, reads: Value| json!({"module": "keras.layers", "class_name": "ReLU", "config": {"name": name}, "name": name, "inbound_nodes": reads});
        let input = config["config"]["layers"][0].clone();
        config["class_name"] = json!("Functional");
        config["config"] = json!({
            "name": "circle",
            "layers": [input, layer("a", tensor("b")), layer("b", tensor("a"))],
            "input_layers": [[input["config"]["name"], 0, 0]],
            "output_layers": [["b", 0, 0]],
        });
    });
    assert!(code == "keras.config" && said.contains("depends on its own value"), "{code}: {said}");
}

#[test]
fn weights_alone_say_what_to_save() {
    let limits = Limits::default();
    let bytes = intake::read(&golden("arrays-earliest.h5"), &limits).unwrap();
    let e = open_model(&entry(&bytes.path, None), &bytes, None, &[], &limits).unwrap_err();
    assert!(e.code == "keras.config" && e.reason.contains("without the configuration"), "{e}");
}
