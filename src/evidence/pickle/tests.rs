use super::*;
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Pickle<'_> {
    Pickle::read(bytes, &Caps::default())
}

fn imports(bytes: &[u8]) -> Vec<(String, String)> {
    read(bytes).imports.iter().map(|i| (i.module.clone(), i.name.clone())).collect()
}

fn codes(bytes: &[u8]) -> Vec<&'static str> {
    read(bytes).faults().map(|(_, f)| f.code()).collect()
}

/// Every way to import `os.system`, and none by looking at neighbouring opcodes.
#[test]
fn imports_are_found_however_they_are_written() {
    let ways: [&[u8]; 10] = [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"(cos\nsystem\nX\x04\0\0\0trueo.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"S'os'\np0\n0S'torch'\n0g0\nS'system'\n\x93.",
        b"V\\u006f\\u0073\nS'\\x73ystem'\n\x93.",
        b"U\x02osU\x06system\x93.",
        b"\x8c\x06system\x94\x8c\x02os2\x8c\x01x00h\0\x93.",
        b"\x80\x04N0\x8c\x02osr\xff\xff\xff\x7f0j\xff\xff\xff\x7f\x8c\x06system\x93.",
        b"\x80\x04\x8c\x02xx\x94q\x000\x8c\x02osq\x000h\0\x8c\x06system\x93.",
    ];
    for way in ways {
        assert_eq!(imports(way), [("os".to_owned(), "system".to_owned())], "{}", way.escape_ascii());
    }
    // Number of the slot is the count of slots written, not of MEMOIZE opcodes.
    let counted = b"\x8c\x02xx\x94q\x05\x8c\x02os\x94h\x02\x8c\x06system\x93.";
    assert_eq!(imports(counted), [("os".to_owned(), "system".to_owned())]);
}

/// A checkpoint of many tensors is as many of each: memory is what reading them costs.
#[test]
fn what_a_pickle_is_made_of_is_small() {
    assert_eq!((size_of::<Value>(), size_of::<Option<Value>>(), size_of::<Event>()), (16, 16, 16));
    assert_eq!((size_of::<Object>(), size_of::<Node>(), size_of::<Call>()), (16, 24, 48));
}

#[test]
fn what_is_computed_or_not_in_the_file_is_said() {
    let computed = b"coperator\nconcat\n(S'po'\nS'six'\ntRS'system'\n\x93.";
    let pickle = read(computed);
    assert!(pickle.events.iter().any(|e| matches!(e.action, Action::ComputedImport(_))));
    let registry = read(b"\x80\x02\x82\x05.");
    assert_eq!(registry.events, [Event { at: 2, action: Action::Extension(5) }]);
    let buffer = read(b"\x80\x05\x97\x98.");
    assert_eq!(buffer.events, [Event { at: 2, action: Action::Buffer }]);
}

#[test]
fn reading_goes_on_after_errors_and_over_all_streams() {
    let os = [("os".to_owned(), "system".to_owned())];
    let payload: &[u8] = b"cos\nsystem\n(S'true'\ntR";
    for tail in [&b""[..], b"\xff\xff", b"h\x63.", b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f", b"(.", b"tttt"] {
        assert_eq!(imports(&[payload, tail].concat()), os, "{}", tail.escape_ascii());
    }
    // Behind a whole pickle, behind junk, and behind a break.
    assert_eq!(imports(&[b"N.N.N.N.N.N.N.", payload, b"."].concat()), os);
    let behind_junk = [b"N.\xff\xfe junk ", payload, b"."].concat();
    assert_eq!(imports(&behind_junk), os);
    assert!(read(&behind_junk).streams.last().unwrap().buried);
    assert_eq!(imports(&[b"N\xff", payload, b"."].concat()), os);
    assert_eq!(read(b"N.junk").rest, 2..6);
    let broken = read(b"h\x07cos\nsystem\n.");
    assert!(broken.after_break(broken.imports[0].at));
}

#[test]
fn two_words_behind_an_i_are_prose_unless_a_pickle_leads_there_or_ends_there() {
    let os = [("os".to_owned(), "system".to_owned())];
    assert!(imports(b"# hosts\n*.signs.example\npypi.org\nfiles.pythonhosted.org\n").is_empty());
    assert!(imports(b"# (mirrors) and hosts\n*.signs.example\npypi.org\nfiles\n").is_empty());
    assert_eq!(imports(b"# hosts\n(S'touch x'\nios\nsystem\nfiles"), os);
    assert_eq!(imports(b"# hosts\nios\nsystem\n."), os);
}

#[test]
fn faults_have_codes() {
    let cases: [(&[u8], &str); 14] = [
        (b"\x80\x04X\xff\0\0\0ab", "pickle.truncated"),
        (b"N", "pickle.truncated"),
        (b"T\xff\xff\xff\xff.", "pickle.length.negative"),
        (b"\xff.", "pickle.opcode.unknown"),
        (b"R.", "pickle.stack.underflow"),
        (b"t.", "pickle.stack.underflow"),
        (b"h\x09.", "pickle.memo.missing"),
        (b"\x80\x05\x95\x02\0\0\0\0\0\0\0B\x03\0\0\0abc.", "pickle.frame.divergence"),
        (b"\x80\x05\x95\x0b\0\0\0\0\0\0\0\x95\x01\0\0\0\0\0\0\0N.", "pickle.frame.malformed"),
        (b"N0\x80\x02N.", "pickle.proto.misplaced"),
        (b"\x80\x06N.", "pickle.proto.unknown"),
        (b"Inot\n.", "pickle.argument"),
        (b"\x8c\x01\xff.", "pickle.string.utf8"),
        (b"(K\x01K\x02tK\x01K\x02s.", "pickle.setitem.type"),
    ];
    for (bytes, code) in cases {
        assert!(codes(bytes).contains(&code), "{}: {:?}", bytes.escape_ascii(), codes(bytes));
    }
    // Lone surrogates are what Python itself writes for odd file names.
    assert!(codes(b"\x8c\x03\xed\xb3\xbf.").is_empty());
    assert!(codes(b"\x80\x05\x95\x02\0\0\0\0\0\0\0N.").is_empty());
}

#[test]
fn exhaustion_is_a_named_limit_and_costs_little() {
    let deep = [vec![b']'; 100_000], vec![b'a'; 99_999], b".".to_vec()].concat();
    let tuples = [b"N".to_vec(), vec![0x85; 100_000], b".".to_vec()].concat();
    let marks = [vec![b'('; 500_000], b".".to_vec()].concat();
    let laughs = [b"]".to_vec(), b"2\x86".repeat(64), b".".to_vec()].concat();
    let digits = [b"I".to_vec(), vec![b'9'; 200_000], b"\n.".to_vec()].concat();
    for file in [&deep, &tuples, &marks, &laughs, &digits] {
        assert!(codes(file).contains(&"pickle.limit"), "{:?}", codes(file));
    }
    let few = Caps { values: 100, ..Caps::default() };
    let flood = [vec![b']'; 1000], b"cos\nsystem\n.".to_vec()].concat();
    let pickle = Pickle::read(&flood, &few);
    assert_eq!(pickle.imports[0].name, "system");
    assert!(pickle.faults().any(|(_, f)| f == Fault::Limit(Bound::Values)));
    // A slot number costs nothing.
    assert!(codes(b"K\x01r\xff\xff\xff\xff.").is_empty());
}

/// What `torch.save({"w": tensor})` writes, as PyTorch's own reader sees it.
#[test]
fn a_state_dict_reads_as_values() {
    let file = b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x01\x00\x00\x00wq\x02ctorch._utils\n\
        _rebuild_tensor_v2\nq\x03((X\x07\x00\x00\x00storageq\x04ctorch\nFloatStorage\nq\x05X\x01\x00\x00\x000q\x06\
        X\x03\x00\x00\x00cpuq\x07K\x06tq\x08QK\x00K\x02K\x03\x86q\tK\x03K\x01\x86q\n\x89h\x00)Rq\x0btq\x0cRq\rs.";
    let pickle = read(file);
    let root = pickle.root().unwrap();
    assert_eq!(pickle.called(root, "collections", "OrderedDict"), Some(&[][..]));
    let tensor = pickle.get(root, "w").unwrap();
    let args = pickle.called(tensor, "torch._utils", "_rebuild_tensor_v2").unwrap();
    let storage = pickle.tuple(pickle.persistent(args[0]).unwrap()).unwrap();
    assert_eq!(pickle.text(storage[0]), Some("storage"));
    assert_eq!(pickle.global(storage[1]), Some(("torch", "FloatStorage")));
    assert_eq!((pickle.text(storage[2]), pickle.int(storage[4])), (Some("0"), Some(6)));
    let shape: Vec<_> = pickle.tuple(args[2]).unwrap().iter().map(|&v| pickle.int(v)).collect();
    assert_eq!((pickle.int(args[1]), shape), (Some(0), vec![Some(2), Some(3)]));
    assert_eq!(args[4], Value::Bool(false));
    assert!(pickle.faults().next().is_none() && pickle.rest.is_empty());
}

#[test]
fn joblib_arrays_are_stepped_over_and_what_follows_is_read() {
    let wrapper =
        b"\x80\x03cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\x05\0\0\0shapeK\x02\x85X\x05\0\0\0dtype\
        cnumpy\ndtype\n(X\x02\0\0\0i4\x89\x88tRX\x1b\0\0\0numpy_array_alignment_bytesK\x10ub";
    let file = [&wrapper[..], b"\x02\xff\xff", b"cos\nsys\n", b"cos\nsystem\n."].concat();
    assert_eq!(imports(&file).last().unwrap().1, "system");
    assert!(!imports(&file).iter().any(|i| i.1 == "sys"));
    let from = wrapper.len() as u64 + 3;
    assert_eq!(read(&file).arrays, vec![from..from + 8]);
    let short = [&wrapper[..], b"\0abc"].concat();
    assert!(codes(&short).contains(&"joblib.array.bounds"));
    // An array of objects: a whole pickle follows.
    let objects = wrapper.to_vec();
    let at = objects.windows(2).position(|w| w == b"i4").unwrap();
    let objects = [&objects[..at], b"O8", &objects[at + 2..], b"cos\nsystem\n.", b"."].concat();
    assert_eq!(imports(&objects).last().unwrap().1, "system");
    assert!(codes(&objects).is_empty(), "{:?}", codes(&objects));
}

#[test]
fn numbers_and_old_strings() {
    let one = |bytes: &[u8]| read(bytes).root().unwrap();
    assert_eq!(one(b"I01\n."), Value::Bool(true));
    assert_eq!(one(b"I-0x10\n."), Value::Int(-16));
    assert_eq!(one(b"L-9223372036854775808L\n."), Value::Int(i64::MIN));
    assert_eq!(one(b"\x8a\x02\x00\xff."), Value::Int(-256));
    assert_eq!(one(b"\x8a\x00."), Value::Int(0));
    assert_eq!(one(b"J\xff\xff\xff\xff."), Value::Int(-1));
    assert_eq!(one(b"G?\xf8\0\0\0\0\0\0."), Value::Float(1.5));
    assert_eq!(one(b"F1e3\n."), Value::Float(1000.0));
    let pickle = read(b"S'\\101\\x42\\n\\\\'\n.");
    assert_eq!(pickle.text(pickle.root().unwrap()), Some("AB\n\\"));
    let pickle = read(b"V\\\\u0041\\u0042\n.");
    assert_eq!(pickle.text(pickle.root().unwrap()), Some("\\\\u0041B"));
    let pickle = read(b"U\x02\xff\xfe.");
    assert_eq!(pickle.bytes(pickle.root().unwrap()), Some(&b"\xff\xfe"[..]));
}

proptest! {
    /// Total on any bytes, and every offset is inside the file.
    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let pickle = read(&bytes);
        prop_assert!(pickle.events.iter().all(|e| e.at <= bytes.len() as u64));
        prop_assert!(pickle.rest.end <= bytes.len() as u64);
    }

    /// The same for what is made of opcodes only, which goes deeper.
    #[test]
    fn any_opcodes_are_read(ops in proptest::collection::vec(proptest::sample::select(
        b"(.012NRabdeloQstu)]}\x81\x85\x86\x87\x88\x8f\x90\x91\x92\x93\x94\x97\x98KhqUCcIpgS'\n\x8c\x80\x82\x95".to_vec()), 0..300)) {
        let pickle = read(&ops);
        prop_assert!(pickle.events.iter().all(|e| e.at <= ops.len() as u64));
    }
}
