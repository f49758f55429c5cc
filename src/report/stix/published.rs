//! The ids under which MITRE publishes ATLAS as STIX: whoever has its objects already gets links, not doubles.

/// ATLAS id and STIX id, of the release that `procedure::taxonomy` names.
const PUBLISHED: [(&str, &str); 27] = [
    ("AML.T0010", "attack-pattern--2ea180c5-5df4-5815-8c78-a1cec1da6e18"),
    ("AML.T0010.001", "attack-pattern--3bf297c5-2ab2-573a-aa4e-f20af3d2643c"),
    ("AML.T0010.002", "attack-pattern--ca5a090b-feaf-575d-98c6-61930fffc5b5"),
    ("AML.T0010.003", "attack-pattern--1a1c3b28-eeab-52d0-87cf-4ba0a7ff687a"),
    ("AML.T0010.004", "attack-pattern--757f3580-72e6-514d-9770-af3ee98a1a0b"),
    ("AML.T0011.000", "attack-pattern--a5cc5062-f672-510a-8a4f-a8d1aa7f5024"),
    ("AML.T0018.000", "attack-pattern--a1494aa9-35bb-52b4-bd73-15444dc04706"),
    ("AML.T0018.001", "attack-pattern--04641d66-7ecd-5b83-a3da-938e11a81254"),
    ("AML.T0018.002", "attack-pattern--55ad0ff6-ab08-5ea5-8204-aaa28578d805"),
    ("AML.T0019", "attack-pattern--c38896b2-974c-5ed5-adeb-c2477b311353"),
    ("AML.T0020", "attack-pattern--4f25f684-63f5-5dfa-a286-20dfbd6db4c1"),
    ("AML.T0043.004", "attack-pattern--e9e0c817-539a-5977-9238-ad88d7e301a6"),
    ("AML.T0058", "attack-pattern--d4c7f78e-4609-555c-a2eb-3d344dab3309"),
    ("AML.T0059", "attack-pattern--6cc31098-f336-5fd8-932e-0289ff502d16"),
    ("AML.T0074", "attack-pattern--f2826909-8806-54da-829d-1159a3526332"),
    ("AML.T0076", "attack-pattern--50640a13-8791-5642-bbe7-c199c93d1b45"),
    ("AML.T0109", "attack-pattern--885eb980-23c3-5b11-a310-9e1e65c010d4"),
    ("AML.M0005", "course-of-action--1fc2879c-d3c3-5dbf-882d-4ca4721f30d4"),
    ("AML.M0007", "course-of-action--aba79819-27d3-5204-9fed-011613fa8136"),
    ("AML.M0008", "course-of-action--b1132427-33bb-5055-9e86-9df87ad144e7"),
    ("AML.M0011", "course-of-action--94cf1dc2-512c-5d81-b073-891d7113c194"),
    ("AML.M0013", "course-of-action--0fd2a106-347e-51b2-8c78-2fdd4b091548"),
    ("AML.M0014", "course-of-action--bf670d38-5978-5e5e-ba61-9b61dbc70122"),
    ("AML.M0015", "course-of-action--20c3de3a-045a-5c5d-883b-4bb074cc427e"),
    ("AML.M0016", "course-of-action--c578b076-802d-50d7-9d88-25d62ea569c8"),
    ("AML.M0023", "course-of-action--816f193f-8d87-5199-bc54-107b74f283c3"),
    ("AML.M0025", "course-of-action--beae4fe4-c289-5c57-b8b9-6febb24d5c9a"),
];

/// The published STIX id of an ATLAS technique or mitigation.
pub fn id(atlas: &str) -> Option<&'static str> {
    PUBLISHED.iter().find(|(id, _)| *id == atlas).map(|(_, stix)| *stix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procedure::taxonomy::{MITIGATIONS, TECHNIQUES};

    #[test]
    fn everything_that_is_mapped_to_is_published() {
        let techniques = TECHNIQUES.iter().map(|t| (t.id, "attack-pattern--"));
        for (atlas, kind) in techniques.chain(MITIGATIONS.iter().map(|m| (m.id, "course-of-action--"))) {
            assert!(
                id(atlas).is_some_and(|stix| stix.starts_with(kind) && stix.len() == kind.len() + 36),
                "{atlas}"
            );
        }
    }

    /// Against the facts handed over with the project, when they are there.
    #[test]
    fn ids_agree_with_the_release() {
        let shared = std::env::var_os("LAOCOON_SHARED").map_or_else(
            || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
            std::path::PathBuf::from,
        );
        let Ok(text) = std::fs::read_to_string(shared.join("reference/taxonomy.json")) else {
            println!("skipped: no taxonomy.json below {}", shared.display());
            return;
        };
        let facts: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (atlas, stix) in PUBLISHED {
            let all = ["techniques", "mitigations"]
                .into_iter()
                .flat_map(|kind| facts["atlas"][kind].as_array().unwrap());
            let fact = all.into_iter().find(|f| f["id"] == atlas).unwrap();
            assert_eq!(fact["stix_id"], stix);
        }
    }
}
