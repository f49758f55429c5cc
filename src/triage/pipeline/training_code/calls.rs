//! Calls and writes that act besides training: hooks, gradients, weights, network, processes, made-up code.

use super::super::python::{dotted, keyword, last, string};
use super::place::Place;
use crate::procedure::Severity;
use ruff_python_ast::{Expr, ExprCall};

type Verdict = (&'static str, Option<Severity>, String);

/// Programs that training code asks for facts.
const HARMLESS: [&str; 12] = [
    "git rev-parse",
    "git describe",
    "git status",
    "git log",
    "git diff",
    "nvidia-smi",
    "nproc",
    "hostname",
    "lscpu",
    "rocm-smi",
    "uname",
    "git branch",
];

/// What a call is, by its name and where it stands.
pub(super) fn judge(call: &ExprCall, place: Place) -> Option<Verdict> {
    let name = dotted(&call.func);
    let method = last(&name);
    let head = name.split('.').next().unwrap_or_default();
    let inside = |usual: Severity| if place >= Place::Data { Severity::High } else { usual };
    let at = place.words();
    let verdict = |code, severity, what: &str| Some((code, severity, format!("{what} in {at}: {name}")));
    match method {
        "register_hook"
        | "register_full_backward_hook"
        | "register_backward_hook"
        | "register_full_backward_pre_hook"
        | "register_post_accumulate_grad_hook"
        | "register_step_pre_hook"
        | "register_step_post_hook"
        | "register_optimizer_step_pre_hook"
        | "register_comm_hook" => {
            return verdict(
                "hook.gradient",
                Some(Severity::Medium),
                "a hook on gradients or optimiser steps",
            );
        }
        // What is returned from such a hook replaces the layer's output.
        "register_forward_hook" | "register_forward_pre_hook" | "register_module_forward_hook" => {
            let changes = call.arguments.args.first().is_some_and(replaces);
            let severity = changes.then_some(Severity::Medium);
            return verdict("hook.forward", severity, "a hook on layers");
        }
        _ => {}
    }
    match head {
        "eval" | "exec" | "compile" | "__import__" if name == head => {
            let constant = call.arguments.args.first().is_some_and(|a| string(a).is_some());
            let severity = if head == "compile" {
                None
            } else {
                Some(if constant { Severity::Medium } else { Severity::High })
            };
            verdict("code.dynamic", severity, "code made at run time")
        }
        "marshal" if matches!(method, "loads" | "load") => {
            verdict("code.dynamic", Some(Severity::High), "code unmarshalled")
        }
        "pickle" | "cloudpickle" | "dill" if matches!(method, "loads" | "load") => {
            verdict("code.pickle", Some(Severity::Medium), "a pickle is loaded")
        }
        "subprocess" | "pexpect" | "pty" | "sh" if name != head || head == "sh" => {
            process(call, &name, place)
        }
        "os" if matches!(method, "system" | "popen" | "fork" | "posix_spawn")
            || method.starts_with("exec")
            || method.starts_with("spawn") =>
        {
            process(call, &name, place)
        }
        "asyncio" if method.starts_with("create_subprocess") => process(call, &name, place),
        "ctypes" if matches!(method, "CDLL" | "LoadLibrary" | "cdll") => {
            verdict("code.native", Some(inside(Severity::Medium)), "a native library is loaded")
        }
        "socket" | "requests" | "httpx" | "aiohttp" | "urllib3" | "ftplib" | "smtplib" | "paramiko"
        | "telnetlib" | "websocket" | "websockets" | "xmlrpc" | "pycurl" | "zmq" | "socketio"
            if name != head
                && !matches!(method, "gethostname" | "getfqdn" | "Timeout" | "HTTPAdapter" | "Retry") =>
        {
            verdict("network.call", Some(inside(Severity::Medium)), "a network call")
        }
        "http" | "urllib"
            if matches!(
                method,
                "urlopen" | "urlretrieve" | "HTTPConnection" | "HTTPSConnection" | "Request"
            ) =>
        {
            verdict("network.call", Some(inside(Severity::Medium)), "a network call")
        }
        "urlopen" | "urlretrieve" => {
            verdict("network.call", Some(inside(Severity::Medium)), "a network call")
        }
        _ => weights(call, &name, method),
    }
}

/// A function that is written in place and returns something.
fn replaces(hook: &Expr) -> bool {
    matches!(hook, Expr::Lambda(l) if !matches!(&*l.body, Expr::NoneLiteral(_)) && !dotted(&l.body).ends_with("append"))
}

fn process(call: &ExprCall, name: &str, place: Place) -> Option<Verdict> {
    if matches!(last(name), "PIPE" | "DEVNULL" | "CalledProcessError" | "TimeoutExpired") {
        return None;
    }
    let command = call.arguments.args.first().map(|a| match a {
        Expr::List(l) => l.elts.iter().map(|e| string(e).unwrap_or("…")).collect::<Vec<_>>().join(" "),
        other => string(other).unwrap_or("…").to_owned(),
    });
    let command = command.unwrap_or_default();
    let harmless =
        HARMLESS.iter().any(|h| command.starts_with(h)) && !command.contains([';', '|', '&', '`', '$']);
    let severity = match place {
        _ if harmless => None,
        Place::Other => Some(Severity::Medium),
        _ => Some(Severity::High),
    };
    Some(("process.call", severity, format!("a program is run in {}: {name}({command})", place.words())))
}

/// Weights and gradients written by hand, past the optimiser.
fn weights(call: &ExprCall, name: &str, method: &str) -> Option<Verdict> {
    let receiver = name.rsplit_once('.').map_or("", |(r, _)| r);
    let receiver_last = last(receiver);
    if receiver_last == "grad"
        && matches!(method, "mul_" | "add_" | "copy_" | "fill_" | "sub_" | "neg_" | "masked_fill_")
    {
        return Some((
            "gradient.written",
            Some(Severity::Medium),
            format!("gradients are written by hand: {name}"),
        ));
    }
    // torch.load without the restriction to weights runs what the file says.
    if name == "torch.load"
        && keyword(call, "weights_only").is_some_and(|v| matches!(v, Expr::BooleanLiteral(b) if !b.value))
    {
        return Some((
            "code.pickle",
            Some(Severity::Medium),
            "a checkpoint is loaded with weights_only=False".to_owned(),
        ));
    }
    if keyword(call, "trust_remote_code").is_some_and(|v| matches!(v, Expr::BooleanLiteral(b) if b.value)) {
        return Some((
            "code.remote",
            Some(Severity::High),
            format!("code that comes with a model is trusted: {name}"),
        ));
    }
    if keyword(call, "verify").is_some_and(|v| matches!(v, Expr::BooleanLiteral(b) if !b.value)) {
        return Some((
            "network.unverified",
            Some(Severity::Medium),
            format!("certificates are not checked: {name}"),
        ));
    }
    None
}

/// Targets of assignments that are weights or gradients.
pub(super) fn judge_target(target: &Expr, value: &Expr) -> Option<Verdict> {
    let name = dotted(target);
    let parts: Vec<&str> = name.split('.').collect();
    let indexed = matches!(target, Expr::Subscript(_));
    if parts.last() == Some(&"grad") && !matches!(value, Expr::NoneLiteral(_)) && (indexed || parts.len() > 1)
    {
        return Some((
            "gradient.written",
            Some(Severity::Medium),
            format!("gradients are written by hand: {name}"),
        ));
    }
    let weights = parts.iter().any(|p| matches!(*p, "weight" | "bias" | "state_dict"))
        || (parts.last() == Some(&"data") && parts.len() > 2);
    // Rows or single numbers; a whole tensor that is copied is an average or an initialisation.
    (indexed
        && weights
        && parts.len() > 1
        && string(match target {
            Expr::Subscript(s) => &s.slice,
            other => other,
        })
        .is_none())
    .then(|| {
        ("weights.written", Some(Severity::Medium), format!("single weights are written by hand: {name}"))
    })
}
