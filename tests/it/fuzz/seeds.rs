//! What mutation starts from: small valid inputs of every kind, made here or shipped, and the shared corpora when they
//! are at hand.

use super::mutate::LONGEST;
use crate::shared;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

fn zip(names: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (k, (name, data)) in names.iter().enumerate() {
        let method =
            if k % 2 == 0 { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        out.start_file(*name, options).unwrap();
        out.write_all(data).unwrap();
    }
    out.finish().unwrap().into_inner()
}

fn tar(names: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = tar::Builder::new(Vec::new());
    for (name, data) in names {
        let mut header = tar::Header::new_ustar();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        out.append_data(&mut header, name, *data).unwrap();
    }
    out.into_inner().unwrap()
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(data).unwrap();
    out.finish().unwrap()
}

fn npy(shape: &str, dtype: &str, data: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    let padding = (10 + header.len() + 1).next_multiple_of(64) - 10 - 1 - header.len();
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    [&b"\x93NUMPY\x01\0"[..], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
}

fn png() -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_fn(4, 4, |x, y| image::Rgb([x as u8 * 60, y as u8 * 60, 9]))
        .write_to(&mut out, image::ImageFormat::Png)
        .unwrap();
    out.into_inner()
}

/// Files below a folder with one of these endings, small ones, in order.
fn files(folder: &Path, endings: &[&str], out: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            files(&path, endings, out);
        } else if kind.is_file()
            && endings.iter().any(|e| path.to_string_lossy().ends_with(e))
            && fs::metadata(&path).unwrap().len() <= LONGEST as u64
        {
            out.push(path);
        }
    }
}

fn shipped(folder: &str, endings: &[&str]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), endings, &mut found);
    found.iter().take(24).map(|p| fs::read(p).unwrap()).collect()
}

fn foreign(folders: &[&str]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for folder in folders {
        if let Some(folder) = shared::path(folder) {
            files(&folder, &[""], &mut found);
        }
    }
    found.iter().map(|p| fs::read(p).unwrap()).collect()
}

fn safetensors() -> Vec<u8> {
    let header = br#"{"__metadata__":{"format":"pt"},"images":{"dtype":"U8","shape":[2,2,2,1],"data_offsets":[0,8]},"labels":{"dtype":"I64","shape":[2],"data_offsets":[8,24]}}"#;
    let labels: Vec<u8> = [0i64, 1].iter().flat_map(|n| n.to_le_bytes()).collect();
    [&(header.len() as u64).to_le_bytes()[..], header, &[7; 8], &labels].concat()
}

fn pickles() -> Vec<Vec<u8>> {
    vec![
        b"\x80\x04\x95\x1b\0\0\0\0\0\0\0\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94."
            .to_vec(),
        b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\x01X\x01\0\0\0wq\x02K\x05s.".to_vec(),
        b"(dp0\nS'a'\np1\n(lp2\nI1\naF2.5\nas.".to_vec(),
        b"\x80\x02]q\0(K\x01M\x02\x01J\x03\0\0\0\x88\x89N)\x85\x86\x87}(X\x01\0\0\0aK\x01ue.".to_vec(),
        b"cos\nsystem\n(S'true'\ntR.".to_vec(),
    ]
}

/// The inputs that a reader's mutations start from; never empty.
pub fn of(reader: &str) -> Vec<Vec<u8>> {
    let npz = zip(&[
        ("images.npy", &npy("(2, 2, 2, 1)", "|u1", &[3; 8])),
        ("labels.npy", &npy("(2,)", "<i8", &[0; 16])),
    ]);
    let parts: [(&str, &[u8]); 3] =
        [("a/data.pkl", &pickles()[0]), ("a/data/0", &[1; 32]), ("a/version", b"3\n")];
    let idx = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2][..], &[9; 8]].concat();
    let (own, folders): (Vec<Vec<u8>>, &[&str]) = match reader {
        "pickle" => (pickles(), &["hostile/pickle", "hostile/joblib", "pickles"]),
        "zip" => (vec![zip(&parts), npz], &["hostile/zip", "hostile/torch"]),
        "tar" => (vec![tar(&parts)], &[]),
        "packed" => (vec![gzip(b"some text, some text, some text")], &[]),
        "safetensors" => (vec![safetensors()], &["hostile/safetensors"]),
        "onnx" => (shipped("sample-cases", &[".onnx"]), &["hostile/onnx"]),
        "checkpoint" => (vec![zip(&parts)], &["hostile/torch", "hostile/zip"]),
        "description" => (shipped("sample-cases", &["network.json"]), &[]),
        "hdf5" => {
            let mut seeds = vec![b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0\x04\0\x10\0".repeat(8)];
            seeds.extend(shipped("tests/foreign/keras", &[".h5", ".keras"]));
            (seeds, &["hostile/other"])
        }
        "dataset" => {
            let mut seeds = vec![safetensors(), npz, idx, npy("(2, 3)", "<f4", &[0; 24])];
            seeds.extend(shipped("tests/foreign/parquet", &[".parquet"]));
            (seeds, &["hostile/npy", "hostile/dataset"])
        }
        "labels" => (
            vec![b"image,label\na.png,cat\nb.png,dog\n".to_vec(), b"stop\ngo\n".to_vec()],
            &["hostile/dataset"],
        ),
        "journal" => (shipped("tests/golden", &["journal.jsonl"]), &["hostile/state"]),
        "case-file" => (shipped("sample-cases", &["case.toml"]), &[]),
        "signatures" => (shipped("sample-cases", &["SHA256SUMS"]), &[]),
        "yaml" => (shipped("sample-cases", &[".yaml", ".json"]), &[]),
        "python" => (shipped("sample-cases", &[".py"]), &[]),
        _ => (
            vec![
                pickles()[1].clone(),
                zip(&parts),
                tar(&parts),
                gzip(&pickles()[2]),
                safetensors(),
                idx,
                png(),
            ],
            &["hostile"],
        ),
    };
    own.into_iter().chain(foreign(folders)).filter(|b| b.len() <= LONGEST).collect()
}
