//! Every entry of every table of names decides over the verdict of some sample: `rules.tsv` has, for each, what files
//! made from it are said to be. An entry that is taken out of its table contradicts that file, and an entry that can be
//! switched off without a trace is found here.
//!
//! After a change of a table on purpose: `LAOCOON_RULES=write cargo test --lib rules`, and read the diff.

use super::*;
use crate::evidence::intake;
use std::collections::BTreeMap;
use std::io::Write as _;

/// A file in few words: its kind, and what is put into it.
type Sample = Vec<String>;

fn tables() -> Vec<(&'static str, Vec<String>)> {
    let owned =
        |(table, all): (&'static str, Vec<&str>)| (table, all.into_iter().map(str::to_owned).collect());
    let mut all = pickles::tables();
    all.extend(formats::tables().map(owned));
    all.extend([owned(onnx::tables()), owned(torch::tables())]);
    all
}

/// What shows that an entry is there.
fn samples(table: &str, entry: &str) -> Vec<Sample> {
    let of = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Sample>();
    let (module, name) = entry.split_once(' ').unwrap_or((entry, ""));
    match table {
        "allowed" => vec![of(&["pickle", module, name])],
        "arrays" => vec![of(&["pickle", "numpy.core.multiarray", "_reconstruct", module, name])],
        "plain" => vec![of(&["pickle", "functools", "partial", "builtins", entry])],
        "runs" => vec![of(&["pickle", "somebody.net", entry])],
        "libraries" => vec![of(&["pickle", entry, "Thing.Inner"]), of(&["pickle", entry, "thing"])],
        "standard" => vec![of(&["pickle", &format!("{entry}.inner"), "Thing"])],
        "acting" | "mild" | "tools" | "parts" => vec![of(&["pickle", entry, "Thing"])],
        _ => vec![of(&[table, entry])],
    }
}

/// The sample as a file: its name and its bytes.
fn file(sample: &[String]) -> (&'static str, Vec<u8>) {
    let words: Vec<&str> = sample.iter().map(String::as_str).collect();
    let field = |n: u8, body: &[u8]| [&[n << 3 | 2, body.len() as u8], body].concat();
    match words.as_slice() {
        ["pickle", module, name] => ("a.pkl", format!("\u{2}c{module}\n{name}\n)R.").into_bytes()),
        ["pickle", module, name, inner, class] => {
            ("a.pkl", format!("\u{2}c{module}\n{name}\nc{inner}\n{class}\n\u{0}R.").into_bytes())
        }
        ["onnx", op] => {
            let whole = super::tests::onnx_file();
            // Flatten becomes another operator: three lengths around it change.
            let node = [field(1, b"x"), field(2, b"y"), field(4, op.as_bytes())].concat();
            let at = whole.windows(7).position(|w| w == b"Flatten").unwrap();
            let end = at + 7;
            let graph = [field(1, &node), whole[end..whole.len() - 4].to_vec()].concat();
            let tail = whole[whole.len() - 4..].to_vec();
            let mut length = vec![7 << 3 | 2];
            length.extend(varint(graph.len()));
            ("a.onnx", [vec![8, 8], length, graph, tail].concat())
        }
        ["tensorflow", op] => {
            let node = [field(1, b"n"), field(2, op.as_bytes())].concat();
            let meta = field(2, &field(1, &node));
            ("saved_model.pb", [&[8, 1], &field(2, &meta)[..]].concat())
        }
        ["template", text] => {
            let json = serde_json::json!({"chat_template": format!("{{{{ x {text} }}}}")});
            ("tokenizer_config.json", json.to_string().into_bytes())
        }
        ["torchscript", text] => {
            let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            let options =
                zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            let code = format!("class M(Module):\n  def forward(self):\n    return {text}\n");
            for (name, data) in [
                ("m/data.pkl", b"\x80\x02N.".as_slice()),
                ("m/constants.pkl", b"\x80\x02)."),
                ("m/code/__torch__.py", code.as_bytes()),
                ("m/version", b"3\n"),
            ] {
                zip.start_file(name, options).unwrap();
                zip.write_all(data).unwrap();
            }
            ("m.pt", zip.finish().unwrap().into_inner())
        }
        other => panic!("no sample of {other:?}"),
    }
}

fn varint(mut n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while n > 127 {
        out.push(n as u8 & 127 | 128);
        n >>= 7;
    }
    out.push(n as u8);
    out
}

/// What is said about a sample: the ruling and the codes of its reasons.
fn said(sample: &[String]) -> String {
    let (name, mut data) = file(sample);
    if name == "a.pkl" {
        // PROTO 2 and TUPLE1, which are no text.
        data[0] = 2;
        data.insert(0, 0x80);
        if let Some(at) = data.iter().rposition(|&b| b == 0) {
            data[at] = 0x85;
        }
    }
    let bytes = Bytes { path: name.into(), data: data.clone().into(), sha256: intake::sha256(&data) };
    let (name, found) = recognise(&bytes);
    let seen = examine(&bytes, &name, found, &Limits::default());
    let mut codes: Vec<String> = seen.reasons.into_iter().map(|r| r.code).collect();
    codes.sort();
    codes.dedup();
    format!("{:?} {}", seen.ruling, codes.join(","))
}

/// The file of samples and what is said about them.
fn recorded() -> BTreeMap<Sample, String> {
    let line = |line: &str| {
        let mut words: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let said = words.pop().unwrap();
        (words, said)
    };
    include_str!("rules.tsv").lines().filter(|l| !l.starts_with('#')).map(line).collect()
}

#[test]
fn every_sample_of_the_tables_is_said_to_be_what_it_was() {
    if std::env::var("LAOCOON_RULES").is_ok_and(|v| v == "write") {
        let all: BTreeMap<Sample, String> = tables()
            .iter()
            .flat_map(|(table, entries)| entries.iter().flat_map(|e| samples(table, e)))
            .map(|sample| (sample.clone(), said(&sample)))
            .collect();
        let mut text =
            "# What files made from each entry of the tables of names are said to be; see rules_tests.rs.\n"
                .to_owned();
        text.extend(all.iter().map(|(sample, said)| format!("{}\t{said}\n", sample.join("\t"))));
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/triage/examine/rules.tsv");
        std::fs::write(path, text).unwrap();
        return;
    }
    let recorded = recorded();
    assert!(recorded.len() > 1500, "{}", recorded.len());
    let other: Vec<String> = recorded
        .iter()
        .filter_map(|(sample, was)| {
            let now = said(sample);
            (now != *was).then(|| format!("{}: {now}, was {was}", sample.join(" ")))
        })
        .collect();
    assert!(other.is_empty(), "{} samples: {other:#?}", other.len());
}

#[test]
fn every_entry_of_every_table_decides_over_some_sample() {
    let recorded = recorded();
    let (mut rules, mut dead) = (0, Vec::new());
    for (table, entries) in tables() {
        assert!(!entries.is_empty(), "{table}");
        for entry in &entries {
            rules += 1;
            let samples = samples(table, entry);
            let known: Vec<_> = samples.iter().filter_map(|s| recorded.get(s).map(|was| (s, was))).collect();
            assert_eq!(known.len(), samples.len(), "{table}: {entry} has no line in rules.tsv");
            let told =
                rules::without(table, entry, || known.iter().any(|(sample, was)| said(sample) != **was));
            if !told {
                dead.push(format!("{table}: {entry}"));
            }
        }
    }
    println!("{rules} rules, {} samples", recorded.len());
    assert!(dead.is_empty(), "{} rules that nothing depends on: {dead:#?}", dead.len());
}
