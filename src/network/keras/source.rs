//! The two places Keras keeps a model in: a zip archive with a configuration and an HDF5 file of weights by position, or
//! one HDF5 file with the configuration as an attribute and weights by name.

use crate::evidence::archive::zip::{Content, Listed, Zip};
use crate::evidence::hdf5::File;
use crate::evidence::limits::cap;
use crate::evidence::{EvidenceError, Format, Limits, Untrusted, text::visible};
use ndarray::ArrayD;
use serde_json::Value;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

/// What an archive holds besides its weights: the texts of its configuration and of what it says of itself.
pub(super) struct Texts {
    config: String,
    about: Option<String>,
}

/// The bytes of a model file, its members unpacked.
pub(super) struct Parts<'a> {
    weights: Cow<'a, [u8]>,
    texts: Option<Texts>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(
        path: &Path,
        data: &'a [u8],
        format: Format,
        limits: &Limits,
    ) -> Result<Self, EvidenceError> {
        if format != Format::KerasV3 {
            return Ok(Self { weights: Cow::Borrowed(data), texts: None });
        }
        let zip = Zip::read(data);
        let text = |name: &str| {
            let bytes = member(path, &zip, name, limits.text_bytes, limits)?;
            bytes
                .map(|b| String::from_utf8(b.into_owned()).map_err(|_| wrong(path, name, "is no UTF-8 text")))
                .transpose()
        };
        let config =
            text("config.json")?.ok_or_else(|| wrong(path, "config.json", "is not in the archive"))?;
        let about = text("metadata.json")?;
        let cap = limits.unpacked_bytes.min(limits.file_bytes);
        let weights = member(path, &zip, "model.weights.h5", cap, limits)?.ok_or_else(|| {
            let reason = "is not in the archive; weights in other forms (npz, shards) are not read: save the model again";
            wrong(path, "model.weights.h5", reason)
        })?;
        Ok(Self { weights, texts: Some(Texts { config, about }) })
    }

    pub(super) fn open<'p>(
        &'p self,
        path: &'p Path,
        limits: &'p Limits,
    ) -> Result<Source<'p>, EvidenceError> {
        let file = File::open(path, &self.weights, limits)?;
        let parse = |what: &str, text: &str| -> Result<Value, EvidenceError> {
            if text.len() as u64 > limits.text_bytes {
                let reason = format!("{} bytes; {}", text.len(), cap!(limits, text_bytes));
                return Err(EvidenceError::at(path, what, "keras.limit", reason));
            }
            serde_json::from_str(text).map_err(|e| {
                EvidenceError::at(
                    path,
                    what,
                    "keras.config",
                    format!("not JSON: {}", visible(&e.to_string())),
                )
            })
        };
        if let Some(texts) = &self.texts {
            let about = texts.about.as_deref().map(|t| parse("metadata.json", t)).transpose()?;
            let version =
                about.as_ref().and_then(|a| a["keras_version"].as_str()).unwrap_or_default().to_owned();
            let config = parse("config.json", &texts.config)?;
            return Ok(Source { path, file, config, version, by_name: false, names: RefCell::default() });
        }
        let one = |name: &str| Ok(file.texts("", name)?.and_then(|t| t.into_iter().next()));
        let Some(config) = one("model_config")? else {
            let what = if file.has("model_weights")
                || file.paths().any(|p| p.ends_with("/vars/0") || p.ends_with("kernel:0"))
            {
                "holds weights of Keras only: save the whole model (model.save), not its weights"
            } else {
                "is an HDF5 file without the configuration of a Keras model"
            };
            return Err(EvidenceError::whole(path, "keras.config", what));
        };
        let config = parse("model_config", &config)?;
        let version = one("keras_version")?.unwrap_or_default();
        Ok(Source { path, file, config, version, by_name: true, names: RefCell::default() })
    }
}

fn wrong(path: &Path, member: &str, reason: &str) -> EvidenceError {
    EvidenceError::at(path, format!("member '{member}'"), "keras.layout", reason)
}

/// A member of an archive, whole; `None` when there is none of that name.
fn member<'a>(
    path: &Path,
    zip: &Zip<'a>,
    name: &str,
    cap: u64,
    limits: &Limits,
) -> Result<Option<Cow<'a, [u8]>>, EvidenceError> {
    let fail = |reason: &str| Err(wrong(path, name, reason));
    let mut found = zip.members.iter().filter(|m| m.listed == Listed::Central && m.name == name);
    let Some(member) = found.next() else { return Ok(None) };
    if found.next().is_some() {
        return fail("is there twice");
    }
    if member.encrypted() {
        return fail("is encrypted");
    }
    // What unpacks to more than a hundred times its size holds no trained weights.
    let packed = member.packed.saturating_mul(limits.archive_ratio).saturating_add(limits.bomb_bytes);
    let cap = cap.min(packed);
    match zip.unpack(member, cap) {
        None => fail("is packed in a way that is not read"),
        Some(content) if content.is_cut() => fail(&format!("unpacks to more than {cap} bytes")),
        Some(Content::Stored(bytes, _)) if bytes.len() as u64 == member.size => {
            Ok(Some(Cow::Borrowed(bytes)))
        }
        Some(Content::Unpacked(u)) if u.data.len() as u64 == member.size => Ok(Some(Cow::Owned(u.data))),
        Some(_) => fail("is shorter than its directory says"),
    }
}

/// An opened model file.
pub(super) struct Source<'a> {
    path: &'a Path,
    file: File<'a>,
    /// The model's configuration.
    pub(super) config: Value,
    /// Version of Keras that wrote it; empty when it does not say.
    pub(super) version: String,
    /// Weights are kept by name (`.h5`), not by position (`.keras`).
    by_name: bool,
    names: RefCell<HashMap<String, Rc<Names>>>,
}

/// Names of weights by what they are asked for; `None` where several are called so.
type Names = HashMap<String, Option<String>>;

/// Where the weights of a layer are.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// `.keras`: the layer's group. `.h5`: the group of the layer of the whole model that it is in.
    group: String,
    /// `.h5`: the layer's own name, where it lies in a model within the model.
    inner: Option<String>,
}

/// A model, or a model within it: where the weights of its layers are.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// `.keras`: what stands in front of `layers`. `.h5`: the group of the layer of the whole model, or nothing.
    group: String,
    /// `.keras`: group of each layer by its name.
    groups: HashMap<String, String>,
}

impl Source<'_> {
    /// The scope of the model whose layers (class, name) are these, in order. `outer`: where it lies as a layer of another.
    pub(super) fn scope(
        &self,
        outer: Option<&Place>,
        layers: &[(String, String)],
    ) -> Result<Scope, EvidenceError> {
        if self.by_name {
            return Ok(Scope {
                group: outer.map(|p| p.group.clone()).unwrap_or_default(),
                groups: HashMap::new(),
            });
        }
        let group = outer.map(|p| format!("{}/", p.group)).unwrap_or_default();
        let (mut groups, mut used) = (HashMap::new(), HashMap::<String, usize>::new());
        // Newer versions note the name of each layer with its variables.
        let lead = format!("{group}layers/");
        let own: Vec<&str> = self
            .file
            .below(&lead)
            .filter_map(|p| p.strip_prefix(lead.as_str())?.strip_suffix("/vars").filter(|p| !p.contains('/')))
            .collect();
        let mut noted = HashMap::new();
        for p in own {
            let at = format!("{lead}{p}");
            if let Some(name) =
                self.file.texts(&format!("{at}/vars"), "name")?.and_then(|t| t.into_iter().next())
            {
                noted.insert(name, at);
            }
        }
        for (class, name) in layers {
            let snake = snake(class);
            let count = used.entry(snake.clone()).and_modify(|n| *n += 1).or_insert(0);
            let by_class =
                if *count == 0 { format!("{lead}{snake}") } else { format!("{lead}{snake}_{count}") };
            groups.insert(name.clone(), noted.get(name).cloned().unwrap_or(by_class));
        }
        Ok(Scope { group, groups })
    }

    /// Where the weights of a layer of a scope are.
    pub(super) fn place(&self, scope: &Scope, layer: &str) -> Place {
        if !self.by_name {
            let group =
                scope.groups.get(layer).cloned().unwrap_or_else(|| format!("{}layers/?", scope.group));
            return Place { group, inner: None };
        }
        if scope.group.is_empty() {
            let lead = if self.file.has("model_weights") { "model_weights/" } else { "" };
            Place { group: format!("{lead}{layer}"), inner: None }
        } else {
            Place { group: scope.group.clone(), inner: Some(layer.to_owned()) }
        }
    }

    /// The weights of a layer in the order of `roles` (`a|b`: either name).
    pub(super) fn weights(&self, place: &Place, roles: &[&str]) -> Result<Vec<ArrayD<f32>>, EvidenceError> {
        if !self.by_name {
            return (0..roles.len()).map(|k| self.array(&format!("{}/vars/{k}", place.group))).collect();
        }
        let names = self.names(&place.group)?;
        let mut out = Vec::new();
        for role in roles {
            let key = |role: &str| match &place.inner {
                Some(inner) => format!("{inner}/{role}"),
                None => format!("/{role}"),
            };
            let mut found = role.split('|').filter_map(|r| names.get(&key(r)));
            match found.next() {
                Some(Some(name)) => out.push(self.array(&format!("{}/{name}", place.group))?),
                Some(None) => return Err(self.fault(&place.group, format!("has several weights '{role}'"))),
                None => return Err(self.fault(&place.group, format!("has no weight '{role}'"))),
            }
        }
        Ok(out)
    }

    /// The names of the weights of a group by `layer/role` and by `/role`; nothing where several are called so.
    fn names(&self, group: &str) -> Result<Rc<Names>, EvidenceError> {
        if let Some(known) = self.names.borrow().get(group) {
            return Ok(known.clone());
        }
        let mut index = Names::new();
        for name in self.list(group)? {
            let mut parts = name.rsplit('/');
            let role = parts.next().map(|p| p.strip_suffix(":0").unwrap_or(p)).unwrap_or_default();
            let layer = parts.next().unwrap_or_default();
            let own = (!layer.is_empty()).then(|| format!("{layer}/{role}"));
            for key in own.into_iter().chain([format!("/{role}")]) {
                index.entry(key).and_modify(|n| *n = None).or_insert_with(|| Some(name.clone()));
            }
        }
        let index = Rc::new(index);
        self.names.borrow_mut().insert(group.to_owned(), index.clone());
        Ok(index)
    }

    /// The names as they stand; in parts where there are many.
    fn list(&self, group: &str) -> Result<Vec<String>, EvidenceError> {
        if !self.file.has(group) {
            return Err(self.fault(group, "is not in the file".to_owned()));
        }
        if let Some(names) = self.file.texts(group, "weight_names")? {
            return Ok(names);
        }
        let mut all = Vec::new();
        for k in 0.. {
            match self.file.texts(group, &format!("weight_names{k}"))? {
                Some(names) => all.extend(names),
                None => break,
            }
        }
        Ok(all)
    }

    fn fault(&self, group: &str, reason: String) -> EvidenceError {
        EvidenceError::at(self.path, format!("weights of '{}'", visible(group)), "keras.weights", reason)
    }

    fn array(&self, path: &str) -> Result<ArrayD<f32>, EvidenceError> {
        if !self.file.has(path) {
            return Err(self.fault(path, "are not in the file".to_owned()));
        }
        let array = self.file.array(path)?;
        let name = Untrusted::new(path);
        array.raw(self.path, &name).to_f32()
    }
}

/// A class name as Keras names its group: `BatchNormalization` → `batch_normalization`, `ReLU` → `re_lu`.
fn snake(class: &str) -> String {
    let chars: Vec<char> = class.chars().filter(|c| c.is_alphanumeric() || *c == '_').collect();
    let mut out = String::new();
    for (k, &c) in chars.iter().enumerate() {
        let (before, after) = (k.checked_sub(1).and_then(|k| chars.get(k)), chars.get(k + 1));
        let begins_word = c.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase);
        let after_small = c.is_ascii_uppercase() && before.is_some_and(char::is_ascii_lowercase);
        if before.is_some() && (begins_word || after_small) {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_named_as_keras_names_them() {
        for (class, group) in [
            ("Conv2D", "conv2d"),
            ("BatchNormalization", "batch_normalization"),
            ("ReLU", "re_lu"),
            ("PReLU", "p_re_lu"),
            ("LeakyReLU", "leaky_re_lu"),
            ("ELU", "elu"),
            ("DepthwiseConv2D", "depthwise_conv2d"),
            ("SeparableConv2D", "separable_conv2d"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("InputLayer", "input_layer"),
        ] {
            assert_eq!(snake(class), group);
        }
    }
}
