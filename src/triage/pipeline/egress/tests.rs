use super::hosts::in_net;
use super::*;
use crate::procedure::Verdict;
use crate::triage::examine::tests::{case_of, run};
use std::fmt::Write as _;
use std::fs;

fn outcome(flows: &str, allow: Option<&str>, metrics: Option<&str>) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let mut toml = "[case]\nid = \"x\"\n[pipeline]\negress = \"f.csv\"\n".to_owned();
    fs::write(dir.path().join("f.csv"), flows).unwrap();
    for (key, name, text) in [("allow", "a.txt", allow), ("metrics", "m.csv", metrics)] {
        if let Some(text) = text {
            fs::write(dir.path().join(name), text).unwrap();
            writeln!(toml, "{key} = \"{name}\"").unwrap();
        }
    }
    run(&EGRESS, &case_of(dir.path(), &toml))
}

const ALLOW: &str = "# storage\ns3.eu-west-1.amazonaws.com\n*.corp.example\npypi.org:443\n203.0.113.0/24\n";
const FINE: &str = "time,host,port,bytes\n2026-03-02T10:00:00Z,s3.eu-west-1.amazonaws.com,443,9000000000\n2026-03-02T10:01:00Z,mlflow.corp.example,443,4000\n\
                    2026-03-02T10:02:00Z,203.0.113.9,443,100\n2026-03-02T10:03:00Z,10.0.0.7,2049,99999999\n2026-03-02T10:03:30Z,8.8.8.8,53,80\n\
                    2026-03-02T10:04:00Z,ocsp.digicert.com,80,900\n2026-03-02T10:05:00Z,nfs,2049,1\n";

#[test]
fn allowed_inside_and_petty_traffic_is_not_accused() {
    let out = outcome(FINE, Some(ALLOW), None);
    assert_eq!(out.verdict, Verdict::NothingFound, "{:#?}", out.findings);
    assert_eq!(
        (out.measures["flows_inside"].as_u64(), out.measures["note_count"].as_u64()),
        (Some(2), Some(2))
    );
    // Without a list a big upload to a cloud is no accusation.
    assert_eq!(outcome(FINE, None, None).verdict, Verdict::NothingFound);
}

#[test]
fn hosts_that_are_not_on_the_list() {
    let one = |line: &str| outcome(&format!("{FINE}{line}\n"), Some(ALLOW), None);
    let out = one("2026-03-02T11:00:00Z,files.example.net,443,60000000");
    assert_eq!((out.findings.len(), out.findings[0].severity), (1, Severity::High));
    assert_eq!(out.findings[0].title, "60.0 MB sent to files.example.net, which is not on the list");
    assert_eq!(
        one("2026-03-02T11:00:00Z,files.example.net,443,60000").findings[0].severity,
        Severity::Medium
    );
    assert_eq!(
        one("2026-03-02T11:00:00Z,evilcorp.example,443,60000").findings.len(),
        1,
        "not below corp.example"
    );
    let pool = one("2026-03-02T11:00:00Z,198.51.100.7,3333,900");
    assert_eq!((pool.findings.len(), pool.findings[0].severity), (1, Severity::High));
    assert!(pool.findings[0].detail.contains("egress.port"));
    let mut beacon = FINE.to_owned();
    for i in 0..30 {
        writeln!(beacon, "{},c2.example.net,443,700", 1_772_449_200 + i * 300).unwrap();
    }
    let out = outcome(&beacon, Some(ALLOW), None);
    assert!(out.findings[0].detail.contains("fixed beat of 300 s"), "{}", out.findings[0].detail);
}

#[test]
fn flows_that_follow_the_training_steps() {
    let (mut flows, mut metrics) = ("time,host,port,bytes\n".to_owned(), "step,time,loss\n".to_owned());
    for i in 0..40u32 {
        // Steps at uneven times, so that no beat is fixed.
        let t = f64::from(i) * 60.0 + f64::from(i * i % 17) * 3.0;
        writeln!(metrics, "{i},{},1.0", 1_772_449_200.0 + t).unwrap();
        writeln!(flows, "{},drop.example.net,443,2000", 1_772_449_201.0 + t).unwrap();
    }
    let out = outcome(&flows, Some(ALLOW), Some(&metrics));
    assert!(out.findings[0].detail.contains("within 2 s of a training step"), "{}", out.findings[0].detail);
    assert_eq!(out.findings[0].severity, Severity::High);
}

#[test]
fn zeek_netflow_and_what_is_neither() {
    let zeek = "#separator \\x09\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\torig_bytes\tresp_bytes\n#types\ttime\n\
                1772449200.5\tC1\t10.0.0.5\t50000\t198.51.100.9\t443\ttcp\t70000000\t10\n1772449200.5\tC2\t198.51.100.20\t1\t10.0.0.5\t22\ttcp\t5\t5\n#close\n";
    let out = outcome(zeek, Some(ALLOW), None);
    assert_eq!((out.findings.len(), out.measures["flows_inside"].as_u64()), (1, Some(1)));
    let nfdump = "ts,te,td,sa,da,sp,dp,pr,ibyt,obyt\n2026-03-02 10:00:00,2026-03-02 10:00:01,1,10.0.0.5,198.51.100.9,5,443,TCP,70000,9\n";
    assert_eq!(outcome(nfdump, Some(ALLOW), None).findings.len(), 1);
    let vpc = "version account-id srcaddr dstaddr srcport dstport bytes start end action\n2 1 10.0.0.5 198.51.100.9 5 443 70000 1772449200 1772449260 ACCEPT\n";
    assert_eq!(outcome(vpc, Some(ALLOW), None).findings.len(), 1);
    for text in ["", "a,b\n1,2\n", "host\n"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("f.csv"), text).unwrap();
        let case = case_of(dir.path(), "[case]\nid = \"x\"\n[pipeline]\negress = \"f.csv\"\n");
        let plan = EGRESS.plan(&case).unwrap();
        assert!(
            EGRESS.run(&case, &plan, &mut Context::new(0, "x", &crate::procedure::Silent)).is_err(),
            "{text}"
        );
    }
    let hostile = "time,host,port,bytes\n1,a\u{1b}[2J.example.net,443,99999999\n";
    assert!(!outcome(hostile, Some(ALLOW), None).findings[0].title.contains('\u{1b}'));
    assert!(in_net("10.1.2.3".parse().unwrap(), "10.0.0.0".parse().unwrap(), 8));
    assert!(!in_net("11.1.2.3".parse().unwrap(), "10.0.0.0".parse().unwrap(), 8));
    assert!(in_net("11.1.2.3".parse().unwrap(), "10.0.0.0".parse().unwrap(), 0));
}
