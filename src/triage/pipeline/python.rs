//! Python sources as a tree: parsed by Ruff's parser within bounds, never run.

use ruff_python_ast::token::TokenKind;
use ruff_python_ast::{Expr, ExprCall, Number, Stmt, UnaryOp};
use ruff_python_parser::{Mode, ParseOptions, lexer, parse_unchecked};
use ruff_text_size::{Ranged, TextRange};

/// Brackets in brackets, and indentations, that `CPython` itself allows.
const BRACKETS: usize = 200;
const INDENTS: usize = 100;

/// Operators and keywords of one expression: a chain of them is as deep a tree.
const CHAIN: usize = 5_000;

/// The parser and everything that walks its tree is recursive: it runs on a stack that the bounds above cannot fill.
const STACK: usize = 256 << 20;

/// A parsed file.
pub(super) struct Module<'a> {
    pub text: &'a str,
    pub body: &'a [Stmt],
    /// Syntax errors the parser went past (Python 2, a template).
    pub errors: usize,
    tokens: Vec<(TokenKind, TextRange)>,
    starts: Vec<usize>,
}

impl<'a> Module<'a> {
    /// 1-based line of a node.
    pub(super) fn line(&self, node: &impl Ranged) -> usize {
        let at = usize::from(node.start());
        self.starts.partition_point(|&s| s <= at)
    }

    /// The source of a range.
    pub(super) fn source(&self, range: TextRange) -> &'a str {
        self.text.get(usize::from(range.start())..usize::from(range.end())).unwrap_or_default()
    }

    /// The range of a statement without the blocks in it.
    pub(super) fn head(stmt: &Stmt) -> TextRange {
        let body = match stmt {
            Stmt::FunctionDef(s) => s.body.first(),
            Stmt::ClassDef(s) => s.body.first(),
            Stmt::For(s) => s.body.first(),
            Stmt::While(s) => s.body.first(),
            Stmt::If(s) => s.body.first(),
            Stmt::With(s) => s.body.first(),
            Stmt::Try(s) => s.body.first(),
            _ => None,
        };
        let end = body.map_or(stmt.end(), Ranged::start);
        TextRange::new(stmt.start(), end.max(stmt.start()))
    }

    /// The source of a range without what a formatter changes: blanks, line breaks, comments, kinds of quotes, trailing
    /// commas.
    pub(super) fn canonical(&self, range: TextRange) -> String {
        let first = self.tokens.partition_point(|(_, r)| r.start() < range.start());
        let own =
            self.tokens.get(first..).unwrap_or_default().iter().take_while(|(_, r)| r.end() <= range.end());
        let (mut out, mut comma) = (String::with_capacity(usize::from(range.len())), false);
        for &(kind, at) in own {
            match kind {
                TokenKind::Newline
                | TokenKind::NonLogicalNewline
                | TokenKind::Comment
                | TokenKind::Indent
                | TokenKind::Dedent => continue,
                TokenKind::Comma => {
                    comma = true;
                    continue;
                }
                _ => {}
            }
            if std::mem::take(&mut comma)
                && !matches!(kind, TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace)
            {
                out.push_str(", ");
            }
            if matches!(kind, TokenKind::String | TokenKind::FStringStart | TokenKind::FStringEnd) {
                out.push_str(&self.source(at).replace('\'', "\""));
            } else {
                out.push_str(self.source(at));
            }
            out.push(' ');
        }
        out
    }
}

/// Parses a text and hands the tree to `look`, on a stack of its own.
///
/// # Errors
/// Nested deeper than `CPython` allows, or no stack to be had.
pub(super) fn with_module<T: Send>(text: &str, look: impl FnOnce(&Module) -> T + Send) -> Result<T, String> {
    check(text)?;
    let work = || {
        let parsed = parse_unchecked(text, ParseOptions::from(Mode::Module)).try_into_module()?;
        let errors = parsed.errors().len();
        let tokens = parsed.tokens().iter().map(|t| (t.kind(), t.range())).collect();
        let body = parsed.into_suite();
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect();
        Some(look(&Module { text, body: &body, errors, tokens, starts }))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let joined = thread.map_err(|e| e.to_string())?.join();
        joined.map_err(|_| "the parser gave up on it".to_owned())?.ok_or_else(|| "no module".to_owned())
    })
}

/// Refuses what would make the tree too deep, by its tokens.
fn check(text: &str) -> Result<(), String> {
    if u32::try_from(text.len()).is_err() {
        return Err("too long".into());
    }
    let mut lexer = lexer::lex(text, Mode::Module);
    let (mut indents, mut open) = (0usize, vec![(0usize, false)]);
    loop {
        let kind = lexer.next_token();
        match kind {
            TokenKind::EndOfFile => return Ok(()),
            TokenKind::Indent => indents += 1,
            TokenKind::Dedent => indents = indents.saturating_sub(1),
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                if let Some(level) = open.last_mut() {
                    level.0 += 1;
                }
                open.push((0, false));
            }
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => {
                if open.len() > 1 {
                    open.pop();
                }
            }
            TokenKind::Newline | TokenKind::Semi => open.iter_mut().for_each(|level| *level = (0, false)),
            // The commas of a lambda's parameters do not end it.
            TokenKind::Comma => {
                if let Some(level) = open.last_mut().filter(|l| !l.1) {
                    level.0 = 0;
                }
            }
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline => {}
            other => {
                if let Some(level) = open.last_mut() {
                    *level = (level.0 + 1, level.1 || other == TokenKind::Lambda);
                }
            }
        }
        if indents > INDENTS || open.len() > BRACKETS {
            return Err(format!("nested deeper than {INDENTS} indentations or {BRACKETS} brackets"));
        }
        if open.iter().map(|l| l.0).sum::<usize>() > CHAIN {
            return Err(format!("an expression of more than {CHAIN} operators"));
        }
    }
}

/// `a.b.c` of names and attributes; a call or subscript in it is passed over (`f(x).y` is `f.y`).
pub(super) fn dotted(expr: &Expr) -> String {
    let (mut parts, mut at) = (Vec::new(), expr);
    loop {
        match at {
            Expr::Name(n) => {
                parts.push(n.id.as_str());
                break;
            }
            Expr::Attribute(a) => {
                parts.push(a.attr.as_str());
                at = &a.value;
            }
            Expr::Call(c) => at = &c.func,
            Expr::Subscript(s) => at = &s.value,
            Expr::Await(a) => at = &a.value,
            _ => break,
        }
    }
    parts.reverse();
    parts.join(".")
}

/// The last part of a dotted name.
pub(super) fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// The value of a string literal.
pub(super) fn string(expr: &Expr) -> Option<&str> {
    if let Expr::StringLiteral(s) = expr { Some(s.value.to_str()) } else { None }
}

/// The value of a number literal, signed.
pub(super) fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::NumberLiteral(n) => match &n.value {
            Number::Int(i) => i.as_i64().map(|i| i as f64),
            Number::Float(f) => Some(*f),
            Number::Complex { .. } => None,
        },
        Expr::UnaryOp(u) if u.op == UnaryOp::USub => number(&u.operand).map(|x| -x),
        _ => None,
    }
}

/// The value of a keyword argument.
pub(super) fn keyword<'a>(call: &'a ExprCall, name: &str) -> Option<&'a Expr> {
    call.arguments
        .keywords
        .iter()
        .find(|k| k.arg.as_ref().is_some_and(|a| a.as_str() == name))
        .map(|k| &k.value)
}

/// The blocks of a compound statement.
pub(super) fn blocks(stmt: &Stmt) -> Vec<&[Stmt]> {
    match stmt {
        Stmt::FunctionDef(s) => vec![&s.body],
        Stmt::ClassDef(s) => vec![&s.body],
        Stmt::For(s) => vec![&s.body, &s.orelse],
        Stmt::While(s) => vec![&s.body, &s.orelse],
        Stmt::With(s) => vec![&s.body],
        Stmt::If(s) => {
            std::iter::once(&s.body[..]).chain(s.elif_else_clauses.iter().map(|c| &c.body[..])).collect()
        }
        Stmt::Match(s) => s.cases.iter().map(|c| &c.body[..]).collect(),
        Stmt::Try(s) => {
            let handlers = s.handlers.iter().map(|h| match h {
                ruff_python_ast::ExceptHandler::ExceptHandler(h) => &h.body[..],
            });
            [&s.body[..], &s.orelse, &s.finalbody].into_iter().chain(handlers).collect()
        }
        _ => Vec::new(),
    }
}

/// The code cells of a notebook as one source; lines for the notebook itself become comments.
pub(super) fn notebook(text: &str) -> Option<String> {
    let doc: serde_json::Value = serde_json::from_str(text).ok()?;
    let mut out = String::new();
    for cell in doc.get("cells")?.as_array()?.iter().filter(|c| c["cell_type"] == "code") {
        let source = match &cell["source"] {
            serde_json::Value::String(s) => s.clone(),
            serde_json::Value::Array(lines) => lines.iter().filter_map(|l| l.as_str()).collect(),
            _ => continue,
        };
        for line in source.lines() {
            let own = line.trim_start().starts_with(['%', '!']);
            out.push_str(if own { "# " } else { "" });
            out.push_str(line);
            out.push('\n');
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formatting_is_no_change() {
        let a = "x = f(a, 'b', [1,2])  # why\n";
        let b = "x = f(\n    a,\n    \"b\",\n    [1, 2],\n)\n";
        let canonical = |text: &str| with_module(text, |m| m.canonical(m.body[0].range())).unwrap();
        assert_eq!(canonical(a), canonical(b));
        assert_ne!(canonical(a), canonical("x = f(a, 'c', [1, 2])\n"));
    }

    #[test]
    fn lines_names_and_heads() {
        let text = "import a\nif x.y(1)[2].z:\n    b = -3\n";
        let (line, head, name, n) = with_module(text, |m| {
            let Stmt::If(s) = &m.body[1] else { panic!() };
            let Stmt::Assign(a) = &s.body[0] else { panic!() };
            (
                m.line(&m.body[1]),
                m.source(Module::head(&m.body[1])).to_owned(),
                dotted(&s.test),
                number(&a.value),
            )
        })
        .unwrap();
        assert_eq!((line, head.trim(), name.as_str(), n), (2, "if x.y(1)[2].z:", "x.y.z", Some(-3.0)));
        let cells = r#"{"cells": [{"cell_type": "code", "source": ["%pip x\n", "a = 1"]}, {"cell_type": "markdown", "source": "b"}]}"#;
        assert_eq!(notebook(cells).unwrap(), "# %pip x\na = 1\n");
    }

    #[test]
    fn deep_trees_are_refused_before_they_are_built_and_wide_ones_are_not() {
        let refused = |text: String| with_module(&text, |_| ()).unwrap_err();
        assert!(refused("(".repeat(100_000)).contains("brackets"));
        assert!(refused(format!("x = {}1\n", "-".repeat(100_000))).contains("operators"));
        assert!(refused(format!("x = {}1\n", "not ".repeat(100_000))).contains("operators"));
        assert!(refused(format!("x = a{}\n", ".b".repeat(100_000))).contains("operators"));
        assert!(refused(format!("x = {}1\n", "lambda a, b: ".repeat(100_000))).contains("operators"));
        assert!(refused(format!("x = {}\n", "f\"{".repeat(10_000))).contains("brackets"));
        assert!(
            refused((0..200).map(|i| " ".repeat(i) + "if x:").collect::<Vec<_>>().join("\n"))
                .contains("indentations")
        );
        assert!(refused(format!("x = 1{}\n", " if a else 1".repeat(50_000))).contains("operators"));
        let wide = format!("x = [{}]\n", "-1, ".repeat(100_000));
        assert_eq!(with_module(&wide, |m| m.errors), Ok(0));
        let near = format!("x = {}1\n", "- ".repeat(4_900));
        assert_eq!(with_module(&near, |m| m.body.len()), Ok(1));
        assert!(with_module("print 'two'\n", |m| m.errors).unwrap() > 0);
    }
}
