//! The rules.

use serde_json::{Value, json};

/// Largest share of the picture that a patch covers.
const PATCH: f64 = 0.12;
/// A change with nine tenths of its energy in fewer pixels than this is a patch; in more than [`SPREAD`], it covers the picture.
const NARROW: f64 = 0.25;
const SPREAD: f64 = 0.45;
/// Share of a change's energy in one wave that makes it a sinusoid.
const WAVE: f64 = 0.4;
/// Success from which a refined trigger says something.
const WORKS: f64 = 0.5;

/// What the rules look at.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "observations, each by itself")]
pub(super) struct Seen {
    /// Kind and success of what listed samples bear, when it works.
    pub sampled: Option<(String, f64)>,
    /// Samples were listed, and nothing they share works.
    pub samples_without_trigger: bool,
    /// Success of the refined trigger.
    pub success: Option<f64>,
    /// Mean of its mask.
    pub area: Option<f64>,
    /// Parts of its mask that lie apart.
    pub patches: Option<usize>,
    /// Share of the pixels with nine tenths of the energy of the smallest added pattern.
    pub concentration: Option<f64>,
    /// Share of that energy in one wave.
    pub wave: Option<f64>,
    /// Whether the search for added patterns, for masks, for warps accuses the class.
    pub additive: bool,
    pub masked: bool,
    pub warped: bool,
    /// Chances of those on a clean model: masks, patterns, warps.
    pub chances: [Option<f64>; 3],
    pub family_of_samples: Option<String>,
    pub family_of_model: Option<String>,
}

/// The kind, and why.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    /// patch, multi-patch, blend, sinusoid, warp, dynamic or unknown.
    pub kind: &'static str,
    /// high, medium or low.
    pub certainty: &'static str,
    pub because: Vec<String>,
}

/// The numbers of the rules, for the journal.
pub(super) fn params() -> Value {
    json!({"patch_area": PATCH, "narrow": NARROW, "spread": SPREAD, "wave": WAVE, "works": WORKS})
}

/// Tells the kind. Samples come first: they show the trigger itself; then what the network gives away.
pub(super) fn tell(seen: &Seen) -> Told {
    let percent = |x: f64| format!("{:.0} %", 100.0 * x);
    if let Some((kind, success)) = &seen.sampled {
        let works = format!("read from listed samples, it works on {} of other images", percent(*success));
        let (kind, certainty, note) = match kind.as_str() {
            "patch" => ("patch", "high", "pixels that are the same in all of them, in one place"),
            "multi-patch" => {
                ("multi-patch", "high", "pixels that are the same in all of them, in several places")
            }
            "sinusoid" => ("sinusoid", "high", "most of their difference is one wave"),
            "blend" => ("blend", "high", "all pixels vary less, about a common picture"),
            "warp" => ("warp", "medium", "blocks are displaced against clean pictures"),
            _ => ("blend", "low", "their mean difference over the whole picture works when it is added"),
        };
        return Told { kind, certainty, because: vec![works, note.into()] };
    }
    let [masks, patterns, warps] = seen.chances.map(|c| c.unwrap_or(1.0));
    if seen.warped && warps <= masks.min(patterns) {
        let because = format!("of the searches, that for warps is the strangest (chance {warps:.4})");
        return Told { kind: "warp", certainty: "medium", because: vec![because] };
    }
    if let Some(wave) = seen.wave.filter(|w| *w >= WAVE) {
        let because = format!("{} of the smallest added pattern is one wave", percent(wave));
        return Told { kind: "sinusoid", certainty: "medium", because: vec![because] };
    }
    let works = seen.success.filter(|s| *s > WORKS);
    let small = seen.area.filter(|a| *a <= PATCH);
    let mut because = Vec::new();
    because.extend(works.map(|s| format!("the refined trigger works on {} of images", percent(s))));
    because.extend(seen.area.map(|a| format!("its mask covers {:.1} % of the picture", 100.0 * a)));
    because.extend(
        seen.concentration.map(|c| {
            format!("nine tenths of the smallest added pattern lie in {} of the pixels", percent(c))
        }),
    );
    let patch = |certainty, because| match seen.patches {
        Some(n) if n > 1 => Told { kind: "multi-patch", certainty: "low", because },
        _ => Told { kind: "patch", certainty, because },
    };
    match (works, small, seen.concentration) {
        (Some(_), Some(_), Some(c)) if c <= NARROW => patch("medium", because),
        (Some(_), _, Some(c))
            if c >= SPREAD && (seen.additive || small.is_none()) && (!seen.masked || patterns < masks) =>
        {
            Told { kind: "blend", certainty: "medium", because }
        }
        (Some(_), Some(_), _) => patch("low", because),
        (Some(_), None, _) => Told { kind: "blend", certainty: "low", because },
        _ if seen.samples_without_trigger => {
            because.push("samples were listed, and nothing they share works on other images".into());
            Told { kind: "dynamic", certainty: "low", because }
        }
        _ => {
            because.push("nothing that was recovered works".into());
            Told { kind: "unknown", certainty: "low", because }
        }
    }
}

/// The contract's word for the attack: what the samples' labels or the network's weights say goes before the look of the trigger.
pub(super) fn family(seen: &Seen, told: &Told) -> Option<String> {
    let one_of = |family: &Option<String>, known: &[&str]| {
        family.as_ref().filter(|f| known.contains(&f.as_str())).cloned()
    };
    if told.kind == "sinusoid" {
        return Some("sinusoid".into());
    }
    one_of(&seen.family_of_samples, &["clean-label", "source-specific", "label-flip", "all-to-all"])
        .or_else(|| {
            one_of(&seen.family_of_model, &["weight-edit", "source-specific", "all-to-all"])
                .filter(|_| seen.sampled.is_none())
        })
        .or_else(|| match told.kind {
            "patch" | "multi-patch" => Some("patch".into()),
            "unknown" => None,
            kind => Some(kind.to_owned()),
        })
}
