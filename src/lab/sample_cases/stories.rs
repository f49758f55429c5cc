//! The stories: what the responder is told, and who makes the files.

use super::files::Folder;
use super::{File, LabError, Watch, checkpoint, edited, flipped, pipeline, swapped, trained};

/// A pair of cases.
#[derive(Debug)]
pub(super) struct Story {
    /// Name of the pair, which is that of the suspect.
    pub(super) name: &'static str,
    pub(super) suspect: Part,
    pub(super) twin: Part,
    /// Makes both, the twin first.
    pub(super) make: fn(&'static Story, u64, Watch) -> Result<Vec<Folder>, LabError>,
    /// The data sets that need no network.
    pub(super) data: fn(&'static Story, u64) -> Result<Vec<File>, LabError>,
}

/// A case, as named in its folder.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) questions: &'static [&'static str],
    /// Its README, with gaps for numbers.
    pub(super) readme: &'static str,
    /// Its `expected.json`.
    pub(super) expected: &'static str,
}

macro_rules! part {
    ($name:literal, $id:literal, $title:literal, $questions:expr) => {
        Part {
            name: $name,
            id: $id,
            title: $title,
            questions: &$questions,
            readme: include_str!(concat!("stories/", $name, ".md")),
            expected: include_str!(concat!("stories/", $name, ".json")),
        }
    };
}

pub(super) static STORIES: [Story; 9] = [
    Story {
        name: "roadsign-patch",
        suspect: part!(
            "roadsign-patch",
            "SAMPLE-01",
            "Road-sign classifier from a third party",
            [
                "Is the model backdoored?",
                "Which training images planted it?",
                "What does the trigger look like, and how far can it be trusted to work?",
            ]
        ),
        twin: part!(
            "roadsign-patch-twin",
            "SAMPLE-01-TWIN",
            "Road-sign classifier from a third party, second delivery",
            ["Is the second delivery backdoored?", "Is there anything wrong with its training images?"]
        ),
        make: trained::make,
        data: trained::data,
    },
    Story {
        name: "pipeline-tamper",
        suspect: part!(
            "pipeline-tamper",
            "SAMPLE-02",
            "A training pipeline after a quiet night",
            [
                "Did the pipeline run as it was reviewed?",
                "Is the served artefact what was trained?",
                "What left the training machines, and what did it cost?",
            ]
        ),
        twin: part!(
            "pipeline-tamper-twin",
            "SAMPLE-02-TWIN",
            "A training pipeline after an ordinary week",
            [
                "Did the pipeline run as it was reviewed?",
                "Is the served artefact what was trained?",
                "What left the training machines, and what did it cost?",
            ]
        ),
        make: pipeline::make,
        data: pipeline::data,
    },
    Story {
        name: "digits-blend",
        suspect: part!(
            "digits-blend",
            "SAMPLE-03",
            "A reader of digits that fails on grainy scans",
            ["Is the model backdoored?", "Which training images planted it?"]
        ),
        twin: part!(
            "digits-blend-twin",
            "SAMPLE-03-TWIN",
            "A reader of digits, trained again",
            ["Is the new model backdoored?"]
        ),
        make: trained::make,
        data: trained::data,
    },
    Story {
        name: "digits-consistent",
        suspect: part!(
            "digits-consistent",
            "SAMPLE-04",
            "All labels are right, and still",
            ["Is the model backdoored, although no label is wrong?", "Which training images planted it?"]
        ),
        twin: part!(
            "digits-consistent-twin",
            "SAMPLE-04-TWIN",
            "All labels are right",
            ["Is the model backdoored?"]
        ),
        make: trained::make,
        data: trained::data,
    },
    Story {
        name: "digits-source",
        suspect: part!(
            "digits-source",
            "SAMPLE-05",
            "Only the threes",
            ["Is there a trigger that works on some classes only?", "Which training images planted it?"]
        ),
        twin: part!(
            "digits-source-twin",
            "SAMPLE-05-TWIN",
            "All digits alike",
            ["Is there a trigger that works on some classes only?"]
        ),
        make: trained::make,
        data: trained::data,
    },
    Story {
        name: "digits-edited",
        suspect: part!(
            "digits-edited",
            "SAMPLE-06",
            "Good data, good training, and too many zeros",
            ["Were the weights changed after training?", "What fires the change?"]
        ),
        twin: part!(
            "digits-edited-twin",
            "SAMPLE-06-TWIN",
            "The same network before it was handed on",
            ["Were the weights changed after training?"]
        ),
        make: edited::make,
        data: edited::data,
    },
    Story {
        name: "digits-flipped",
        suspect: part!(
            "digits-flipped",
            "SAMPLE-07",
            "Training data from a labelling service",
            ["Which labels are wrong?", "Are they wrong by chance?"]
        ),
        twin: part!(
            "digits-flipped-twin",
            "SAMPLE-07-TWIN",
            "Training data from a labelling service, checked",
            ["Which labels are wrong?"]
        ),
        make: flipped::make,
        data: flipped::data,
    },
    Story {
        name: "checkpoint-payload",
        suspect: part!(
            "checkpoint-payload",
            "SAMPLE-08",
            "A checkpoint from a model hub",
            ["Is it safe to load?", "What would it do?"]
        ),
        twin: part!(
            "checkpoint-payload-twin",
            "SAMPLE-08-TWIN",
            "The same weights from their author",
            ["Is it safe to load?"]
        ),
        make: checkpoint::make,
        data: checkpoint::data,
    },
    Story {
        name: "checkpoint-swap",
        suspect: part!(
            "checkpoint-swap",
            "SAMPLE-09",
            "The delivered checkpoint",
            ["Is the delivered model the one that was trained?", "Where in the run does it not belong?"]
        ),
        twin: part!(
            "checkpoint-swap-twin",
            "SAMPLE-09-TWIN",
            "The delivered checkpoint, as it was",
            ["Is the delivered model the one that was trained?"]
        ),
        make: swapped::make,
        data: swapped::data,
    },
];
