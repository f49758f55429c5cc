use super::levels::{numbers, width};
use super::*;
use std::path::PathBuf;

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/parquet").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap()
}

#[test]
fn runs_and_packed_numbers_are_told_apart() {
    // Three times 5, then eight numbers of three bits (0 to 7), of which five are wanted.
    let coded = [6, 5, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010];
    assert_eq!(numbers(&coded, 3, 8).unwrap(), [5, 5, 5, 0, 1, 2, 3, 4]);
    assert_eq!(numbers(&[200, 1], 0, 100).unwrap(), vec![0; 100]);
    assert_eq!([0, 1, 2, 3, 4].map(width), [0, 1, 2, 2, 3]);
    // Cut, of no length, of absurd length.
    for coded in [&[6][..], &[0, 0], &[1], &[0x80; 12], &[3, 1]] {
        assert!(numbers(coded, 3, 8).is_err(), "{coded:?}");
    }
    // A run that says two thousand million gives no more than is wanted.
    assert_eq!(numbers(&[0xfe, 0xff, 0xff, 0xff, 0x0f, 1], 1, 2).unwrap(), [1, 1]);
}

#[test]
fn schema_groups_and_values_of_a_file_by_another_writer() {
    let (path, limits) = (golden("data/train-00000-of-00002.parquet"), Limits::default());
    let data = bytes("data/train-00000-of-00002.parquet");
    let file = File::open(&path, &data, &limits).unwrap();
    let leaves: Vec<String> = file.leaves.iter().map(|l| l.path.join(".")).collect();
    assert_eq!(leaves, ["image.bytes", "image.path", "label"]);
    assert_eq!(file.groups.iter().map(|g| g.rows).collect::<Vec<_>>(), [3, 3, 1]);
    let mut labels = Vec::new();
    for g in 0..3 {
        file.column(g, 2, &limits, &mut |cells| {
            labels.extend(cells.iter().map(|c| c.unwrap()).map(|c| match c {
                Cell::Int(n) => n,
                Cell::Bytes(_) => panic!("bytes"),
            }));
            Ok(())
        })
        .unwrap();
    }
    assert_eq!(labels, [0, 1, 2, 0, 1, 2, 0]);
    let codec = bytes("zstd.parquet");
    let packed = File::open(&path, &codec, &limits).unwrap();
    let e = packed.column(0, 1, &limits, &mut |_| Ok(())).unwrap_err();
    assert_eq!((e.code, e.reason.contains("zstd")), ("parquet.unsupported", true), "{e}");
}

#[test]
fn every_cut_and_every_changed_byte_is_an_error_or_a_value_and_never_a_panic() {
    let limits = Limits::default();
    for name in ["hole.parquet", "plain.parquet"] {
        let (path, whole) = (golden(name), bytes(name));
        let walk = |data: &[u8]| {
            let Ok(file) = File::open(&path, data, &limits) else { return };
            for g in 0..file.groups.len() {
                for l in 0..file.leaves.len() {
                    let mut rows = 0;
                    let read = file.column(g, l, &limits, &mut |cells| {
                        rows += cells.len();
                        Ok(())
                    });
                    assert!(read.is_err() || rows == file.groups[g].rows, "{name}");
                }
            }
        };
        for cut in 0..whole.len() {
            assert!(File::open(&path, &whole[..cut], &limits).is_err(), "{name} cut at {cut}");
        }
        for at in 0..whole.len() {
            for to in [0, 0xff, whole[at] ^ 1, whole[at].wrapping_add(1)] {
                let mut changed = whole.clone();
                changed[at] = to;
                walk(&changed);
            }
        }
    }
}
