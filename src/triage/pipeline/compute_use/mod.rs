//! Were the machines used for the training, and for nothing else? And what would that cost?

mod log;
mod prices;
#[cfg(test)]
mod tests;

use super::material;
use super::moment;
use super::sighting::{Seen, Sighting, Words};
use super::training_metrics;
use crate::evidence::{Role, text::visible};
use crate::figure::{Body, Series};
use crate::math::robust::median;
use crate::math::stats::quantile;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Outcome, Phase, Plan, Procedure, Severity, Skip, Stop,
    numbers,
};
use log::{Log, Reading};
use prices::{PRICES, price};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The procedure `compute-use`.
#[derive(Debug)]
pub struct ComputeUse;

/// The one instance.
pub static COMPUTE_USE: ComputeUse = ComputeUse;

static ABOUT: About = About {
    id: "compute-use",
    title: "Compute use",
    phase: Phase::Triage,
    version: 1,
    question: "Were the accelerators used for the training and nothing else, and what did the rest cost?",
    needs: "a log of the accelerators (time, gpu, util, memory, power); better with metrics that have times",
    reference: "nvidia-smi and DCGM field descriptions; prices from a table that can be replaced",
    cost: Cost::Low,
    after: &[],
    page: include_str!("../compute_use.md"),
};

/// An accelerator with at least this much to do is at work, per cent.
const BUSY: f64 = 20.0;

/// Below it, it says that it rests.
const IDLE: f64 = 10.0;

/// Seconds: beginning, evaluation and saving need no metrics; a gap that splits two jobs; the shortest block that counts.
const SLACK: f64 = 30.0 * 60.0;

const APART: f64 = 3600.0;

const BLOCK: f64 = 20.0 * 60.0;

/// Programs that mine.
const MINERS: [&str; 16] = [
    "xmrig",
    "ethminer",
    "t-rex",
    "nbminer",
    "lolminer",
    "phoenixminer",
    "teamredminer",
    "gminer",
    "bzminer",
    "srbminer",
    "cgminer",
    "minerd",
    "ccminer",
    "nanominer",
    "rigel",
    "kawpow",
];

impl Procedure for ComputeUse {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        material::plan(case, Role::Compute, &[Role::Metrics, Role::Prices, Role::Stages], 3)
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut seen = Seen::default();
        let text = |role| -> Result<Option<String>, Stop> {
            material::item(case, role)
                .filter(|i| i.accepted())
                .map(|i| material::log(case, i).map_err(Stop::failed))
                .transpose()
        };
        let Some(log) = text(Role::Compute)? else {
            return Err(Stop::failed("the log was refused at intake"));
        };
        let log = Log::read(&log).map_err(Stop::failed)?;
        cx.step(1, plan.units)?;
        let prices = text(Role::Prices)?.unwrap_or_else(|| PRICES.to_owned());
        let (priced_as, price) =
            price(&prices, &log.model).map_err(|e| Stop::failed(format!("the price table: {e}")))?;
        let metrics = text(Role::Metrics)?;
        let stages = text(Role::Stages)?.unwrap_or_default();
        let progress = metrics
            .as_deref()
            .and_then(|m| training_metrics::Run::read(m).ok())
            .map(|r| r.time)
            .unwrap_or_default();
        programs(&log, &mut seen);
        let mut stake = power(&log, &mut seen);
        cx.step(2, plan.units)?;
        stake += if log.timed && progress.len() > 2 {
            without_progress(&log, &progress, &mut seen)
        } else {
            blocks(&log, &mut seen)
        };
        jobs(&log, metrics.as_deref().unwrap_or_default(), &stages, &mut seen);
        let busy = log.all().filter(|r| r.util >= BUSY).map(|r| r.span).sum::<f64>() / 3600.0;
        let total = log.all().map(|r| r.span).sum::<f64>() / 3600.0;
        let stake = (stake / 3600.0).min(total);
        seen.measure("gpus", log.gpus.len());
        seen.measure("gpu_hours", total);
        seen.measure("gpu_hours_busy", busy);
        seen.measure("gpu_hours_at_stake", stake);
        seen.measure("price", json!({"priced_as": visible(&priced_as), "usd_per_hour": [price.0, price.1]}));
        seen.measure("cost_at_stake_usd", numbers(&[stake * price.0, stake * price.1]));
        seen.measure("cost_usd", numbers(&[total * price.0, total * price.1]));
        figure(&log, &progress, &mut seen);
        cx.step(plan.units, plan.units)?;
        let looked = format!(
            "{total:.1} GPU hours of {} accelerators were read ({busy:.1} at work; {stake:.1} at stake, {:.0} to {:.0} dollars)",
            log.gpus.len(),
            stake * price.0,
            stake * price.1
        );
        Ok(seen.outcome(
            &Words {
                looked,
                origin: "work of 20 minutes or more with no metrics within half an hour; power half way up at rest; see the page",
                limits: "A log says what the machine's own tools said. Work hidden inside a training job at its own pace does not \
                         show; nor does work between two readings. Where metrics have no times, blocks of load are only told \
                         apart by memory and power. Prices are list prices and vary.",
            },
            &plan.inputs,
        ))
    }
}

fn bad(code: &'static str, severity: Severity, title: impl AsRef<str>) -> Sighting {
    Sighting::new(code, severity, Concern::Misuse, ("", 0), title).sure(Confidence::Medium)
}

fn programs(log: &Log, seen: &mut Seen) {
    for name in &log.processes {
        let lower = name.to_lowercase();
        if MINERS.iter().any(|m| lower.contains(m)) || lower.contains("stratum+") {
            seen.push(
                bad("process.miner", Severity::Critical, format!("a program that mines was at work: {name}"))
                    .sure(Confidence::High),
            );
        }
    }
}

/// Longest and summed stretch of readings that a test holds for, in seconds, and when the longest began.
fn stretches(readings: &[Reading], holds: impl Fn(&Reading) -> bool) -> Vec<(f64, f64)> {
    let mut out: Vec<(f64, f64)> = Vec::new();
    let (mut begin, mut span, mut count) = (0.0, 0.0, 0);
    for r in readings.iter().map(Some).chain([None]) {
        if let Some(r) = r.filter(|r| holds(r)) {
            if count == 0 {
                begin = r.time;
            }
            (span, count) = (span + r.span, count + 1);
        } else if count > 0 {
            // One reading alone is a matter of when it was taken.
            if count >= 3 {
                out.push((begin, span));
            }
            (span, count) = (0.0, 0);
        }
    }
    out
}

/// Power and utilisation that do not go together; returns the seconds at stake.
fn power(log: &Log, seen: &mut Seen) -> f64 {
    let all: Vec<f64> = log.all().filter_map(|r| r.power).collect();
    let resting: Vec<f64> = log.all().filter(|r| r.util < IDLE).filter_map(|r| r.power).collect();
    let working: Vec<f64> = log.all().filter(|r| r.util >= 50.0).filter_map(|r| r.power).collect();
    let idle = quantile(if resting.len() >= 5 { &resting } else { &all }, 0.05);
    let (Some(idle), Some(full)) = (idle, quantile(&working, 0.5)) else { return 0.0 };
    seen.measure("power_idle", idle);
    seen.measure("power_working", full);
    if full - idle < 0.3 * full {
        return 0.0;
    }
    let mut stake = 0.0;
    for (gpu, readings) in &log.gpus {
        let high = |r: &Reading| r.util < IDLE && r.power.is_some_and(|p| p > idle + 0.5 * (full - idle));
        let hidden: Vec<(f64, f64)> =
            stretches(readings, high).into_iter().filter(|(_, s)| *s >= 600.0).collect();
        if let Some((begin, _)) = hidden.first() {
            let hours = hidden.iter().map(|s| s.1).sum::<f64>() / 3600.0;
            stake += hours * 3600.0;
            let title = format!(
                "accelerator {gpu} draws the power of work while it says it rests: {hours:.1} hours from {}",
                moment::shown(*begin)
            );
            seen.push(
                bad("power.hidden", Severity::High, title)
                    .because(format!("idle {idle:.0} W, at work {full:.0} W")),
            );
        }
        let low = |r: &Reading| r.util >= 80.0 && r.power.is_some_and(|p| p < idle + 0.15 * (full - idle));
        let spinning: f64 = stretches(readings, low).iter().map(|s| s.1).sum();
        let busy: f64 = readings.iter().filter(|r| r.util >= 80.0).map(|r| r.span).sum();
        if spinning > 600.0 {
            let title = format!(
                "accelerator {gpu} says it works and draws the power of rest: {:.1} hours",
                spinning / 3600.0
            );
            // A process that waits for another does the same for a while.
            seen.push(if spinning > 0.5 * busy && spinning > 4.0 * 3600.0 {
                bad("power.low", Severity::Medium, title)
                    .sure(Confidence::Low)
                    .because("work that is reported and not done")
            } else {
                Sighting::note("power.low", ("", 0), title)
            });
        }
    }
    stake
}

/// Work with no metrics near it; returns the seconds at stake.
fn without_progress(log: &Log, progress: &[f64], seen: &mut Seen) -> f64 {
    let mut times = progress.to_vec();
    times.sort_by(f64::total_cmp);
    let steps: Vec<f64> = times.windows(2).map(|p| p[1] - p[0]).filter(|d| *d > 0.0).collect();
    let usual = median(&steps).unwrap_or(60.0);
    let near = SLACK.max(5.0 * usual);
    let covered = |t: f64| {
        let k = times.partition_point(|&x| x < t);
        [k.checked_sub(1), Some(k)]
            .into_iter()
            .flatten()
            .filter_map(|i| times.get(i))
            .any(|x| (x - t).abs() <= near)
    };
    // Two machines, two clocks: a whole number of hours apart is a time zone.
    let busy: Vec<&Reading> = log.all().filter(|r| r.util >= BUSY).collect();
    let overlap = |hours: i32| {
        busy.iter().filter(|r| covered(r.time + f64::from(hours) * 3600.0)).count() as f64
            / busy.len().max(1) as f64
    };
    let straight = overlap(0);
    let mut shift = 0;
    if straight < 0.97 {
        let best = (-14..=14)
            .map(|h| (overlap(h), h))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.abs().cmp(&a.1.abs())));
        if let Some((share, hours)) = best.filter(|(s, h)| *s >= 0.99 && *h != 0) {
            shift = hours;
            let title = format!(
                "the clocks of the two logs are {hours} hours apart; {:.0} % of the work fits then",
                share * 100.0
            );
            seen.push(Sighting::note("clock.zone", ("", 0), title));
        }
    }
    let mut stake = 0.0;
    let mut first = f64::INFINITY;
    let mut used = BTreeSet::new();
    for (gpu, readings) in &log.gpus {
        let alone = |r: &Reading| r.util >= BUSY && !covered(r.time + f64::from(shift) * 3600.0);
        for (begin, span) in stretches(readings, alone).into_iter().filter(|(_, s)| *s >= BLOCK) {
            stake += span;
            first = first.min(begin);
            used.insert(gpu.as_str());
        }
    }
    let total: f64 = busy.iter().map(|r| r.span).sum();
    let share = if total > 0.0 { stake / total } else { 0.0 };
    seen.measure("load_without_progress_share", share);
    if stake > 0.0 {
        let (hour, day) = moment::hour_and_day(first);
        let off = if !(6..22).contains(&hour) || day >= 5 { ", out of hours" } else { "" };
        let title = format!(
            "{:.1} GPU hours of work ({:.0} %) with no training progress, from {}{off}",
            stake / 3600.0,
            share * 100.0,
            moment::shown(first)
        );
        let large = share >= 0.1 || stake >= 8.0 * 3600.0;
        let severity = if large { Severity::High } else { Severity::Medium };
        let gpus = used.into_iter().take(8).collect::<Vec<_>>().join(", ");
        seen.push(
            bad("load.no-progress", severity, title)
                .because(format!("accelerators {gpus}; metrics come every {usual:.0} s")),
        );
    }
    stake
}

/// A block of load.
struct Block {
    begin: f64,
    end: f64,
    seconds: f64,
    memory: Option<f64>,
    power: Option<f64>,
}

/// Blocks of load apart from the main one that are another kind of work; returns the seconds at stake.
fn blocks(log: &Log, seen: &mut Seen) -> f64 {
    let mut busy: Vec<&Reading> = log.all().filter(|r| r.util >= BUSY).collect();
    busy.sort_by(|a, b| a.time.total_cmp(&b.time));
    let mut groups: Vec<Vec<&Reading>> = Vec::new();
    for r in busy {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|l| r.time - l.time <= APART) => group.push(r),
            _ => groups.push(vec![r]),
        }
    }
    let block = |g: &Vec<&Reading>| {
        let values =
            |f: &dyn Fn(&Reading) -> Option<f64>| median(&g.iter().filter_map(|r| f(r)).collect::<Vec<_>>());
        Block {
            begin: g.first().map_or(0.0, |r| r.time),
            end: g.last().map_or(0.0, |r| r.time + r.span),
            seconds: g.iter().map(|r| r.span).sum(),
            memory: values(&|r| r.memory),
            power: values(&|r| r.power),
        }
    };
    let blocks: Vec<Block> = groups.iter().map(block).filter(|b| b.seconds >= BLOCK).collect();
    seen.measure("blocks", blocks.iter().map(|b| json!({"begin": b.begin, "end": b.end, "gpu_hours": b.seconds / 3600.0, "memory": b.memory, "power": b.power})).collect::<Vec<_>>());
    let Some(main) = blocks.iter().max_by(|a, b| a.seconds.total_cmp(&b.seconds)) else { return 0.0 };
    let differs = |a: Option<f64>, b: Option<f64>, by: f64| matches!((a, b), (Some(a), Some(b)) if (a - b).abs() > by * a.max(b));
    let mut stake = 0.0;
    for b in &blocks {
        let (hour, day) = moment::hour_and_day(b.begin);
        let off = log.timed && (!(6..22).contains(&hour) || day >= 5);
        let other = differs(b.memory, main.memory, 0.5)
            && b.seconds > 0.0
            && (b.power.is_none()
                || differs(b.power, main.power, 0.1)
                || differs(b.memory, main.memory, 0.7));
        let title = format!(
            "{:.1} GPU hours of load from {}{}, unlike the training in memory{}",
            b.seconds / 3600.0,
            moment::shown(b.begin),
            if off { ", out of hours" } else { "" },
            if differs(b.power, main.power, 0.1) { " and power" } else { "" }
        );
        if other && (off || b.seconds >= 2.0 * 3600.0) {
            stake += b.seconds;
            let detail =
                format!("memory {:.0} against {:.0}", b.memory.unwrap_or(0.0), main.memory.unwrap_or(0.0));
            seen.push(bad("load.other", Severity::Medium, title).sure(Confidence::Low).because(detail));
        } else if off && !std::ptr::eq(b, main) {
            let title = format!(
                "{:.1} GPU hours of load out of hours, from {}, like the training's",
                b.seconds / 3600.0,
                moment::shown(b.begin)
            );
            seen.push(Sighting::note("load.off-hours", ("", 0), title));
        }
    }
    stake
}

/// Jobs that worked and left nothing.
fn jobs(log: &Log, metrics: &str, stages: &str, seen: &mut Seen) {
    let mut hours: BTreeMap<&str, f64> = BTreeMap::new();
    for r in log.all().filter(|r| r.util >= BUSY) {
        if let Some(job) = log.jobs.get(r.job).filter(|j| !j.is_empty() && *j != "-") {
            *hours.entry(job).or_default() += r.span / 3600.0;
        }
    }
    seen.measure(
        "jobs",
        hours.iter().map(|(j, h)| json!({"job": visible(j), "gpu_hours": h})).collect::<Vec<_>>(),
    );
    // A job is known by its name in what it left. Where no job is named at all, names are not kept there.
    let known = |job: &str| job.len() >= 2 && (metrics.contains(job) || stages.contains(job));
    if !hours.keys().any(|j| known(j)) {
        return;
    }
    for (job, spent) in hours.iter().filter(|(j, h)| !known(j) && **h >= 0.5) {
        let title =
            format!("job '{job}' worked {spent:.1} GPU hours and left neither metrics nor an artefact");
        seen.push(bad("job.no-artefact", Severity::Medium, title));
    }
}

/// Work, power and progress over time.
fn figure(log: &Log, progress: &[f64], seen: &mut Seen) {
    const BINS: usize = 200;
    let (from, to) =
        log.all().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), r| (a.min(r.time), b.max(r.time)));
    let width = ((to - from) / BINS as f64).max(1e-9);
    let bin = |t: f64| (((t - from) / width) as usize).min(BINS - 1);
    let top = log.all().filter_map(|r| r.power).fold(1.0, f64::max);
    let mean = |value: &dyn Fn(&Reading) -> Option<f64>| {
        let mut sums = vec![(0.0, 0usize); BINS];
        for r in log.all() {
            if let Some(v) = value(r) {
                let s = &mut sums[bin(r.time)];
                *s = (s.0 + v, s.1 + 1);
            }
        }
        let point = |(i, (s, n)): (usize, (f64, usize))| {
            (n > 0).then(|| [(i as f64 + 0.5) * width / 3600.0, s / n as f64])
        };
        sums.into_iter().enumerate().filter_map(point).collect::<Vec<_>>()
    };
    let mut series = vec![Series { name: "utilisation".into(), points: mean(&|r| Some(r.util)) }];
    let power = mean(&|r| r.power.map(|p| p / top * 100.0));
    if !power.is_empty() {
        series.push(Series { name: "power, % of most".into(), points: power });
    }
    if !progress.is_empty() {
        let mut rows = vec![0.0f64; BINS];
        for t in progress.iter().filter(|t| (from..=to).contains(*t)) {
            rows[bin(*t)] = 100.0;
        }
        series.push(Series {
            name: "metrics written".into(),
            points: rows.iter().enumerate().map(|(i, r)| [(i as f64 + 0.5) * width / 3600.0, *r]).collect(),
        });
    }
    let body = Body::Lines { x_label: "hours".into(), y_label: "per cent".into(), series };
    seen.figure("use", "Work and power of the accelerators, and progress of the training", body);
}
