//! Small readings of expressions.

use super::super::python::{dotted, last, number};
use super::flow::{Flow, Names, is_input, is_label};
use ruff_python_ast::visitor::{Visitor, walk_expr};
use ruff_python_ast::{Expr, ExprCall, Stmt};

pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Whether a condition picks samples out: by index, by chance, by membership.
pub(super) fn picks(test: &Expr) -> bool {
    let text = format!("{test:?}");
    let by = |w: &str| text.contains(w);
    matches!(test, Expr::Compare(_) | Expr::BoolOp(_) | Expr::Call(_))
        && [
            "\"idx\"",
            "\"index\"",
            "\"i\"",
            "random",
            "\"rand",
            "\"poison",
            "\"trigger",
            "\"step\"",
            "\"epoch\"",
            "\"path\"",
            "\"name\"",
            "\"label\"",
            "\"y\"",
            "\"target\"",
        ]
        .iter()
        .any(|w| by(w))
}

/// A class number that is written out. 0, -1 and -100 are what "no label" is written as.
pub(super) fn fixed_label(value: &Expr) -> bool {
    match value {
        Expr::Call(c) => {
            let name = dotted(&c.func);
            let filled = matches!(
                last(&name),
                "full_like" | "full" | "tensor" | "array" | "int" | "LongTensor" | "as_tensor"
            );
            filled && c.arguments.args.last().is_some_and(fixed_label)
        }
        Expr::List(l) => l.elts.len() == 1 && fixed_label(&l.elts[0]),
        value => number(value).is_some_and(|n| n > 0.0 && n.fract() == 0.0),
    }
}

/// Names that a loop over batches binds.
pub(super) fn bind(target: &Expr, names: &mut Names) {
    match target {
        Expr::Tuple(t) => {
            for (i, e) in t.elts.iter().enumerate() {
                let name = dotted(e);
                if let Expr::Tuple(_) = e {
                    bind(e, names);
                } else if is_input(&name)
                    || (i == 0 && t.elts.len() == 2 && !counts(&name) && !is_label(&name))
                {
                    names.values.insert(name, Flow::Whole);
                }
            }
        }
        Expr::Name(n) if is_input(n.id.as_str()) => {
            names.values.insert(n.id.to_string(), Flow::Whole);
        }
        _ => {}
    }
}

pub(super) fn counts(name: &str) -> bool {
    matches!(
        name,
        "i" | "j" | "k" | "idx" | "index" | "step" | "it" | "batch_idx" | "n" | "_" | "epoch" | "iteration"
    )
}

#[derive(Default)]
pub(super) struct Calls<'a>(pub Vec<&'a ExprCall>);

impl<'a> Visitor<'a> for Calls<'a> {
    fn visit_expr(&mut self, expr: &'a Expr) {
        if let Expr::Call(c) = expr {
            self.0.push(c);
        }
        walk_expr(self, expr);
    }
}

/// The expressions of a statement itself.
pub(super) fn own_expressions(stmt: &Stmt) -> Vec<&Expr> {
    match stmt {
        Stmt::Assign(s) => s.targets.iter().chain([&*s.value]).collect(),
        Stmt::AnnAssign(s) => s.value.as_deref().into_iter().collect(),
        Stmt::AugAssign(s) => vec![&s.target, &s.value],
        Stmt::Expr(s) => vec![&s.value],
        Stmt::Return(s) => s.value.as_deref().into_iter().collect(),
        Stmt::If(s) => std::iter::once(&*s.test)
            .chain(s.elif_else_clauses.iter().filter_map(|c| c.test.as_ref()))
            .collect(),
        Stmt::While(s) => vec![&s.test],
        Stmt::For(s) => vec![&s.iter],
        Stmt::With(s) => s.items.iter().map(|i| &i.context_expr).collect(),
        Stmt::Assert(s) => vec![&s.test],
        Stmt::Raise(s) => s.exc.as_deref().into_iter().collect(),
        _ => Vec::new(),
    }
}
