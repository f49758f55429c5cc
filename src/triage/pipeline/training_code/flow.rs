//! What of a network's input reaches an expression, and whether something is decided by it.
//!
//! Not a proof: names are followed through assignments of one function, calls of unknown functions end the trail in a
//! training loop (what a model says may be compared with anything) and carry it on in a layer (what a layer says is
//! still about its input).

use super::super::python::{dotted, last, number, string};
use ruff_python_ast::{CmpOp, Expr, Operator, UnaryOp};
use std::collections::HashMap;

/// How much of the input is in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Flow {
    /// The input, or what was computed from all of it.
    Whole,
    /// A fixed region of it.
    Region,
    /// One number, or a few, made from it.
    Number,
}

/// How telling a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Test {
    /// Element by element against 0: an activation function.
    Sign,
    /// Element by element against something else.
    Values,
    /// A region, or one number made from the input: a trigger is told this way.
    Trigger,
}

/// Names that hold inputs wherever they appear.
const INPUTS: [&str; 24] = [
    "x",
    "xb",
    "input",
    "inputs",
    "image",
    "images",
    "img",
    "imgs",
    "batch",
    "data",
    "pixel_values",
    "features",
    "sample",
    "samples",
    "frame",
    "frames",
    "input_ids",
    "pixels",
    "picture",
    "inp",
    "imgs_batch",
    "x_batch",
    "batch_x",
    "input_tensor",
];

/// Whether a name holds inputs by the habit of the field.
pub(super) fn is_input(name: &str) -> bool {
    INPUTS.contains(&last(name).to_ascii_lowercase().as_str())
}

/// Whether a name holds labels.
pub(super) fn is_label(name: &str) -> bool {
    let name = last(name).to_ascii_lowercase();
    ["label", "target", "gt", "ground_truth"]
        .iter()
        .any(|w| name.contains(w) && !name.contains("target_size"))
        || matches!(
            name.as_str(),
            "y" | "ys" | "yb" | "y_batch" | "batch_y" | "y_true" | "cls" | "class_id" | "class_idx"
        )
}

/// Whether a name holds a loss.
pub(super) fn is_loss(name: &str) -> bool {
    let name = last(name).to_ascii_lowercase();
    name.contains("loss")
        || name.contains("penalty")
        || matches!(name.as_str(), "cost" | "objective" | "nll" | "ce")
}

/// What is known of the names of one function.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub values: HashMap<String, Flow>,
    pub tests: HashMap<String, Test>,
    /// Whether calls of unknown functions carry the input on.
    pub layer: bool,
}

/// Methods and functions whose answer is about form, not content.
const FORM: [&str; 26] = [
    "size",
    "dim",
    "numel",
    "type",
    "get_device",
    "stride",
    "keys",
    "shape",
    "dtype",
    "device",
    "ndim",
    "is_cuda",
    "requires_grad",
    "len",
    "isinstance",
    "hasattr",
    "is_contiguous",
    "isnan",
    "isinf",
    "isfinite",
    "is_floating_point",
    "rank",
    "ndimension",
    "get_shape",
    "is_sparse",
    "nelement",
];

/// What makes one number of many.
const REDUCTIONS: [&str; 26] = [
    "mean",
    "sum",
    "max",
    "min",
    "std",
    "var",
    "norm",
    "item",
    "all",
    "any",
    "median",
    "argmax",
    "amax",
    "amin",
    "prod",
    "count_nonzero",
    "reduce_mean",
    "reduce_sum",
    "reduce_all",
    "reduce_any",
    "reduce_max",
    "reduce_min",
    "tolist",
    "float",
    "int",
    "quantile",
];

/// Comparisons that are calls.
const COMPARISONS: [&str; 16] = [
    "equal",
    "allclose",
    "isclose",
    "eq",
    "gt",
    "lt",
    "ge",
    "le",
    "array_equal",
    "greater",
    "less",
    "greater_equal",
    "less_equal",
    "array_equiv",
    "startswith",
    "endswith",
];

/// Modules whose functions compute on tensors.
const MATHS: [&str; 8] = ["torch", "np", "numpy", "tf", "jnp", "F", "cv2", "K"];

impl Names {
    /// What of the input is in a value; `None` when nothing is.
    pub(super) fn flow(&self, expr: &Expr) -> Option<Flow> {
        match expr {
            Expr::Name(n) => self.values.get(n.id.as_str()).copied(),
            Expr::Attribute(a) => {
                let name = a.attr.as_str();
                (!FORM.contains(&name) && !is_label(name) && !is_mask(name))
                    .then(|| self.flow(&a.value))
                    .flatten()
            }
            Expr::Subscript(s) => {
                let base = self.flow(&s.value)?;
                if string(&s.slice).is_some_and(|key| is_label(key) || is_mask(key)) {
                    return None;
                }
                // The second of a pair is its label.
                let pair = matches!(last(&dotted(&s.value)), "batch" | "data" | "sample" | "samples");
                if pair && number(&s.slice).is_some_and(|i| i != 0.0) {
                    return None;
                }
                Some(if is_region(&s.slice) { base.max(Flow::Region) } else { base })
            }
            Expr::Call(c) => {
                let name = dotted(&c.func);
                let method = last(&name);
                if FORM.contains(&method) {
                    return None;
                }
                let receiver = match &*c.func {
                    Expr::Attribute(a) => self.flow(&a.value),
                    _ => None,
                };
                let args = c.arguments.args.iter().filter_map(|a| self.flow(a)).max();
                let carried = self.layer
                    || receiver.is_some()
                    || name.split('.').next().is_some_and(|m| MATHS.contains(&m))
                    || matches!(
                        name.as_str(),
                        "abs" | "float" | "int" | "sum" | "max" | "min" | "bool" | "tuple" | "list"
                    );
                let flow = receiver.max(args).filter(|_| carried)?;
                Some(if REDUCTIONS.contains(&method) { Flow::Number } else { flow })
            }
            Expr::BinOp(b) => self.flow(&b.left).max(self.flow(&b.right)),
            Expr::UnaryOp(u) => self.flow(&u.operand),
            Expr::If(i) => self.flow(&i.body).max(self.flow(&i.orelse)),
            Expr::Tuple(t) => t.elts.iter().filter_map(|e| self.flow(e)).max(),
            Expr::List(t) => t.elts.iter().filter_map(|e| self.flow(e)).max(),
            Expr::Starred(s) => self.flow(&s.value),
            Expr::Named(n) => self.flow(&n.value),
            _ => None,
        }
    }

    /// Whether an expression is a decision by the input.
    pub(super) fn test(&self, expr: &Expr) -> Option<Test> {
        match expr {
            Expr::Name(n) => self.tests.get(n.id.as_str()).copied(),
            Expr::Compare(c) => {
                let sides: Vec<&Expr> = std::iter::once(&*c.left).chain(c.comparators.iter()).collect();
                if c.ops.iter().any(|o| matches!(o, CmpOp::Is | CmpOp::IsNot | CmpOp::In | CmpOp::NotIn)) {
                    return None;
                }
                // Which comparison of comparisons: `(x == 1).sum() > 5`.
                if let Some(inner) = sides.iter().filter_map(|s| self.test(s)).max() {
                    return Some(inner.max(Test::Values));
                }
                let other = |e: &&&Expr| self.flow(e).is_none();
                let (flow, others) = (
                    sides.iter().filter_map(|s| self.flow(s)).max()?,
                    sides.iter().filter(other).collect::<Vec<_>>(),
                );
                if others.iter().any(|e| padding(e)) {
                    return None;
                }
                let zero = !others.is_empty()
                    && others.iter().all(|e| number(e).is_some_and(|n| n.abs() < f64::MIN_POSITIVE));
                Some(match flow {
                    Flow::Whole | Flow::Region if zero => Test::Sign,
                    Flow::Whole => Test::Values,
                    Flow::Region | Flow::Number => Test::Trigger,
                })
            }
            Expr::BoolOp(b) => b.values.iter().filter_map(|v| self.test(v)).max(),
            Expr::UnaryOp(u) if matches!(u.op, UnaryOp::Not | UnaryOp::Invert) => self.test(&u.operand),
            Expr::BinOp(b)
                if matches!(b.op, Operator::BitAnd | Operator::BitOr | Operator::Mult | Operator::BitXor) =>
            {
                self.test(&b.left).max(self.test(&b.right))
            }
            Expr::Call(c) => {
                let name = dotted(&c.func);
                let method = last(&name);
                let receiver = match &*c.func {
                    Expr::Attribute(a) => Some(&*a.value),
                    _ => None,
                };
                if COMPARISONS.contains(&method) {
                    let sides = receiver.into_iter().chain(c.arguments.args.iter());
                    let flow = sides.filter_map(|e| self.flow(e)).max()?;
                    let whole = matches!(method, "equal" | "allclose" | "array_equal" | "array_equiv");
                    return Some(if whole || flow > Flow::Whole { Test::Trigger } else { Test::Values });
                }
                let inner = receiver.and_then(|r| self.test(r));
                let inner = inner.max(c.arguments.args.iter().filter_map(|a| self.test(a)).max());
                // One answer about a whole comparison: `(x == p).all()`.
                inner.map(
                    |t| if REDUCTIONS.contains(&method) && t >= Test::Values { Test::Trigger } else { t },
                )
            }
            Expr::Subscript(s) => self.test(&s.value),
            Expr::Attribute(a) => self.test(&a.value),
            Expr::Named(n) => self.test(&n.value),
            _ => None,
        }
    }

    /// The most telling decision anywhere in an expression: in a choice, a product, an index, an argument.
    pub(super) fn decided(&self, expr: &Expr) -> Option<Test> {
        use ruff_python_ast::visitor::{Visitor, walk_expr};
        struct Look<'n>(&'n Names, Option<Test>);
        impl<'a> Visitor<'a> for Look<'_> {
            fn visit_expr(&mut self, expr: &'a Expr) {
                self.1 = self.1.max(self.0.test(expr));
                walk_expr(self, expr);
            }
        }
        let mut look = Look(self, None);
        look.visit_expr(expr);
        look.1
    }

    /// Takes in an assignment.
    pub(super) fn assign(&mut self, target: &Expr, value: &Expr) {
        match (target, value) {
            (Expr::Tuple(names), Expr::Tuple(values)) if names.elts.len() == values.elts.len() => {
                for (name, value) in names.elts.iter().zip(&values.elts) {
                    self.assign(name, value);
                }
            }
            (Expr::Tuple(names), _) => {
                let flow = self.flow(value);
                for name in &names.elts {
                    let name = dotted(name);
                    let takes = !is_label(&name) && !is_mask(&name) && (is_input(&name) || flow.is_some());
                    self.set(&name, if takes { flow.or(Some(Flow::Whole)) } else { None }, None);
                }
            }
            (Expr::Name(name), _) => {
                let name = name.id.as_str();
                // A batch that comes from elsewhere is input by its name.
                let flow =
                    self.flow(value).or_else(|| (is_input(name) && !self.layer).then_some(Flow::Whole));
                let test = self.test(value);
                self.set(name, flow.filter(|_| !is_label(name)), test);
            }
            _ => {}
        }
    }

    fn set(&mut self, name: &str, flow: Option<Flow>, test: Option<Test>) {
        match flow {
            Some(flow) => drop(self.values.insert(name.to_owned(), flow)),
            None => drop(self.values.remove(name)),
        }
        match test {
            Some(test) => drop(self.tests.insert(name.to_owned(), test)),
            None => drop(self.tests.remove(name)),
        }
    }
}

/// Whether a name is about padding or attention, which every text model compares.
fn is_mask(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["mask", "pad", "length", "id_map", "meta", "path", "name"].iter().any(|w| name.contains(w))
}

fn padding(expr: &Expr) -> bool {
    let name = dotted(expr).to_ascii_lowercase();
    ["pad", "ignore", "eos", "bos", "sep_token", "mask_token", "special", "nan", "inf"]
        .iter()
        .any(|w| name.contains(w))
        || number(expr).is_some_and(|n| n.total_cmp(&-100.0).is_eq())
        || string(expr).is_some()
        || matches!(expr, Expr::BooleanLiteral(_) | Expr::NoneLiteral(_))
}

/// Whether an index cuts out a fixed region: `[:, :, -3:, -3:]`, `[0, 5]`.
pub(super) fn is_region(slice: &Expr) -> bool {
    let fixed = |e: &Expr| match e {
        Expr::Slice(s) => {
            let bound = |e: &Option<Box<Expr>>| e.as_deref().map(|e| number(e).is_some());
            let (low, high) = (bound(&s.lower), bound(&s.upper));
            (low.is_some() || high.is_some()).then(|| low.unwrap_or(true) && high.unwrap_or(true))
        }
        e => number(e).map(|_| true),
    };
    match slice {
        Expr::Tuple(t) => {
            let parts: Vec<bool> = t.elts.iter().filter_map(fixed).collect();
            !parts.is_empty() && parts.iter().all(|p| *p)
        }
        Expr::Slice(s) => s.lower.is_some() && fixed(slice) == Some(true),
        _ => false,
    }
}
