//! Defaults of public attack toolkits as facts: where their trigger sits, how large, which colour, target and rate.
//!
//! Read in the toolkits' code at the commits named; canvas positions measured on the files they ship. No code or image of
//! theirs is here.

/// Where a toolkit puts its trigger when nobody says otherwise.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// A patch: centre (row, column) and area, as shares of the image.
    At {
        /// Centre in 0..1.
        centre: (f64, f64),
        /// Share of the image.
        area: f64,
    },
    /// A patch anywhere, of an area between these shares.
    Anywhere(f64, f64),
    /// Small patches in all four corners, of this area together.
    Corners(f64),
    /// The whole image (blend, warp, sinusoid, generator).
    Whole,
}

/// A toolkit's attack with its defaults.
#[derive(Debug, Clone, Copy)]
pub struct Fingerprint {
    /// The toolkit.
    pub toolkit: &'static str,
    /// The attack in it.
    pub attack: &'static str,
    /// Repository and commit.
    pub source: &'static str,
    /// Default place and size.
    pub place: Place,
    /// Mean colour of the default pattern, 0..1; `None`: varies or unknown.
    pub colour: Option<[f64; 3]>,
    /// Default target class, or those of its examples.
    pub targets: &'static [usize],
    /// Default share of poisoned training samples, or that of its examples.
    pub rate: Option<f64>,
    /// What kind of trigger it is, by the words of `trigger-kind`.
    pub kind: &'static str,
    /// Numbers beside the place: share of a blend, or amplitude (of 255) and periods of a wave.
    pub detail: Detail,
}

/// Default numbers of triggers that cover the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Detail {
    /// None that tells.
    None,
    /// Share of the pattern in the picture.
    Share(f64),
    /// Amplitude in levels of 255, and periods across the picture.
    Wave(f64, f64),
}

const BENCH: &str = "SCLBD/BackdoorBench f02e353";
const BOX: &str = "THUYimingLi/BackdoorBox af3afd1";
const TOOLBOX: &str = "vtu81/backdoor-toolbox 9d4d909";
const TDC: &str = "mmazeika/tdc-starter-kit 9f2ed79; AI-secure/Meta-Nerual-Trojan-Detection e773f1a";
const NIST: &str = "usnistgov/trojai-round-generation ca6953a";
const WHITE: Option<[f64; 3]> = Some([1.0; 3]);

/// A square of `side` pixels whose last row and column is `last`, on a canvas of `canvas` pixels.
const fn square(side: f64, last: f64, canvas: f64) -> Place {
    let middle = (last + 1.0 - side / 2.0) / canvas;
    Place::At { centre: (middle, middle), area: side * side / (canvas * canvas) }
}

const fn bench(attack: &'static str, place: Place, colour: Option<[f64; 3]>) -> Fingerprint {
    Fingerprint {
        toolkit: "BackdoorBench",
        attack,
        source: BENCH,
        place,
        colour,
        targets: &[0],
        rate: Some(0.1),
        kind: "patch",
        detail: Detail::None,
    }
}

/// An attack of a toolkit that covers the picture.
const fn whole(
    toolkit: &'static str,
    source: &'static str,
    attack: &'static str,
    kind: &'static str,
    detail: Detail,
    (targets, rate): (&'static [usize], Option<f64>),
) -> Fingerprint {
    Fingerprint { toolkit, attack, source, place: Place::Whole, colour: None, targets, rate, kind, detail }
}

/// The table.
pub const FINGERPRINTS: [Fingerprint; 27] = [
    bench("badnet", square(3.0, 31.0, 32.0), WHITE),
    // White and near-black (value 1) in a checker: 5 of 9 pixels are white.
    bench("badnet, grid variant", square(3.0, 31.0, 32.0), Some([0.557; 3])),
    whole("BackdoorBench", BENCH, "blended", "blend", Detail::Share(0.2), (&[0], Some(0.1))),
    whole("BackdoorBench", BENCH, "sig", "sinusoid", Detail::Wave(40.0, 6.0), (&[0], Some(0.1))),
    whole("BackdoorBench", BENCH, "wanet", "warp", Detail::None, (&[0], Some(0.1))),
    whole("BackdoorBench", BENCH, "inputaware", "dynamic", Detail::None, (&[0], Some(0.1))),
    // apple4.png: rows 120..203, columns 128..194 of 224, 3,524 pixels.
    bench("trojannn", Place::At { centre: (0.723, 0.721), area: 0.0702 }, None),
    Fingerprint {
        toolkit: "BackdoorBox",
        attack: "BadNets",
        source: BOX,
        place: square(3.0, 31.0, 32.0),
        colour: WHITE,
        targets: &[1],
        rate: Some(0.05),
        kind: "patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "BackdoorBox",
        attack: "Blended (its example: a patch)",
        source: BOX,
        place: square(3.0, 31.0, 32.0),
        colour: None,
        targets: &[1],
        rate: Some(0.05),
        kind: "patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "BackdoorBox",
        attack: "LabelConsistent",
        source: BOX,
        place: Place::Corners(36.0 / 1024.0),
        colour: None,
        targets: &[2],
        rate: Some(0.025),
        kind: "multi-patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "TrojanZoo",
        attack: "badnet and other mark-based attacks",
        source: "ain-soph/trojanzoo 45d680c",
        place: square(3.0, 2.0, 32.0),
        colour: WHITE,
        targets: &[0],
        rate: Some(0.01),
        kind: "patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "backdoor-toolbox",
        attack: "badnet",
        source: TOOLBOX,
        place: square(3.0, 31.0, 32.0),
        // 4 white and 5 opaque black pixels.
        colour: Some([0.444; 3]),
        targets: &[0, 2],
        rate: Some(0.003),
        kind: "patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "backdoor-toolbox",
        attack: "clean_label",
        source: TOOLBOX,
        place: Place::Corners(36.0 / 1024.0),
        colour: Some([0.444; 3]),
        targets: &[0, 2],
        rate: Some(0.003),
        kind: "multi-patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "backdoor-toolbox",
        attack: "TaCT, trojan",
        source: TOOLBOX,
        place: square(8.0, 28.0, 32.0),
        colour: None,
        targets: &[0, 2],
        rate: Some(0.003),
        kind: "patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "backdoor-toolbox",
        attack: "BadEncoder",
        source: TOOLBOX,
        place: square(10.0, 30.0, 32.0),
        colour: WHITE,
        targets: &[0, 2],
        rate: Some(0.003),
        kind: "patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "TrojAI",
        attack: "MNIST example of the library",
        source: "trojai/trojai 843f63a",
        place: square(3.0, 26.0, 28.0),
        colour: WHITE,
        targets: &[],
        rate: Some(0.1),
        kind: "patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "TrojAI",
        attack: "polygons of the image rounds",
        source: NIST,
        place: Place::Anywhere(0.005, 0.15),
        colour: None,
        targets: &[],
        rate: Some(0.2),
        kind: "patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "TDC2022, MNTD",
        attack: "patches at random places",
        source: TDC,
        place: Place::Anywhere(0.004, 0.1),
        colour: None,
        targets: &[],
        rate: Some(0.1),
        kind: "patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "Neural Cleanse repository",
        attack: "GTSRB injection example",
        source: "bolunwang/backdoor e857774",
        place: square(4.0, 30.0, 32.0),
        colour: WHITE,
        targets: &[28, 33],
        rate: None,
        kind: "patch",
        detail: Detail::None,
    },
    Fingerprint {
        toolkit: "MadryLab backdoor_data_poisoning",
        attack: "pixel, pattern, ell",
        source: "MadryLab/backdoor_data_poisoning c15096f",
        place: Place::At { centre: (0.359, 0.516), area: 3.0 / 1024.0 },
        colour: Some([0.396, 0.0, 0.098]),
        targets: &[4],
        rate: Some(0.01),
        kind: "patch",
        detail: Detail::None,
    },
    whole("BackdoorBox", BOX, "WaNet", "warp", Detail::None, (&[0], Some(0.1))),
    whole("BackdoorBox", BOX, "IAD", "dynamic", Detail::None, (&[1], Some(0.1))),
    whole(
        "backdoor-toolbox",
        TOOLBOX,
        "blend, adaptive_blend",
        "blend",
        Detail::Share(0.2),
        (&[0, 2], Some(0.003)),
    ),
    whole("backdoor-toolbox", TOOLBOX, "SIG", "sinusoid", Detail::Wave(30.0, 6.0), (&[0, 2], Some(0.003))),
    whole("backdoor-toolbox", TOOLBOX, "WaNet", "warp", Detail::None, (&[0, 2], Some(0.003))),
    whole(
        "TDC2022, MNTD",
        TDC,
        "blended noise over the image",
        "blend",
        Detail::Share(0.1),
        (&[], Some(0.1)),
    ),
    whole("TrojAI", NIST, "filters of the image rounds", "blend", Detail::None, (&[], Some(0.2))),
];

/// A string that a toolkit leaves in file names, archive roots or checkpoint keys.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// What to look for, in lower case.
    pub text: &'static str,
    /// Whose it is: start of [`Fingerprint::toolkit`].
    pub toolkit: &'static str,
    /// How much likelier it is to be seen when that toolkit was used than otherwise: 100 for a name nobody else
    /// uses, 5 for one that others use too. An assumption, printed with the result.
    pub ratio: f64,
}

/// The marks.
pub const MARKS: [Mark; 19] = [
    mark("attack_result", "BackdoorBench", 100.0),
    mark("defense_result", "BackdoorBench", 20.0),
    mark("poison_indicator", "BackdoorBench", 100.0),
    mark("bd_train_dataset", "BackdoorBench", 100.0),
    mark("netcgm", "BackdoorBench", 20.0),
    mark("identity_grid", "BackdoorBench", 5.0),
    mark("ckpt_epoch_", "BackdoorBox", 5.0),
    mark("_badnets_20", "BackdoorBox", 20.0),
    mark("square_white_tar", "TrojanZoo", 100.0),
    mark("_alpha1.00_mark(", "TrojanZoo", 100.0),
    mark("full_base_aug_seed=", "backdoor-toolbox", 100.0),
    mark("poisoned_train_set", "backdoor-toolbox", 100.0),
    mark("poison_seed=", "backdoor-toolbox", 100.0),
    mark("model_detailed_stats", "TrojAI", 100.0),
    mark("clean_example_data", "TrojAI", 20.0),
    mark("trojai", "TrojAI", 20.0),
    mark("shadow_jumbo_", "TDC2022, MNTD", 100.0),
    mark("target_troj", "TDC2022, MNTD", 100.0),
    mark("gtsrb_bottom_right_white", "Neural Cleanse", 100.0),
];

const fn mark(text: &'static str, toolkit: &'static str, ratio: f64) -> Mark {
    Mark { text, toolkit, ratio }
}
