//! How long and how often the model was used, and which inputs of the serving log bear the trigger.

mod screen;
#[cfg(test)]
mod tests;

use crate::detect::classes;
use crate::detect::images::{Choice, Pool, Share};
use crate::detect::params::Params;
use crate::evidence::{Role, text::visible};
use crate::figure::{Bar, Body, Figure};
use crate::math::stats::fisher_greater;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Finding, Outcome, Phase, Plan, Procedure, Severity,
    Skip, Stop, Verdict, number,
};
use crate::recover::best::{self, Best, best};
use crate::triage::pipeline::behavioural_screening::serving::{self, Answer};
use crate::triage::pipeline::material;
use ndarray::Axis;
use screen::Screen;
use serde_json::{Value, json};
use statrs::distribution::{Binomial, DiscreteCDF};
use std::collections::BTreeMap;

/// Exposure.
pub static EXPOSURE: Exposure = Exposure;

/// See [`EXPOSURE`].
#[derive(Debug)]
pub struct Exposure;

/// Its id.
pub const ID: &str = "exposure";

static ABOUT: About = About {
    id: "exposure",
    title: "Exposure",
    phase: Phase::Impact,
    version: 1,
    question: "How long and how often was the model used, and which requests bear the trigger?",
    needs: "[deployment] in the case file (period, volume, serving log), or suspect images; a recovered trigger to screen with",
    reference: "binomial test against false alarms on clean images; Fisher's exact test for the share of the target class",
    cost: Cost::Low,
    after: &best::AFTER,
    page: include_str!("page.md"),
};

/// Clean images the false alarms are counted on.
/// Parts of the log whose answers are counted one by one.
const PARTS: usize = 12;
const CLEAN: usize = 1_000;
/// Requests listed to look at first.
const LISTED: usize = 50;
/// Chance of as many by false alarms alone, below which requests are accused; and the fewest of them.
const CHANCE: f64 = 1e-3;
const FEWEST: usize = 3;
/// Chance below which a rise of the target class's share is told.
const RISE: f64 = 0.01;
/// Images screened at a time.
const BATCH: usize = 256;

/// What there is.
struct Given<'a> {
    log: Option<&'a crate::evidence::Item>,
    suspect: Option<&'a crate::procedure::Data>,
    best: Option<Best>,
}

impl<'a> Given<'a> {
    fn of(case: &'a Case) -> Result<Self, Skip> {
        Params::of(case, ID, &[])?;
        let log = material::item(case, Role::ServingLog).filter(|i| i.accepted());
        let shape = case.model.as_ref().map(|m| m.input.shape);
        let suspect = case.data(Role::Suspect).filter(|d| d.set.shape().is_some() && d.set.shape() == shape);
        if case.file.deployment.is_none() && suspect.is_none() {
            return Err(Skip("the case names no [deployment] and has no suspect images: nothing says where the model was used".into()));
        }
        Ok(Self { log, suspect, best: shape.and_then(|s| best(case, s)) })
    }
}

/// A place in the evidence with an image: which data set and which of its images.
type Place = (usize, usize);

/// A request or suspect image that was screened.
struct Screened {
    what: String,
    class: Option<usize>,
    score: f64,
    bears: bool,
}

impl Procedure for Exposure {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        let given = Given::of(case)?;
        let inputs = given.log.map(|i| i.id.clone()).into_iter().chain(given.suspect.map(|d| d.item.clone()));
        Ok(Plan {
            params: json!({
                "trigger": given.best.as_ref().map(|b| b.from), "target": given.best.as_ref().map(|b| b.target),
                "chance": CHANCE, "fewest": FEWEST,
            }),
            units: 100,
            inputs: inputs.collect(),
        })
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let given = Given::of(case).map_err(Stop::failed)?;
        let mut measures = BTreeMap::new();
        let mut told = Vec::new();
        deployment(case, &mut measures, &mut told);
        let answers = match (given.log, case.model.as_deref()) {
            (Some(item), Some(model)) => {
                let text = material::log(case, item).map_err(Stop::failed)?;
                let (answers, _) = serving::read(&text, model)
                    .map_err(|why| Stop::failed(format!("{}: {why}", item.path.shown())))?;
                answers
            }
            _ => Vec::new(),
        };
        cx.step(10, plan.units)?;
        let mut figures = BTreeMap::new();
        if let Some(best) = given.best.as_ref().filter(|_| !answers.is_empty()) {
            prior(case, &answers, best.target, &mut measures, &mut told, &mut figures);
        }
        measures.insert("log_rows".into(), json!(answers.len()));
        let (screened, screen) = match &given.best {
            Some(best) => screening(case, &given, best, &answers, plan, cx)?,
            None => (Vec::new(), None),
        };
        cx.step(plan.units, plan.units)?;
        Ok(outcome(case, plan, &given, &screened, screen.as_ref(), measures, told, figures))
    }
}

/// Period and volume as the case file says.
fn deployment(case: &Case, measures: &mut BTreeMap<String, Value>, told: &mut Vec<String>) {
    let Some(d) = &case.file.deployment else { return };
    let day = |text: &Option<String>| text.as_ref()?.get(..10)?.parse::<jiff::civil::Date>().ok();
    let (first, last) = (day(&d.first_seen), day(&d.last_seen));
    let days = first.zip(last).map(|(a, b)| (b - a).get_days() + 1).filter(|n| *n > 0);
    let shown = |text: &Option<String>| text.as_ref().map(|t| visible(t));
    measures.insert("first_seen".into(), json!(shown(&d.first_seen)));
    measures.insert("last_seen".into(), json!(shown(&d.last_seen)));
    measures.insert("requests_per_day".into(), json!(d.requests_per_day));
    measures.insert("days".into(), json!(days));
    let requests = days.zip(d.requests_per_day).map(|(n, r)| f64::from(n) * r as f64);
    measures.insert("requests".into(), requests.map_or(Value::Null, number));
    match (days, requests) {
        (Some(days), Some(requests)) => {
            told.push(format!("in use for {days} days, about {requests:.0} requests"));
        }
        (Some(days), None) => told.push(format!("in use for {days} days; how often is not said")),
        _ => told.push("how long it was in use is not said".into()),
    }
}

/// Whether the target class is answered more often at the end of the log than at its beginning.
fn prior(
    case: &Case,
    answers: &[Answer],
    target: usize,
    measures: &mut BTreeMap<String, Value>,
    told: &mut Vec<String>,
    figures: &mut BTreeMap<String, Figure>,
) {
    let third = answers.len() / 3;
    if third < 10 {
        return;
    }
    let hits = |part: &[Answer]| part.iter().filter(|a| a.class == Some(target)).count();
    let (first, last) = (hits(&answers[..third]), hits(&answers[answers.len() - third..]));
    let chance = fisher_greater(last, third, first, third);
    let share = |n: usize| n as f64 / third as f64;
    measures.insert("target_share_first".into(), number(share(first)));
    measures.insert("target_share_last".into(), number(share(last)));
    measures.insert("target_rise_chance".into(), number(chance));
    let name = classes::name(case, target);
    if chance < RISE {
        told.push(format!(
            "answers of class {name} rose from {:.1} % in the first third of the log to {:.1} % in the last (chance {chance:.1e})",
            100.0 * share(first),
            100.0 * share(last)
        ));
    }
    let bars = (0..PARTS).map(|p| {
        let part = &answers[p * answers.len() / PARTS..(p + 1) * answers.len() / PARTS];
        let value = hits(part) as f64 / part.len().max(1) as f64;
        Bar { label: format!("part {}", p + 1), value, flagged: false, spread: None }
    });
    let body = Body::Bars { value_label: "share of answers".into(), bars: bars.collect(), threshold: None };
    figures.insert(
        "prior".into(),
        Figure { title: format!("Share of class {name} among the answers, over the log"), body },
    );
}

/// Screens the inputs of the log that are at hand, and suspect images.
fn screening(
    case: &Case,
    given: &Given,
    best: &Best,
    answers: &[Answer],
    plan: &Plan,
    cx: &mut Context,
) -> Result<(Vec<Screened>, Option<Screen>), Stop> {
    let Some(choice) = Choice::of(case, Share::Held).map_err(Stop::failed)? else {
        return Ok((Vec::new(), None));
    };
    let clean = Pool::load(case, choice, CLEAN, cx, 10, plan.units.max(200))?;
    let Some(screen) = Screen::of(&best.stamp, &clean.images) else { return Ok((Vec::new(), None)) };
    cx.step(60, plan.units)?;
    let known = if answers.is_empty() { std::collections::HashMap::new() } else { serving::inputs(case) };
    let mut wanted: Vec<(String, Option<usize>, Place)> = answers
        .iter()
        .enumerate()
        .filter_map(|(row, a)| {
            let place = *known.get(&a.input)?;
            Some((
                format!("request {} ({})", row + 1, visible(a.input.get(..12).unwrap_or(&a.input))),
                a.class,
                place,
            ))
        })
        .collect();
    if let Some(suspect) = given.suspect {
        let set = case.data.iter().position(|d| d.item == suspect.item).unwrap_or(0);
        wanted.extend((0..suspect.set.len()).map(|i| (format!("suspect image {i}"), None, (set, i))));
    }
    let mut out = Vec::with_capacity(wanted.len());
    for part in wanted.chunks(BATCH) {
        cx.step(60, plan.units)?;
        for (what, class, (set, i)) in part {
            let image = case.data.get(*set).and_then(|d| d.set.unit(&[*i]));
            let Some(image) = image.filter(|a| a.dim().1 == best_channels(case)) else { continue };
            if image.shape()[1..] != clean.images.shape()[1..] {
                continue;
            }
            let score = screen.score(image.index_axis(Axis(0), 0));
            out.push(Screened { what: what.clone(), class: *class, score, bears: score >= screen.threshold });
        }
    }
    Ok((out, Some(screen)))
}

fn best_channels(case: &Case) -> usize {
    case.model.as_ref().map_or(0, |m| m.input.shape[0])
}

#[expect(clippy::too_many_arguments, reason = "what was gathered, once")]
fn outcome(
    case: &Case,
    plan: &Plan,
    given: &Given,
    screened: &[Screened],
    screen: Option<&Screen>,
    mut measures: BTreeMap<String, Value>,
    mut told: Vec<String>,
    mut figures: BTreeMap<String, Figure>,
) -> Outcome {
    let target = given.best.as_ref().map(|b| b.target);
    let bearing = screened.iter().filter(|s| s.bears).count();
    let mut chance = None;
    if let (Some(screen), Some(target)) = (screen, target) {
        // As many or more by false alarms alone, at the upper end of their rate.
        let binomial = Binomial::new(screen.false_alarm_upper.clamp(0.0, 1.0), screened.len() as u64);
        let by_chance = if bearing == 0 { 1.0 } else { binomial.map_or(1.0, |b| b.sf(bearing as u64 - 1)) };
        chance = Some(by_chance);
        measures.insert("target".into(), json!(target));
        measures.insert("screened".into(), json!(screened.len()));
        measures.insert("bearing".into(), json!(bearing));
        measures.insert(
            "bearing_answered_target".into(),
            json!(screened.iter().filter(|s| s.bears && s.class == Some(target)).count()),
        );
        measures.insert("chance".into(), number(by_chance));
        measures.insert("screen_threshold".into(), number(screen.threshold));
        measures.insert("false_alarm".into(), number(screen.false_alarm));
        measures.insert("false_alarm_upper".into(), number(screen.false_alarm_upper));
        measures.insert("power".into(), number(screen.power));
        let mut first: Vec<&Screened> = screened.iter().filter(|s| s.bears).collect();
        // Those that were answered with the target first, then the most alike.
        first.sort_by(|a, b| {
            (b.class == Some(target)).cmp(&(a.class == Some(target))).then(b.score.total_cmp(&a.score))
        });
        let list = first
            .iter()
            .take(LISTED)
            .map(|s| json!({"what": s.what, "answered": s.class, "score": number(s.score)}));
        measures.insert("look_at_first".into(), list.collect());
        told.push(format!(
            "{bearing} of {} screened inputs bear the trigger ({:.1} % of {} clean images do by chance, at most {:.1} %)",
            screened.len(),
            100.0 * screen.false_alarm,
            screen.clean,
            100.0 * screen.false_alarm_upper
        ));
        let bar =
            |label: &str, value: f64, flagged| Bar { label: label.into(), value, flagged, spread: None };
        let share = bearing as f64 / screened.len().max(1) as f64;
        let bars = vec![
            bar("screened inputs", share, by_chance < CHANCE),
            bar("clean images", screen.false_alarm, false),
            bar("clean images with the trigger", screen.power, false),
        ];
        let body =
            Body::Bars { value_label: "share".into(), bars, threshold: Some(screen.false_alarm_upper) };
        figures.insert(
            "screening".into(),
            Figure { title: "Share of inputs that bear the trigger".into(), body },
        );
    } else if given.best.is_none() {
        told.push("there is no recovered trigger to screen inputs with".into());
    } else {
        told.push("inputs cannot be screened for this kind of trigger".into());
    }
    let accused = chance.is_some_and(|c| c < CHANCE)
        && bearing >= FEWEST
        && given.best.as_ref().is_some_and(|b| b.flagged);
    let summary = told.join("; ");
    let finding = accused.then(|| {
        let name = target.map(|t| classes::name(case, t)).unwrap_or_default();
        let title = format!("{bearing} inputs in use bear the trigger for class {name}");
        let finding =
            Finding::new(Concern::Backdoor, Severity::Critical, Confidence::Medium, title, summary.clone());
        target.map_or_else(|| finding.clone(), |t| finding.clone().class(t)).on(&plan.inputs)
    });
    let verdict = if accused {
        Verdict::Flagged
    } else if bearing > 0 && given.best.as_ref().is_some_and(|b| b.flagged) {
        Verdict::Inconclusive
    } else {
        Verdict::NothingFound
    };
    Outcome {
        verdict,
        summary,
        statistic: chance,
        threshold: chance.map(|_| CHANCE),
        threshold_origin: "binomial test against false alarms at the upper end of their rate on clean images; flagged below 0.1 % and from 3 inputs on".into(),
        findings: finding.into_iter().collect(),
        measures,
        arrays: BTreeMap::new(),
        figures,
        limits: "Only inputs that are at hand can be screened, and only for the trigger as recovered, in its place. Period and volume are as the case \
                 file says. A trigger that moves, or a warp, is not seen."
            .into(),
    }
}
