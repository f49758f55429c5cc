//! Bare weights, put into a network: a described one, a built-in one asked for by name, or the one that fits.

use super::store::Store;
use super::{Architecture, describe, error, unknown_architecture};
use crate::evidence::torch::{self, Checkpoint};
use crate::evidence::{
    Bytes, EvidenceError, InputSpec, Limits, ModelEntry, SafeTensors, Untrusted, text::visible,
};
use crate::network::description::known::{self, Fit, Shapes};
use crate::network::description::{Description, ParamKind, builtin};
use crate::network::{Graph, NetworkError};
use std::path::Path;

/// Graph, facts, how images enter, class names.
type Opened = (Graph, Vec<String>, Option<InputSpec>, Vec<Untrusted>);

pub(super) fn open_safetensors(
    entry: &ModelEntry,
    bytes: &Bytes,
    architecture: Option<Architecture>,
    limits: &Limits,
) -> Result<Opened, EvidenceError> {
    let file = SafeTensors::parse(&bytes.path, &bytes.data, limits)?;
    let store = Store::of_safetensors(&bytes.path, &file);
    let facts = vec![format!("safetensors, {} tensors", file.len())];
    open(entry, &bytes.path, store, architecture, &Stated::default(), facts, limits)
}

pub(super) fn open_checkpoint(
    entry: &ModelEntry,
    bytes: &Bytes,
    architecture: Option<Architecture>,
    limits: &Limits,
) -> Result<Opened, EvidenceError> {
    let mut file = torch::read(&bytes.path, &bytes.data, limits)?;
    let mut facts =
        vec![format!("PyTorch checkpoint, {} tensors, read without unpickling", file.tensors.len())];
    facts.append(&mut file.facts);
    let stated = Stated::of(&file);
    let store = Store::of_checkpoint(&bytes.path, file);
    let (graph, facts, input, names) = open(entry, &bytes.path, store, architecture, &stated, facts, limits)?;
    let own = graph.shape(graph.output).iter().product::<usize>() == stated.names.len();
    Ok((graph, facts, input, if names.is_empty() && own { stated.names } else { names }))
}

/// What a file says of its network besides the weights.
#[derive(Default)]
struct Stated {
    architecture: Option<String>,
    classes: Option<usize>,
    image: Option<[usize; 3]>,
    names: Vec<Untrusted>,
}

impl Stated {
    fn of(file: &Checkpoint) -> Self {
        Self {
            architecture: file.architecture.as_ref().map(|a| a.raw().to_owned()),
            classes: file.classes,
            image: file.image,
            names: file.class_names.clone(),
        }
    }
}

fn open(
    entry: &ModelEntry,
    path: &Path,
    mut store: Store,
    architecture: Option<Architecture>,
    stated: &Stated,
    mut facts: Vec<String>,
    limits: &Limits,
) -> Result<Opened, EvidenceError> {
    let image = entry.input.as_ref().map(|i| i.shape).or(stated.image);
    let (place, description) = match architecture {
        Some(Architecture::Description { path, text }) => (path, describe(path, text, limits)?),
        Some(Architecture::Named(name)) => {
            let found = match own(name, image, &store, path)? {
                Some(own) => own,
                None => named(name, image, &store, path, &mut facts)?,
            };
            (path, found)
        }
        None => (path, inferred(image, &store, path, stated, &mut facts)?),
    };
    let mut failure = None;
    let graph = description.build(limits, &mut |wanted| {
        let shape = (wanted.kind != ParamKind::Constant).then_some(wanted.shape.as_slice());
        store.take(&wanted.name, shape, &wanted.node).map_err(|e| {
            let said = NetworkError::malformed(e.place.clone(), e.reason.clone());
            failure = Some(e);
            said
        })
    });
    let graph = match (graph, failure) {
        (Ok(graph), _) => graph,
        (Err(_), Some(own)) => return Err(own),
        (Err(e), None) => return Err(error(place, "arch", &e)),
    };
    if let (Some(arch), Some(Architecture::Description { .. })) = (&description.arch, architecture) {
        facts.push(format!("described as {}", visible(arch)));
    }
    facts.extend(store.facts());
    if let Some(k) = stated.classes.filter(|k| graph.shape(graph.output) != [*k]) {
        facts.push(format!("states {k} classes, its network gives {:?} numbers", graph.shape(graph.output)));
    }
    let names = description.class_names.iter().map(Untrusted::new).collect();
    Ok((graph, facts, Some(description.input_spec()), names))
}

/// One of the two networks that are also trained here, for the shape of the case or one worked out from the weights.
fn own(
    name: &str,
    image: Option<[usize; 3]>,
    store: &Store,
    path: &Path,
) -> Result<Option<Description>, EvidenceError> {
    let (first, last) = match name {
        "smallcnn" => ("conv1.weight", "fc2.weight"),
        "resnet8" => ("stem.weight", "fc.weight"),
        _ => return Ok(None),
    };
    let size = |tensor: &str, axis: usize| {
        let shape = store.shape(tensor).ok_or_else(|| {
            let reason = format!("the weights are not those of {name}: there is no tensor '{tensor}'");
            EvidenceError::whole(path, "st.missing_tensor", reason)
        })?;
        Ok(shape.get(axis).copied().unwrap_or(0))
    };
    let (channels, classes) = (size(first, 1)?, size(last, 0)?);
    let shape = match (image, name) {
        (Some(shape), _) => shape,
        (None, "smallcnn") => {
            // The hidden layer reads 32 channels of a quarter of height and width: square images are assumed.
            let side = (size("fc1.weight", 1)? / 32).isqrt() * 4;
            [channels, side, side]
        }
        (None, _) => {
            let reason = "the size of its images is not in the weights: give [model.input] in the case file";
            return Err(EvidenceError::whole(path, "model.input", reason));
        }
    };
    builtin::describe(name, shape, classes).map(Some).ok_or_else(|| unknown_architecture(path, name))
}

/// The names that a published architecture goes by: `resnet18` is torchvision's and that for small images.
fn goes_by(fit: &Fit, name: &str) -> bool {
    let plain = |n: &str| n.to_ascii_lowercase().replace(['-', '_'], "");
    let (own, asked) = (plain(&fit.name), plain(name));
    // `TrojanZoo` calls its networks for small images `resnet18_comp`.
    let small = own.strip_suffix("cifar");
    own == asked || small.is_some_and(|s| s == asked || asked.strip_suffix("comp") == Some(s))
}

/// The published architecture of a name, if the weights fit it.
fn named(
    name: &str,
    image: Option<[usize; 3]>,
    store: &Store,
    path: &Path,
    facts: &mut Vec<String>,
) -> Result<Description, EvidenceError> {
    let fits = known::fits(&Shapes::new(store.shapes()), image);
    let known = known::NAMES.iter().any(|n| n.eq_ignore_ascii_case(name));
    let (mut matching, others): (Vec<Fit>, Vec<Fit>) = fits.into_iter().partition(|f| goes_by(f, name));
    // What can only be worked out goes by the name of its kind.
    if matching.is_empty() && name == "cnn" && others.len() == 1 {
        matching = others;
    } else if matching.is_empty() {
        if !known {
            return Err(unknown_architecture(path, name));
        }
        let fitting: Vec<&str> = others.iter().map(|f| f.name.as_str()).collect();
        let fitting = if fitting.is_empty() {
            "none of the built-in networks fits them: give a network description (JSON)".to_owned()
        } else {
            format!("they fit {}", fitting.join(" or "))
        };
        let reason = format!("names and shapes of the weights are not those of {}; {fitting}", visible(name));
        return Err(EvidenceError::whole(path, "model.architecture", reason));
    }
    let fit = matching.swap_remove(0);
    facts.push(format!(
        "architecture {} as asked for, under the names of its weights: {}",
        visible(name),
        fit.name
    ));
    if !fit.assumed.is_empty() {
        facts.push(format!("taken on trust: {}", fit.assumed.join("; ")));
    }
    Ok(fit.description)
}

/// The one published architecture whose tensors are exactly those of the file.
fn inferred(
    image: Option<[usize; 3]>,
    store: &Store,
    path: &Path,
    stated: &Stated,
    facts: &mut Vec<String>,
) -> Result<Description, EvidenceError> {
    let mut fits = known::fits(&Shapes::new(store.shapes()), image);
    let states = stated.architecture.as_deref();
    if fits.len() > 1
        && let Some(one) = states.and_then(|name| fits.iter().position(|f| goes_by(f, name)))
    {
        fits = vec![fits.swap_remove(one)];
    }
    let hint = states.map(|s| format!(" (the file calls itself '{}')", visible(s))).unwrap_or_default();
    let refused = |reason: String| Err(EvidenceError::whole(path, "model.architecture", reason));
    match fits.len() {
        0 => {
            let tensors: Vec<String> =
                store.shapes().take(4).map(|(n, s)| format!("{} {s:?}", visible(n))).collect();
            refused(format!(
                "holds weights only{hint}, and names and shapes of its {} tensors ({}, …) are exactly those of no built-in \
                 network: name the network in the case file, [model] architecture = a network description (JSON) or one \
                 of {}",
                store.len(),
                tensors.join(", "),
                names().join(", ")
            ))
        }
        1 => {
            let fit = fits.swap_remove(0);
            let count = fit.description.nodes.iter().map(|n| n.params.len()).sum::<usize>();
            facts.push(format!(
                "architecture inferred: {}; the only built-in one that asks for exactly these {count} names and shapes{hint}",
                fit.name
            ));
            if !fit.assumed.is_empty() {
                facts.push(format!("not in the weights, taken on trust: {}", fit.assumed.join("; ")));
            }
            Ok(fit.description)
        }
        _ => {
            let all: Vec<&str> = fits.iter().map(|f| f.name.as_str()).collect();
            refused(format!(
                "holds weights only{hint} that fit {} networks: {}; say which by [model] architecture, or give the size of \
                 its images in [model.input]",
                all.len(),
                all.join(" · ")
            ))
        }
    }
}

/// All names of built-in architectures.
pub(super) fn names() -> Vec<&'static str> {
    builtin::NAMES.iter().chain(&known::NAMES).copied().collect()
}
