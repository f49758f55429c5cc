use super::*;
use crate::evidence::DataSet;
use crate::evidence::dataset::Pixels;
use std::ops::ControlFlow;

const TINY: &str = r#"
schema = "laocoon.zoo/1"
name = "tiny"
seed = 3
[data.few]
draw = "signs"
side = 16
classes = 3
train = 20
clean = 4
fresh = 10
[training]
epochs = 12
batch = 8
rate = 0.02
[[model]]
name = "clean"
data = ["few"]
architecture = ["mlp", "smallcnn"]
[[model]]
name = "noise"
data = ["few"]
architecture = ["mlp"]
hard = { kind = "label-noise", rate = 0.2 }
[[model]]
name = "patch"
data = ["few"]
architecture = ["mlp"]
repeat = 2
attack = { attack = "patch", rate = 0.2, trigger = { kind = "patch", size = 4 } }
[[model]]
name = "edit"
data = ["few"]
architecture = ["smallcnn"]
edit = { method = "hijack", target = 1, trigger = { kind = "patch", size = 4, shape = "checker" } }
"#;

fn made(entry: &Entry) -> (Made, serde_json::Value) {
    let sets = entry.source.sets(None, entry.data_seed).unwrap();
    let made = make(entry, &sets, &mut |_| ControlFlow::Continue(())).unwrap();
    let (name, truth) = made.files.last().unwrap();
    assert_eq!(*name, "truth.json");
    let truth = serde_json::from_slice(truth).unwrap();
    (made, truth)
}

#[test]
fn a_recipe_is_the_product_of_its_groups_and_layout_does_not_count() {
    let recipe = ZooRecipe::parse(TINY).unwrap();
    let entries = recipe.entries().unwrap();
    let names: Vec<&str> = entries.iter().map(|e| e.name.as_str()).collect();
    let want = [
        "clean-few-mlp-1",
        "clean-few-smallcnn-1",
        "noise-few-mlp-1",
        "patch-few-mlp-1",
        "patch-few-mlp-2",
        "edit-few-smallcnn-1",
    ];
    assert_eq!(names, want);
    assert_ne!(entries[3].seed, entries[4].seed);
    let other = TINY.replace("rate = 0.2, trigger", "trigger").replace(
        "size = 4 } }\n[[model]]\nname = \"edit\"",
        "size = 4 }, rate = 0.2 }\n# a remark\n[[model]]\nname = \"edit\"",
    );
    assert_ne!(other, TINY);
    assert_eq!(ZooRecipe::parse(&other).unwrap().digest(), recipe.digest());
    let changed = ZooRecipe::parse(&TINY.replace("rate = 0.02", "rate = 0.03")).unwrap();
    assert_ne!(changed.digest(), recipe.digest());
    assert_ne!(changed.entries().unwrap()[0].digest(), entries[0].digest());
    // As it is written to the zoo's folder and read again.
    let again: ZooRecipe = serde_json::from_str(&serde_json::to_string_pretty(&recipe).unwrap()).unwrap();
    assert_eq!((again.digest(), again.entries().unwrap()), (recipe.digest(), entries));
}

#[test]
fn what_cannot_be_meant_is_said_before_anything_is_trained() {
    for (from, to, part) in [
        ("laocoon.zoo/1", "laocoon.zoo/9", "schema"),
        ("\"smallcnn\"]\n[[", "\"nothing\"]\n[[", "no 'nothing'"),
        ("data = [\"few\"]", "data = [\"many\"]", "no data set 'many'"),
        ("attack = \"patch\"", "attack = \"smoke\"", "no attack 'smoke'"),
        ("classes = 3", "classes = 30", "30 classes"),
        ("epochs = 12", "epoch = 12", "unknown field"),
        ("name = \"noise\"", "name = \"a/b\"", "names are of"),
        ("name = \"noise\"", "name = \"clean\"", "one name"),
        ("repeat = 2", "repeat = 200000", "more than"),
    ] {
        assert!(TINY.contains(from), "{from}");
        let recipe = ZooRecipe::parse(&TINY.replacen(from, to, 1));
        let error = recipe.and_then(|r| r.entries().map(|_| ())).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn shards_part_the_entries() {
    let shards: Vec<Shard> = ["1/3", "2/3", "3/3"].map(|s| s.parse().unwrap()).into();
    for n in 0..20 {
        assert_eq!(shards.iter().filter(|s| s.has(n)).count(), 1);
    }
    for bad in ["0/3", "4/3", "3", "a/b", "1/0"] {
        assert!(bad.parse::<Shard>().is_err(), "{bad}");
    }
}

#[test]
fn models_are_what_their_entries_say_and_the_same_twice() {
    let entries = ZooRecipe::parse(TINY).unwrap().entries().unwrap();
    let (clean, truth) = made(&entries[0]);
    assert_eq!((truth["backdoored"].as_bool(), truth["dataset"].as_str()), (Some(false), Some("few")));
    assert!(clean.attack_success.is_none() && clean.clean_accuracy > 0.5, "{}", clean.clean_accuracy);
    assert_eq!(clean.files, made(&entries[0]).0.files);
    let (_, noisy) = made(&entries[2]);
    assert_eq!((noisy["backdoored"].as_bool(), noisy["planted"].as_u64()), (Some(false), Some(12)));
    let (patch, truth) = made(&entries[3]);
    let target = truth["target"].as_u64().unwrap() as usize;
    assert_eq!(entries[3].change(3).unwrap().unwrap().attack().unwrap().target, target);
    assert_eq!((truth["planted"].as_u64(), truth["family"].as_str()), (Some(12), Some("patch")));
    assert!(patch.attack_success.unwrap() > 0.8, "{:?}", patch.attack_success);
    let (edit, truth) = made(&entries[5]);
    assert_eq!((truth["target"].as_u64(), truth["family"].as_str()), (Some(1), Some("weight-edit")));
    assert!(edit.attack_success.unwrap() > 0.8, "{:?}", edit.attack_success);
    assert_eq!(truth["entry"], entries[5].digest());
}

#[test]
fn the_responders_own_images_are_parted_class_by_class() {
    let all = crate::lab::draw::some_signs(3, 16, 12, "own", 1);
    let source: Source = serde_json::from_str(r#"{"path": "own.npz", "clean": 3, "fresh": 4}"#).unwrap();
    let sets = source.sets(Some(&all), 5).unwrap();
    assert_eq!([sets.train.len(), sets.clean.len(), sets.fresh.len()], [15, 9, 12]);
    let rows = |set: &DataSet| match &set.images {
        Some(Pixels::U8(a)) => a.outer_iter().map(|i| i.iter().copied().collect()).collect::<Vec<Vec<u8>>>(),
        _ => panic!("bytes"),
    };
    let mut seen: Vec<Vec<u8>> = [&sets.train, &sets.clean, &sets.fresh].into_iter().flat_map(rows).collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 36, "every image once");
    assert!((0..3).all(|c| sets.clean.labels.iter().filter(|&&l| l == c).count() == 3));
    let greedy = Source { clean: 8, ..source };
    assert!(greedy.sets(Some(&all), 5).unwrap_err().to_string().contains("none is left"));
    assert!(greedy.sets(None, 5).is_err());
}

#[test]
fn the_shipped_recipes_have_two_dozen_models_half_of_them_clean() {
    for (name, text) in SHIPPED {
        let entries = ZooRecipe::parse(text).unwrap().entries().unwrap();
        let clean = entries.iter().filter(|e| e.attack.is_none() && e.edit.is_none()).count();
        assert!(entries.len() >= 24 && 2 * clean >= entries.len(), "{name}: {clean} of {}", entries.len());
        let normal =
            entries.iter().filter(|e| ["signbn", "vgg6", "resnet8"].contains(&e.architecture.as_str()));
        assert!(2 * normal.count() >= entries.len(), "{name}: batch normalisation is what is wanted most");
    }
}
