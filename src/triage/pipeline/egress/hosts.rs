//! Which hosts may be talked to, and which are of the inside.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Hosts that may be talked to.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    pub exact: BTreeSet<String>,
    pub below: Vec<String>,
    pub nets: Vec<(IpAddr, u32)>,
}

impl Allowed {
    /// One a line: a host, `*.domain`, `.domain`, an address or a net; `#` begins a remark; a port is passed over.
    pub(super) fn read(text: &str) -> Self {
        let mut out = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ' ', '\t', ',']).next().unwrap_or_default().trim().to_lowercase();
            let line = line
                .rsplit_once("://")
                .map_or(line.as_str(), |(_, rest)| rest)
                .trim_end_matches('/')
                .to_owned();
            if line.is_empty() {
                continue;
            }
            if let Some((net, bits)) = line.split_once('/')
                && let (Ok(ip), Ok(bits)) = (net.parse::<IpAddr>(), bits.parse())
            {
                out.nets.push((ip, bits));
            } else if let Some(domain) = line.strip_prefix("*.").or_else(|| line.strip_prefix('.')) {
                out.below.push(format!(".{}", domain.split(':').next().unwrap_or_default()));
            } else if line.parse::<IpAddr>().is_ok() {
                out.exact.insert(line);
            } else {
                out.exact.insert(line.split(':').next().unwrap_or_default().to_owned());
            }
        }
        out
    }

    pub(super) fn holds(&self, host: &str) -> bool {
        let ip = host.parse::<IpAddr>().ok();
        self.exact.contains(host)
            || self.below.iter().any(|b| host.ends_with(b.as_str()) || host == &b[1..])
            || ip.is_some_and(|ip| self.nets.iter().any(|(net, bits)| in_net(ip, *net, *bits)))
    }
}

pub(super) fn in_net(ip: IpAddr, net: IpAddr, bits: u32) -> bool {
    match (ip, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mask = u32::MAX.checked_shl(32u32.saturating_sub(bits)).unwrap_or(0);
            bits <= 32 && u32::from(a) & mask == u32::from(b) & mask
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let mask = u128::MAX.checked_shl(128u32.saturating_sub(bits)).unwrap_or(0);
            bits <= 128 && u128::from(a) & mask == u128::from(b) & mask
        }
        _ => false,
    }
}

/// Whether a host is of the inside, or of no place at all.
pub(super) fn inside(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_broadcast()
                || ip.is_unspecified()
                || (a == 100 && (64..128).contains(&b))
        }
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback()
                || ip.is_multicast()
                || ip.is_unspecified()
                || (ip.segments()[0] & 0xfe00) == 0xfc00
                || (ip.segments()[0] & 0xffc0) == 0xfe80
        }
        Err(_) => {
            !host.contains('.')
                || [".svc", ".local", ".internal", ".lan", ".localdomain"].iter().any(|e| host.ends_with(e))
        }
    }
}
