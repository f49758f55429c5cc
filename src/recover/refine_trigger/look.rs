//! What refinement shows and says.

use super::super::stamping::{COVERED, Stamp, flat_mask, pixels_of};
use super::{History, IMAGES, Mode, Recovered, SUCCESS, Setup, Work};
use crate::detect::images::Pool;
use crate::detect::stamp::Trigger;
use crate::detect::{classes, thumbnails};
use crate::figure::{Body, Figure, Series};
use crate::procedure::{
    Case, Concern, Confidence, Finding, Outcome, Plan, Severity, Verdict, number, numbers,
};
use ndarray::Axis;
use serde_json::json;
use std::collections::BTreeMap;

pub(super) fn outcome(case: &Case, setup: &Setup, plan: &Plan, pool: &Pool, got: &Recovered) -> Outcome {
    let shape = setup.model.input.shape;
    let pixels = shape[1] * shape[2];
    let (trigger, success, images) = (&got.found.trigger, got.success, got.images);
    let (class, flagged) = (setup.candidate.class, setup.candidate.flagged);
    let (name, l1) = (classes::name(case, class), pixels_of(trigger, pixels));
    let verdict = match (success > SUCCESS, flagged) {
        (true, true) => Verdict::Flagged,
        (true, false) => Verdict::Inconclusive,
        (false, _) => Verdict::NothingFound,
    };
    let works = format!(
        "a trigger of {l1:.1} pixels sends {:.1} % of {images} images to class {name}",
        100.0 * success
    );
    let summary = match verdict {
        Verdict::Flagged => works,
        Verdict::Inconclusive => {
            format!("{works}, but detection did not flag the class: clean networks have such triggers too")
        }
        Verdict::NothingFound => format!(
            "the trigger for class {name} lost its effect on refinement: {:.1} % of {images} images",
            100.0 * success
        ),
    };
    let finding = (verdict == Verdict::Flagged).then(|| {
        let title =
            format!("Trigger for class {name} recovered: {l1:.1} pixels, {:.1} % success", 100.0 * success);
        let detail = format!(
            "From {}; on {}. Success is over {images} images that the network does not put in the class by itself.",
            got.found.from,
            setup.choice.described(IMAGES)
        );
        Finding::new(Concern::Backdoor, Severity::High, Confidence::Medium, title, detail)
            .class(class)
            .on(&plan.inputs)
    });
    let flat = flat_mask(&trigger.mask, pixels);
    let stamp = Stamp::Blend(trigger.clone());
    let history = &got.found.history;
    let mut measures = BTreeMap::from([
        ("target".to_owned(), json!(class)),
        ("l1".to_owned(), number(l1)),
        ("covered_pixels".to_owned(), json!(flat.iter().filter(|&&m| m >= COVERED).count())),
        ("soft_l1".to_owned(), number(pixels_of(&got.found.soft, pixels))),
        ("success_rate".to_owned(), number(success)),
        ("from".to_owned(), json!(got.found.from)),
        ("named_by".to_owned(), json!(setup.candidate.by)),
        ("history".to_owned(), numbers(&history.success)),
        ("history_loss".to_owned(), numbers(&history.loss)),
        ("history_l1".to_owned(), numbers(&history.l1)),
        ("images".to_owned(), json!(images)),
        ("stamping".to_owned(), stamp.description(shape)),
    ]);
    if let Some((smallest, success)) = &got.smallest {
        measures.insert("smallest_l1".into(), number(pixels_of(smallest, pixels)));
        measures.insert("smallest_success_rate".into(), number(*success));
    }
    let mut figures = BTreeMap::from([
        ("trigger".to_owned(), picture_of(case, setup, pool, trigger)),
        ("history".to_owned(), curves(history)),
    ]);
    if let Some((smallest, _)) = &got.smallest {
        figures.insert("smallest".to_owned(), picture_of(case, setup, pool, smallest));
    }
    Outcome {
        verdict,
        summary,
        statistic: Some(success),
        threshold: Some(SUCCESS),
        threshold_origin: "the seed documents' probe rule, success − baseline above 0.5; the baseline of these images is 0 by choice".into(),
        findings: finding.into_iter().collect(),
        measures,
        arrays: stamp.arrays(shape),
        figures,
        limits: format!(
            "One trigger of a single shape for all images; the true one may look different, lie elsewhere, or depend on the image. \
             Success is on the images it was refined on ({}); trigger-probe judges it on others.{}{}",
            setup.choice.described(IMAGES),
            match setup.mode {
                Mode::Constrained(_) if got.smallest.is_none() => " The support is what suffices: the true trigger may be larger.",
                _ => "",
            },
            setup.choice.caveat()
        ),
    }
}

/// Mask, pattern, an image without and with the trigger, as it stands.
pub(super) fn picture(work: &Work, trigger: &Trigger) -> Figure {
    picture_of(work.case, work.setup, work.pool, trigger)
}

fn picture_of(case: &Case, setup: &Setup, pool: &Pool, trigger: &Trigger) -> Figure {
    let [_, h, w] = setup.model.input.shape;
    let class = setup.candidate.class;
    let size = pixels_of(trigger, h * w);
    let title = format!("Trigger for class {}: {size:.1} pixels", classes::name(case, class));
    let image = pool.not_predicted(class).first().map(|&i| pool.images.index_axis(Axis(0), i));
    thumbnails::trigger(title, trigger, image, setup.model.input.shape)
}

/// Loss, success and L1, each against its own largest value, so that they fit one axis.
pub(super) fn curves(history: &History) -> Figure {
    let curve = |name: &str, values: &[f64]| {
        let top = values.iter().copied().fold(0.0, f64::max);
        let scale = if top > 0.0 { 1.0 / top } else { 1.0 };
        Series {
            name: format!("{name} (1 = {top:.3})"),
            points: values.iter().enumerate().map(|(i, v)| [(i + 1) as f64, v * scale]).collect(),
        }
    };
    let success = history.success.iter().enumerate().map(|(i, v)| [(i + 1) as f64, *v]).collect();
    Figure {
        title: "Course of the refinement".into(),
        body: Body::Lines {
            x_label: "step or epoch".into(),
            y_label: "share, or part of the largest value".into(),
            series: vec![
                Series { name: "success".into(), points: success },
                curve("loss", &history.loss),
                curve("mask L1, pixels", &history.l1),
            ],
        },
    }
}
