use super::*;
use crate::evidence::{Limits, Untrusted};
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/keras").join(name)
}

fn numbers(file: &File, path: &str) -> Vec<f32> {
    let array = file.array(path).unwrap();
    array.raw(Path::new("f"), &Untrusted::new(path)).to_f32().unwrap().iter().copied().collect()
}

#[test]
fn arrays_and_texts_of_both_forms_of_the_format_as_h5py_writes_them() {
    let ramp: Vec<f32> = (0..105u8).map(f32::from).collect();
    for name in ["arrays-earliest.h5", "arrays-v110.h5"] {
        let (path, limits) = (golden(name), Limits::default());
        let bytes = std::fs::read(&path).unwrap();
        let file = File::open(&path, &bytes, &limits).unwrap();
        for array in ["plain", "wide", "half", "whole", "packed"] {
            assert_eq!(file.array(array).unwrap().shape, [7, 5, 3], "{name}: {array}");
            assert_eq!(numbers(&file, array), ramp, "{name}: {array}");
        }
        assert_eq!((file.array("one").unwrap().shape.len(), numbers(&file, "one")), (0, vec![2.5]));
        let text = |name: &str| file.texts("", name).unwrap();
        assert_eq!(text("short").unwrap(), ["fixed text"]);
        assert_eq!(text("long").unwrap()[0].len(), 20_000);
        assert_eq!(text("list").unwrap(), ["one", "three"]);
        assert_eq!(text("none"), None);
        assert!(file.is_array("plain") && !file.is_array(""));
        assert_eq!(file.array("nowhere").unwrap_err().code, "hdf5.missing");
    }
}

#[test]
fn large_groups_many_chunks_and_what_is_not_read() {
    let (path, limits) = (golden("arrays-earliest.h5"), Limits::default());
    let bytes = std::fs::read(&path).unwrap();
    let file = File::open(&path, &bytes, &limits).unwrap();
    assert_eq!(file.paths().filter(|p| p.starts_with("many/inner/")).count(), 40);
    assert_eq!(numbers(&file, "many/inner/array 39"), [39.0; 3]);
    let rows: Vec<f32> = (0..1000u16).map(f32::from).collect();
    assert_eq!(numbers(&file, "rows"), rows);
    let e = file.array("lzf").unwrap_err();
    assert!(e.code == "hdf5.unsupported" && e.reason.contains("lzf"), "{e}");
    let few = Limits { hdf5_objects: 20, ..Limits::default() };
    let e = File::open(&path, &bytes, &few).unwrap_err();
    assert!(e.code == "hdf5.limit" && e.reason.contains("--limit hdf5_objects"), "{e}");
    let small = Limits { tensor_elements: 100, ..Limits::default() };
    let file = File::open(&path, &bytes, &small).unwrap();
    assert_eq!(file.array("plain").unwrap_err().code, "hdf5.limit");
}

#[test]
fn changed_bytes_are_errors_or_values_and_never_a_panic() {
    let limits = Limits::default();
    for name in ["keras2-sequential.h5", "arrays-v110.h5"] {
        let path = golden(name);
        let whole = std::fs::read(&path).unwrap();
        let walk = |data: &[u8]| {
            let _ = read(data);
            let Ok(file) = File::open(&path, data, &limits) else { return };
            let paths: Vec<String> = file.paths().map(str::to_owned).collect();
            for p in paths.iter().take(60) {
                let _ = (file.array(p), file.texts(p, "list"), file.texts(p, "weight_names"));
            }
        };
        for cut in (0..whole.len()).step_by(97) {
            walk(&whole[..cut]);
        }
        for at in (0..whole.len()).filter(|at| *at < 4096 || at % 53 == 0) {
            for to in [0, 0xff, whole[at] ^ 0x10] {
                let mut changed = whole.clone();
                changed[at] = to;
                walk(&changed);
            }
        }
    }
}
