//! Do the metrics of the training run hang together, and do they fit those of a run that is trusted?

mod lines;
mod run;
#[cfg(test)]
mod tests;

use super::material;
use super::sighting::{Seen, Sighting, Words};
use crate::evidence::Role;
use crate::figure::{Body, Series};
use crate::math::robust::{Robust, median};
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Outcome, Phase, Plan, Procedure, Severity, Skip, Stop,
    numbers,
};
use lines::{at, differences, line, logs, middle, slope};
pub(super) use run::Run;
use std::collections::HashMap;

/// The procedure `training-metrics`.
#[derive(Debug)]
pub struct TrainingMetrics;

/// The one instance.
pub static TRAINING_METRICS: TrainingMetrics = TrainingMetrics;

static ABOUT: About = About {
    id: "training-metrics",
    title: "Training metrics",
    phase: Phase::Triage,
    version: 1,
    question: "Do the metrics of the run hang together, across restarts and with the loss, and do they fit what was expected?",
    needs: "the metrics of the run; better with those of a trusted run",
    reference: "change points by two-sided local linear fits (Qiu 2005, ch. 2), scaled by their own spread",
    cost: Cost::Instant,
    after: &[],
    page: include_str!("../training_metrics.md"),
};

/// A jump must be this many times the spread of all jumps, and change the loss by this share of its logarithm.
const SPREADS: f64 = 8.0;

const JUMP: f64 = 0.1;

/// Against a trusted run: logarithm of the ratio, and share of the loss it began with.
const RATIO: f64 = 0.15;

const OF_START: f64 = 0.02;

/// Rows that are needed to say anything.
const ROWS: usize = 20;

impl Procedure for TrainingMetrics {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        material::plan(case, Role::Metrics, &[Role::Expected], 2)
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut seen = Seen::default();
        let read = |role| -> Result<Option<Run>, Stop> {
            let Some(item) = material::item(case, role).filter(|i| i.accepted()) else { return Ok(None) };
            let text = material::log(case, item).map_err(Stop::failed)?;
            Run::read(&text).map(Some).map_err(|why| Stop::failed(format!("{}: {why}", item.path.shown())))
        };
        let Some(run) = read(Role::Metrics)? else {
            return Err(Stop::failed("the metrics were refused at intake"));
        };
        let expected = read(Role::Expected)?;
        cx.step(1, plan.units)?;
        examine(&run, expected.as_ref(), &mut seen);
        cx.step(plan.units, plan.units)?;
        let looked = format!(
            "{} rows of metrics were read{}",
            run.len(),
            if expected.is_some() { " and held against a trusted run" } else { "" }
        );
        Ok(seen.outcome(
            &Words {
                looked,
                origin: "a jump of the loss counts from 8 spreads of all jumps of the run and 10 %; against a trusted run, from \
                         15 % of the loss and 2 % of where it began",
                limits: "A checkpoint that was replaced by one of the same loss leaves no jump; metrics can be made up well. \
                         A backdoor that costs no accuracy does not show here. Schedules that are not logged can look like changes.",
            },
            &plan.inputs,
        ))
    }
}

fn note(code: &'static str, title: impl AsRef<str>) -> Sighting {
    Sighting::note(code, ("", 0), title)
}

fn bad(code: &'static str, title: impl AsRef<str>) -> Sighting {
    Sighting::new(code, Severity::Medium, Concern::Substitution, ("", 0), title).sure(Confidence::Medium)
}

fn examine(run: &Run, expected: Option<&Run>, seen: &mut Seen) {
    let missing = run.loss.iter().filter(|l| !l.is_finite()).count();
    if missing > 0 {
        seen.push(note(
            "metrics.not-a-number",
            format!("the loss is infinite or no number in {missing} rows"),
        ));
    }
    let run = run.whole();
    let resumes: Vec<usize> = (1..run.len()).filter(|&i| run.step[i] <= run.step[i - 1]).collect();
    seen.measure("rows", run.len());
    seen.measure("resumes", numbers(&resumes.iter().map(|&i| run.step[i]).collect::<Vec<_>>()));
    if run.len() < ROWS {
        seen.unread.push(format!("{} rows with a loss; {ROWS} are needed", run.len()));
        return;
    }
    let mut marks = Vec::new();
    restarts(&run, &resumes, seen, &mut marks);
    changes(&run, &resumes, seen, &mut marks);
    together(&run, seen);
    invented(&run, seen);
    if let Some(expected) = expected.map(Run::whole).filter(|e| e.len() >= ROWS) {
        against(&run, &expected, seen);
        figure(&run, Some(&expected), &marks, seen);
    } else {
        figure(&run, None, &marks, seen);
    }
}

/// Whether the learning rate changes by half or more between rows.
fn rate_changes(run: &Run, from: usize, to: usize) -> bool {
    let rates: Vec<f64> =
        run.rate[from..to.min(run.len())].iter().flatten().copied().filter(|r| *r > 0.0).collect();
    let (low, high) =
        (rates.iter().copied().fold(f64::INFINITY, f64::min), rates.iter().copied().fold(0.0, f64::max));
    !rates.is_empty() && high > 1.5 * low
}

/// At a restart the loss goes on where it stopped, or comes back to it.
fn restarts(run: &Run, resumes: &[usize], seen: &mut Seen, marks: &mut Vec<f64>) {
    let y = logs(&run.loss);
    for (k, &at) in resumes.iter().enumerate() {
        let begin = if k == 0 { 0 } else { resumes[k - 1] };
        let end = resumes.get(k + 1).copied().unwrap_or(run.len());
        let w = 10.min((end - at) / 2).min(at - begin);
        if w < 4 {
            seen.push(note(
                "resume.short",
                format!("a restart at step {} with too few rows around it to judge", run.step[at]),
            ));
            continue;
        }
        // The same steps as they were before, where they are in the log; else the last ones.
        let again: Vec<f64> = (begin..at)
            .filter(|&i| run.step[i] >= run.step[at] && run.step[i] <= run.step[at + w - 1])
            .map(|i| y[i])
            .collect();
        let before = if again.len() >= 4 { middle(&again) } else { middle(&y[at - w..at]) };
        // What an optimiser without its state does at first is not looked at.
        let settled = &y[at + w / 2..(at + 3 * w).min(end)];
        let (first, later) = (middle(&y[at..at + w / 2]) - before, middle(settled) - before);
        let spread = differences(&y[begin..at]).max(1e-6);
        let title = format!(
            "restart at step {}: the loss is {:+.0} % of what it was",
            run.step[at],
            (later.exp() - 1.0) * 100.0
        );
        let far = later.abs() > RATIO && later.abs() > 4.0 * spread;
        // A run that was learning fast goes on doing so.
        let falling = later < 0.0 && slope(&y[begin..at]) * 2.0 * w as f64 <= 0.7 * later;
        let explained = rate_changes(run, at - w, at + w) || falling;
        if far && !explained {
            marks.push(run.step[at]);
            let detail = format!(
                "{w} rows before and {} after, first jump {:+.0} %",
                settled.len(),
                (first.exp() - 1.0) * 100.0
            );
            seen.push(bad("resume.level", title).because(detail));
        } else {
            seen.push(note("resume", title));
        }
    }
}

/// Jumps of the loss inside a run: two lines, one fitted to the rows before and one to those after, do not meet.
fn changes(run: &Run, resumes: &[usize], seen: &mut Seen, marks: &mut Vec<f64>) {
    let n = run.len();
    let w = (n / 25).clamp(8, 60);
    if n < 4 * w {
        return;
    }
    let y = logs(&run.loss);
    // A loss falls as a power of the steps: straight against their logarithm.
    let x: Vec<f64> = (0..n).map(|i| (i as f64 + 1.0).ln()).collect();
    let jump = |i: usize| {
        let ((lx, ly), ls) = line(&x[i - w..i], &y[i - w..i]);
        let ((rx, ry), rs) = line(&x[i..i + w], &y[i..i + w]);
        let at = f64::midpoint(x[i - 1], x[i]);
        (ry + rs * (at - rx)) - (ly + ls * (at - lx))
    };
    let near = |i: usize| resumes.iter().any(|&r| i.abs_diff(r) <= w);
    let from = (2 * w).max(n / 20);
    let jumps: Vec<(usize, f64)> = (from..=n - w).filter(|i| !near(*i)).map(|i| (i, jump(i))).collect();
    let spread =
        Robust::of(&jumps.iter().map(|j| j.1).collect::<Vec<_>>()).map_or(0.0, |r| r.scale()).max(1e-6);
    let mut last = 0;
    let mut peaks: Vec<(usize, f64)> = Vec::new();
    for &(i, j) in jumps.iter().filter(|(_, j)| j.abs() > SPREADS * spread && j.abs() > JUMP) {
        match peaks.last_mut() {
            Some(peak) if i - last <= w => {
                if j.abs() > peak.1.abs() {
                    *peak = (i, j);
                }
            }
            _ => peaks.push((i, j)),
        }
        last = i;
    }
    seen.measure("jump_spread", spread);
    seen.measure(
        "jumps",
        peaks
            .iter()
            .map(|(i, j)| serde_json::json!({"step": run.step[*i], "log_ratio": j}))
            .collect::<Vec<_>>(),
    );
    for (i, j) in peaks.into_iter().take(20) {
        let level = middle(&y[i..(i + 2 * w).min(n)]) - middle(&y[i - w..i]);
        let title = format!("the loss jumps by {:+.0} % at step {}", (j.exp() - 1.0) * 100.0, run.step[i]);
        let accuracy = |range: std::ops::Range<usize>| {
            let a: Vec<f64> = run.accuracy[range].iter().flatten().copied().collect();
            median(&a)
        };
        let better = match (accuracy(i - w..i), accuracy(i..(i + w).min(n))) {
            (Some(a), Some(b)) => Some(b - a),
            _ => None,
        };
        let detail = format!(
            "{:.1} spreads; accuracy {}",
            j.abs() / spread,
            better.map_or("not logged".into(), |b| format!("{b:+.3}"))
        );
        let sighting = if rate_changes(run, i.saturating_sub(w / 2), i + w / 2) {
            note("metrics.schedule", format!("{title}, as the learning rate changes"))
        } else if j < 0.0 {
            match better {
                Some(b) if b < -0.02 => bad("metrics.unfit", format!("{title} while the accuracy falls")),
                _ => note("metrics.drop", format!("{title}, as at a step of the schedule")),
            }
        } else if level < 0.3 * j {
            note("metrics.spike", format!("{title} and comes back"))
        } else {
            marks.push(run.step[i]);
            bad(
                "metrics.level",
                format!("{title} and stays there, with no restart and no other learning rate in the log"),
            )
        };
        seen.push(sighting.because(detail));
    }
}

/// Loss and accuracy tell one story.
fn together(run: &Run, seen: &mut Seen) {
    let pairs: Vec<(f64, f64)> =
        run.loss.iter().zip(&run.accuracy).filter_map(|(l, a)| Some((*l, (*a)?))).collect();
    if pairs.len() < 30 {
        return;
    }
    let rank = |v: Vec<f64>| {
        let mut order: Vec<usize> = (0..v.len()).collect();
        order.sort_by(|&a, &b| v[a].total_cmp(&v[b]));
        let mut ranks = vec![0.0; v.len()];
        for (r, i) in order.into_iter().enumerate() {
            ranks[i] = r as f64;
        }
        ranks
    };
    let (a, b) = (rank(pairs.iter().map(|p| p.0).collect()), rank(pairs.iter().map(|p| p.1).collect()));
    let ((_, _), forward) = line(&a, &b);
    seen.measure("rank_correlation", forward);
    if forward > 0.5 {
        let title = format!("loss and accuracy rise and fall together (rank correlation {forward:+.2})");
        seen.push(
            bad("metrics.unfit", title)
                .because("the loss that is logged is not what the accuracy comes from"),
        );
    }
}

/// Rows that were copied, and curves without noise.
fn invented(run: &Run, seen: &mut Seen) {
    const BLOCK: usize = 12;
    let key = |i: usize| run.loss[i..i + BLOCK].iter().map(|l| l.to_bits()).collect::<Vec<_>>();
    let varied = |i: usize| {
        run.loss[i..i + BLOCK].windows(2).filter(|p| p[0].total_cmp(&p[1]).is_ne()).count() * 2 > BLOCK
    };
    let mut first: HashMap<Vec<u64>, usize> = HashMap::new();
    for i in 0..(run.len() + 1).saturating_sub(BLOCK) {
        if !varied(i) {
            continue;
        }
        match first.get(&key(i)).copied() {
            // A restart that does the same steps again gives the same numbers.
            Some(j) if i >= j + BLOCK && run.step[i].total_cmp(&run.step[j]).is_ne() => {
                let title = format!(
                    "{BLOCK} losses in a row from step {} are those from step {} again",
                    run.step[i], run.step[j]
                );
                seen.push(bad("metrics.copied", title).because("equal to the last digit"));
                break;
            }
            Some(_) => {}
            None => drop(first.insert(key(i), i)),
        }
    }
    let y = logs(&run.loss);
    let second: Vec<f64> = y.windows(3).map(|p| p[2] - 2.0 * p[1] + p[0]).collect();
    let range =
        y.iter().copied().fold(f64::NEG_INFINITY, f64::max) - y.iter().copied().fold(f64::INFINITY, f64::min);
    let noise = Robust::of(&second).map_or(0.0, |r| r.scale());
    if run.len() >= 50 && range > 0.2 && noise < 1e-5 * range {
        let title = "the loss falls without any noise, as no training does";
        seen.push(
            bad("metrics.smooth", title)
                .sure(Confidence::Low)
                .because("a smoothed copy of the log looks alike"),
        );
    }
}

/// A run against one that is trusted.
fn against(run: &Run, expected: &Run, seen: &mut Seen) {
    let mut order: Vec<usize> = (0..expected.len()).collect();
    order.sort_by(|&a, &b| expected.step[a].total_cmp(&expected.step[b]));
    let start = middle(&expected.loss[..expected.len().min(5)]);
    let pairs: Vec<(f64, f64, f64)> = (0..run.len())
        .filter_map(|i| {
            Some((run.step[i], run.loss[i], at(expected, &order, |k| Some(expected.loss[k]), run.step[i])?))
        })
        .collect();
    if pairs.len() < ROWS {
        seen.push(note("expected.apart", "the trusted run covers other steps: not compared"));
        return;
    }
    if pairs.iter().all(|(_, a, b)| a.total_cmp(b).is_eq()) {
        seen.push(note(
            "expected.same",
            "the metrics are those of the trusted run to the last digit: the same run, or a copy",
        ));
    }
    let w = (pairs.len() / 20).clamp(5, 50);
    let windows: Vec<(f64, f64, f64)> = pairs
        .windows(w)
        .map(|p| {
            let ratio = middle(&p.iter().map(|(_, a, b)| (a / b).ln()).collect::<Vec<_>>());
            let apart = middle(&p.iter().map(|(_, a, b)| a - b).collect::<Vec<_>>());
            (p[0].0, ratio, apart)
        })
        .collect();
    let spread = differences(&pairs.iter().map(|(_, a, b)| (a / b).ln()).collect::<Vec<_>>());
    let bar = RATIO.max(6.0 * spread / (w as f64).sqrt());
    let off: Vec<&(f64, f64, f64)> =
        windows.iter().filter(|(_, r, d)| r.abs() > bar && d.abs() > OF_START * start).collect();
    let share = off.len() as f64 / windows.len() as f64;
    seen.measure("expected_share_off", share);
    if share > 0.2 {
        let worst = off.iter().map(|o| o.1).fold(0.0, |m: f64, r| if r.abs() > m.abs() { r } else { m });
        let title = format!(
            "the loss is not that of the trusted run for {:.0} % of it, from step {} on ({:+.0} % at most)",
            share * 100.0,
            off[0].0,
            (worst.exp() - 1.0) * 100.0
        );
        seen.push(bad("expected.loss", title));
    }
    let accuracy: Vec<f64> = (0..run.len())
        .filter_map(|i| Some(run.accuracy[i]? - at(expected, &order, |k| expected.accuracy[k], run.step[i])?))
        .collect();
    let tail = &accuracy[accuracy.len() - accuracy.len().min((accuracy.len() / 5).max(5))..];
    if let Some(apart) = median(tail).filter(|_| accuracy.len() >= ROWS) {
        seen.measure("expected_accuracy_apart", apart);
        if apart < -0.05 {
            seen.push(bad(
                "expected.accuracy",
                format!("the accuracy ends {:.1} points below the trusted run", -apart * 100.0),
            ));
        }
    }
}

fn thinned(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let every = points.len().div_ceil(400).max(1);
    points.into_iter().step_by(every).collect()
}

fn figure(run: &Run, expected: Option<&Run>, marks: &[f64], seen: &mut Seen) {
    let curve = |r: &Run, name: &str| Series {
        name: name.into(),
        points: thinned(r.step.iter().zip(&r.loss).map(|(s, l)| [*s, *l]).collect()),
    };
    let mut series = vec![curve(run, "loss")];
    series.extend(expected.map(|e| curve(e, "expected")));
    let top = run.loss.iter().copied().fold(0.0, f64::max);
    series.extend(
        marks
            .iter()
            .take(5)
            .map(|m| Series { name: format!("change at {m}"), points: vec![[*m, 0.0], [*m, top]] }),
    );
    seen.figure(
        "loss",
        "Loss over the steps of the run",
        Body::Lines { x_label: "step".into(), y_label: "loss".into(), series },
    );
}
