use super::*;
use proptest::prelude::*;

fn is(bytes: &[u8], name: &str) -> Format {
    sniff(bytes, bytes.len() as u64, Some(name))
}

fn zip_of(names: &[&str]) -> Vec<u8> {
    use std::io::Write as _;
    let mut out = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for name in names {
        out.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(b"x").unwrap();
    }
    out.finish().unwrap().into_inner()
}

#[test]
fn content_decides_and_not_the_name() {
    let st = crate::evidence::safetensors::write(
        [("w", &crate::evidence::safetensors::Stored::from(ndarray::array![1f32]))],
        &std::collections::BTreeMap::default(),
    );
    assert_eq!(is(&st.unwrap(), "model.pkl"), Format::Safetensors);
    assert_eq!(is(b"\x80\x02cos\nsystem\nq\0.", "model.safetensors"), Format::Pickle);
    assert_eq!(
        is(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.", "a.onnx"),
        Format::TorchLegacy
    );
    assert_eq!(is(&zip_of(&["archive/data.pkl", "archive/data/0"]), "a.bin"), Format::TorchZip);
    assert_eq!(
        is(&zip_of(&["m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"]), "a"),
        Format::TorchScript
    );
    assert_eq!(is(&zip_of(&["metadata.json", "config.json", "model.weights.h5"]), "a"), Format::KerasV3);
    assert_eq!(is(&zip_of(&["images.npy", "labels.npy"]), "a"), Format::Npz);
    assert_eq!(is(&zip_of(&["readme.md"]), "a.pt"), Format::Zip);
    assert_eq!(is(b"\x89HDF\r\n\x1a\n....", "a"), Format::KerasH5);
    assert_eq!(is(b"GGUF\x03\0\0\0", "a.bin"), Format::Gguf);
    assert_eq!(is(b"\x93NUMPY\x01\0v\0", "a"), Format::Npy);
    assert_eq!(is(b"#!/bin/sh\ntrue\n", "a.pt"), Format::Executable);
    assert_eq!(is(b"\x7fELF\x02\x01", "a.onnx"), Format::Executable);
    assert_eq!(is(b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "m"), Format::LfsPointer);
    assert_eq!(is(b"", "m.onnx"), Format::Empty);
    assert_eq!(is(b"\x89PNG\r\n\x1a\n", "x"), Format::Image);
    assert_eq!(is(b"\xff\xd8\xff\xe0", "x"), Format::Image);
    let noise = [0x13, 0x37, 0xff, 0xfe, 0xd0];
    assert_eq!(is(&noise, "x.bin"), Format::Unknown);
    // Whose reader is to say what is wrong.
    assert_eq!(is(&noise, "x.onnx"), Format::Onnx);
    assert_eq!(is(b"7z\xbc\xaf\x27\x1c\0\xff", "x.onnx"), Format::Unknown);
}

#[test]
fn protobuf_models_and_idx_arrays() {
    // ir_version 8, producer "pytorch", graph of 2 bytes, opset import
    let onnx = b"\x08\x08\x12\x07pytorch\x3a\x02\x12\x00\x42\x02\x10\x11";
    assert_eq!(is(onnx, "x"), Format::Onnx);
    assert_eq!(is(&onnx[..12], "x"), Format::Onnx);
    assert_eq!(is(b"\x08\x01\x12\x09\x0a\x07\x22\x05serve", "saved_model.pb"), Format::SavedModel);
    let idx = [&[0, 0, 8, 1, 0, 0, 0, 3][..], &[7, 2, 1]].concat();
    assert_eq!(is(&idx, "labels"), Format::Idx);
    assert_eq!(is(&idx[..9], "train-labels-idx1-ubyte"), Format::Idx);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, &idx).unwrap();
    assert_eq!(is(&gz.finish().unwrap(), "x"), Format::Idx);
    assert_eq!(is(b"\x1f\x8b\x08\0\0\0\0\0\0\0", "x.gz"), Format::Gzip);
}

#[test]
fn text_by_its_look_and_the_name_breaks_ties() {
    assert_eq!(is(b"{\"a\": 1}", "x"), Format::Json);
    assert_eq!(is(b"[\"cat\", \"dog\"]\n", "x"), Format::Json);
    assert_eq!(is(b"[case]\nid = \"x\"\n", "x"), Format::Toml);
    assert_eq!(is(b"[[data]]\nrole = \"clean\"\n", "x"), Format::Toml);
    assert_eq!(is(b"file,label\na.png,1\n", "x"), Format::Csv);
    assert_eq!(is(b"a.png\n", "labels.csv"), Format::Csv);
    assert_eq!(is(b"airplane\nbird\n", "labels.txt"), Format::Text);
    assert_eq!(is("straße\n鳥\n".as_bytes(), "labels.txt"), Format::Text);
}

#[test]
fn a_second_reading_at_the_end_is_noticed() {
    let bytes = [&b"\x89PNG\r\n\x1a\n some pixels"[..], &zip_of(&["archive/data.pkl"])].concat();
    assert_eq!(is(&bytes, "x.png"), Format::Image);
    assert!(hidden_zip(&bytes, Format::Image));
    assert!(!hidden_zip(&zip_of(&["a"]), Format::Zip));
    assert!(!hidden_zip(b"PK\x05\x06 is the signature of an end record, in prose", Format::Text));
}

#[test]
fn refusals_name_what_it_is() {
    let (code, why) = refusal(Format::TorchZip, b"PK");
    assert_eq!(code, "format.unsafe");
    assert!(why.contains("PyTorch archive") && why.contains("never loaded"), "{why}");
    assert_eq!(refusal(Format::Unknown, b"7z\xbc\xaf\x27\x1c").0, "container.7z");
    assert_eq!(refusal(Format::LfsPointer, b"").0, "format.lfs_pointer");
}

proptest! {
    #[test]
    fn sniffing_is_total(bytes in prop::collection::vec(any::<u8>(), 0..400), name in ".{0,12}") {
        let format = sniff(&bytes, bytes.len() as u64, Some(&name));
        let _ = hidden_zip(&bytes, format);
        let _ = refusal(format, &bytes);
        // A head is enough not to panic on, whatever the length claims to be.
        let _ = sniff(&bytes, u64::MAX, None);
    }

    #[test]
    fn zip_signatures_in_noise_are_safe(
        parts in prop::collection::vec(prop_oneof![
            Just(b"PK\x03\x04".to_vec()), Just(b"PK\x01\x02".to_vec()), Just(b"PK\x05\x06".to_vec()),
            prop::collection::vec(any::<u8>(), 0..30)], 0..12)
    ) {
        let bytes = parts.concat();
        let _ = sniff(&bytes, bytes.len() as u64, None);
        let _ = hidden_zip(&bytes, Format::Unknown);
    }
}
