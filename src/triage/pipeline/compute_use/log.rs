//! Logs of accelerators: nvidia-smi, DCGM, CSV.

use super::super::moment;
use super::super::table::{Table, number};
use crate::math::robust::median;
use std::collections::{BTreeMap, BTreeSet};

/// One reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub time: f64,
    /// Seconds it stands for.
    pub span: f64,
    pub util: f64,
    pub memory: Option<f64>,
    pub power: Option<f64>,
    pub job: usize,
}

/// All readings.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub gpus: BTreeMap<String, Vec<Reading>>,
    pub jobs: Vec<String>,
    pub processes: BTreeSet<String>,
    pub model: String,
    pub timed: bool,
}

impl Log {
    #[expect(clippy::too_many_lines, reason = "one column after the other")]
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let table = Table::read(text)?;
        let column = |names: &[&str]| table.column(names);
        let util = column(&[
            "util",
            "utilization_gpu",
            "gpu_util",
            "gputl",
            "sm",
            "utilization",
            "gpu_utilization",
            "dcgm_fi_dev_gpu_util",
            "sm_util",
        ])
        .ok_or("no column of utilisation")?;
        let memory = column(&[
            "memory",
            "memory_used",
            "mem_used",
            "fb_used",
            "fbusd",
            "fb",
            "dcgm_fi_dev_fb_used",
            "gpu_memory",
        ]);
        let power = column(&[
            "power",
            "power_draw",
            "pwr",
            "power_usage",
            "powr",
            "dcgm_fi_dev_power_usage",
            "power_w",
        ]);
        let time = column(&["time", "timestamp", "ts", "datetime", "date_time", "date"]);
        let clock = if time.is_some_and(|t| table.columns[t] == "date") {
            column(&["time"]).or(column(&["hh_mm_ss"]))
        } else {
            None
        };
        let gpu = column(&[
            "gpu",
            "gpu_index",
            "index",
            "gpu_id",
            "device",
            "entity",
            "uuid",
            "gpu_uuid",
            "minor_number",
            "pci_bus_id",
        ]);
        let host = column(&["host", "hostname", "node", "instance"]);
        let job = column(&["job", "job_id", "jobid", "slurm_job", "slurm_job_id", "run", "pod"]);
        let process = column(&["process", "process_name", "command", "program"]);
        let name = column(&["name", "gpu_name", "model", "modelname", "product_name"]);
        let mut log = Self { timed: time.is_some(), ..Self::default() };
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for row in &table.rows {
            let cell = |c: Option<usize>| c.and_then(|c| row.get(c)).unwrap_or_default();
            let id =
                [cell(host), cell(gpu)].into_iter().filter(|c| !c.is_empty()).collect::<Vec<_>>().join("/");
            let n = counts.entry(id.clone()).or_default();
            *n += 1;
            let stamp = if clock.is_some() {
                format!("{} {}", cell(time), cell(clock))
            } else {
                cell(time).to_owned()
            };
            let at = if time.is_some() { moment::parse(&stamp) } else { Some(*n as f64) };
            let (Some(time), Some(util)) = (at, row.get(util).and_then(number).filter(|u| u.is_finite()))
            else {
                continue;
            };
            if log.model.is_empty() {
                cell(name).clone_into(&mut log.model);
            }
            if !cell(process).is_empty() && log.processes.len() < 10_000 {
                log.processes.insert(cell(process).to_owned());
            }
            let job = cell(job);
            let job = log.jobs.iter().position(|j| j == job).unwrap_or_else(|| {
                if log.jobs.len() < 10_000 {
                    log.jobs.push(job.to_owned());
                }
                log.jobs.len() - 1
            });
            let finite =
                |c: Option<usize>| c.and_then(|c| row.get(c)).and_then(number).filter(|x| x.is_finite());
            log.gpus.entry(id).or_default().push(Reading {
                time,
                span: 0.0,
                util,
                memory: finite(memory),
                power: finite(power),
                job,
            });
        }
        for readings in log.gpus.values_mut() {
            readings.sort_by(|a, b| a.time.total_cmp(&b.time));
            let steps: Vec<f64> =
                readings.windows(2).map(|p| p[1].time - p[0].time).filter(|d| *d > 0.0).collect();
            let usual = median(&steps).unwrap_or(1.0);
            for i in 0..readings.len() {
                // After a gap in the log nothing is known.
                let next = readings.get(i + 1).map_or(usual, |n| n.time - readings[i].time);
                readings[i].span = next.clamp(0.0, 5.0 * usual);
            }
        }
        if log.gpus.is_empty() {
            return Err("no row has a time and a utilisation".into());
        }
        Ok(log)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Reading> {
        self.gpus.values().flatten()
    }
}
