//! Neural Cleanse and what follows from it on the zoo.

use crate::shared;
use laocoon::detect::images::{Choice, Pool};
use laocoon::detect::inversion::{Schedule, Search};
use laocoon::evidence::dataset::Pixels;
use laocoon::evidence::{CaseFile, DataSet, Limits, Role};
use laocoon::network::{Model, onnx};
use laocoon::procedure::{Case, Context, Data, Earlier, Effort, Silent};
use ndarray::Array4;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

fn images(file: &str) -> Option<Arc<DataSet>> {
    let (shape, values) = shared::tensor(file, "images")?;
    let nhwc = Array4::from_shape_vec(
        (shape[0], shape[1], shape[2], shape[3]),
        values.iter().map(|&x| x as u8).collect(),
    )
    .unwrap();
    let nchw = nhwc.permuted_axes([0, 3, 1, 2]).as_standard_layout().into_owned();
    Some(Arc::new(DataSet {
        images: Some(Pixels::U8(nchw)),
        labels: shared::integers(file, "labels")?,
        ..DataSet::default()
    }))
}

fn zoo(id: &str) -> Option<Case> {
    let path = shared::path(&format!("zoo/{id}/case.toml"))?;
    let file = CaseFile::read(&path, &Limits::default()).unwrap();
    let input = file.model.as_ref().unwrap().input.clone().unwrap();
    let model_path = shared::path(&format!("zoo/{id}/model.onnx"))?;
    let read =
        onnx::read(&model_path, &std::fs::read(&model_path).unwrap(), Some(input.shape), &Limits::default())
            .unwrap();
    let model = Model::from_graph(read.graph, input, vec![]).unwrap();
    let data = |item: &str, role, name: &str| {
        Some(Data { item: item.into(), role, set: images(&format!("zoo/{id}/{name}"))? })
    };
    Some(Case {
        file,
        register: vec![],
        model: Some(Arc::new(model)),
        data: vec![
            data("E2", Role::Clean, "test.safetensors")?,
            data("E3", Role::Training, "train_subset.safetensors")?,
        ],
        effort: Effort::Standard,
        overrides: BTreeMap::new(),
        earlier: Earlier::default(),
    })
}

#[test]
#[ignore]
fn explore_norms() {
    let ids = std::env::var("IDS").unwrap_or("d01,d02,d03,d04".into());
    let steps: u64 = std::env::var("STEPS").map_or(100, |s| s.parse().unwrap());
    let mb: u64 = std::env::var("MB").map_or(8, |s| s.parse().unwrap());
    for id in ids.split(',') {
        let Some(case) = zoo(id) else { continue };
        let mut cx = Context::new(0, "neural-cleanse", &Silent);
        let pool = Pool::load(&case, Choice::of(&case).unwrap().unwrap(), 1000, &mut cx, 0, 1).unwrap();
        let model = case.model.as_ref().unwrap();
        let [c, h, w] = model.input.shape;
        let start = std::time::SystemTime::now();
        let mut searches: Vec<Search> = (0..model.class_count())
            .map(|k| {
                Search::new(
                    k,
                    pool.not_predicted(k),
                    c,
                    h * w,
                    Schedule::original(steps, mb),
                    cx.rng(&format!("class{k}")),
                )
            })
            .collect();
        searches.par_iter_mut().for_each(|s| {
            while !s.over {
                s.step(model, &pool.images, &cx).unwrap()
            }
        });
        let secs = start.elapsed().unwrap().as_secs_f64();
        let truth = shared::json(&format!("zoo/{id}/truth.json")).unwrap();
        let norms: Vec<f64> = searches.iter().map(|s| s.best().unwrap().l1).collect();
        println!(
            "{id} target {} acc {:?} {secs:.1}s\n  norms {:?}\n  asr {:?}\n steps {:?}",
            truth["target"],
            pool.accuracy(),
            norms.iter().map(|x| (x * 10.0).round() / 10.0).collect::<Vec<_>>(),
            searches
                .iter()
                .map(|s| (s.best().unwrap().success * 1000.0).round() / 1000.0)
                .collect::<Vec<_>>(),
            searches.iter().map(|s| s.steps).collect::<Vec<_>>()
        );
    }
}
