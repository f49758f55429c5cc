use super::*;
use crate::evidence::intake::{self, quiet};
use crate::evidence::safetensors::{Stored, write};
use crate::evidence::{Format, Limits, Role, format};
use image::{ImageBuffer, Luma, Rgb, Rgba};
use ndarray::{Array3, Array4, array};
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

fn load(path: &Path, role: Role, expect: &Expect) -> Result<Loaded, EvidenceError> {
    let limits = Limits::default();
    if path.is_dir() {
        let digest = intake::digest_folder(path, &limits, &quiet)?;
        return load_folder(path, &digest, role, expect, &limits, &quiet);
    }
    let bytes = intake::read(path, &limits)?;
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
    let found = format::sniff(&bytes.data, bytes.data.len() as u64, name.as_deref());
    load_file(&bytes, found, role, expect, &limits, &quiet)
}

fn free(path: &Path) -> Result<Loaded, EvidenceError> {
    load(path, Role::Training, &Expect::default())
}

fn code(path: &Path) -> &'static str {
    free(path).unwrap_err().code
}

fn tensors(path: &Path, named: &[(&str, Stored)]) -> PathBuf {
    let bytes = write(named.iter().map(|(n, s)| (*n, s)), &std::collections::BTreeMap::default()).unwrap();
    fs::write(path, bytes).unwrap();
    path.to_owned()
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let literal = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    [b"\x93NUMPY\x01\0", &(literal.len() as u16).to_le_bytes()[..], literal.as_bytes(), data].concat()
}

fn archive(path: &Path, members: &[(&str, Vec<u8>)]) -> PathBuf {
    let mut out = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, data) in members {
        out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(data).unwrap();
    }
    out.finish().unwrap();
    path.to_owned()
}

fn idx(extents: &[u32], data: &[u8]) -> Vec<u8> {
    let extents_be: Vec<u8> = extents.iter().flat_map(|e| e.to_be_bytes()).collect();
    [&[0, 0, 8, extents.len() as u8], &extents_be[..], data].concat()
}

fn u8s(set: &DataSet) -> &Array4<u8> {
    match set.images.as_ref().unwrap() {
        Pixels::U8(a) => a,
        Pixels::F32(_) => panic!("floats"),
    }
}

#[test]
fn safetensors_in_both_layouts_give_the_same_pixels() {
    let dir = tempfile::tempdir().unwrap();
    let first = Array4::from_shape_fn((2, 3, 4, 5), |(n, c, y, x)| (n * 60 + c * 20 + y * 5 + x) as u8);
    let last = first.view().permuted_axes([0, 2, 3, 1]);
    let labels = array![1i64, 0];
    for (name, images) in [("a", first.view()), ("b", last)] {
        let path =
            tensors(&dir.path().join(name), &[("images", images.into()), ("labels", labels.view().into())]);
        let got = free(&path).unwrap();
        assert_eq!(u8s(&got.set), first);
        assert_eq!(got.set.labels, [1, 0]);
        assert_eq!(got.facts[0].shown(), "2 images 4×5×3 (u8), 2 classes, 2 labels");
    }
}

#[test]
fn counts_labels_and_shapes_must_fit() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let images = || Stored::from(Array4::<u8>::zeros((3, 1, 4, 4)));
    let few = tensors(&at("few"), &[("images", images()), ("labels", array![0i64, 1].into())]);
    assert_eq!(free(&few).unwrap_err().reason, "2 labels for 3 images");
    let negative = tensors(&at("neg"), &[("images", images()), ("labels", array![0i64, -7, 1].into())]);
    assert!(free(&negative).unwrap_err().reason.contains("row 1: label -7 is negative"));
    let good = tensors(&at("good"), &[("images", images()), ("labels", array![0i64, 9, 10].into())]);
    let set = free(&good).unwrap().set;
    let e = set.check_against(&good, 10, [1, 4, 4]).unwrap_err();
    assert_eq!((e.code, e.place.as_str()), ("labels.range", "labels, row 2"));
    assert!(set.check_against(&good, 11, [1, 4, 4]).is_ok());
    let e = set.check_against(&good, 11, [1, 28, 28]).unwrap_err();
    assert!(e.reason.contains("4×4×1") && e.reason.contains("28×28×1"), "{e}");
    let empty = tensors(&at("empty"), &[("images", Array4::<u8>::zeros((0, 1, 4, 4)).into())]);
    assert_eq!(code(&empty), "data.empty");
    let weights = tensors(&at("w"), &[("conv.weight", Array3::<f32>::zeros((1, 2, 3)).into())]);
    assert!(free(&weights).unwrap_err().reason.contains("conv.weight"));
    let probs =
        tensors(&at("p"), &[("labels", array![0i64].into()), ("pred_probs", array![[0.5f64, 1.5]].into())]);
    assert_eq!(code(&probs), "data.range");
    let flat = tensors(&at("f"), &[("images", ndarray::Array2::<u8>::zeros((3, 4)).into())]);
    assert_eq!(code(&flat), "data.shape");
}

#[test]
fn float_images_are_brought_to_unit_scale_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut values = Array4::<f32>::zeros((2, 1, 2, 2));
    values[[1, 0, 0, 1]] = 1.0;
    let path = tensors(&dir.path().join("a"), &[("images", values.view().into())]);
    let bits = |set: &DataSet, at: [usize; 4]| set.unit(&[0, 1]).unwrap()[at].to_bits();
    assert_eq!(bits(&free(&path).unwrap().set, [1, 0, 0, 1]), 1f32.to_bits());
    values[[1, 0, 1, 1]] = -1.0;
    let path = tensors(&dir.path().join("b"), &[("images", values.view().into())]);
    let e = free(&path).unwrap_err();
    assert!(e.reason.starts_with("sample 1 has the value -1"), "{e}");
    let expect = Expect { range: Some([-1.0, 1.0]), ..Expect::default() };
    let set = load(&path, Role::Clean, &expect).unwrap().set;
    assert_eq!(bits(&set, [1, 0, 1, 1]), 0);
    assert_eq!(bits(&set, [0, 0, 0, 0]), 0.5f32.to_bits());
    values[[0, 0, 0, 0]] = f32::NAN;
    let path = tensors(&dir.path().join("c"), &[("images", values.view().into())]);
    assert!(load(&path, Role::Clean, &expect).unwrap_err().reason.starts_with("sample 0 has the value NaN"));
}

#[test]
fn npz_members_are_checked_before_they_are_unpacked() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let images = npy("|u1", "(2, 4, 4)", &[7; 32]);
    let good = archive(
        &at("a.npz"),
        &[("images.npy", images.clone()), ("labels.npy", npy("<i2", "(2,)", &[1, 0, 0, 0]))],
    );
    let got = free(&good).unwrap();
    assert_eq!((got.format, got.set.shape(), got.set.labels), (Format::Npz, Some([1, 4, 4]), vec![1, 0]));
    let object =
        archive(&at("b.npz"), &[("images.npy", images.clone()), ("y.npy", npy("|O", "(1,)", b"\x80\x02N."))]);
    assert_eq!(code(&object), "npy.object");
    let climbs = archive(&at("c.npz"), &[("../images.npy", images.clone())]);
    assert_eq!(code(&climbs), "zip.path_traversal");
    let zeros = npy("|u1", "(1, 6000, 6000)", &vec![0; 36_000_000]);
    let bomb = archive(&at("d.npz"), &[("images.npy", zeros)]);
    let e = free(&bomb).unwrap_err();
    assert!(e.code == "zip.ratio" && e.reason.contains("200"), "{e}");
    let small = Limits { unpacked_bytes: 40, ..Limits::default() };
    let bytes = fs::read(&good).unwrap();
    let e = npz_members(&good, &bytes, &small).unwrap_err();
    assert!(e.code == "zip.limit" && e.reason.contains("unpacked_bytes"), "{e}");
}

#[test]
fn idx_files_find_their_labels_and_folders_the_right_pair() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8], gz: bool| {
        let path = dir.path().join(name);
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(bytes).unwrap();
        fs::write(&path, if gz { packed.finish().unwrap() } else { bytes.to_vec() }).unwrap();
        path
    };
    let train = put("train-images-idx3-ubyte.gz", &idx(&[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]), true);
    put("train-labels-idx1-ubyte", &idx(&[2], &[4, 5]), false);
    let test = put("t10k-images-idx3-ubyte", &idx(&[1, 2, 2], &[9; 4]), false);
    let labels = put("t10k-labels-idx1-ubyte.gz", &idx(&[1], &[3]), true);
    let got = free(&train).unwrap();
    assert_eq!((got.set.labels.as_slice(), u8s(&got.set)[[1, 0, 1, 0]]), (&[4, 5][..], 7));
    assert!(got.facts[1].shown().starts_with("labels from train-labels-idx1-ubyte, SHA-256 "));
    assert_eq!(free(&test).unwrap().set.labels, [3]);
    assert_eq!(free(&labels).unwrap().set.labels, [3]);
    assert_eq!(load(dir.path(), Role::Training, &Expect::default()).unwrap().set.len(), 2);
    assert_eq!(load(dir.path(), Role::Test, &Expect::default()).unwrap().set.len(), 1);
    put("train-labels-idx1-ubyte", &idx(&[1], &[4]), false);
    assert_eq!(free(&train).unwrap_err().code, "data.count");
    let cut = put("cut-images-idx3-ubyte", &idx(&[2, 2, 2], &[1; 5]), false);
    assert_eq!(code(&cut), "idx.size_mismatch");
    let vast = put("vast-images-idx3-ubyte.gz", &idx(&[u32::MAX, 1 << 10, 1 << 10], &[]), true);
    assert_eq!(code(&vast), "gzip.limit");
}

fn png(path: PathBuf, w: u32, h: u32, rgb: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    ImageBuffer::from_pixel(w, h, Rgb(rgb)).save(path).unwrap();
}

#[test]
fn a_folder_of_images_by_class() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    png(at("dog/1.png"), 5, 4, [255, 0, 9]);
    png(at("cat/b.png"), 5, 4, [7, 7, 7]);
    ImageBuffer::from_pixel(5, 4, Luma([3u8])).save(at("cat/a.bmp")).unwrap();
    fs::write(at(".DS_Store"), b"x").unwrap();
    let got = free(dir.path()).unwrap();
    let names: Vec<String> = got.set.names.iter().map(Untrusted::shown).collect();
    assert_eq!(names, ["cat/a.bmp", "cat/b.png", "dog/1.png"]);
    assert_eq!((got.set.labels.as_slice(), got.set.shape()), (&[0, 0, 1][..], Some([3, 4, 5])));
    assert_eq!(u8s(&got.set)[[2, 2, 0, 0]], 9);
    assert_eq!(u8s(&got.set)[[0, 2, 3, 4]], 3);
    assert_eq!(got.format, Format::ImageFolder);
    let known = Expect { classes: vec![Untrusted::new("dog"), Untrusted::new("cat")], ..Expect::default() };
    assert_eq!(load(dir.path(), Role::Clean, &known).unwrap().set.labels, [1, 1, 0]);
    let grey = Expect { shape: Some([1, 4, 5]), ..Expect::default() };
    assert_eq!(load(dir.path(), Role::Clean, &grey).unwrap_err().path, Path::new("dog/1.png"));

    png(at("cat/c.png"), 6, 4, [0; 3]);
    fs::write(at("dog/2.png"), b"\x89PNG\r\n\x1a\nbroken").unwrap();
    let e = free(dir.path()).unwrap_err().to_string();
    assert!(e.starts_with("cat/c.png: 4×6 pixels, cat/a.bmp is 4×5"), "{e}");
    assert!(e.contains("2 of 5 images are bad, also: dog/2.png"), "{e}");
}

#[test]
fn images_that_would_lose_something_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.png");
    ImageBuffer::from_pixel(2, 2, Rgba([1u8, 2, 3, 255])).save(&path).unwrap();
    assert_eq!(u8s(&free(&path).unwrap().set)[[0, 1, 0, 0]], 2);
    ImageBuffer::from_pixel(2, 2, Rgba([1u8, 2, 3, 254])).save(&path).unwrap();
    assert_eq!(code(&path), "image.type");
    ImageBuffer::from_pixel(2, 2, Luma([300u16])).save(&path).unwrap();
    assert_eq!(code(&path), "image.type");
    let mut header = fs::read(&path).unwrap();
    header[16..24].copy_from_slice(&[0x3f, 0xff, 0xff, 0xff, 0x3f, 0xff, 0xff, 0xff]);
    fs::write(&path, header).unwrap();
    assert!(["image.size", "image.malformed"].contains(&code(&path)));
}

#[test]
fn a_list_with_labels_in_a_folder_or_alone() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    png(at("x/1.png"), 3, 3, [1; 3]);
    png(at("2.png"), 3, 3, [2; 3]);
    fs::write(at("labels.csv"), "file,label\n2.png,1\nx/1.png,0\n").unwrap();
    for path in [dir.path().to_owned(), at("labels.csv")] {
        let set = free(&path).unwrap().set;
        assert_eq!((set.labels.as_slice(), u8s(&set)[[0, 0, 0, 0]]), (&[1, 0][..], 2));
    }
    fs::write(at("labels.csv"), "2.png,1\nnone.png,0\n").unwrap();
    assert!(free(dir.path()).unwrap_err().to_string().contains("none.png"));
    assert_eq!(code(&at("labels.csv")), "intake.open");
    let outside = tempfile::tempdir().unwrap();
    png(outside.path().join("s.png"), 3, 3, [9; 3]);
    std::os::unix::fs::symlink(outside.path(), at("way")).unwrap();
    fs::write(at("labels.csv"), "way/s.png,1\n").unwrap();
    assert_eq!(code(&at("labels.csv")), "dataset.path_traversal");
    assert_eq!(code(dir.path()), "data.missing");
    std::os::unix::fs::symlink(outside.path().join("s.png"), at("link.png")).unwrap();
    fs::write(at("labels.csv"), "link.png,1\n").unwrap();
    assert_eq!(code(&at("labels.csv")), "intake.symlink");
}

#[test]
fn class_names_one_a_line_or_a_json_list() {
    let names = |text: &str| {
        let bytes =
            intake::Bytes { path: "l".into(), data: text.as_bytes().to_vec().into(), sha256: String::new() };
        class_names(&bytes, &Limits::default()).map(|n| n.iter().map(Untrusted::shown).collect::<Vec<_>>())
    };
    assert_eq!(names("cat\r\ndog \n\n").unwrap(), ["cat", "dog"]);
    assert_eq!(names("[\"a\", \"b\"]").unwrap(), ["a", "b"]);
    assert_eq!(names("cat\n\ndog").unwrap_err().place, "line 2");
    for bad in ["", "{\"0\":\"cat\",\"0\":\"dog\",\"1\":NaN}", "[1]"] {
        assert_eq!(names(bad).unwrap_err().code, "labels.schema", "{bad}");
    }
}

#[test]
fn kinds_are_told_by_content() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let images = tensors(&dir.path().join("a"), &[("images", Array4::<u8>::zeros((1, 1, 2, 2)).into())]);
    assert_eq!(kind(&images, &limits).unwrap(), Kind::Data);
    let weights = tensors(&dir.path().join("b"), &[("w", array![1f32].into())]);
    assert_eq!(kind(&weights, &limits).unwrap(), Kind::Other);
    assert_eq!(kind(dir.path(), &limits).unwrap(), Kind::Folder);
    png(dir.path().join("c/x.png"), 2, 2, [0; 3]);
    assert_eq!(kind(dir.path(), &limits).unwrap(), Kind::Data);
}
