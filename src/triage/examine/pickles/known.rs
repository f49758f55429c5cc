//! Names that are not allowed: how much is known against them. This raises severity only; nothing here is needed for
//! a name not to be accepted.

use super::allowed::{self, Rule};
use crate::evidence::text;
use crate::triage::examine::rules::{holds, listed};

/// What is known about an imported name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// On the allow list.
    Allowed(Rule),
    /// It can run code, reach files or the network, or take the loader over; why.
    Dangerous(&'static str),
    /// A function of a known library: dangerous if it is called.
    Function,
    /// Importing the module acts by itself.
    SideEffect,
    /// The name holds what acts on a screen.
    Unprintable,
    /// Nothing is known.
    Unknown,
}

/// Module and name as today's Python and NumPy call them, without stray line ends.
pub(super) fn canonical(module: &str, name: &str) -> (String, String) {
    let (module, name) = (module.trim(), name.trim());
    let module = match module {
        "__builtin__" | "exceptions" => "builtins",
        "copy_reg" => "copyreg",
        "cPickle" | "_pickle" => "pickle",
        other => other,
    };
    let module = match module.strip_prefix("numpy._core") {
        Some(rest) => format!("numpy.core{rest}"),
        None => module.to_owned(),
    };
    let name = match (module.as_str(), name) {
        ("builtins", "xrange") => "range",
        ("builtins", "unicode" | "basestring") => "str",
        ("builtins", "long") => "int",
        (_, name) => name,
    };
    (module, name.to_owned())
}

/// What is known about a pair in canonical form.
pub(super) fn standing(module: &str, name: &str) -> Standing {
    if text::visible(module) != module || text::visible(name) != name {
        return Standing::Unprintable;
    }
    if let Some(rule) = allowed::rule(module, name) {
        return Standing::Allowed(rule);
    }
    let root = module.split('.').next().unwrap_or_default();
    let library = listed("libraries", LIBRARIES, root);
    // `_Scorer` is a class, `_run` is a function.
    let function = !name.trim_start_matches('_').starts_with(|c: char| c.is_ascii_uppercase());
    if listed("acting", ACTING, module) {
        return Standing::SideEffect;
    }
    if name.contains('.') {
        let classes = name.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_uppercase()));
        return if classes && !library && !is_standard(root) {
            Standing::Unknown
        } else {
            Standing::Dangerous("a dotted name reaches what is not in the module")
        };
    }
    if name.starts_with("__") && name.ends_with("__") {
        return Standing::Dangerous("a module's own inner attribute");
    }
    if listed("runs", RUNS, name) {
        return Standing::Dangerous("a name that runs what it is given");
    }
    if is_standard(root) {
        return if listed("mild", MILD, module) {
            if function { Standing::Function } else { Standing::Unknown }
        } else {
            Standing::Dangerous("a part of Python's library that no saved model needs")
        };
    }
    if listed("tools", TOOLS, root) {
        return Standing::Dangerous("a package that runs code, reaches the network, or guards against this");
    }
    let below = |prefix: &str| {
        module.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if PARTS.iter().any(|p| below(p) && holds("parts", p)) {
        return Standing::Dangerous("a part of its library that runs or loads code");
    }
    if module.ends_with("__main__") && module != "__main__" {
        return Standing::Dangerous("a program");
    }
    if library && function { Standing::Function } else { Standing::Unknown }
}

/// Whether a module belongs to Python's own library, of any version.
fn is_standard(root: &str) -> bool {
    use std::collections::HashSet;
    use std::sync::LazyLock;
    static ALL: LazyLock<HashSet<&str>> = LazyLock::new(|| STANDARD.split_ascii_whitespace().collect());
    ALL.contains(root) && holds("standard", root)
}

/// Modules that act when they are imported.
const ACTING: &[&str] = &["antigravity", "this", "idlelib.idle", "__phello__"];

/// Names that run code or commands wherever they come from.
const RUNS: &[&str] = &[
    "system",
    "popen",
    "popen2",
    "popen3",
    "popen4",
    "eval",
    "exec",
    "execfile",
    "execv",
    "execve",
    "execvp",
    "spawn",
    "spawnl",
    "spawnv",
    "spawnve",
    "spawnvp",
    "fork",
    "forkpty",
    "posix_spawn",
    "startfile",
    "check_output",
    "check_call",
    "Popen",
    "getoutput",
    "getstatusoutput",
    "runcode",
    "runsource",
    "run_path",
    "run_module",
    "runctx",
    "unsafe_load",
    "literal_eval",
    "load_module",
    "import_module",
    "exec_module",
    "urlopen",
    "urlretrieve",
    "CDLL",
    "PyDLL",
    "WinDLL",
    "dlopen",
    "loads",
    "load_source",
    "load_compiled",
    "load_dynamic",
    "run_command",
    "shell",
    "run_code",
    "_run_code",
];

/// Parts of Python's library in which an unlisted name is odd but not known to act.
const MILD: &[&str] = &[
    "collections",
    "datetime",
    "decimal",
    "fractions",
    "enum",
    "typing",
    "dataclasses",
    "abc",
    "numbers",
    "string",
    "statistics",
    "math",
    "cmath",
    "random",
    "array",
    "argparse",
    "pathlib",
    "uuid",
    "ipaddress",
    "queue",
    "heapq",
    "bisect",
    "time",
    "calendar",
    "copy",
    "itertools",
    "zoneinfo",
    "json",
    "email",
    "__future__",
    "collections.abc",
    "_collections",
    "_datetime",
    "_decimal",
    "_random",
    "_struct",
    "struct",
    "_weakref",
    "weakref",
    "_weakrefset",
    "hashlib",
    "contextlib",
    "textwrap",
];

/// Packages whose functions no pickle of weights needs to call.
const LIBRARIES: &[&str] = &[
    "numpy",
    "torch",
    "torchvision",
    "torchaudio",
    "torchtext",
    "scipy",
    "sklearn",
    "pandas",
    "joblib",
    "tensorflow",
    "keras",
    "tf_keras",
    "jax",
    "jaxlib",
    "flax",
    "xgboost",
    "lightgbm",
    "catboost",
    "transformers",
    "diffusers",
    "accelerate",
    "datasets",
    "tokenizers",
    "huggingface_hub",
    "safetensors",
    "onnx",
    "onnxruntime",
    "mlflow",
    "wandb",
    "ray",
    "dask",
    "distributed",
    "timm",
    "ultralytics",
    "detectron2",
    "mmcv",
    "mmengine",
    "fairseq",
    "fastai",
    "pytorch_lightning",
    "lightning",
    "lightning_fabric",
    "omegaconf",
    "hydra",
    "nltk",
    "spacy",
    "gensim",
    "matplotlib",
    "PIL",
    "cv2",
    "skimage",
    "imageio",
    "h5py",
    "tables",
    "zarr",
    "numba",
    "llvmlite",
    "cffi",
    "Cython",
    "sympy",
    "statsmodels",
    "networkx",
    "pyarrow",
    "polars",
    "theano",
    "mxnet",
    "paddle",
    "chainer",
    "cupy",
    "art",
    "cleanlab",
    "shap",
    "optuna",
    "hyperopt",
    "nemo",
    "deepspeed",
    "megatron",
    "bitsandbytes",
    "peft",
    "sentence_transformers",
    "open_clip",
    "clip",
    "einops",
    "tqdm",
    "attr",
    "pydantic",
    "pytest",
    "setuptools",
    "pkg_resources",
    "six",
    "werkzeug",
    "flask",
    "django",
    "fastapi",
    "starlette",
    "uvicorn",
    "tornado",
    "twisted",
    "sqlalchemy",
    "psycopg2",
    "pymysql",
    "redis",
    "boto3",
    "botocore",
    "google",
    "azure",
    "fsspec",
    "s3fs",
    "gcsfs",
    "kubernetes",
    "docker",
    "airflow",
    "kfp",
    "prefect",
    "streamlit",
    "gradio",
    "rich",
    "click",
    "psutil",
    "zmq",
    "markdown",
    "jinja2",
    "lxml",
    "bs4",
    "multiprocess",
    "loky",
];

/// Packages that are tools for running things, whole.
const TOOLS: &[&str] = &[
    "pip",
    "cloudpickle",
    "dill",
    "yaml",
    "ruamel",
    "requests",
    "aiohttp",
    "httpx",
    "urllib3",
    "httplib2",
    "websocket",
    "websockets",
    "paramiko",
    "fabric",
    "invoke",
    "pexpect",
    "ptyprocess",
    "sh",
    "plumbum",
    "execnet",
    "IPython",
    "ipykernel",
    "jupyter_client",
    "notebook",
    "selenium",
    "scrapy",
    "pyautogui",
    "win32com",
    "win32api",
    "pywintypes",
    "comtypes",
    "fickling",
    "picklescan",
    "modelscan",
    "modelaudit",
    "saferpickle",
    "model_unpickler",
    "jsonpickle",
    "gevent",
    "eventlet",
    "celery",
    "code2flow",
    "ftputil",
    "smbclient",
    "impacket",
    "scapy",
    "pwn",
    "pwnlib",
    "RestrictedPython",
    "asteval",
    "numexpr",
    "pyximport",
    "bpython",
    "ptpython",
];

/// Parts of libraries that load, compile or run.
const PARTS: &[&str] = &[
    "torch.hub",
    "torch.jit",
    "torch.package",
    "torch.serialization",
    "torch.utils",
    "torch.distributed",
    "torch.multiprocessing",
    "torch.testing",
    "torch.fx",
    "torch.onnx",
    "torch._dynamo",
    "torch._inductor",
    "torch._export",
    "torch.export",
    "torch._higher_order_ops",
    "torch._functorch",
    "torch.ops",
    "torch._ops",
    "torch.classes",
    "torch._classes",
    "torch.library",
    "torch._library",
    "torch.profiler",
    "torch.autograd.profiler",
    "torch.backends",
    "torch.cuda.nccl",
    "torch._appdirs",
    "torch._sources",
    "torch._namedtensor_internals",
    "torch.compiler",
    "torch.monitor",
    "torch._guards",
    "torch._subclasses",
    "torch._C",
    "torch.quantization.fx",
    "torch.ao.quantization.fx",
    "torch.futures",
    "numpy.f2py",
    "numpy.distutils",
    "numpy.testing",
    "numpy.ctypeslib",
    "numpy.lib",
    "numpy.compat",
    "numpy.array_api",
    "numpy._pyinstaller",
    "scipy._lib",
    "scipy.io",
    "scipy.weave",
    "scipy.datasets",
    "scipy.misc",
    "pandas.io",
    "pandas.core.computation",
    "pandas.compat",
    "pandas.util",
    "pandas._testing",
    "pandas.plotting",
    "sklearn.externals",
    "sklearn.datasets",
    "sklearn.utils._testing",
    "joblib.externals",
    "joblib.memory",
    "joblib.func_inspect",
    "joblib.pool",
    "joblib.parallel",
    "tensorflow.python",
    "tensorflow.io",
    "tensorflow.saved_model",
    "tensorflow.compat",
    "keras.src.saving",
    "keras.saving",
    "keras.utils",
    "keras.src.utils",
    "mlflow.projects",
    "mlflow.pyfunc",
    "mlflow.utils",
    "ray.cloudpickle",
    "dask.utils",
    "distributed.utils",
    "matplotlib.backends",
    "matplotlib.cbook",
    "PIL.ImageMath",
    "PIL.ImageShow",
    "PIL.ImageGrab",
    "nltk.data",
    "nltk.downloader",
    "sympy.parsing",
    "sympy.core.sympify",
    "numba.core",
    "numba.pycc",
    "cffi",
    "setuptools",
    "pkg_resources",
    "transformers.dynamic_module_utils",
    "transformers.utils",
    "diffusers.utils",
    "huggingface_hub",
    "hydra.utils",
    "hydra._internal",
    "datasets.load",
    "fsspec",
    "pytest",
    "multiprocess",
    "loky",
    "wandb.util",
    "six.moves",
    "werkzeug.debug",
    "flask",
    "django.core.management",
    "kubernetes.stream",
    "docker",
];

/// Top-level modules of Python's library: 3.8 to 3.14, and Python 2's.
const STANDARD: &str = "__future__ __hello__ __phello__ _abc _aix_support _android_support _apple_support _ast _asyncio _bisect _blake2 _bootlocale \
    _bootsubprocess _bz2 _codecs _codecs_cn _codecs_hk _codecs_iso2022 _codecs_jp _codecs_kr _codecs_tw _collections _collections_abc _colorize \
    _compat_pickle _compression _contextvars _crypt _csv _ctypes _curses _curses_panel _datetime _dbm _decimal _dummy_thread _elementtree \
    _frozen_importlib _frozen_importlib_external _functools _gdbm _hashlib _heapq _hmac _imp _interpchannels _interpqueues _interpreters _io _ios_support _json _locale \
    _lsprof _lzma _markupbase _md5 _msi _multibytecodec _multiprocessing _opcode _opcode_metadata _operator _osx_support _overlapped _pickle \
    _posixshmem _posixsubprocess _py_abc _py_warnings _pydatetime _pydecimal _pyio _pylong _pyrepl _queue _random _remote_debugging _scproxy _sha1 _sha2 _sha256 _sha3 \
    _sha512 _signal _sitebuiltins _socket _sqlite3 _sre _ssl _stat _statistics _string _strptime _struct _suggestions _symtable _sysconfig \
    _testbuffer _testcapi _testclinic _testimportmultiple _testinternalcapi _testmultiphase _thread _threading_local _tkinter _tokenize _tracemalloc _types _typing _uuid _warnings _weakref \
    _weakrefset _winapi _wmi _xxinterpchannels _xxsubinterpreters _xxtestfuzz _zoneinfo _zstd abc aifc annotationlib antigravity argparse array ast asynchat \
    asyncio asyncore atexit audioop base64 bdb binascii binhex bisect builtins bz2 cProfile calendar cgi cgitb chunk cmath cmd code codecs \
    codeop collections colorsys compileall compression concurrent configparser contextlib contextvars copy copyreg crypt csv ctypes curses \
    dataclasses datetime dbm decimal difflib dis distutils doctest dummy_threading email encodings ensurepip enum errno faulthandler fcntl \
    filecmp fileinput fnmatch formatter fractions ftplib functools gc genericpath getopt getpass gettext glob graphlib grp gzip hashlib heapq \
    hmac html http idlelib imaplib imghdr imp importlib inspect io ipaddress itertools json keyword lib2to3 linecache locale logging lzma \
    macpath mailbox mailcap marshal math mimetypes mmap modulefinder msilib msvcrt multiprocessing netrc nis nntplib nt ntpath nturl2path \
    numbers opcode operator optparse os ossaudiodev parser pathlib pdb pickle pickletools pipes pkgutil platform plistlib poplib posix \
    posixpath pprint profile pstats pty pwd py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib resource \
    rlcompleter runpy sched secrets select selectors shelve shlex shutil signal site sitecustomize usercustomize smtpd smtplib sndhdr socket socketserver spwd sqlite3 \
    sre_compile sre_constants sre_parse ssl stat statistics string stringprep struct subprocess sunau symbol symtable sys sysconfig syslog \
    tabnanny tarfile telnetlib tempfile termios test textwrap this threading time timeit tkinter token tokenize tomllib trace traceback \
    tracemalloc tty turtle turtledemo types typing unicodedata unittest urllib uu uuid venv warnings wave weakref webbrowser winreg winsound \
    wsgiref xdrlib xml xmlrpc xxsubtype zipapp zipfile zipimport zlib zoneinfo \
    BaseHTTPServer Bastion CGIHTTPServer ConfigParser Cookie DocXMLRPCServer HTMLParser Queue ScrolledText SimpleHTTPServer SimpleXMLRPCServer \
    SocketServer StringIO Tix Tkinter UserDict UserList UserString _winreg anydbm bsddb cStringIO commands compiler cookielib dbhash dircache \
    dl dumbdbm exceptions fpformat gdbm hotshot htmlentitydefs htmllib httplib ihooks imputil itertools linuxaudiodev md5 mhlib mimetools \
    MimeWriter mimify multifile mutex new os2 popen2 posixfile repr rexec rfc822 robotparser sets sgmllib sha sunaudiodev thread tkFileDialog toaiff \
    tkMessageBox urllib2 urlparse user whichdb xmllib xmlrpclib";

/// The tables of names, for the test that switches single ones off.
#[cfg(test)]
pub(in crate::triage::examine) fn tables() -> Vec<(&'static str, Vec<&'static str>)> {
    let standard: std::collections::BTreeSet<&str> = STANDARD.split_ascii_whitespace().collect();
    vec![
        ("acting", ACTING.to_vec()),
        ("runs", RUNS.to_vec()),
        ("mild", MILD.to_vec()),
        ("libraries", LIBRARIES.to_vec()),
        ("tools", TOOLS.to_vec()),
        ("parts", PARTS.to_vec()),
        ("standard", standard.into_iter().collect()),
    ]
}
