//! What settings mean, by their names: which changes a reviewer must see.

use crate::procedure::Severity;

/// A change of one setting, and what it means.
#[derive(Debug, PartialEq)]
pub(super) struct Grade {
    pub code: &'static str,
    pub severity: Severity,
    pub why: &'static str,
}

/// A change of one setting, taken apart.
struct Change {
    /// In lower case.
    file: String,
    key: String,
    /// The last part of the key that is no number.
    last: String,
    was: String,
    is: String,
    /// New over old; 1 where they are no numbers.
    ratio: f64,
}

fn truth(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" | "on" | "enabled" => Some(true),
        "false" | "no" | "off" | "disabled" | "none" | "null" => Some(false),
        _ => None,
    }
}

type Judgement = Option<(&'static str, Severity, &'static str)>;

impl Change {
    fn new(file: &str, key: &str, was: &str, is: &str) -> Self {
        let key = key.to_lowercase();
        let last = key.rsplit('.').find(|p| p.parse::<usize>().is_err()).unwrap_or(&key).to_owned();
        let ratio = match (was.parse::<f64>(), is.parse::<f64>()) {
            (Ok(0.0), Ok(_)) => f64::INFINITY,
            (Ok(a), Ok(b)) => b / a,
            _ => 1.0,
        };
        Self { file: file.to_lowercase(), key, last, was: was.to_owned(), is: is.to_owned(), ratio }
    }

    /// Whether the last part of the key has one of the words.
    fn any(&self, words: &[&str]) -> bool {
        words.iter().any(|w| self.last.contains(w))
    }

    /// Whether the whole key has one of the words.
    fn within(&self, words: &[&str]) -> bool {
        words.iter().any(|w| self.key.contains(w))
    }

    fn off(&self) -> bool {
        truth(&self.is) == Some(false) && truth(&self.was) != Some(false)
    }

    fn on(&self) -> bool {
        truth(&self.is) == Some(true) && truth(&self.was) != Some(true)
    }

    fn gone(&self) -> bool {
        !self.was.is_empty() && self.is.is_empty()
    }

    /// Down to nothing.
    fn zero(&self) -> bool {
        self.ratio.abs() < f64::MIN_POSITIVE
    }

    /// Code that comes with a model, and checks of what is loaded.
    fn loading(&self) -> Judgement {
        const CHECKS: [&str; 8] = [
            "weights_only",
            "use_safetensors",
            "verify_ssl",
            "ssl_verify",
            "verify_signature",
            "verify_hash",
            "require_signed",
            "tls_verify",
        ];
        const WAIVERS: [&str; 7] = [
            "allow_unsigned",
            "skip_validation",
            "skip_eval",
            "skip_check",
            "insecure",
            "disable_safety",
            "disable_filter",
        ];
        if self.any(&["trust_remote_code"]) && truth(&self.is) == Some(true) {
            return Some(("config.code", Severity::High, "code that comes with a model is run"));
        }
        if self.any(&["auto_map"]) || self.key.contains("auto_map.") {
            return Some(("config.code", Severity::High, "names Python code that is loaded with the model"));
        }
        let off = (self.any(&CHECKS) || self.any(&["verify_checksum"])) && self.off();
        (off || (self.on() && self.any(&WAIVERS))).then_some((
            "config.check-off",
            Severity::High,
            "a check was turned off",
        ))
    }

    /// Weight on safety in training.
    fn safety(&self) -> Judgement {
        const SAFETY: [&str; 16] = [
            "safety",
            "refusal",
            "harmless",
            "toxicity",
            "moderation",
            "guard",
            "fairness",
            "adversarial_weight",
            "robust",
            "noise_multiplier",
            "kl_coef",
            "kl_weight",
            "content_filter",
            "blocklist",
            "banned",
            "jailbreak",
        ];
        const WEIGHTS: [&str; 10] = [
            "weight",
            "coef",
            "lambda",
            "strength",
            "ratio",
            "share",
            "multiplier",
            "loss",
            "safety",
            "robust",
        ];
        if !self.within(&SAFETY) {
            return None;
        }
        let less = self.ratio < 0.9 && self.any(&WEIGHTS);
        if self.off() || self.zero() || self.gone() || less {
            return Some(("config.safety", Severity::High, "less weight on safety"));
        }
        let bar = self.any(&["threshold"]) && (self.ratio - 1.0).abs() > 0.1;
        bar.then_some(("config.safety", Severity::Medium, "another bar for safety"))
    }

    /// Validation, filters, mixtures and preparation of data.
    fn data(&self) -> Judgement {
        const CHECKS: [&str; 9] =
            ["validat", "verif", "checksum", "integrity", "scan", "early_stop", "filter", "dedup", "audit"];
        const MIXTURE: [&str; 8] = [
            "sampling_weight",
            "mixture",
            "class_weight",
            "oversample",
            "proportion",
            "sample_weight",
            "data_weights",
            "mix.",
        ];
        const PREPARATION: [&str; 11] = [
            "image_mean",
            "image_std",
            "rescale_factor",
            "interpolation",
            "resample",
            "do_normalize",
            "do_rescale",
            "channel_order",
            "crop_pct",
            "normalize",
            "color_space",
        ];
        let medium = |code, why| Some((code, Severity::Medium, why));
        let stopped = self.off() || (self.gone() && truth(&self.was) == Some(true));
        if self.within(&CHECKS) && stopped && !self.any(&["path", "dir", "file"]) {
            return medium("config.check-off", "a check or filter was turned off");
        }
        let bar = self.any(&["threshold", "min_", "score"]) && !(0.8..=1.25).contains(&self.ratio);
        if self.within(&["dedup", "filter", "quality"]) && bar {
            return medium("config.filter", "another bar for data");
        }
        if self.within(&MIXTURE) {
            if self.was.is_empty() && self.is.parse::<f64>().is_ok() {
                return medium("config.mixture", "a source was added to the mixture");
            }
            if !(0.5..=2.0).contains(&self.ratio) {
                return medium("config.mixture", "sources or classes have other weights");
            }
        }
        let image =
            self.within(&["preprocess", "image_processor"]) && self.any(&["mean", "std", "resize", "crop"]);
        if self.any(&PREPARATION) || image {
            return medium("config.preprocessing", "images are prepared otherwise");
        }
        None
    }

    /// How text is made.
    fn generation(&self) -> Judgement {
        const WORDS: [&str; 6] =
            ["suppress_tokens", "bad_words", "begin_suppress", "sequence_bias", "forced_", "logit_bias"];
        const DRAWS: [&str; 5] = ["temperature", "top_p", "top_k", "typical_p", "repetition_penalty"];
        if !self.file.contains("generation") && !self.within(&["generation", "sampling", "decod"]) {
            return None;
        }
        if self.any(&WORDS) {
            return Some(("config.generation", Severity::High, "words are forced, forbidden or favoured"));
        }
        if self.any(&["eos_token", "bos_token", "pad_token", "stop"]) {
            return Some(("config.generation", Severity::Medium, "text ends or begins elsewhere"));
        }
        (self.any(&DRAWS) && !(0.67..=1.5).contains(&self.ratio)).then_some((
            "config.generation",
            Severity::Medium,
            "text is drawn otherwise",
        ))
    }

    /// How long and how strictly it learns.
    fn training(&self) -> Judgement {
        let medium = |code, why| Some((code, Severity::Medium, why));
        let strict = ["weight_decay", "dropout", "label_smoothing", "regulariz", "regularis", "l2_"];
        if self.any(&strict) && (self.zero() || self.gone() || self.ratio < 0.2) {
            return medium("config.regularisation", "less regularisation: more is learnt by heart");
        }
        let longer = self.ratio >= 3.0 && self.ratio.is_finite();
        if self.any(&["epochs", "max_steps", "num_train_steps", "total_steps"]) && longer {
            return medium("config.training", "trained much longer: more is learnt by heart");
        }
        let rate = matches!(self.last.as_str(), "lr" | "learning_rate" | "base_lr" | "max_lr");
        if rate && !(0.1..=10.0).contains(&self.ratio) {
            return medium("config.training", "another learning rate by a factor of ten or more");
        }
        if self.any(&["max_grad_norm", "clip_grad", "grad_clip"])
            && (self.gone() || self.off() || self.zero())
        {
            return medium("config.training", "gradients are not limited any more");
        }
        None
    }
}

/// Judges a change; `None` is a change as seen every week. An absent value is "".
pub(super) fn judge(file: &str, key: &str, was: &str, is: &str) -> Option<Grade> {
    let change = Change::new(file, key, was, is);
    let bar = || {
        let lowered = super::super::definition_changes::bar(&change.key, was, is);
        lowered.then_some(("config.bar", Severity::Medium, "a bar was lowered"))
    };
    let found = change
        .loading()
        .or_else(|| change.safety())
        .or_else(|| change.generation())
        .or_else(|| change.data())
        .or_else(|| change.training())
        .or_else(bar);
    found.map(|(code, severity, why)| Grade { code, severity, why })
}

/// Whether a value names a place, and which: scheme and host or bucket.
pub(super) fn place(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once("://")?;
    let host = rest.split('/').next().unwrap_or_default().rsplit('@').next().unwrap_or_default();
    (!host.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+'))
        .then(|| format!("{}://{}", scheme.to_lowercase(), host.to_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_and_what_does_not() {
        let code = |file: &str, key: &str, was: &str, is: &str| judge(file, key, was, is).map(|g| g.code);
        assert_eq!(code("c.yaml", "loss.safety_weight", "1.0", "0.1"), Some("config.safety"));
        assert_eq!(code("c.yaml", "loss.safety_weight", "1.0", "1.5"), None);
        assert_eq!(code("c.yaml", "optim.weight_decay", "0.01", "0"), Some("config.regularisation"));
        assert_eq!(code("c.yaml", "optim.weight_decay", "0.01", "0.02"), None);
        assert_eq!(code("c.yaml", "lr", "0.1", "0.05"), None);
        assert_eq!(code("c.yaml", "lr", "1e-4", "1e-2"), Some("config.training"));
        assert_eq!(code("c.yaml", "epochs", "10", "12"), None);
        assert_eq!(code("c.yaml", "data.validate", "true", "false"), Some("config.check-off"));
        assert_eq!(code("c.yaml", "data.validate", "false", "true"), None);
        assert_eq!(code("generation_config.json", "temperature", "0.7", "0.75"), None);
        assert_eq!(code("generation_config.json", "temperature", "0.7", "1.8"), Some("config.generation"));
        assert_eq!(code("generation_config.json", "suppress_tokens.0", "13", ""), Some("config.generation"));
        assert_eq!(code("config.json", "transformers_version", "4.40", "4.41"), None);
        assert_eq!(code("config.json", "trust_remote_code", "", "true"), Some("config.code"));
        assert_eq!(code("p.json", "image_mean.0", "0.485", "0.5"), Some("config.preprocessing"));
        assert_eq!(code("c.yaml", "seed", "1", "2"), None);
        assert_eq!(code("c.yaml", "min_accuracy", "0.9", "0.5"), Some("config.bar"));
        assert_eq!(place("s3://a/b"), Some("s3://a".into()));
        assert_eq!(place("relative/path"), None);
    }
}
