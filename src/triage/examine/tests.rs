use super::*;
use crate::evidence::dataset::Expect;
use crate::evidence::intake::quiet;
use crate::evidence::register::{entries, take_in};
use crate::evidence::{CaseFile, Limits, intake};
use crate::procedure::{Case, Context, Earlier, Effort, Outcome, Procedure, Severity, Silent};
use std::path::Path;

/// A case as the program sees it, from the text of its case file.
pub fn case_of(dir: &Path, toml: &str) -> Case {
    std::fs::write(dir.join("case.toml"), toml).unwrap();
    let limits = Limits::default();
    let file = CaseFile::read(&dir.join("case.toml"), &limits).unwrap();
    let take = |e| take_in(e, &file, &Expect::of(&file), &limits, &quiet).unwrap().item;
    Case {
        register: entries(&file).iter().map(take).collect(),
        file,
        model: None,
        data: Vec::new(),
        effort: Effort::default(),
        overrides: std::collections::BTreeMap::default(),
        earlier: Earlier::default(),
    }
}

pub fn run(procedure: &'static dyn Procedure, case: &Case) -> Outcome {
    let plan = procedure.plan(case).unwrap();
    let out = procedure.run(case, &plan, &mut Context::new(0, procedure.about().id, &Silent)).unwrap();
    assert!(!out.limits.is_empty());
    out
}

/// A whole ONNX file: Flatten from 1×1×2×2 to 1×4.
pub fn onnx_file() -> Vec<u8> {
    let field = |n: u8, body: &[u8]| [&[n << 3 | 2, body.len() as u8], body].concat();
    let value = |name: &[u8], dims: &[u8]| {
        let dims: Vec<u8> = dims.iter().flat_map(|&d| field(1, &[8, d])).collect();
        let tensor = [&[8, 1], &field(2, &dims)[..]].concat();
        [field(1, name), field(2, &field(1, &tensor))].concat()
    };
    let node = [field(1, b"x"), field(2, b"y"), field(4, b"Flatten")].concat();
    let ends = [field(11, &value(b"x", &[1, 1, 2, 2])), field(12, &value(b"y", &[1, 4]))].concat();
    let graph = [field(1, &node), field(2, b"g"), ends].concat();
    [&[8, 8], &field(7, &graph)[..], &field(8, &[16, 17])].concat()
}

fn looked(name: &str, data: &[u8]) -> Examined {
    let bytes = Bytes { path: name.into(), data: data.to_vec().into(), sha256: intake::sha256(data) };
    let (name, found) = recognise(&bytes);
    examine(&bytes, &name, found, &Limits::default())
}

fn codes(name: &str, data: &[u8]) -> Vec<String> {
    looked(name, data).reasons.into_iter().map(|r| r.code).collect()
}

fn first(name: &str, data: &[u8]) -> (String, Ruling) {
    let seen = looked(name, data);
    (seen.reasons.first().map(|r| r.code.clone()).unwrap_or_default(), seen.ruling)
}

fn named(code: &str, ruling: Ruling) -> (String, Ruling) {
    (code.to_owned(), ruling)
}

#[test]
fn safe_formats_under_their_names_say_nothing() {
    for (name, data) in [
        ("a.onnx", onnx_file()),
        ("a.safetensors", b"\x02\0\0\0\0\0\0\0{}".to_vec()),
        ("labels.txt", b"cat\ndog\n".to_vec()),
        ("net.json", b"{}".to_vec()),
        ("plain.pkl", b"\x80\x04}\x94\x8c\x01a\x94]\x94(K\x01K\x02es.".to_vec()),
    ] {
        let seen = looked(name, &data);
        assert!(seen.reasons.is_empty() && seen.ruling == Ruling::Accept, "{name}: {seen:?}");
    }
}

#[test]
fn what_runs_code_is_named_and_worse_under_a_false_name() {
    let pickle = b"\x80\x02cos\nsystem\nq\0.";
    assert_eq!(first("a.pkl", pickle), named("pickle.global.dangerous", Ruling::Flag));
    assert_eq!(looked("a.pkl", pickle).reasons[0].offset, Some(2));
    let hidden = looked("a.safetensors", pickle).reasons;
    let mismatch = hidden.iter().find(|r| r.code == "format.mismatch").unwrap();
    assert_eq!(mismatch.severity, Severity::High);
    assert_eq!(first("a.bin", b"\x7fELF\x02"), named("format.executable", Ruling::Flag));
    assert_eq!(first("x.pt", b"7z\xbc\xaf\x27\x1c"), named("container.7z", Ruling::Flag));
    // Text that is a pickle all the same.
    assert_eq!(first("notes.txt", b"Vsome text\n0cos\nsystem\n(S'true'\ntR.").1, Ruling::Flag);
}

#[test]
fn containers_are_opened_to_any_depth_that_is_sane() {
    use std::io::Write as _;
    let pickle = b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.";
    let gzip = |data: &[u8]| {
        let mut z = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        z.write_all(data).unwrap();
        z.finish().unwrap()
    };
    let once = looked("a.pkl.gz", &gzip(pickle));
    assert_eq!(
        (once.reasons[0].code.as_str(), once.reasons[0].member.as_str()),
        ("pickle.global.dangerous", "unpacked")
    );
    let deep = (0..9).fold(pickle.to_vec(), |data, _| gzip(&data));
    assert!(codes("a.gz", &deep).contains(&"zip.depth".to_owned()));
    let bomb = gzip(&vec![0; 32 << 20]);
    assert!(codes("a.gz", &bomb).contains(&"gzip.ratio".to_owned()));
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("archive/data.pkl", zip::write::SimpleFileOptions::default()).unwrap();
    archive.write_all(pickle).unwrap();
    let seen = looked("m.pt", archive.finish().unwrap().get_ref());
    assert_eq!(seen.reasons[0].member, "archive/data.pkl");
    assert_eq!((seen.format, seen.ruling), (Format::TorchZip, Ruling::Flag));
    let npy = |dtype: &str, body: &[u8]| {
        let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': (1,), }}");
        [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), body].concat()
    };
    assert_eq!(first("a.npy", &npy("|O", pickle)), named("pickle.global.dangerous", Ruling::Flag));
    assert_eq!(first("a.npy", &npy("|O", b"N.")), named("npy.object", Ruling::Review));
}

#[test]
fn malformed_hidden_and_acting_content() {
    assert_eq!(first("a.safetensors", b"\x02\0\0\0\0\0\0\0{}PK"), named("st.trailing_data", Ruling::Reject));
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("x", zip::write::SimpleFileOptions::default()).unwrap();
    let with_member = archive.finish().unwrap().into_inner();
    let both = [b"\x93NUMPY", &with_member[..]].concat();
    assert!(codes("a.npy", &both).contains(&"polyglot.zip".to_owned()));
    let acting = b"{\"\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    let file = [&(acting.len() as u64).to_le_bytes()[..], acting].concat();
    assert_eq!(first("a.safetensors", &file), named("st.name_unprintable", Ruling::Review));
    assert_eq!(first("a.safetensors", b""), named("st.header.short", Ruling::Reject));
    assert_eq!(first("a.bin", b""), named("file.empty_or_short", Ruling::Reject));
    let nan = [
        &b"\x93NUMPY\x01\0\x39\0{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"[..],
        &[0, 0, 0xc0, 0x7f],
    ];
    assert_eq!(first("a.npy", &nan.concat()), named("data.nonfinite", Ruling::Accept));
    assert_eq!(first("a.csv", b"file,label\n=cmd|x,1\n-1.5,2\n").0, "csv.formula");
    assert_eq!(first("a.txt", b"cat\n\x1b[2Jdog\n").0, "name_unprintable");
    assert_eq!(first("a.json", b"{\"a\": NaN}"), named("json.number", Ruling::Reject));
    assert_eq!(first("a.onnx", &onnx_file()[..20]), named("onnx.protobuf", Ruling::Reject));
    assert_eq!(first("x.gguf", b"GGUF\x03\0\0\0").0, "gguf.count");
    assert_eq!(first("x.h5", b"\x89HDF\r\n\x1a\n").0, "hdf5.malformed");
}

#[test]
fn documents_are_read_for_what_they_point_at() {
    let code = |name: &str, text: &str| first(name, text.as_bytes());
    assert_eq!(
        code("model.safetensors.index.json", "{\"weight_map\": {\"w\": \"../../x\"}}").0,
        "index.path_traversal"
    );
    assert_eq!(
        code("c.yaml", "model:\n  _target_: subprocess.Popen\n"),
        named("config.target_callable", Ruling::Flag)
    );
    assert_eq!(code("c.yaml", "model:\n  _target_: my.models.Net\n").1, Ruling::Accept);
    assert_eq!(code("c.yaml", "x: !!python/object/apply:os.system ['true']\n").1, Ruling::Flag);
    let bomb = (b'b'..=b'h').fold("a: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |t, c| {
        let (c, before) = (char::from(c), char::from(c - 1));
        format!("{t}{c}: &{c} [{}]\n", vec![format!("*{before}"); 10].join(","))
    });
    assert_eq!(code("c.yaml", &bomb).0, "config.yaml");
    assert_eq!(code("c.toml", &format!("a = {}", "[".repeat(5000))).0, "config.malformed");
    let config = "{\"class_name\": \"Sequential\", \"config\": {\"layers\": [{\"class_name\": \"Lambda\", \"config\": {}}]}}";
    assert_eq!(code("config.json", config), named("keras.lambda", Ruling::Flag));
    let config = "{\"module\": \"keras\", \"class_name\": \"Sequential\", \"config\": {\"layers\": [{\"module\": \"keras.layers\", \"class_name\": \"Dense\", \"config\": {}}]}}";
    assert_eq!(code("config.json", config).1, Ruling::Accept);
}

/// `numpy.memmap` is the class of an array that was saved, and a function that opens or overwrites a file.
#[test]
fn a_class_that_opens_files_is_allowed_as_a_class_and_never_called() {
    let call = |callee: &str, args: &[u8]| {
        [b"\x80\x02c".as_slice(), callee.as_bytes(), b"\n(", args, b"tR."].concat()
    };
    let path = b"X\x06\x00\x00\x00/tmp/xX\x05\x00\x00\x00uint8X\x02\x00\x00\x00w+K\x00K\x0a\x85";
    let bad = named("pickle.allowlisted.bad_args", Ruling::Flag);
    for module in ["numpy", "numpy.core.memmap", "numpy._core.memmap"] {
        assert_eq!(first("a.pkl", &call(&format!("{module}\nmemmap"), path)), bad, "{module}");
    }
    let class = b"cnumpy\nmemmap\n".as_slice();
    // By way of a function that calls what it is given.
    assert_eq!(first("a.pkl", &call("copyreg\n__newobj__", &[class, path].concat())), bad);
    let constructor = [b"X\x06\x00\x00\x00/tmp/x".as_slice(), class].concat();
    assert_eq!(first("a.pkl", &call("numpy.random._pickle\n__randomstate_ctor", &constructor)), bad);
    let new = [b"\x80\x02cnumpy\nmemmap\n(".as_slice(), path, b"t\x81."].concat();
    assert_eq!(first("a.pkl", &new), bad);
    let saved = [class, b"K\x00\x85c_codecs\nencode\n(X\x01\x00\x00\x00bX\x06\x00\x00\x00latin1tR"].concat();
    assert_eq!(looked("a.pkl", &call("numpy.core.multiarray\n_reconstruct", &saved)).ruling, Ruling::Accept);
}
