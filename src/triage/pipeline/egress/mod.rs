//! Which hosts did the training machines talk to, how much, and when?

mod flows;
mod hosts;
#[cfg(test)]
mod tests;

use super::material;
use super::moment;
use super::sighting::{Seen, Sighting, Words};
use super::training_metrics;
use crate::evidence::{Role, text::visible};
use crate::figure::{Bar, Body, Group};
use crate::math::robust::Robust;
use crate::procedure::{
    About, Case, Concern, Confidence, Context, Cost, Outcome, Phase, Plan, Procedure, Severity, Skip, Stop,
};
use flows::{Flows, Host};
use hosts::Allowed;
use serde_json::json;
use statrs::distribution::{Binomial, DiscreteCDF};

/// The procedure `egress`.
#[derive(Debug)]
pub struct Egress;

/// The one instance.
pub static EGRESS: Egress = Egress;

static ABOUT: About = About {
    id: "egress",
    title: "Network egress",
    phase: Phase::Triage,
    version: 1,
    question: "Which hosts did the training machines send data to that they need not, how much, and when?",
    needs: "flows (time, host, port, bytes) of the training machines; a list of allowed hosts",
    reference: "Zeek conn.log, NetFlow v9 fields (RFC 3954); MITRE ATT&CK T1041, T1496",
    cost: Cost::Low,
    after: &[],
    page: include_str!("../egress.md"),
};

/// Bytes to one host that are worth a High, and below which a few flows are a note.
const MUCH: f64 = 50e6;

const LITTLE: f64 = 10e3;

/// Ports of mining pools, of remote control and of hidden networks.
const PORTS: [u16; 15] =
    [3333, 4444, 5555, 7777, 14433, 14444, 45560, 45700, 6667, 6697, 9001, 9050, 1337, 31337, 3032];

impl Procedure for Egress {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn plan(&self, case: &Case) -> Result<Plan, Skip> {
        material::plan(case, Role::Egress, &[Role::AllowList, Role::Metrics], 2)
    }

    fn run(&self, case: &Case, plan: &Plan, cx: &mut Context) -> Result<Outcome, Stop> {
        let mut seen = Seen::default();
        let text = |role| -> Result<Option<String>, Stop> {
            material::item(case, role)
                .filter(|i| i.accepted())
                .map(|i| material::log(case, i).map_err(Stop::failed))
                .transpose()
        };
        let Some(flows) = text(Role::Egress)? else {
            return Err(Stop::failed("the flows were refused at intake"));
        };
        let flows = Flows::read(&flows).map_err(Stop::failed)?;
        cx.step(1, plan.units)?;
        let allowed = text(Role::AllowList)?.map(|t| Allowed::read(&t));
        let steps = text(Role::Metrics)?
            .and_then(|m| training_metrics::Run::read(&m).ok())
            .map(|r| r.time)
            .unwrap_or_default();
        let model = case.model_item().map_or(0, |i| i.bytes) as f64;
        judge(&flows, allowed.as_ref(), &steps, model, &mut seen);
        figures(&flows, allowed.as_ref(), &mut seen);
        seen.measure("flows", flows.count);
        seen.measure("flows_inside", flows.inside);
        seen.measure("hosts", flows.hosts.len());
        cx.step(plan.units, plan.units)?;
        let looked = format!(
            "{} flows to {} outside hosts were read{}",
            flows.count,
            flows.hosts.len(),
            if allowed.is_some() { "" } else { "; there is no list of allowed hosts" }
        );
        Ok(seen.outcome(
            &Words {
                looked,
                origin: "a host that is not on the list counts from 10 kB; more weighs 50 MB, the size of the model, odd ports, a fixed \
                         beat, and beats with the training steps",
                limits: "Flows name hosts and sizes, not contents; what is sent to an allowed host is not judged by content, and hosts \
                         behind one address or a proxy look alike. Without a list, only hosts that stand out by themselves count.",
            },
            &plan.inputs,
        ))
    }
}

/// How regular the flows are: spread of the time between them over its median; `None` with too few.
fn beat(flows: &[(f64, f64)]) -> Option<(f64, f64)> {
    let mut times: Vec<f64> = flows.iter().map(|f| f.0).collect();
    times.sort_by(f64::total_cmp);
    let gaps: Vec<f64> = times.windows(2).map(|p| p[1] - p[0]).filter(|g| *g > 0.0).collect();
    let r = Robust::of(&gaps).filter(|_| gaps.len() >= 12)?;
    (r.median > 0.0).then(|| (r.scale() / r.median, r.median))
}

/// The chance that as many flows fall next to training steps if they fell anywhere.
fn with_steps(flows: &[(f64, f64)], steps: &[f64]) -> Option<(usize, f64)> {
    const NEAR: f64 = 2.0;
    let mut steps = steps.to_vec();
    steps.sort_by(f64::total_cmp);
    let (first, last) = (*steps.first()?, *steps.last()?);
    let within: Vec<f64> = flows.iter().map(|f| f.0).filter(|t| (first..=last).contains(t)).collect();
    let near = |t: f64| {
        let k = steps.partition_point(|&s| s < t);
        [k.checked_sub(1), Some(k)]
            .into_iter()
            .flatten()
            .filter_map(|i| steps.get(i))
            .any(|s| (s - t).abs() <= NEAR)
    };
    let covered: f64 =
        steps.windows(2).map(|p| (p[1] - p[0]).min(2.0 * NEAR)).sum::<f64>() / (last - first).max(1.0);
    let hits = within.iter().filter(|t| near(**t)).count();
    if within.len() < 10 || covered >= 0.9 || hits == 0 {
        return None;
    }
    let law = Binomial::new(covered.clamp(0.0, 1.0), within.len() as u64).ok()?;
    Some((hits, law.sf(hits as u64 - 1)))
}

fn judge(flows: &Flows, allowed: Option<&Allowed>, steps: &[f64], model: f64, seen: &mut Seen) {
    let mut table = Vec::new();
    for (host, h) in &flows.hosts {
        let listed = allowed.map(|a| a.holds(host));
        let timing = with_steps(&h.flows, steps).filter(|(_, p)| *p < 1e-6);
        let regular = beat(&h.flows).filter(|(cv, _)| *cv < 0.1);
        let odd: Vec<u16> = h.ports.iter().copied().filter(|p| PORTS.contains(p)).collect();
        let plumbing =
            !h.ports.is_empty() && h.ports.iter().all(|p| matches!(p, 53 | 123 | 853)) && h.bytes < 1e6;
        let size =
            |b: f64| if b >= 1e6 { format!("{:.1} MB", b / 1e6) } else { format!("{:.1} kB", b / 1e3) };
        table.push(json!({"host": visible(host), "flows": h.flows.len(), "bytes": h.bytes, "ports": h.ports, "allowed": listed,
                          "beat_seconds": regular.map(|r| r.1)}));
        if listed == Some(true) {
            continue;
        }
        let first = h.flows.iter().map(|f| f.0).fold(f64::INFINITY, f64::min);
        let mut why = Vec::new();
        if h.bytes >= MUCH || (model > 1e5 && h.bytes >= 0.8 * model) {
            why.push(
                if model > 1e5 && h.bytes >= 0.8 * model { "as much as the model has" } else { "much" }
                    .to_owned(),
            );
        }
        if !odd.is_empty() {
            why.push(format!("to port {}", odd[0]));
        }
        if let Some((_, every)) = regular.filter(|_| !plumbing) {
            why.push(format!("with a fixed beat of {every:.0} s"));
        }
        if let Some((hits, p)) = timing {
            why.push(format!("{hits} flows within 2 s of a training step (chance {p:.0e})"));
        }
        let detail = format!(
            "{} flows, {}, ports {:?}, from {}{}",
            h.flows.len(),
            size(h.bytes),
            h.ports.iter().take(5).collect::<Vec<_>>(),
            moment::shown(first),
            if why.is_empty() { String::new() } else { format!("; {}", why.join(", ")) }
        );
        let named = if listed.is_some() { ", which is not on the list" } else { "" };
        let title = format!("{} sent to {host}{named}", size(h.bytes));
        let few = h.bytes < LITTLE && h.flows.len() <= 10 && odd.is_empty();
        let severity = match listed {
            _ if plumbing => None,
            _ if !odd.is_empty() => Some(Severity::High),
            Some(_) if few => None,
            Some(_) => Some(if why.is_empty() { Severity::Medium } else { Severity::High }),
            // Without a list, size and beat alone are what every cloud storage and every monitor has.
            None => (timing.is_some() && regular.is_none() && h.bytes >= MUCH).then_some(Severity::Medium),
        };
        let code = if odd.is_empty() { "egress.host" } else { "egress.port" };
        seen.push(match severity {
            Some(severity) => Sighting::new(code, severity, Concern::Misuse, ("", 0), title)
                .sure(if listed.is_some() && !why.is_empty() { Confidence::High } else { Confidence::Medium })
                .because(detail),
            None => Sighting::note(code, ("", 0), title).because(detail),
        });
    }
    table.sort_by(|a, b| b["bytes"].as_f64().unwrap_or(0.0).total_cmp(&a["bytes"].as_f64().unwrap_or(0.0)));
    table.truncate(200);
    seen.measure("by_host", table);
}

fn figures(flows: &Flows, allowed: Option<&Allowed>, seen: &mut Seen) {
    let off = |host: &str| allowed.is_some_and(|a| !a.holds(host));
    let mut hosts: Vec<(&String, &Host)> = flows.hosts.iter().collect();
    hosts.sort_by(|a, b| b.1.bytes.total_cmp(&a.1.bytes).then(a.0.cmp(b.0)));
    let bars = hosts
        .iter()
        .take(15)
        .map(|(name, h)| Bar { label: visible(name), value: h.bytes / 1e6, flagged: off(name), spread: None })
        .collect();
    seen.figure(
        "hosts",
        "Megabytes sent by host (marked: not on the list)",
        Body::Bars { value_label: "MB sent".into(), bars, threshold: None },
    );
    let first = hosts.iter().flat_map(|(_, h)| &h.flows).map(|f| f.0).fold(f64::INFINITY, f64::min);
    let group = |flagged: bool| {
        let own = hosts.iter().filter(|(name, _)| off(name) == flagged).flat_map(|(_, h)| &h.flows);
        let points: Vec<[f64; 2]> = own.map(|(t, b)| [(t - first) / 3600.0, (b + 1.0).log10()]).collect();
        let every = points.len().div_ceil(2000).max(1);
        let name = if flagged { "not on the list" } else { "allowed" }.into();
        Group { name, flagged, points: points.into_iter().step_by(every).collect(), samples: Vec::new() }
    };
    let groups = [group(false), group(true)].into_iter().filter(|g| !g.points.is_empty()).collect();
    let body = Body::Scatter { x_label: "hours".into(), y_label: "log10 of bytes".into(), groups };
    seen.figure("flows", "Flows over time", body);
}
