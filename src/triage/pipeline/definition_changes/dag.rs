//! Definitions written in Python: Airflow DAGs, Kubeflow and `SageMaker` SDK pipelines, read from the tree.

use super::super::python::{Module, blocks, dotted, keyword, last, string};
use super::workflow::{Step, Workflow};
use ruff_python_ast::{Expr, ExprCall, Operator, Stmt};
use ruff_text_size::Ranged;
use std::collections::{BTreeMap, HashMap};

/// The workflow that a module defines, if it defines one.
pub(super) fn read(module: &Module, file: &str) -> Option<Workflow> {
    let airflow = module.text.contains("airflow");
    let kubeflow = module.text.contains("kfp") || module.text.contains("dsl.pipeline");
    let sagemaker = module.text.contains("sagemaker.workflow");
    if !(airflow || kubeflow || sagemaker) {
        return None;
    }
    let kind = if airflow {
        "airflow"
    } else if kubeflow {
        "kubeflow"
    } else {
        "sagemaker"
    };
    let mut read = Read {
        module,
        flow: Workflow { name: file.to_owned(), kind, file: file.to_owned(), ..Workflow::default() },
        steps: HashMap::new(),
        functions: HashMap::new(),
        condition: Vec::new(),
    };
    read.functions(module.body);
    read.block(module.body, false);
    (!read.flow.steps.is_empty()).then_some(read.flow)
}

struct Read<'m, 'a> {
    module: &'m Module<'a>,
    flow: Workflow,
    /// Variables that hold steps.
    steps: HashMap<String, Vec<String>>,
    /// Functions that are steps when called, with their source.
    functions: HashMap<String, Component>,
    condition: Vec<String>,
}

#[derive(Clone, Default)]
struct Component {
    step: bool,
    source: String,
    image: String,
    settings: BTreeMap<String, String>,
}

impl Read<'_, '_> {
    /// Functions of the module: decorated ones are steps.
    fn functions(&mut self, body: &[Stmt]) {
        for stmt in body {
            if let Stmt::FunctionDef(f) = stmt {
                let mut component =
                    Component { source: self.module.source(stmt.range()).to_owned(), ..Component::default() };
                for d in &f.decorator_list {
                    let name = dotted(&d.expression);
                    component.step |= last(&name) == "component"
                        || name == "task"
                        || name.starts_with("task.")
                        || last(&name) == "step"
                        || last(&name) == "container_component";
                    if let Expr::Call(call) = &d.expression {
                        component.image = keyword(call, "base_image")
                            .or_else(|| keyword(call, "image"))
                            .map(|e| self.text(e))
                            .unwrap_or_default();
                        component.settings = self.keywords(call);
                        if last(&name) == "dag" {
                            self.dag(call);
                        }
                    }
                }
                self.functions.insert(f.name.to_string(), component);
            }
            for block in blocks(stmt) {
                self.functions(block);
            }
        }
    }

    fn block(&mut self, body: &[Stmt], inside: bool) {
        for stmt in body {
            match stmt {
                // The body of a step is what it runs, not part of the graph.
                Stmt::FunctionDef(f) => {
                    let pipeline = f
                        .decorator_list
                        .iter()
                        .any(|d| matches!(last(&dotted(&d.expression)), "dag" | "pipeline" | "task_group"));
                    let component = self.functions.get(f.name.as_str()).is_some_and(|c| c.step);
                    if pipeline || (!component && !inside && f.name.contains("pipeline")) {
                        self.block(&f.body, true);
                    }
                }
                Stmt::Assign(s) => {
                    let ids = self.value(&s.value);
                    for target in &s.targets {
                        if !ids.is_empty() {
                            self.steps.insert(dotted(target), ids.clone());
                        }
                    }
                }
                Stmt::Expr(s) => drop(self.value(&s.value)),
                Stmt::Return(s) => drop(s.value.as_ref().map(|v| self.value(v))),
                Stmt::With(s) => {
                    let mut conditions = 0;
                    for item in &s.items {
                        if let Expr::Call(call) = &item.context_expr {
                            let name = dotted(&call.func);
                            if matches!(last(&name), "Condition" | "If" | "Elif" | "Else") {
                                self.condition.push(
                                    call.arguments.args.first().map(|a| self.text(a)).unwrap_or_default(),
                                );
                                conditions += 1;
                            } else if last(&name) == "DAG" {
                                self.dag(call);
                            }
                        }
                    }
                    self.block(&s.body, inside);
                    self.condition.truncate(self.condition.len() - conditions);
                }
                _ => {
                    for block in blocks(stmt) {
                        self.block(block, inside);
                    }
                }
            }
        }
    }

    /// Arguments of the DAG itself.
    fn dag(&mut self, call: &ExprCall) {
        for (name, value) in self.keywords(call) {
            if matches!(name.as_str(), "schedule" | "schedule_interval" | "timetable") {
                self.flow.triggers.insert("schedule".into(), value);
            } else if name != "tags" && name != "description" && name != "doc_md" && name != "start_date" {
                self.flow.settings.insert(name, value);
            }
        }
        if let Some(id) =
            call.arguments.args.first().and_then(string).or_else(|| keyword(call, "dag_id").and_then(string))
        {
            id.clone_into(&mut self.flow.name);
        }
    }

    /// The steps that an expression stands for; those it makes are added.
    fn value(&mut self, expr: &Expr) -> Vec<String> {
        match expr {
            Expr::Name(n) => self.steps.get(n.id.as_str()).cloned().unwrap_or_default(),
            Expr::Attribute(a) => {
                let own = self.steps.get(&dotted(expr)).cloned();
                own.unwrap_or_else(|| self.value(&a.value))
            }
            Expr::Subscript(s) => self.value(&s.value),
            Expr::List(l) => l.elts.iter().flat_map(|e| self.value(e)).collect(),
            Expr::Tuple(l) => l.elts.iter().flat_map(|e| self.value(e)).collect(),
            Expr::Dict(d) => d.items.iter().flat_map(|i| self.value(&i.value)).collect(),
            Expr::BinOp(b) if matches!(b.op, Operator::RShift | Operator::LShift) => {
                let (left, right) = (self.value(&b.left), self.value(&b.right));
                if b.op == Operator::RShift {
                    self.wait(&right, &left);
                } else {
                    self.wait(&left, &right);
                }
                right
            }
            Expr::Call(call) => self.call(call),
            _ => Vec::new(),
        }
    }

    fn wait(&mut self, who: &[String], what: &[String]) {
        for step in self.flow.steps.iter_mut().filter(|s| who.contains(&s.id)) {
            step.needs.extend(what.iter().cloned());
        }
    }

    #[expect(clippy::too_many_lines, reason = "one kind of call after the other")]
    fn call(&mut self, call: &ExprCall) -> Vec<String> {
        let name = dotted(&call.func);
        let method = last(&name).to_owned();
        let arguments: Vec<&Expr> =
            call.arguments.args.iter().chain(call.arguments.keywords.iter().map(|k| &k.value)).collect();
        if let Expr::Attribute(a) = &*call.func {
            let receiver = self.value(&a.value);
            if !receiver.is_empty() {
                match method.as_str() {
                    "set_downstream" => {
                        let other: Vec<String> = arguments.iter().flat_map(|e| self.value(e)).collect();
                        self.wait(&other, &receiver);
                    }
                    "set_upstream" | "after" | "add_depends_on" => {
                        let other: Vec<String> = arguments.iter().flat_map(|e| self.value(e)).collect();
                        self.wait(&receiver, &other);
                    }
                    "expand" | "partial" | "override" => {}
                    // A setting of a step: `.set_env_variable("X", "…")`, `.ignore_upstream_failure()`.
                    other => {
                        let text: Vec<String> = arguments.iter().map(|e| self.text(e)).collect();
                        for step in self.flow.steps.iter_mut().filter(|s| receiver.contains(&s.id)) {
                            step.tolerant |= other == "ignore_upstream_failure";
                            step.settings.insert(other.to_owned(), text.join(" "));
                        }
                    }
                }
                return receiver;
            }
        }
        if matches!(method.as_str(), "chain" | "cross_downstream") {
            let parts: Vec<Vec<String>> = call.arguments.args.iter().map(|e| self.value(e)).collect();
            for pair in parts.windows(2) {
                self.wait(&pair[1], &pair[0]);
            }
            return parts.into_iter().next_back().unwrap_or_default();
        }
        let component =
            self.functions.get(name.split('.').next().unwrap_or_default()).filter(|c| c.step).cloned();
        let id = ["task_id", "name", "step_name", "display_name"]
            .iter()
            .find_map(|k| keyword(call, k))
            .map(|e| self.text(e));
        let operator = method.ends_with("Operator")
            || method.ends_with("Sensor")
            || (method.ends_with("Step") && id.is_some());
        if component.is_none() && !operator {
            // Whatever steps are inside it still exist.
            let inner: Vec<String> = arguments.iter().flat_map(|e| self.value(e)).collect();
            return if matches!(method.as_str(), "Pipeline" | "list" | "sorted") {
                Vec::new()
            } else {
                inner
            };
        }
        let component = component.unwrap_or_default();
        let needs: Vec<String> = arguments.iter().flat_map(|e| self.value(e)).collect();
        let mut settings = self.keywords(call);
        settings.extend(component.settings);
        let mut command: Vec<String> = [
            "bash_command",
            "cmds",
            "command",
            "arguments",
            "args",
            "sql",
            "entry_point",
            "code",
            "job_arguments",
        ]
        .iter()
        .filter_map(|k| keyword(call, k))
        .map(|e| self.text(e))
        .collect();
        if let Some(function) = keyword(call, "python_callable").map(dotted) {
            command.push(self.functions.get(&function).map_or(function, |c| c.source.clone()));
        }
        command.push(component.source);
        let rule = settings.get("trigger_rule").cloned().unwrap_or_default();
        let lax = ["all_done", "one_success", "always", "none_failed", "all_failed", "one_done", "dummy"];
        let id = id
            .filter(|i| !i.is_empty())
            .unwrap_or_else(|| name.split('.').next().unwrap_or_default().to_owned());
        let drop = [
            "task_id",
            "name",
            "bash_command",
            "cmds",
            "command",
            "arguments",
            "args",
            "python_callable",
            "trigger_rule",
            "image",
        ];
        let step = Step {
            id,
            line: self.module.line(call),
            needs,
            image: keyword(call, "image")
                .or_else(|| keyword(call, "image_uri"))
                .map(|e| self.text(e))
                .unwrap_or(component.image),
            command: command.into_iter().filter(|c| !c.is_empty()).collect::<Vec<_>>().join("\n"),
            condition: self.condition.join(" && "),
            tolerant: lax.iter().any(|l| rule.to_lowercase().contains(l)),
            settings: settings.into_iter().filter(|(k, _)| !drop.contains(&k.as_str())).collect(),
        };
        // An operator that does nothing.
        let empty = matches!(method.as_str(), "EmptyOperator" | "DummyOperator");
        let step = if empty { Step { command: "true".into(), ..step } } else { step };
        vec![self.flow.add(step)]
    }

    fn text(&self, expr: &Expr) -> String {
        string(expr).map_or_else(|| self.module.source(expr.range()).to_owned(), str::to_owned)
    }

    fn keywords(&self, call: &ExprCall) -> BTreeMap<String, String> {
        let named = call
            .arguments
            .keywords
            .iter()
            .filter_map(|k| Some((k.arg.as_ref()?.to_string(), self.text(&k.value))));
        named.collect()
    }
}
