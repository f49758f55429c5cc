//! Readers of foreign bytes against the hostile corpus, and of real data against the zoo.

use crate::hostile::{Sample, corpus};
use crate::shared;
use laocoon::evidence::dataset::Expect;
use laocoon::evidence::format::{CodeRisk, describe};
use laocoon::evidence::intake::{self, Bytes, quiet};
use laocoon::evidence::register::{Payload, entries, take_in};
use laocoon::evidence::text::visible;
use laocoon::evidence::{CaseFile, Format, ItemState, Limits, Role, SafeTensors, format};
use laocoon::triage::{Reason, examine};
use std::collections::BTreeMap;
use std::path::Path;

fn look(path: &Path) -> (Format, Vec<Reason>) {
    let bytes = intake::read(path, &Limits::default()).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let found = format::sniff(&bytes.data, bytes.data.len() as u64, Some(name));
    (found, examine(&bytes, name, found, &Limits::default()).reasons)
}

#[test]
fn every_malformed_safetensors_of_the_corpus_has_its_code_and_the_crate_never_accepts_less() {
    let Some((root, samples)) = corpus() else { return };
    let family: Vec<&Sample> = samples.iter().filter(|s| s.family == "safetensors").collect();
    let mut strict = 0;
    for s in &family {
        let path = root.join(&s.file);
        let bytes = std::fs::read(&path).unwrap();
        let crate_accepts = safetensors::SafeTensors::deserialize(&bytes).is_ok();
        match SafeTensors::parse(&path, &bytes, &Limits::default()) {
            Ok(_) => assert!(crate_accepts, "{}: accepted here, refused by the crate", s.file),
            Err(e) => {
                strict += usize::from(crate_accepts);
                // Another format under this name is told by the recogniser, before the reader sees it.
                if s.code != "format.mismatch" {
                    assert_eq!(e.code, s.code, "{}: {e}", s.file);
                }
                let acts = |c: char| c.is_control();
                assert!(!e.to_string().chars().any(acts), "{}: {e:?}", s.file);
            }
        }
    }
    println!("{} safetensors files; {strict} that the crate accepts are refused here", family.len());
}

#[test]
fn containers_of_the_corpus_are_recognised_by_content() {
    let Some((root, samples)) = corpus() else { return };
    let mut by_family: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut missed = Vec::new();
    for s in &samples {
        let wanted: &[Format] = match s.family.as_str() {
            "pickle" => &[Format::Pickle, Format::TorchZip, Format::TorchLegacy, Format::Executable],
            "torch" => {
                &[Format::Pickle, Format::TorchZip, Format::TorchLegacy, Format::TorchScript, Format::Gzip]
            }
            "zip" => &[Format::TorchZip, Format::TorchScript, Format::Zip, Format::Pickle, Format::Image],
            "onnx" => &[Format::Onnx],
            _ => continue,
        };
        let (found, reasons) = look(&root.join(&s.file));
        let entry = by_family.entry(&s.family).or_default();
        entry.1 += 1;
        if wanted.contains(&found) {
            entry.0 += 1;
        } else {
            missed.push(format!("{}: {found:?}", s.file));
        }
        // Whatever can run code must never pass in silence.
        let hostile = !s.acceptable.iter().any(|a| a == "accept");
        if hostile && describe(found).code >= CodeRisk::WhenLoaded {
            assert!(!reasons.is_empty(), "{}", s.file);
        }
    }
    println!("recognised per family (of): {by_family:?}\n{}", missed.join("\n"));
    for (family, (right, total)) in by_family {
        assert!(right * 100 >= total * 85, "{family}: {right} of {total}");
    }
}

#[test]
fn other_hostile_and_benign_files_are_what_they_are() {
    let Some((root, _)) = corpus() else { return };
    for (file, wanted) in [
        ("other/ot02_keras_h5_lambda_d.h5", Format::KerasH5),
        ("other/ot04_keras_v3_d.keras", Format::KerasV3),
        ("other/ot06_keras_slip_d.keras", Format::KerasV3),
        ("other/ot07_savedmodel_io_d.pb", Format::SavedModel),
        ("other/ot08_savedmodel_broken_d.pb", Format::SavedModel),
        ("other/ot09_gguf_template_d.gguf", Format::Gguf),
        ("other/ot13_executable_d.bin", Format::Executable),
        ("other/ot14_script_d.pt", Format::Executable),
        ("other/ot15_lfs_pointer_d.safetensors", Format::LfsPointer),
        ("benign/bc01_labels.csv", Format::Csv),
        ("benign/bj01_logreg.joblib", Format::Pickle),
        ("benign/bn02.npy", Format::Npy),
        ("benign/bn04.npz", Format::Npz),
        ("benign/bo02.onnx", Format::Onnx),
        ("benign/bp0_plain.pkl", Format::Pickle),
        ("benign/bs01.safetensors", Format::Safetensors),
        ("benign/bs05.safetensors", Format::Safetensors),
        ("benign/bt01_state_dict.pt", Format::TorchZip),
        ("benign/bt05_full_module.pt", Format::TorchZip),
        ("benign/bt07_torchscript.pt", Format::TorchScript),
    ] {
        let path = root.join(file);
        if !path.exists() {
            println!("skipped: {file} is not here");
            continue;
        }
        let (found, reasons) = look(&path);
        assert_eq!(found, wanted, "{file}");
        if describe(found).code == CodeRisk::No && found != Format::LfsPointer {
            assert!(reasons.is_empty(), "{file}: {reasons:?}");
        }
    }
    let (_, seven) = look(&root.join("other/ot01_7z_d.pt"));
    assert_eq!(seven[0].code, "container.7z");
}

#[test]
fn case_files_of_the_zoo_are_taken_in_whole() {
    let Some(zoo) = shared::path("zoo") else { return };
    let limits = Limits::default();
    let mut cases = 0;
    for name in ["d01", "d05", "d08", "external/xd1", "external/xd3"] {
        let path = zoo.join(name).join("case.toml");
        if !path.exists() {
            println!("skipped: {name} is not here");
            continue;
        }
        let case = CaseFile::read(&path, &limits).unwrap();
        let expect = Expect::of(&case);
        let input = case.model.as_ref().unwrap().input.clone().unwrap();
        let names = std::fs::read_to_string(zoo.join(name).join("labels.txt")).unwrap().lines().count();
        for entry in entries(&case) {
            let taken = take_in(&entry, &case, &expect, &limits, &quiet).unwrap();
            assert!(taken.item.accepted(), "{name}: {:?}", taken.item);
            match taken.payload.unwrap() {
                Payload::File(bytes) => {
                    assert_eq!(
                        (taken.item.format, bytes.data.len() as u64),
                        (Format::Onnx, taken.item.bytes)
                    );
                }
                Payload::Pipeline => panic!("{name} has no pipeline"),
                Payload::Names(classes) => assert_eq!(classes.len(), names),
                Payload::Data(set) => {
                    assert_eq!(set.shape(), Some(input.shape), "{name}");
                    assert_eq!(set.labels.len(), set.len());
                    set.check_against(&entry.path, names, input.shape).unwrap();
                    println!("{name} {}: {}", entry.path.display(), taken.item.facts[0].shown());
                    if name == "d05" && entry.role == Role::Training {
                        assert_eq!(
                            taken.item.facts[0].shown(),
                            "1,800 images 32×32×3 (u8), 10 classes, 1,800 labels"
                        );
                    }
                }
            }
        }
        cases += 1;
    }
    assert!(cases > 0);
}

#[test]
fn recorded_activations_load_as_they_are() {
    let Some(path) = shared::path("zoo/d01/penult_train.npy") else { return };
    let case = CaseFile::from_paths(&[path], &[], &Limits::default()).unwrap();
    let taken = take_in(&entries(&case)[0], &case, &Expect::default(), &Limits::default(), &quiet).unwrap();
    let Some(Payload::Data(set)) = taken.payload else { panic!("{:?}", taken.item) };
    let (n, d) = set.activations.as_ref().unwrap().dim();
    assert_eq!(n * d * 4 + 128, taken.item.bytes as usize);
    assert_eq!(taken.item.role, Role::Training);
}

/// Bytes for one file that is not on disk.
#[test]
fn a_truncated_model_of_the_zoo_is_refused_with_its_place() {
    let Some(path) = shared::path("zoo/d01/model.safetensors") else { return };
    let whole = std::fs::read(&path).unwrap();
    for cut in [0, 7, 8, 100, whole.len() - 1] {
        let bytes =
            Bytes { path: "m.safetensors".into(), data: whole[..cut].to_vec().into(), sha256: String::new() };
        let e = SafeTensors::parse(&bytes.path, &bytes.data, &Limits::default()).unwrap_err();
        assert!(e.code.starts_with("st."), "{cut}: {e}");
        assert!(e.to_string().starts_with("m.safetensors: "), "{e}");
    }
}

#[test]
fn hostile_objects_of_a_file_system_never_block_leak_or_act() {
    let Some(script) = shared::path("hostile/make_hostile_filesystem.py") else { return };
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("x");
    let made = std::process::Command::new("python3").arg(&script).arg(&base).output();
    if !made.is_ok_and(|m| m.status.success()) {
        println!("skipped: no python3 to make the objects with");
        return;
    }
    let limits = Limits { file_bytes: 1 << 30, ..Limits::default() };
    // Regular files hold one float: read to the end, and no data set. Everything else is refused before.
    let (mut read, mut refused) = (0, 0);
    for entry in std::fs::read_dir(base.join("evidence")).unwrap() {
        let path = entry.unwrap().path();
        let said = CaseFile::from_paths(std::slice::from_ref(&path), &[], &limits).map_or_else(
            |e| format!("{e} [{}]", e.code),
            |case| {
                let entry = entries(&case).remove(0);
                let item = take_in(&entry, &case, &Expect::default(), &limits, &quiet).unwrap().item;
                let ItemState::Refused(why) = &item.state else { panic!("{item:?}") };
                format!("{} {why}", item.path.shown())
            },
        );
        let whole = said.ends_with("[data.shape]") || said.ends_with("[format.mismatch]");
        *(if whole { &mut read } else { &mut refused }) += 1;
        assert!(!said.contains("canary"), "{said}");
        assert!(!said.chars().any(char::is_control) && visible(&said) == said, "{said:?}");
    }
    println!("{read} read, {refused} refused before");
    assert!(read >= 20 && refused >= 10, "{read} read, {refused} refused");
    // The FIFO, sockets and devices by name.
    for name in [
        "fifo.npy",
        "zero.npy",
        "rand.npy",
        "self.npy",
        "s.npy",
        "link_loop.npy",
        "link_secret.npy",
        "dir.npy",
    ] {
        let path = base.join("evidence").join(name);
        if std::fs::symlink_metadata(&path).is_ok() {
            let e = intake::read(&path, &limits).unwrap_err();
            assert!(["intake.symlink", "intake.not_a_file"].contains(&e.code), "{name}: {e}");
        }
    }
}
