//! Reads one Python source: which statements steer what is learnt, or act besides.

use super::super::python::{Module, blocks, dotted, last, number};
use super::calls;
use super::flow::{Names, Test, is_input, is_label, is_loss, is_region};
use super::names::{Calls, bind, fixed_label, join, own_expressions, picks};
use super::place::{Kind, Place, Scope, kind_of, place_of};
use crate::procedure::Severity;
use ruff_python_ast::visitor::Visitor;
use ruff_python_ast::{Expr, Stmt, StmtFunctionDef};
use ruff_text_size::Ranged;
use std::collections::BTreeMap;

/// One thing in one file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub code: &'static str,
    /// `None`: worth a note only.
    pub severity: Option<Severity>,
    pub line: usize,
    pub what: String,
    /// The statement, without its blocks, as written.
    pub excerpt: String,
    /// The same without formatting: what makes it known.
    pub key: String,
}

/// All that is needed of one file.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    pub found: Vec<Found>,
    /// Statements without formatting.
    pub statements: Vec<String>,
    /// Functions that steer training, by qualified name: line, place, text without formatting.
    pub functions: BTreeMap<String, (usize, &'static str, String)>,
    pub errors: usize,
}

/// Looks at a module.
pub(super) fn scan(module: &Module) -> Scanned {
    let mut scan = Scan { module, out: Scanned { errors: module.errors, ..Scanned::default() } };
    scan.block(module.body, &Scope::default(), &mut Names::default());
    scan.out
}

struct Scan<'m, 'a> {
    module: &'m Module<'a>,
    out: Scanned,
}

impl Scan<'_, '_> {
    fn block(&mut self, body: &[Stmt], scope: &Scope, names: &mut Names) {
        for stmt in body {
            let head = Module::head(stmt);
            self.out.statements.push(self.module.canonical(head));
            self.statement(stmt, scope, names);
        }
    }

    fn statement(&mut self, stmt: &Stmt, scope: &Scope, names: &mut Names) {
        match stmt {
            Stmt::ClassDef(class) => {
                let path = join(&scope.path, class.name.as_str());
                let inner = Scope { path, class: kind_of(class), ..Scope::default() };
                self.block(&class.body, &inner, &mut Names::default());
                return;
            }
            Stmt::FunctionDef(function) => return self.function(stmt, function, scope, names),
            _ => {}
        }
        self.expressions(stmt, scope, names);
        match stmt {
            Stmt::Assign(s) => {
                for target in &s.targets {
                    self.assignment(stmt, target, &s.value, scope, names);
                    names.assign(target, &s.value);
                }
            }
            Stmt::AnnAssign(s) => {
                if let Some(value) = &s.value {
                    self.assignment(stmt, &s.target, value, scope, names);
                    names.assign(&s.target, value);
                }
            }
            Stmt::AugAssign(s) => self.assignment(stmt, &s.target, &s.value, scope, names),
            Stmt::Return(s) => {
                if let Some(value) = &s.value {
                    self.returned(stmt, value, scope, names);
                }
            }
            Stmt::If(s) => {
                let mut branch = |this: &mut Self, test: Option<&Expr>, body: &[Stmt]| {
                    let mut inner = scope.clone();
                    if let Some(found) = test.and_then(|t| names.test(t)).filter(|t| *t > Test::Sign) {
                        inner.under = Some((found, this.module.line(stmt)));
                    }
                    inner.picked |= test.is_some_and(picks);
                    this.block(body, &inner, names);
                };
                branch(self, Some(&s.test), &s.body);
                for clause in &s.elif_else_clauses {
                    // What is done otherwise is decided by the same test.
                    branch(self, clause.test.as_ref().or(Some(&s.test)), &clause.body);
                }
            }
            Stmt::For(s) => {
                let over = dotted(&s.iter).to_ascii_lowercase();
                if ["loader", "dataset", "batches", "enumerate", "tqdm", "train_dl"]
                    .iter()
                    .any(|w| over.contains(w))
                {
                    names.assign(&s.target, &s.iter);
                    bind(&s.target, names);
                }
                self.block(&s.body, scope, names);
                self.block(&s.orelse, scope, names);
            }
            _ => {
                for body in blocks(stmt) {
                    self.block(body, scope, names);
                }
            }
        }
    }

    fn function(&mut self, stmt: &Stmt, function: &StmtFunctionDef, scope: &Scope, outer: &Names) {
        let path = join(&scope.path, function.name.as_str());
        let place = place_of(function, scope);
        let mut names = if scope.class == Kind::Plain { outer.clone() } else { Names::default() };
        names.layer = place == Place::Layer;
        for parameter in function.parameters.iter_non_variadic_params() {
            let name = parameter.parameter.name.as_str();
            let first =
                place == Place::Layer && !matches!(name, "self" | "cls" | "training" | "mode" | "cache");
            if (is_input(name) || first)
                && !is_label(name)
                && !name.contains("mask")
                && parameter.default.is_none()
            {
                names.values.insert(name.to_owned(), super::flow::Flow::Whole);
            }
        }
        if place != Place::Other {
            let text = self.module.canonical(stmt.range());
            self.out.functions.insert(path.clone(), (self.module.line(stmt), place.words(), text));
        }
        let inner = Scope { path, place: Some(place), under: None, picked: false, class: scope.class };
        self.block(&function.body, &inner, &mut names);
    }

    fn found(
        &mut self,
        stmt: &Stmt,
        code: &'static str,
        severity: Option<Severity>,
        what: impl Into<String>,
    ) {
        let head = Module::head(stmt);
        self.out.found.push(Found {
            code,
            severity,
            line: self.module.line(stmt),
            what: what.into(),
            excerpt: self.module.source(head).trim().to_owned(),
            key: self.module.canonical(head),
        });
    }

    /// Losses, labels, pixels and outputs that depend on what is in the input.
    fn assignment(&mut self, stmt: &Stmt, target: &Expr, value: &Expr, scope: &Scope, names: &Names) {
        let name = dotted(target);
        let place = scope.place.unwrap_or(Place::Other);
        let decided = names.decided(value);
        let under = scope.under;
        let because = |t: Test| {
            if t == Test::Trigger { "a region or one number of the input" } else { "values of the input" }
        };
        if is_loss(&name) && place != Place::Layer {
            if let Some((test, line)) = under {
                let what =
                    format!("the loss '{name}' changes under a condition on {} (line {line})", because(test));
                return self.found(stmt, "loss.conditional", Some(Severity::High), what);
            }
            if let Some(test) = decided.filter(|t| *t > Test::Sign) {
                let severity = if test == Test::Trigger { Severity::High } else { Severity::Medium };
                let what = format!("the loss '{name}' has a term that depends on {}", because(test));
                return self.found(stmt, "loss.conditional", Some(severity), what);
            }
        }
        if is_label(&name) && matches!(place, Place::Data | Place::Training | Place::Callback) {
            let by_index = matches!(target, Expr::Subscript(s) if names.test(&s.slice).is_some());
            if under.is_some() || by_index || decided.is_some_and(|t| t > Test::Sign) {
                let what = format!("labels '{name}' are changed by what is in the input");
                return self.found(stmt, "label.conditional", Some(Severity::High), what);
            }
            if fixed_label(value) && (scope.picked || matches!(target, Expr::Subscript(_))) {
                let what = format!("labels '{name}' are set to one fixed class in {}", place.words());
                return self.found(stmt, "label.fixed", Some(Severity::High), what);
            }
        }
        if let Expr::Subscript(s) = target {
            let fixed =
                is_region(&s.slice) && (names.flow(&s.value).is_some() || is_input(&dotted(&s.value)));
            if fixed && matches!(place, Place::Data | Place::Training | Place::Callback) {
                let blank = number(value) == Some(0.0);
                let severity = if blank { Severity::Medium } else { Severity::High };
                let what =
                    format!("a fixed region of the image '{name}' is overwritten in {}", place.words());
                return self.found(stmt, "pixels.stamped", Some(severity), what);
            }
        }
        if place == Place::Layer {
            if let Some((_, line)) = under {
                let what =
                    format!("the layer goes another way when a condition on its input holds (line {line})");
                self.found(stmt, "layer.conditional", Some(Severity::High), what);
            } else if decided == Some(Test::Trigger) {
                let what = "the layer's output depends on a comparison of a region, or of one number made from its input";
                self.found(stmt, "layer.conditional", Some(Severity::High), what);
            }
        }
    }

    fn returned(&mut self, stmt: &Stmt, value: &Expr, scope: &Scope, names: &Names) {
        let place = scope.place.unwrap_or(Place::Other);
        let last_part = scope.path.rsplit('.').next().unwrap_or_default();
        let telling = scope.under.is_some() || names.decided(value) == Some(Test::Trigger);
        if place == Place::Layer && telling {
            let what = "the layer's output depends on a comparison of its input";
            self.found(stmt, "layer.conditional", Some(Severity::High), what);
        } else if place == Place::Training && is_loss(last_part) && telling {
            self.found(
                stmt,
                "loss.conditional",
                Some(Severity::High),
                "the loss that is returned depends on what is in the input",
            );
        } else if place == Place::Data
            && let Expr::Tuple(t) = value
            && let Some(label) = t.elts.last().filter(|_| t.elts.len() > 1)
            && fixed_label(label)
        {
            let severity =
                if scope.picked || scope.under.is_some() { Severity::High } else { Severity::Medium };
            self.found(stmt, "label.fixed", Some(severity), "samples are given out under one fixed class");
        }
    }

    /// Calls and writes anywhere in a statement (its blocks apart).
    fn expressions(&mut self, stmt: &Stmt, scope: &Scope, names: &Names) {
        let place = scope.place.unwrap_or(Place::Other);
        let mut calls = Calls::default();
        for expr in own_expressions(stmt) {
            calls.visit_expr(expr);
        }
        for call in calls.0 {
            if let Some((code, severity, what)) = calls::judge(call, place) {
                self.found(stmt, code, severity, what);
            }
            let name = dotted(&call.func);
            // In-place writes: `x[mask].fill_(1)`, `labels.masked_fill_(x > 3, 7)`.
            let decided = call.arguments.args.iter().filter_map(|a| names.decided(a)).max();
            if is_label(name.rsplit_once('.').map_or("", |(r, _)| r))
                && last(&name).ends_with('_')
                && decided > Some(Test::Sign)
            {
                let what = format!("labels are changed by what is in the input ({name})");
                self.found(stmt, "label.conditional", Some(Severity::High), what);
            }
        }
        if let Stmt::Assign(s) = stmt {
            for target in &s.targets {
                if let Some((code, severity, what)) = calls::judge_target(target, &s.value) {
                    self.found(stmt, code, severity, what);
                }
            }
        }
        if let Stmt::AugAssign(s) = stmt
            && let Some((code, severity, what)) = calls::judge_target(&s.target, &s.value)
        {
            self.found(stmt, code, severity, what);
        }
    }
}
