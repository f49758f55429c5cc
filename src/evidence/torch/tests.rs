use super::*;
use std::io::Write as _;

/// Protocol 2, written by hand.
struct P;

impl P {
    fn text(s: &str) -> Vec<u8> {
        [b"X", &(s.len() as u32).to_le_bytes()[..], s.as_bytes()].concat()
    }

    fn int(n: i32) -> Vec<u8> {
        [b"J", &n.to_le_bytes()[..]].concat()
    }

    fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
        [b"(", &items.concat()[..], b"t"].concat()
    }

    fn list(items: &[Vec<u8>]) -> Vec<u8> {
        [b"](", &items.concat()[..], b"e"].concat()
    }

    fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let flat: Vec<u8> = items.iter().flat_map(|(k, v)| [P::text(k), v.clone()].concat()).collect();
        [b"}(", &flat[..], b"u"].concat()
    }

    fn call(module: &str, name: &str, args: &[Vec<u8>]) -> Vec<u8> {
        [format!("c{module}\n{name}\n").as_bytes(), &P::tuple(args), b"R"].concat()
    }

    fn ints(n: &[i32]) -> Vec<u8> {
        P::tuple(&n.iter().map(|&n| P::int(n)).collect::<Vec<_>>())
    }

    fn storage(key: &str, class: &str, elements: i32) -> Vec<u8> {
        let class = format!("ctorch\n{class}\n").into_bytes();
        let id = [P::text("storage"), class, P::text(key), P::text("cpu"), P::int(elements)];
        [&P::tuple(&id)[..], b"Q"].concat()
    }

    /// `key`, class, elements; offset, shape, strides.
    fn tensor((key, class, n): (&str, &str, i32), offset: i32, size: &[i32], stride: &[i32]) -> Vec<u8> {
        let hooks = P::call("collections", "OrderedDict", &[]);
        let args = [
            P::storage(key, class, n),
            P::int(offset),
            P::ints(size),
            P::ints(stride),
            b"\x89".to_vec(),
            hooks,
        ];
        P::call("torch._utils", "_rebuild_tensor_v2", &args)
    }

    fn whole(root: &[u8]) -> Vec<u8> {
        [b"\x80\x02", root, b"."].concat()
    }
}

fn floats(x: &[f32]) -> Vec<u8> {
    x.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn archive(root: &[u8], storages: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let packed =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("m/data.pkl", stored).unwrap();
    zip.write_all(&P::whole(root)).unwrap();
    for (i, (key, data)) in storages.iter().enumerate() {
        zip.start_file(format!("m/data/{key}"), if i % 2 == 0 { stored } else { packed }).unwrap();
        zip.write_all(data).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn legacy(root: &[u8], storages: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let system = P::dict(&[("protocol_version", P::int(1001)), ("little_endian", b"\x88".to_vec())]);
    let keys = P::list(&storages.iter().map(|(k, _)| P::text(k)).collect::<Vec<_>>());
    let mut out =
        [&magic[..], &P::whole(&P::int(1001)), &P::whole(&system), &P::whole(root), &P::whole(&keys)]
            .concat();
    for (_, data) in storages {
        out.extend((data.len() as u64 / 4).to_le_bytes());
        out.extend(data);
    }
    out
}

fn open(bytes: &[u8]) -> Result<Checkpoint<'_>, EvidenceError> {
    read(Path::new("m.pt"), bytes, &Limits::default())
}

fn numbers(c: &Checkpoint, name: &str) -> ndarray::ArrayD<f32> {
    c.tensors.iter().find(|t| t.name.raw() == name).unwrap().raw(Path::new("m.pt")).to_f32().unwrap()
}

fn two_views() -> (Vec<u8>, Vec<(&'static str, Vec<u8>)>) {
    let root = P::dict(&[
        ("a.weight", P::tensor(("0", "FloatStorage", 6), 0, &[2, 3], &[3, 1])),
        // The same storage, transposed, from its second number on.
        ("b.weight", P::tensor(("0", "FloatStorage", 6), 1, &[2, 2], &[1, 3])),
        ("c.bias", P::tensor(("1", "FloatStorage", 2), 0, &[2], &[1])),
    ]);
    (root, vec![("0", floats(&[1., 2., 3., 4., 5., 6.])), ("1", floats(&[7., 8.]))])
}

#[test]
fn both_layouts_give_the_same_tensors() {
    let (root, storages) = two_views();
    for bytes in [archive(&root, &storages), legacy(&root, &storages)] {
        let c = open(&bytes).unwrap();
        assert_eq!(numbers(&c, "a.weight"), ndarray::array![[1f32, 2., 3.], [4., 5., 6.]].into_dyn());
        assert_eq!(numbers(&c, "b.weight"), ndarray::array![[2f32, 5.], [3., 6.]].into_dyn());
        assert_eq!(numbers(&c, "c.bias"), ndarray::array![7f32, 8.].into_dyn());
    }
}

#[test]
fn records_of_toolkits_are_looked_into_and_what_they_leak_is_said() {
    let tensor = P::tensor(("0", "FloatStorage", 2), 0, &[2], &[1]);
    let poison = P::list(&[P::int(0), P::int(1), P::int(1), P::int(0)]);
    let train = P::dict(&[("poison_indicator", poison), ("save_folder_path", P::text("record/x/bd_train"))]);
    let root = P::dict(&[
        ("model_name", P::text("preactresnet18")),
        ("num_classes", P::int(43)),
        ("optimizer", P::dict(&[("w", tensor.clone())])),
        ("model", P::dict(&[("linear.bias", tensor.clone())])),
        ("img_size", P::ints(&[32, 24, 3])),
        ("bd_train", train),
    ]);
    let bytes = archive(&root, &[("0", floats(&[1., 2.]))]);
    let c = open(&bytes).unwrap();
    assert_eq!(c.tensors.len(), 1);
    assert_eq!(c.architecture.as_ref().unwrap().raw(), "preactresnet18");
    assert_eq!((c.classes, c.image), (Some(43), Some([3, 32, 24])));
    let facts = c.facts.join("; ");
    for said in [
        "BackdoorBench attack result",
        "under 'model'",
        "2 of 4 training samples are marked",
        "'record/x/bd_train'",
    ] {
        assert!(facts.contains(said), "{said}: {facts}");
    }
    let several = P::dict(&[("one", P::dict(&[("w", tensor.clone())])), ("two", P::dict(&[("w", tensor)]))]);
    let bytes = archive(&several, &[("0", floats(&[1., 2.]))]);
    let e = open(&bytes).unwrap_err();
    assert!(e.code == "torch.layout" && e.reason.contains("several state dicts"), "{e}");
}

#[test]
fn a_pickled_module_yields_its_parameters_and_the_names_of_its_classes() {
    let make = |class: &str, state: Vec<u8>| {
        let (module, name) = class.rsplit_once('.').unwrap();
        [format!("c{module}\n{name}\n").as_bytes(), b")\x81", &state, b"b"].concat()
    };
    let tensor = P::tensor(("0", "FloatStorage", 2), 0, &[2], &[1]);
    let part = |params: Vec<u8>, modules: Vec<u8>| {
        P::dict(&[("_parameters", params), ("_buffers", P::dict(&[])), ("_modules", modules)])
    };
    let parameter = P::call("torch._utils", "_rebuild_parameter", &[tensor, b"\x88".to_vec(), b"}".to_vec()]);
    let inner = make("torch.nn.modules.linear.Linear", part(P::dict(&[("bias", parameter)]), P::dict(&[])));
    let root = make("victim.Net", part(P::dict(&[]), P::dict(&[("fc", inner)])));
    let bytes = archive(&root, &[("0", floats(&[3., 4.]))]);
    let c = open(&bytes).unwrap();
    assert_eq!(numbers(&c, "fc.bias"), ndarray::array![3f32, 4.].into_dyn());
    let facts = c.facts.join("; ");
    assert!(facts.contains("'victim.Net'") && facts.contains("1 standard layers"), "{facts}");
}

#[test]
fn what_does_not_fit_is_refused_before_it_is_copied() {
    let storages = [("0", floats(&[1., 2.]))];
    let one = |tensor: Vec<u8>| archive(&P::dict(&[("w", tensor)]), &storages);
    let view =
        |offset, size: &[i32], stride: &[i32]| one(P::tensor(("0", "FloatStorage", 2), offset, size, stride));
    for (bytes, code) in [
        (view(0, &[3], &[1]), "torch.tensor.bounds"),
        (view(1, &[2], &[1]), "torch.tensor.bounds"),
        (view(-1, &[1], &[1]), "torch.tensor.bounds"),
        (view(0, &[-1], &[1]), "torch.tensor.bounds"),
        (view(0, &[i32::MAX, i32::MAX, i32::MAX], &[0, 0, 0]), "torch.tensor.bounds"),
        (view(0, &[2], &[i32::MAX]), "torch.tensor.bounds"),
        (view(0, &[1; 9], &[0; 9]), "torch.tensor.bounds"),
        // A stride of 0 makes many numbers of one.
        (view(0, &[1 << 20], &[0]), "torch.tensor.bounds"),
        // It says it has more than the member holds; it is not there; its numbers are of no known type.
        (one(P::tensor(("0", "FloatStorage", 900), 0, &[900], &[1])), "torch.storage.missing"),
        (one(P::tensor(("9", "FloatStorage", 2), 0, &[2], &[1])), "torch.storage.missing"),
        (one(P::tensor(("0", "ComplexFloatStorage", 2), 0, &[1], &[1])), "torch.storage.type"),
        (archive(&P::dict(&[("w", P::int(1))]), &storages), "torch.layout"),
        (archive(b"cos\nsystem\n(X\x04\x00\x00\x00truetR", &storages), "torch.layout"),
        (archive(b"}(X\xff\xff\xff\x00", &storages), "pickle.truncated"),
    ] {
        assert_eq!(open(&bytes).unwrap_err().code, code);
    }
    // Very many names of one storage do not make memory.
    let many: Vec<(String, Vec<u8>)> = (0..40)
        .map(|i| (format!("w{i}"), P::tensor(("0", "FloatStorage", 30_000), 0, &[30_000], &[1])))
        .collect();
    let many: Vec<(&str, Vec<u8>)> = many.iter().map(|(n, t)| (n.as_str(), t.clone())).collect();
    let bytes = archive(&P::dict(&many), &[("0", floats(&vec![0.0; 30_000]))]);
    assert_eq!(open(&bytes).unwrap_err().code, "torch.limit");
}

#[test]
fn a_damaged_file_never_panics() {
    let (root, storages) = two_views();
    for whole in [archive(&root, &storages), legacy(&root, &storages)] {
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                drop(open(&bytes));
            }
            drop(open(&whole[..at]));
        }
    }
}
