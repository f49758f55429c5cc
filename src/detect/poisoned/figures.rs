//! Pictures of the list: the ranking, the accused labels in two components, the samples and what they share.

use super::super::{classes, thumbnails};
use super::examine::Examined;
use super::judge::Accused;
use crate::figure::{Bar, Body, Figure, Group, Thumbnail};
use crate::math::pca::{self, PcaError};
use crate::procedure::{Case, Context, Stop};
use ndarray::{Array1, Array3};
use std::collections::BTreeMap;

/// Pictures of samples per accused label.
const PICTURES: usize = 12;
/// Labels drawn in two components.
const PLANES: usize = 12;

pub(super) fn of(
    case: &Case,
    found: &Examined,
    accused: &[Accused],
    score: &Array1<f32>,
    per_class: &[usize],
    cx: &Context,
) -> Result<BTreeMap<String, Figure>, Stop> {
    let listed: std::collections::BTreeSet<usize> =
        accused.iter().flat_map(|a| a.listed.iter().copied()).collect();
    let mut figures = BTreeMap::new();
    let bars = per_class
        .iter()
        .enumerate()
        .map(|(c, &n)| Bar { label: classes::name(case, c), value: n as f64, flagged: n > 0, spread: None })
        .collect();
    let body = Body::Bars { value_label: "samples".into(), bars, threshold: None };
    figures.insert("listed".to_owned(), Figure { title: "Listed samples per label".into(), body });
    figures.insert("score".to_owned(), ranking(score, &listed));
    let labels = case.training().map(|d| d.set.labels.as_slice()).unwrap_or_default();
    let mut shown: Vec<usize> = accused.iter().map(|a| a.class).collect();
    shown.extend(found.candidates.iter().map(|c| c.class).filter(|c| !accused.iter().any(|a| a.class == *c)));
    shown.dedup();
    for class in shown.into_iter().take(PLANES) {
        if let Some(figure) = plane(case, found, class, labels, &listed, cx)? {
            figures.insert(format!("pca/{class}"), figure);
        }
    }
    for a in accused {
        let mut best = a.listed.clone();
        best.sort_by(|&x, &y| score[y].total_cmp(&score[x]).then(x.cmp(&y)));
        best.truncate(PICTURES);
        let Some(data) = case.training() else { continue };
        let (Some(images), Some(shape)) = (data.set.unit(&best), data.set.shape()) else { continue };
        let mut pictures: Vec<Thumbnail> = Vec::new();
        if let Some(shared) = &found.candidates[a.candidate].shared {
            pictures.extend(trigger(&shared.residual, &shared.mask.mapv(|m| f32::from(u8::from(m))), shape));
        }
        for (i, image) in best.iter().zip(images.outer_iter()) {
            let values: Vec<f32> = image.iter().copied().collect();
            pictures.push(thumbnails::colour(format!("sample {i}"), &values, shape));
        }
        let title = format!(
            "What samples labelled {} share, and the most suspect of them",
            classes::name(case, a.class)
        );
        figures.insert(
            format!("samples/{}", a.class),
            Figure { title, body: Body::Thumbnails { images: pictures } },
        );
    }
    Ok(figures)
}

/// Every sample by its place in the training set; exported as CSV this is the list.
fn ranking(score: &Array1<f32>, listed: &std::collections::BTreeSet<usize>) -> Figure {
    let scores = super::wide(score);
    let group = |name: &str, flagged: bool| {
        let samples: Vec<usize> = (0..scores.len()).filter(|i| listed.contains(i) == flagged).collect();
        let points = samples.iter().map(|&i| [i as f64, scores[i]]).collect();
        Group { name: format!("{name} ({})", samples.len()), flagged, points, samples }
    };
    let body = Body::Scatter {
        x_label: "place in the training set".into(),
        y_label: "score".into(),
        groups: vec![group("not listed", false), group("listed", true)],
    };
    Figure { title: "How suspect each training sample is".into(), body }
}

/// A label in the first two components of its whitened last layer.
fn plane(
    case: &Case,
    found: &Examined,
    class: usize,
    labels: &[usize],
    listed: &std::collections::BTreeSet<usize>,
    cx: &Context,
) -> Result<Option<Figure>, Stop> {
    let of: Vec<usize> = (0..labels.len()).filter(|&i| labels[i] == class).collect();
    let samples = found.train.views[0].select(ndarray::Axis(0), &of).mapv(f64::from);
    let mut rng = cx.rng(&format!("pca/{class}"));
    let components = match pca::scores(samples.view(), 2, &mut rng, || cx.check()) {
        Ok(components) if components.ncols() > 0 => components,
        Ok(_) | Err(PcaError::Solver(_)) => return Ok(None),
        Err(PcaError::Stopped(stop)) => return Err(stop),
    };
    let group = |name: &str, flagged: bool| {
        let at: Vec<usize> = (0..of.len()).filter(|&p| listed.contains(&of[p]) == flagged).collect();
        let point = |&p: &usize| [components[[p, 0]], components.get((p, 1)).copied().unwrap_or(0.0)];
        Group {
            name: format!("{name} ({})", at.len()),
            flagged,
            points: at.iter().map(point).collect(),
            samples: at.iter().map(|&p| of[p]).collect(),
        }
    };
    let body = Body::Scatter {
        x_label: "component 1".into(),
        y_label: "component 2".into(),
        groups: vec![group("not listed", false), group("listed", true)],
    };
    let title =
        format!("Label {} relative to its clean images, in two components", classes::name(case, class));
    Ok(Some(Figure { title, body }))
}

/// The shared patch's place and the mean difference, stretched around middle grey.
fn trigger(residual: &Array3<f32>, mask: &ndarray::Array2<f32>, shape: [usize; 3]) -> [Thumbnail; 2] {
    let largest = residual.iter().fold(0.0f32, |a, &v| a.max(v.abs())).max(f32::MIN_POSITIVE);
    let values: Vec<f32> = residual.iter().map(|v| 0.5 + 0.5 * v / largest).collect();
    let mask: Vec<f32> = mask.iter().copied().collect();
    [
        thumbnails::grey("same in all", &mask, shape[1], shape[2]),
        thumbnails::colour(format!("difference ×{:.1}", 0.5 / largest), &values, shape),
    ]
}
