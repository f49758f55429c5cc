//! The executor against the zoo: logits and penultimate activations of every model, as ONNX and as described
//! safetensors, agree with the reference to 1e-3 of the largest number.

use crate::shared;
use laocoon::evidence::safetensors::SafeTensors;
use laocoon::evidence::{Bytes, CaseFile, InputSpec, Limits, ModelEntry, Untrusted};
use laocoon::network::Model;
use laocoon::network::load::{Architecture, open_model};
use ndarray::{Array2, Array4, ArrayView2, Axis, Ix2};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn cases() -> Vec<PathBuf> {
    let folders = ["zoo", "zoo/external"].into_iter().filter_map(shared::path);
    let mut all: Vec<PathBuf> = folders
        .flat_map(|f| std::fs::read_dir(f).unwrap())
        .map(|e| e.unwrap().path())
        .filter(|p| p.join("ref_logits.safetensors").is_file())
        .collect();
    all.sort();
    all
}

fn bytes(path: &Path) -> Bytes {
    let data = std::fs::read(path).unwrap();
    let sha256 = format!("{:x}", Sha256::digest(&data));
    Bytes { path: path.to_owned(), data: Arc::new(data), sha256 }
}

/// `[model]` of the zoo's case, read from its description.
fn entry(case: &Path, model: &str, input: Option<InputSpec>) -> ModelEntry {
    let path = case.join(model);
    ModelEntry {
        path,
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

fn input(case: &Path) -> InputSpec {
    let text = std::fs::read_to_string(case.join("arch.json")).unwrap();
    laocoon::network::description::Description::parse(&text).unwrap().input_spec()
}

fn load(case: &Path, model: &str) -> Model {
    let arch = case.join("arch.json");
    let text = std::fs::read_to_string(&arch).unwrap();
    if model == "model.onnx" {
        let entry = entry(case, model, Some(input(case)));
        return open_model(&entry, &bytes(&case.join(model)), None, &[], &Limits::default()).unwrap();
    }
    let described = Architecture::Description { path: &arch, text: &text };
    open_model(&entry(case, model, None), &bytes(&case.join(model)), Some(described), &[], &Limits::default())
        .unwrap()
}

/// The first `n` test images as unit pixels.
fn images(case: &Path, n: usize) -> Array4<f32> {
    let path = case.join("test.safetensors");
    let data = std::fs::read(&path).unwrap();
    let file = SafeTensors::parse(&path, &data, &Limits::default()).unwrap();
    let all = file.require("images").unwrap().to_u8().unwrap();
    let first = all.slice_axis(Axis(0), (0..n).into()).mapv(|p| f32::from(p) / 255.0);
    first.permuted_axes(vec![0, 3, 1, 2]).into_dimensionality().unwrap()
}

fn reference(case: &Path, name: &str) -> Array2<f32> {
    let path = case.join("ref_logits.safetensors");
    let data = std::fs::read(&path).unwrap();
    let file = SafeTensors::parse(&path, &data, &Limits::default()).unwrap();
    file.require(name).unwrap().to_f32().unwrap().into_dimensionality::<Ix2>().unwrap()
}

/// Largest difference over the largest reference number.
fn distance(a: ArrayView2<f32>, b: ArrayView2<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    let top = |it: &mut dyn Iterator<Item = f32>| it.fold(0.0f32, f32::max);
    top(&mut a.iter().zip(b).map(|(x, y)| (x - y).abs())) / top(&mut b.iter().map(|v| v.abs()))
}

#[test]
fn logits_and_activations_agree_with_the_zoo() {
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let x = images(&case, 64);
        for file in ["model.onnx", "model.safetensors"] {
            let model = load(&case, file);
            let (penult, logits) = model.activations(x.view(), model.penultimate()).unwrap();
            let direct = model.logits(x.view()).unwrap();
            let (want, want_penult) = (reference(&case, "logits"), reference(&case, "penult"));
            // The reference is what the network puts out; a softmax at its end is left out of the logits.
            let outputs = model.outputs(x.view()).unwrap();
            assert_eq!(model.closing_softmax(), name == "xd3", "{name} {file}");
            assert!(distance(outputs.view(), want.view()) < 1e-3, "{name} {file}");
            let softmax = |row: ndarray::ArrayView1<f32>| {
                let top = row.fold(f32::MIN, |m, &v| m.max(v));
                let e = row.mapv(|v| (v - top).exp());
                let sum = e.sum();
                e / sum
            };
            for (row, want) in direct.outer_iter().zip(want.outer_iter()) {
                let row = if model.closing_softmax() { softmax(row) } else { row.to_owned() };
                let top = want.fold(0.0f32, |m, v| m.max(v.abs()));
                assert!((&row - &want).iter().all(|d| d.abs() < 1e-3 * top), "{name} {file}");
            }
            assert!(distance(logits.view(), direct.view()) < 1e-5, "{name} {file}");
            assert!(distance(penult.view(), want_penult.view()) < 1e-3, "{name} {file}");
        }
    }
}

#[test]
fn hostile_onnx_files_are_refused_with_their_reason_or_read() {
    let Some(root) = shared::path("hostile") else { return };
    let table = std::fs::read_to_string(root.join("MANIFEST.csv")).unwrap();
    let mut rows = csv::Reader::from_reader(table.as_bytes());
    let head = rows.headers().unwrap().clone();
    let column = |name: &str| head.iter().position(|h| h == name).unwrap();
    let (file, expected, code) = (column("file"), column("expected"), column("reason_code"));
    let mut seen = 0;
    let mut wrong = Vec::new();
    for row in rows.records() {
        let row = row.unwrap();
        let path = root.join(&row[file]);
        if path.extension().is_none_or(|e| e != "onnx") || !path.is_file() {
            continue;
        }
        seen += 1;
        let data = std::fs::read(&path).unwrap();
        let limits = Limits { activation_bytes: 64 << 20, ..Limits::default() };
        let read = laocoon::network::onnx::read(&path, &data, None, &limits);
        let found = read.as_ref().map_or_else(|e| e.code, |_| "none");
        let wanted = match (&row[expected], &row[code]) {
            ("accept", _) => "none",
            // Never run, and named as what it is: control flow.
            ("reject", "onnx.limit") if row[file].contains("loop") => "onnx.op.unknown",
            ("reject" | "flag", code) => code,
            _ => continue,
        };
        if found != wanted {
            let reason = read.err().map_or(String::new(), |e| e.reason);
            wrong.push(format!("{}: {found} instead of {wanted}: {reason}", &row[file]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 30, "{seen} files");
}

#[test]
fn weights_without_a_fitting_description_are_refused_with_file_and_tensor() {
    let Some(case) = cases().into_iter().find(|c| c.ends_with("d01")) else { return };
    let text = std::fs::read_to_string(case.join("arch.json")).unwrap();
    let whole = bytes(&case.join("model.safetensors"));
    let open = |bytes: &Bytes, architecture: Option<Architecture>, labels: usize| {
        let labels: Vec<_> = (0..labels).map(|k| Untrusted::new(k.to_string())).collect();
        open_model(&entry(&case, "model.safetensors", None), bytes, architecture, &labels, &Limits::default())
    };
    let refused = |architecture: Option<Architecture>, labels| {
        open(&whole, architecture, labels).unwrap_err().to_string()
    };
    // What no built-in network asks for stays closed; what one asks for exactly is opened.
    let nothing = bytes(&case.join("ref_logits.safetensors"));
    let said = open(&nothing, None, 0).unwrap_err().to_string();
    assert!(said.contains("ref_logits.safetensors: holds weights only"), "{said}");
    assert!(
        open(&whole, None, 0)
            .unwrap()
            .facts
            .iter()
            .any(|f| f.raw().contains("architecture inferred: smallcnn"))
    );
    assert!(refused(Some(Architecture::Named("vgg")), 0).contains("no built-in architecture 'vgg'"));
    assert!(refused(Some(Architecture::Named("resnet8")), 0).contains("stem.weight"));
    assert!(
        refused(Some(Architecture::Named("smallcnn")), 9).contains("labels: 9 class names for 10 outputs")
    );
    let described = |text: &str| {
        let path = Path::new("arch.json");
        refused(Some(Architecture::Description { path, text }), 0)
    };
    assert!(described("{").starts_with("arch.json: line 1: not a network description"));
    let wider = text.replace("\"out_features\": 64", "\"out_features\": 65");
    let said = described(&wider);
    assert!(
        said.contains("model.safetensors: ") && said.contains("fc1.weight") && said.contains("[65, 1568]"),
        "{said}"
    );
    let renamed = text.replace("conv2.weight", "conv9.weight");
    assert!(described(&renamed).contains("no tensor 'conv9.weight'"), "{}", described(&renamed));

    let named = open(&whole, Some(Architecture::Named("smallcnn")), 0).unwrap();
    let x = images(&case, 8);
    assert_eq!(named.logits(x.view()).unwrap(), load(&case, "model.safetensors").logits(x.view()).unwrap());
    let cut = Bytes { data: Arc::new(whole.data[..whole.data.len() - 5].to_vec()), ..whole.clone() };
    assert_eq!(open(&cut, Some(Architecture::Named("smallcnn")), 0).unwrap_err().code, "st.offset.eof");
    // A checkpoint is read as data; a pickle that is no checkpoint stays closed.
    let checkpoint = open(&bytes(&case.join("model.pt")), None, 0).unwrap();
    assert_eq!(checkpoint.logits(x.view()).unwrap(), named.logits(x.view()).unwrap());
    let pickle = Bytes { data: Arc::new(b"\x80\x02cos\nsystem\nq\0.".to_vec()), ..whole };
    let error = open(&pickle, None, 0).unwrap_err();
    assert!(error.code == "model.format" && error.to_string().contains("never loaded"), "{error}");
}

/// `cargo test --test it network::every -- --nocapture` prints the table: each model of the zoo in each form it comes in,
/// the largest difference to the reference logits over the largest of them, and what was inferred.
#[test]
fn every_form_of_every_model_agrees_with_the_reference() {
    let mut refused = Vec::new();
    let mut shown = 0;
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let (x, want) = (images(&case, 64), reference(&case, "logits"));
        let mut files: Vec<String> = std::fs::read_dir(&case)
            .unwrap()
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|f| {
                f.starts_with("model.") && !f.ends_with("toml")
                    || f.starts_with("model_full")
                    || f.starts_with("original")
            })
            .collect();
        files.sort();
        for file in files {
            let path = case.join(&file);
            // How images enter is what the case file says; the layers are found in the file, or inferred.
            let mut opened = open_model(
                &entry(&case, &file, Some(input(&case))),
                &bytes(&path),
                None,
                &[],
                &Limits::default(),
            );
            let mut how = "unaided";
            if opened.is_err() {
                how = "with arch.json";
                let (arch, text) =
                    (case.join("arch.json"), std::fs::read_to_string(case.join("arch.json")).unwrap());
                let described = Architecture::Description { path: &arch, text: &text };
                opened = open_model(
                    &entry(&case, &file, None),
                    &bytes(&path),
                    Some(described),
                    &[],
                    &Limits::default(),
                );
                if file.starts_with("original") || Path::new(&file).extension().is_some_and(|e| e == "pt") {
                    refused.push(format!("{name}/{file}"));
                }
            }
            let model = opened.unwrap_or_else(|e| panic!("{name}/{file}: {e}"));
            let apart = distance(model.outputs(x.view()).unwrap().view(), want.view());
            let facts: Vec<String> = model.facts.iter().map(Untrusted::shown).collect();
            let inferred =
                facts.iter().find_map(|f| f.strip_prefix("architecture inferred: ")?.split(';').next());
            println!("{name:4} {file:40} {how:15} {apart:.1e} {}", inferred.unwrap_or(""));
            assert!(apart < 1e-3, "{name}/{file}: {apart}");
            shown += 1;
        }
    }
    println!("not opened unaided: {refused:?}");
    assert!(shown == 0 || refused.is_empty(), "{refused:?}");
}

#[test]
fn a_checkpoint_that_triage_flags_is_opened_only_when_asked_for() {
    let Some(checkpoint) = shared::path("zoo/d01/model.pt") else { return };
    let whole = std::fs::read(checkpoint).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let load = |name: &str, bytes: &[u8], asked: bool| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut case = CaseFile::from_paths(&[path], &[], &Limits::default()).unwrap();
        case.model.as_mut().unwrap().analyse_flagged = asked;
        laocoon::investigation::load(&case, &Limits::default())
    };
    let plain = load("plain.pt", &whole, false);
    assert!(plain.model.is_some(), "{:?}", plain.items[0].state);
    // Bytes behind the archive that belong to nothing: triage flags what hides something.
    let hiding = [&whole[..], &[0x5a; 200]].concat();
    let held = load("hiding.pt", &hiding, false);
    assert!(held.model.is_none());
    assert_eq!(held.items[0].refusal_code(), Some("network.flagged"), "{:?}", held.items[0].state);
    let asked = load("asked.pt", &hiding, true);
    assert!(asked.model.is_some(), "{:?}", asked.items[0].state);
}

/// Models exported elsewhere: `LAOCOON_EXPORTS=FOLDER cargo test --test it network::exports -- --ignored --nocapture`. Each
/// folder below it has `model.onnx` or `model.pt` and `ref.safetensors` with `x` (N×C×H×W, as the network takes it) and
/// `logits`. Prints what opens and how far it is from the reference; what opens must agree.
#[test]
#[ignore = "needs exported models"]
fn exports() {
    let Some(root) = std::env::var_os("LAOCOON_EXPORTS") else {
        return println!("skipped: no LAOCOON_EXPORTS");
    };
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    let mut wrong = Vec::new();
    for folder in folders {
        let data = std::fs::read(folder.join("ref.safetensors")).unwrap();
        let file = SafeTensors::parse(&folder, &data, &Limits::default()).unwrap();
        let x = file.require("x").unwrap().to_f32().unwrap().into_dimensionality::<ndarray::Ix4>().unwrap();
        let want = file.require("logits").unwrap().to_f32().unwrap().into_dimensionality::<Ix2>().unwrap();
        let shape = [x.shape()[1], x.shape()[2], x.shape()[3]];
        let input = InputSpec { shape, range: [0.0, 1.0], mean: vec![], std: vec![] };
        for name in ["model.onnx", "model.pt"].into_iter().filter(|n| folder.join(n).is_file()) {
            let mut entry = entry(&folder, name, Some(input.clone()));
            entry.external_data = true;
            let shown = format!("{}/{name}", folder.file_name().unwrap().to_string_lossy());
            match open_model(&entry, &bytes(&folder.join(name)), None, &[], &Limits::default()) {
                Err(e) => println!("{shown:40} not opened: {} {}", e.place, e.reason),
                Ok(model) => {
                    let apart = distance(model.outputs(x.view()).unwrap().view(), want.view());
                    println!("{shown:40} {apart:.1e}");
                    if apart.is_nan() || apart > 1e-3 {
                        wrong.push(shown);
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// `cargo test --test it network::speed -- --ignored --nocapture`: images a second of one thread at batch 32, by the
/// time that thread spent on a core (Linux), so that a busy machine disturbs little.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let spent = || -> f64 {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap() * 1e-9
    };
    let rate = |f: &mut dyn FnMut()| {
        f();
        let best = (0..6).fold(f64::INFINITY, |best, _| {
            let start = spent();
            (0..8).for_each(|_| f());
            best.min((spent() - start) / 8.0)
        });
        32.0 / best
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for case in cases().into_iter().filter(|c| ["d01", "d05", "xd4"].iter().any(|n| c.ends_with(n))) {
        let model = load(&case, "model.onnx");
        let x = images(&case, 32);
        let ones = Array2::ones((32, model.class_count()));
        let (forward, gradient) = pool.install(|| {
            let forward = rate(&mut || drop(model.logits(x.view()).unwrap()));
            let gradient = rate(&mut || drop(model.input_gradient(x.view(), &mut |_| ones.clone()).unwrap()));
            (forward, gradient)
        });
        let name = case.file_name().unwrap().to_string_lossy();
        println!("{name}: forward {forward:.0}, input gradient {gradient:.0} images/s per thread");
    }
}
