//! The logs of a run of nine hours: metrics, use of the accelerators, network flows.

use crate::math::rng::seeded;
use jiff::{SignedDuration, Timestamp};
use rand::Rng;

/// Monday 2 March 2026, 20:00 UTC: the training begins. Times below are seconds from here.
const START: Timestamp = Timestamp::constant(1_772_481_600, 0);
/// Rows of metrics, and seconds between two.
const ROWS: usize = 270;
const EVERY: usize = 120;
/// The run stops after this row, and goes on ten rows back.
const STOPPED: usize = 180;

/// About normal, from sums and products alone.
pub(super) fn noise(rng: &mut impl Rng) -> f64 {
    (0..6).map(|_| rng.gen_range(-1.0..1.0)).sum::<f64>() * 0.7
}

fn at(seconds: f64) -> Timestamp {
    START + SignedDuration::from_secs(seconds as i64)
}

fn csv(head: &str, rows: impl Iterator<Item = String>) -> String {
    rows.fold(format!("{head}\n"), |all, row| all + &row + "\n")
}

/// The run's metrics. Where somebody tampered, the loss is higher by three fifths from the restart on.
pub(super) fn metrics(tampered: bool) -> String {
    let level = if tampered { 1.6 } else { 1.0 };
    let before = (0..STOPPED).map(|i| (i, 0, 1.0));
    let after = (STOPPED - 10..ROWS).map(|i| {
        // Without its optimiser's state the run stumbles for a few rows.
        let stumble = 1.0 + 0.5 * (-((i + 10 - STOPPED) as f64) / 1.5).exp();
        (i, 2400, level * stumble)
    });
    curve("run", before.chain(after))
}

/// Those of a run that everybody trusts.
pub(super) fn expected() -> String {
    curve("expected", (0..ROWS).map(|i| (i, 0, 1.0)))
}

/// A row for each of: number, seconds it is late, factor of the loss.
fn curve(label: &str, rows: impl Iterator<Item = (usize, usize, f64)>) -> String {
    let mut rng = seeded(9, "specimen", label);
    let rows = rows.map(|(i, late, factor)| {
        let fall = ((i as f64 + 8.0) / 8.0).powf(-0.55);
        let loss = 2.4 * fall * (1.0 + 0.03 * noise(&mut rng)) * factor;
        let time = START.as_second() + (1500 + i * EVERY + late) as i64;
        format!("{},{time},{loss:.5},{:.4},0.05", i * 100, (1.0 - loss / 2.7).clamp(0.05, 0.995))
    });
    csv("step,time,loss,accuracy,lr", rows)
}

/// Two accelerators, a reading every five minutes for a day and a half.
pub(super) fn compute(tampered: bool) -> String {
    let mut rng = seeded(10, "specimen", "compute");
    let readings = (0..432u32).flat_map(|i| [(i, 0), (i, 1)]).map(|(i, gpu)| {
        let minute = f64::from(i) * 5.0;
        let training = (10.0..570.0).contains(&minute) && !(385.0..425.0).contains(&minute);
        let mining = tampered && (900.0..1500.0).contains(&minute);
        // One rank waits for the other for a few minutes.
        let waiting = (200.0..215.0).contains(&minute) && gpu == 1;
        let (util, memory, power) = match (training, mining) {
            (true, _) if waiting => (100.0, 61_000.0, 95.0),
            (true, _) => (96.0, 61_000.0, 372.0),
            (_, true) => (99.0, 4_100.0, 318.0),
            _ => (0.0, 620.0, 62.0),
        };
        let util: f64 = util - rng.gen_range(0.0..3.0f64).min(util);
        let power: f64 = power + rng.gen_range(-6.0..6.0);
        let time = at(minute * 60.0);
        format!("{time},{gpu},NVIDIA A100-SXM4-80GB,{util:.0},{memory:.0},{power:.1}")
    });
    csv("time,gpu,name,util,memory,power", readings)
}

/// Flows to storage, tracking, packages and the clock; where somebody tampered, also to three strangers.
pub(super) fn egress(tampered: bool) -> String {
    let mut rng = seeded(11, "specimen", "egress");
    let mut flows: Vec<(f64, &str, u16, f64)> = Vec::new();
    for i in 0..54u32 {
        let at = f64::from(i) * 600.0 + rng.gen_range(0.0..500.0);
        flows.push((at, "s3.eu-central-1.amazonaws.com", 443, rng.gen_range(2e5..9e5)));
        flows.push((at + 7.0, "mlflow.signs.example", 443, rng.gen_range(800.0..4000.0)));
        if i % 9 == 0 {
            flows.push((at + 60.0, "10.2.0.11", 2049, 3e8));
            flows.push((at + 90.0, "pool.ntp.org", 123, 48.0));
        }
        if i % 6 == 0 {
            flows.push((at + 120.0, "s3.eu-central-1.amazonaws.com", 443, 2.5e8));
        }
    }
    flows.push((30.0, "pypi.org", 443, 21_000.0));
    flows.push((45.0, "ocsp.digicert.com", 80, 900.0));
    if tampered {
        flows.push((200.0, "198.51.100.23", 80, 1_900.0));
        for i in 0..120 {
            let bytes = rng.gen_range(600.0..900.0);
            flows.push((54_000.0 + f64::from(i) * 300.0, "pool.hash.example.net", 3333, bytes));
        }
        flows.push((33_500.0, "198.51.100.23", 443, 7.4e7));
    }
    flows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rows = flows
        .into_iter()
        .map(|(seconds, host, port, bytes)| format!("{},{host},{port},{bytes:.0}", at(seconds)));
    csv("time,host,port,bytes", rows)
}
