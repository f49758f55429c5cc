use super::*;
use ndarray::array;
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Result<SafeTensors<'_>, EvidenceError> {
    SafeTensors::parse(Path::new("t.safetensors"), bytes, &Limits::default())
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn code(header: &str, data: &[u8]) -> &'static str {
    parse(&file(header, data)).map_or_else(|e| e.code, |_| "accepted")
}

#[test]
fn what_is_written_is_read_back_and_the_crate_agrees() {
    let weights = Stored::from(array![[1.5f32, -2.0], [0.0, f32::MIN_POSITIVE]].into_dyn());
    let labels = Stored::from(array![3i64, -1].into_dyn());
    let pixels = Stored::from(array![[[7u8]]].into_dyn());
    let scalar = Stored::from(ndarray::arr0(0.25f64).into_dyn());
    let named = [("w", &weights), ("labels", &labels), ("é\n", &pixels), ("s", &scalar)];
    let notes = BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1\u{7}".to_owned())]);
    let bytes = write(named, &notes).unwrap();
    assert_eq!(bytes, write(named.into_iter().rev(), &notes).unwrap());
    let file = parse(&bytes).unwrap();
    assert_eq!(file.len(), 4);
    assert_eq!(
        file.get("w").unwrap().to_f32().unwrap(),
        array![[1.5f32, -2.0], [0.0, f32::MIN_POSITIVE]].into_dyn()
    );
    assert_eq!(file.get("labels").unwrap().to_i64().unwrap(), array![3i64, -1].into_dyn());
    assert_eq!(file.get("é\n").unwrap().to_u8().unwrap().shape(), [1, 1, 1]);
    assert_eq!(file.get("s").unwrap().to_f64().unwrap().iter().copied().collect::<Vec<_>>(), [0.25]);
    assert_eq!(file.metadata().get(&Untrusted::new("a")).unwrap().shown(), "1\\u{7}");
    assert!(file.require("nope").unwrap_err().reason.contains("labels"));
    let reference = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(reference.tensor("w").unwrap().shape(), [2, 2]);
    assert!(
        matches!(write([("w", &weights), ("w", &labels)], &notes), Err(WriteError::Duplicate(n)) if n == "w")
    );
}

#[test]
fn columns_and_transposed_arrays_are_stored_in_row_order() {
    let a = array![[1f32, 2., 3.], [4., 5., 6.]];
    let t = a.t();
    let bytes = write([("t", &Stored::from(t))], &BTreeMap::new()).unwrap();
    assert_eq!(parse(&bytes).unwrap().get("t").unwrap().to_f32().unwrap(), t.to_owned().into_dyn());
}

#[test]
fn each_fault_has_its_code_and_names_the_tensor() {
    let w = |body: &str| format!("{{\"w\":{{{body}}}}}");
    let f = "\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]";
    assert_eq!(code(&w(f), &[0]), "accepted");
    assert_eq!(code(&format!("{{\"w\":{{{f}}},\"w\":{{{f}}}}}"), &[0]), "st.duplicate_key");
    assert_eq!(code(&w(&format!("{f},\"shape\":[1]")), &[0]), "st.duplicate_key");
    assert_eq!(code(&w("\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]"), &[0]), "st.field.type");
    assert_eq!(
        code(&w("\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]"), &[0]),
        "st.rank"
    );
    assert_eq!(code(&w("\"dtype\":\"U8\",\"shape\":null,\"data_offsets\":[0,1]"), &[0]), "st.field.type");
    assert_eq!(code("{\"w\":[]}", &[]), "st.field.type");
    assert_eq!(code("{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"}}", &[]), "st.duplicate_key");
    assert_eq!(code("{\"__metadata__\":null}", &[]), "st.metadata.type");
    assert_eq!(code("\u{feff}{}", &[]), "st.header.utf8");
    assert_eq!(
        code("{\"\\ud83d\\ude00\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", &[]),
        "accepted"
    );
    assert_eq!(code("{}", &[0]), "st.trailing_data");
    let limits = Limits { header_bytes: 1, ..Limits::default() };
    let e = SafeTensors::parse(Path::new("t"), &file("{}", &[]), &limits).unwrap_err();
    assert_eq!(e.code, "st.header.too_large");
    assert!(e.to_string().contains("header_bytes"), "{e}");
    let named =
        parse(&file("{\"a\\u001b[2J\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,1]}}", &[0]))
            .unwrap_err();
    assert_eq!(named.to_string(), "t.safetensors: tensor 'a\\u{1b}[2J': 1 bytes; [2] of U8 takes 2");
}

#[test]
fn memory_stays_small_for_a_header_that_is_one_long_list() {
    let list = "0,".repeat(400_000) + "0";
    assert_eq!(
        code(&format!("{{\"w\":{{\"dtype\":\"U8\",\"shape\":[{list}],\"data_offsets\":[0,1]}}}}"), &[0]),
        "st.rank"
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn a_header_with_one_byte_changed_is_refused_or_agrees_with_the_crate(at in 0usize..200, to in any::<u8>()) {
        let a = Stored::from(array![1f32, 2.0].into_dyn());
        let b = Stored::from(array![1u8, 2, 3].into_dyn());
        let mut bytes = write([("a", &a), ("b", &b)], &BTreeMap::new()).unwrap();
        let at = at % bytes.len();
        bytes[at] = to;
        if let Ok(ours) = parse(&bytes) {
            let theirs = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
            prop_assert_eq!(ours.len(), theirs.len());
            for t in ours.iter() {
                let other = theirs.tensor(t.name.raw()).unwrap();
                prop_assert_eq!((t.shape, t.dtype, t.data), (other.shape(), other.dtype(), other.data()));
            }
        }
    }

    #[test]
    fn headers_made_of_json_pieces_never_panic(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", "\"", ":", ",", "\"w\"", "\"dtype\"", "\"F32\"", "\"shape\"", "\"data_offsets\"",
            "0", "-1", "4", "1e9", "null", "\\ud800", " ", "__metadata__"]), 0..40)
    ) {
        let _ = parse(&file(&("{".to_owned() + &pieces.concat()), &[0; 4]));
    }
}
