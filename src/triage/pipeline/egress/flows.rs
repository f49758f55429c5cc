//! Flow logs: CSV, Zeek, `NetFlow`, VPC.

use super::super::moment;
use super::super::table::{Table, number};
use super::hosts::inside;
use crate::evidence::limits::{Limits, cap};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of one host.
#[derive(Debug, Default, Clone)]
pub(super) struct Host {
    pub flows: Vec<(f64, f64)>,
    pub ports: BTreeSet<u16>,
    pub bytes: f64,
}

/// Flows by host.
#[derive(Debug, Default)]
pub(super) struct Flows {
    pub hosts: BTreeMap<String, Host>,
    pub count: usize,
    pub inside: usize,
}

impl Flows {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let table = Table::read(text)?;
        let column = |names: &[&str]| table.column(names);
        let name =
            column(&["host", "server_name", "sni", "domain", "hostname", "dest_host", "dst_host", "query"]);
        let address = column(&[
            "id_resp_h",
            "dst_ip",
            "dest_ip",
            "dstaddr",
            "da",
            "dst",
            "daddr",
            "destination",
            "dest",
            "ip",
            "dst_addr",
            "dip",
            "destination_ip",
        ]);
        if name.is_none() && address.is_none() {
            return Err("no column of hosts".into());
        }
        let source =
            column(&["id_orig_h", "src_ip", "srcaddr", "sa", "src", "saddr", "source", "source_ip", "sip"]);
        let port = column(&[
            "port",
            "id_resp_p",
            "dst_port",
            "dest_port",
            "dstport",
            "dp",
            "dport",
            "destination_port",
        ]);
        let bytes = column(&[
            "bytes",
            "orig_bytes",
            "bytes_out",
            "out_bytes",
            "orig_ip_bytes",
            "ibyt",
            "bytes_sent",
            "sbytes",
            "src_bytes",
            "bytes_toserver",
            "octets",
            "obyt",
        ]);
        let time = column(&[
            "time",
            "ts",
            "timestamp",
            "start",
            "start_time",
            "te",
            "first",
            "date_first_seen",
            "flow_start",
            "date",
        ]);
        let mut out = Self::default();
        for (i, row) in table.rows.iter().enumerate() {
            let cell = |c: Option<usize>| c.and_then(|c| row.get(c)).unwrap_or_default().trim();
            let host = [cell(name), cell(address)]
                .into_iter()
                .find(|h| !h.is_empty() && *h != "-")
                .unwrap_or_default()
                .to_lowercase();
            if host.is_empty() {
                continue;
            }
            out.count += 1;
            let from = cell(source);
            // What comes in from outside is not what goes out.
            let inbound = !from.is_empty() && !inside(from) && inside(cell(address));
            if inbound || inside(&host) {
                out.inside += 1;
                continue;
            }
            let limits = Limits::in_force();
            if out.hosts.len() >= limits.hosts && !out.hosts.contains_key(&host) {
                return Err(format!("too many hosts: {}", cap!(limits, hosts)));
            }
            let at = moment::parse(cell(time)).unwrap_or(i as f64);
            let sent = cell(bytes)
                .parse::<f64>()
                .ok()
                .or_else(|| number(cell(bytes)))
                .filter(|b| b.is_finite() && *b >= 0.0)
                .unwrap_or(0.0);
            let entry = out.hosts.entry(host).or_default();
            entry.flows.push((at, sent));
            entry.bytes += sent;
            entry.ports.extend(cell(port).parse::<u16>().ok());
        }
        if out.count == 0 {
            return Err("no flow".into());
        }
        Ok(out)
    }
}
