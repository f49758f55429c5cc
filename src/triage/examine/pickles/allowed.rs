//! Names that saved models need: exact pairs of module and name. What is not here is never accepted.

use crate::triage::examine::rules::{holds_pair, listed};
use std::collections::HashMap;
use std::sync::LazyLock;

/// How an allowed name may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// With any arguments, as long as they import nothing else.
    Any,
    /// `numpy…._reconstruct(class, shape, code)`: the class is one of NumPy's arrays.
    ArrayClass,
    /// `_codecs.encode(text, codec)`: the codec is a plain text encoding.
    Encode,
    /// `functools.partial(type)`: of a plain type of Python, or of an allowed class.
    Partial,
    /// `bytearray(n)`, `bytes(n)`: not of a length that fills the memory.
    Sized,
    /// `torch.storage._load_from_bytes(bytes)`: the bytes are looked into as a file of their own.
    TorchBytes,
    /// `torch._utils._rebuild_from_type_v2(function, …)`: the function is one of `torch._utils`.
    Rebuilder,
    /// `numpy.core._ufunc_reconstruct(module, name)`: the module is NumPy's or `SciPy`'s own.
    Ufunc,
    /// `scalar(dtype, bytes)`: not of objects.
    Scalar,
    /// `numpy.memmap`: the class of an array, for [`Rule::ArrayClass`] alone. Called, it opens or overwrites a file.
    Uncalled,
}

/// The rule for a pair, if it is allowed. `numpy._core` is read as `numpy.core`, Python 2's names as today's.
pub(super) fn rule(module: &str, name: &str) -> Option<Rule> {
    static TABLE: LazyLock<HashMap<&str, Vec<&str>>> = LazyLock::new(|| {
        let mut table: HashMap<&str, Vec<&str>> = HashMap::new();
        for (module, names) in PAIRS {
            table.entry(module).or_default().extend(names.split_ascii_whitespace());
        }
        table
    });
    let own = OWN.iter().find(|(m, n, _)| (*m, *n) == (module, name)).map(|(_, _, rule)| *rule);
    if !holds_pair("allowed", module, name) {
        return None;
    }
    own.or_else(|| TABLE.get(module)?.contains(&name).then_some(Rule::Any))
}

/// Whether a text is a Python name, possibly dotted.
pub(super) fn is_name(text: &str) -> bool {
    text.split('.').all(|part| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Classes of NumPy arrays, for [`Rule::ArrayClass`].
pub(super) fn is_array_class(module: &str, name: &str) -> bool {
    listed("arrays", ARRAYS, &format!("{module} {name}"))
}

/// Types of Python itself that build values and nothing else.
pub(super) fn is_plain_type(module: &str, name: &str) -> bool {
    module == "builtins" && listed("plain", PLAIN, name)
}

const ARRAYS: &[&str] = &[
    "numpy ndarray",
    "numpy.core.multiarray ndarray",
    "numpy recarray",
    "numpy.core.records recarray",
    "numpy.rec recarray",
    "numpy matrix",
    "numpy.matrixlib.defmatrix matrix",
    "numpy.ma.core MaskedArray",
    "numpy.ma.core MaskedConstant",
    "numpy.ma MaskedArray",
    "numpy.ma MaskedConstant",
    "numpy.core.memmap memmap",
    "numpy memmap",
];

const PLAIN: &[&str] = &[
    "int",
    "float",
    "bool",
    "complex",
    "str",
    "list",
    "dict",
    "set",
    "frozenset",
    "tuple",
    "bytes",
    "bytearray",
];

/// Pairs whose arguments decide.
const OWN: &[(&str, &str, Rule)] = &[
    ("numpy.core.multiarray", "_reconstruct", Rule::ArrayClass),
    ("numpy.core.multiarray", "_mareconstruct", Rule::ArrayClass),
    ("numpy.core._multiarray_umath", "_reconstruct", Rule::ArrayClass),
    ("numpy.core._multiarray_umath", "_mareconstruct", Rule::ArrayClass),
    ("numpy.ma.core", "_reconstruct", Rule::ArrayClass),
    ("numpy.ma.core", "_mareconstruct", Rule::ArrayClass),
    ("numpy.core.multiarray", "scalar", Rule::Scalar),
    ("numpy", "memmap", Rule::Uncalled),
    ("numpy.core.memmap", "memmap", Rule::Uncalled),
    ("numpy.core", "_ufunc_reconstruct", Rule::Ufunc),
    ("_codecs", "encode", Rule::Encode),
    ("functools", "partial", Rule::Partial),
    ("builtins", "bytes", Rule::Sized),
    ("builtins", "bytearray", Rule::Sized),
    ("torch.storage", "_load_from_bytes", Rule::TorchBytes),
    ("torch._utils", "_rebuild_from_type_v2", Rule::Rebuilder),
    ("torch._utils", "_rebuild_from_type", Rule::Rebuilder),
    ("torch._tensor", "_rebuild_from_type_v2", Rule::Rebuilder),
    ("torch._tensor", "_rebuild_from_type", Rule::Rebuilder),
];

const PAIRS: &[(&str, &str)] = &[
    // Python: values without effects.
    (
        "builtins",
        "int float bool complex str list dict set frozenset tuple object slice range type NoneType Ellipsis \
         NotImplemented reversed enumerate zip len abs min max sum round sorted hash ord chr divmod any all repr hex \
         oct bin Exception BaseException ValueError TypeError KeyError IndexError RuntimeError AttributeError \
         ArithmeticError ZeroDivisionError OverflowError AssertionError NotImplementedError StopIteration Warning \
         UserWarning DeprecationWarning FutureWarning RuntimeWarning LookupError OSError IOError MemoryError NameError \
         EOFError ImportError",
    ),
    ("copyreg", "_reconstructor __newobj__ __newobj_ex__"),
    ("collections", "OrderedDict defaultdict Counter deque ChainMap UserDict UserList UserString"),
    ("datetime", "date time datetime timedelta timezone tzinfo"),
    ("decimal", "Decimal"),
    ("fractions", "Fraction"),
    ("uuid", "UUID SafeUUID"),
    ("array", "array _array_reconstructor"),
    ("pathlib", "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath"),
    ("pathlib._local", "Path PosixPath WindowsPath PurePath PurePosixPath PureWindowsPath"),
    ("argparse", "Namespace"),
    ("types", "SimpleNamespace NoneType MappingProxyType"),
    ("enum", "Enum IntEnum Flag IntFlag auto"),
    ("re", "_compile"),
    ("random", "Random"),
    ("zoneinfo", "ZoneInfo"),
    ("string", "Template Formatter"),
    ("ipaddress", "IPv4Address IPv6Address IPv4Network IPv6Network"),
    // NumPy.
    (
        "numpy",
        "ndarray dtype matrix recarray record bool bool_ bool8 int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc intp \
         int_ uint uintc uintp longlong ulonglong float16 float32 float64 float128 half single double longdouble complex64 \
         complex128 complex256 csingle cdouble clongdouble str_ bytes_ unicode_ string_ void object_ datetime64 \
         timedelta64 byte ubyte short ushort generic number integer floating inexact signedinteger unsignedinteger \
         complexfloating flexible character nan inf \
         abs absolute add subtract multiply divide true_divide floor_divide negative power remainder mod exp exp2 expm1 log \
         log2 log10 log1p sqrt cbrt square reciprocal sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh \
         arccosh arctanh maximum minimum fmax fmin floor ceil rint trunc sign isnan isinf isfinite logical_and logical_or \
         logical_not logical_xor greater greater_equal less less_equal equal not_equal clip mean median sum std var ravel \
         deg2rad rad2deg hypot",
    ),
    ("numpy.core.multiarray", "ndarray dtype"),
    ("numpy.core.numeric", "_frombuffer"),
    (
        "numpy.dtypes",
        "Float16DType Float32DType Float64DType Int8DType Int16DType Int32DType Int64DType UInt8DType \
        UInt16DType UInt32DType UInt64DType BoolDType StrDType BytesDType ObjectDType VoidDType DateTime64DType \
        TimeDelta64DType Complex64DType Complex128DType",
    ),
    ("numpy.core.records", "recarray record"),
    ("numpy.rec", "recarray record"),
    ("numpy.matrixlib.defmatrix", "matrix"),
    ("numpy.ma.core", "MaskedArray MaskedConstant"),
    ("numpy.ma", "MaskedArray MaskedConstant"),
    ("numpy.random", "RandomState Generator"),
    ("numpy.random._pickle", "__randomstate_ctor __generator_ctor __bit_generator_ctor"),
    ("numpy.random.mtrand", "RandomState __randomstate_ctor"),
    ("numpy.random._generator", "Generator"),
    ("numpy.random._mt19937", "MT19937"),
    ("numpy.random._pcg64", "PCG64 PCG64DXSM"),
    ("numpy.random._philox", "Philox"),
    ("numpy.random._sfc64", "SFC64"),
    ("numpy.random.bit_generator", "SeedSequence __pyx_unpickle_SeedSequence"),
    ("numpy.polynomial.polynomial", "Polynomial"),
    // PyTorch.
    (
        "torch._utils",
        "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter _rebuild_parameter_with_state \
         _rebuild_qtensor _rebuild_sparse_tensor _rebuild_sparse_csr_tensor _rebuild_meta_tensor_no_storage \
         _rebuild_wrapper_subclass _rebuild_device_tensor_from_numpy _rebuild_device_tensor_from_cpu_tensor \
         _rebuild_nested_tensor _rebuild_xla_tensor",
    ),
    ("torch._tensor", "Tensor"),
    ("torch.tensor", "Tensor"),
    ("torch.nn.parameter", "Parameter Buffer UninitializedParameter UninitializedBuffer"),
    ("torch.serialization", "_get_layout"),
    ("torch.storage", "TypedStorage UntypedStorage _TypedStorage _UntypedStorage"),
    (
        "torch",
        "Tensor Size device dtype Generator FloatStorage DoubleStorage HalfStorage BFloat16Storage LongStorage IntStorage \
         ShortStorage CharStorage ByteStorage BoolStorage ComplexFloatStorage ComplexDoubleStorage QInt8Storage \
         QUInt8Storage QInt32Storage QUInt4x2Storage QUInt2x4Storage UntypedStorage FloatTensor DoubleTensor HalfTensor \
         BFloat16Tensor LongTensor IntTensor ShortTensor CharTensor ByteTensor BoolTensor float float16 float32 float64 half double bfloat16 int int8 \
         int16 int32 int64 long short uint8 uint16 uint32 uint64 bool complex32 complex64 complex128 qint8 quint8 qint32 \
         quint4x2 quint2x4 float8_e4m3fn float8_e5m2 float8_e4m3fnuz float8_e5m2fnuz strided sparse_coo sparse_csr \
         sparse_csc sparse_bsr sparse_bsc per_tensor_affine per_channel_affine per_tensor_symmetric per_channel_symmetric \
         contiguous_format channels_last channels_last_3d preserve_format",
    ),
    (
        "torch.cuda",
        "FloatStorage DoubleStorage HalfStorage BFloat16Storage LongStorage IntStorage ShortStorage CharStorage \
        ByteStorage BoolStorage FloatTensor DoubleTensor HalfTensor LongTensor IntTensor ByteTensor BoolTensor",
    ),
    ("torch.utils.hooks", "_unpickle_hook"),
    ("torch._C._nn", "gelu"),
    (
        "torch.nn.functional",
        "relu gelu silu mish elu leaky_relu selu softmax log_softmax sigmoid tanh softplus hardswish hardsigmoid relu6 \
         max_pool2d avg_pool2d adaptive_avg_pool2d dropout cross_entropy mse_loss nll_loss binary_cross_entropy",
    ),
    ("torch.nn.modules.module", "Module"),
    ("torch.nn", "Module Parameter"),
    ("torch.nn.modules.container", "Sequential ModuleList ModuleDict ParameterList ParameterDict Container"),
    (
        "torch.nn.modules.linear",
        "Linear Bilinear Identity LazyLinear NonDynamicallyQuantizableLinear _LinearWithBias",
    ),
    (
        "torch.nn.modules.conv",
        "Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d LazyConv1d LazyConv2d LazyConv3d",
    ),
    (
        "torch.nn.modules.batchnorm",
        "BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d",
    ),
    ("torch.nn.modules.instancenorm", "InstanceNorm1d InstanceNorm2d InstanceNorm3d"),
    ("torch.nn.modules.normalization", "LayerNorm GroupNorm LocalResponseNorm CrossMapLRN2d RMSNorm"),
    (
        "torch.nn.modules.activation",
        "ReLU ReLU6 LeakyReLU PReLU RReLU ELU CELU SELU GELU SiLU Mish Sigmoid LogSigmoid Tanh Tanhshrink Softmax Softmax2d \
         LogSoftmax Softmin Softplus Softshrink Softsign Hardtanh Hardswish Hardsigmoid Hardshrink Threshold GLU \
         MultiheadAttention",
    ),
    (
        "torch.nn.modules.pooling",
        "MaxPool1d MaxPool2d MaxPool3d AvgPool1d AvgPool2d AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d \
         AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d FractionalMaxPool2d \
         FractionalMaxPool3d LPPool1d LPPool2d",
    ),
    ("torch.nn.modules.dropout", "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout"),
    ("torch.nn.modules.flatten", "Flatten Unflatten"),
    ("torch.nn.modules.upsampling", "Upsample UpsamplingNearest2d UpsamplingBilinear2d"),
    (
        "torch.nn.modules.padding",
        "ZeroPad1d ZeroPad2d ZeroPad3d ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d \
        ReflectionPad2d ReflectionPad3d ReplicationPad1d ReplicationPad2d ReplicationPad3d CircularPad1d CircularPad2d \
        CircularPad3d",
    ),
    ("torch.nn.modules.pixelshuffle", "PixelShuffle PixelUnshuffle"),
    ("torch.nn.modules.channelshuffle", "ChannelShuffle"),
    ("torch.nn.modules.fold", "Fold Unfold"),
    ("torch.nn.modules.sparse", "Embedding EmbeddingBag"),
    ("torch.nn.modules.rnn", "RNNBase RNN LSTM GRU RNNCell LSTMCell GRUCell"),
    (
        "torch.nn.modules.transformer",
        "Transformer TransformerEncoder TransformerDecoder TransformerEncoderLayer TransformerDecoderLayer",
    ),
    ("torch.nn.modules.distance", "CosineSimilarity PairwiseDistance"),
    (
        "torch.nn.modules.loss",
        "L1Loss MSELoss CrossEntropyLoss NLLLoss NLLLoss2d PoissonNLLLoss GaussianNLLLoss KLDivLoss BCELoss BCEWithLogitsLoss \
         CTCLoss SmoothL1Loss HuberLoss MarginRankingLoss HingeEmbeddingLoss CosineEmbeddingLoss TripletMarginLoss \
         MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss SoftMarginLoss",
    ),
    ("torch.nn.parallel.data_parallel", "DataParallel"),
    ("torch.nn.parallel.distributed", "DistributedDataParallel"),
    ("torch.nn.utils.weight_norm", "WeightNorm"),
    (
        "torch.nn.utils.spectral_norm",
        "SpectralNorm SpectralNormStateDictHook SpectralNormLoadStateDictPreHook",
    ),
    ("torch.optim.sgd", "SGD"),
    ("torch.optim.adam", "Adam"),
    ("torch.optim.adamw", "AdamW"),
    ("torch.optim.adamax", "Adamax"),
    ("torch.optim.adagrad", "Adagrad"),
    ("torch.optim.adadelta", "Adadelta"),
    ("torch.optim.rmsprop", "RMSprop"),
    ("torch.optim.nadam", "NAdam"),
    ("torch.optim.radam", "RAdam"),
    ("torch.optim.lbfgs", "LBFGS"),
    (
        "torch.optim.lr_scheduler",
        "StepLR MultiStepLR ExponentialLR CosineAnnealingLR CosineAnnealingWarmRestarts ReduceLROnPlateau LambdaLR \
         OneCycleLR CyclicLR LinearLR ConstantLR PolynomialLR SequentialLR ChainedScheduler MultiplicativeLR",
    ),
    ("torch.torch_version", "TorchVersion"),
    ("torch.utils.data.dataset", "TensorDataset Subset ConcatDataset Dataset"),
    ("torchvision.models.resnet", "ResNet BasicBlock Bottleneck"),
    ("torchvision.models.vgg", "VGG"),
    ("torchvision.models.alexnet", "AlexNet"),
    ("torchvision.models.densenet", "DenseNet _DenseBlock _DenseLayer _Transition"),
    ("torchvision.models.squeezenet", "SqueezeNet Fire"),
    ("torchvision.models.googlenet", "GoogLeNet Inception BasicConv2d InceptionAux"),
    (
        "torchvision.models.inception",
        "Inception3 BasicConv2d InceptionA InceptionB InceptionC InceptionD InceptionE InceptionAux",
    ),
    ("torchvision.models.mobilenetv2", "MobileNetV2 InvertedResidual ConvBNReLU"),
    (
        "torchvision.models.mobilenetv3",
        "MobileNetV3 InvertedResidual InvertedResidualConfig SqueezeExcitation",
    ),
    ("torchvision.models.mobilenet", "MobileNetV2 InvertedResidual ConvBNReLU"),
    ("torchvision.models.efficientnet", "EfficientNet MBConv FusedMBConv"),
    ("torchvision.models.shufflenetv2", "ShuffleNetV2 InvertedResidual"),
    ("torchvision.models.mnasnet", "MNASNet _InvertedResidual"),
    ("torchvision.models.regnet", "RegNet"),
    ("torchvision.models.convnext", "ConvNeXt CNBlock LayerNorm2d"),
    ("torchvision.models.vision_transformer", "VisionTransformer Encoder EncoderBlock MLPBlock"),
    ("torchvision.models.swin_transformer", "SwinTransformer SwinTransformerBlock PatchMerging"),
    (
        "torchvision.ops.misc",
        "Conv2dNormActivation FrozenBatchNorm2d SqueezeExcitation MLP Permute ConvNormActivation",
    ),
    ("torchvision.ops.stochastic_depth", "StochasticDepth"),
    (
        "torchvision.transforms.transforms",
        "Compose ToTensor Normalize Resize CenterCrop RandomCrop RandomHorizontalFlip \
        RandomResizedCrop ToPILImage Grayscale Pad ColorJitter RandomRotation",
    ),
    // scikit-learn, SciPy, pandas, joblib.
    ("joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
    ("sklearn.pipeline", "Pipeline FeatureUnion"),
    ("sklearn.compose._column_transformer", "ColumnTransformer _RemainderColsList make_column_selector"),
    ("sklearn.compose._target", "TransformedTargetRegressor"),
    ("sklearn.linear_model._logistic", "LogisticRegression LogisticRegressionCV"),
    ("sklearn.linear_model.logistic", "LogisticRegression LogisticRegressionCV"),
    ("sklearn.linear_model._base", "LinearRegression"),
    ("sklearn.linear_model.base", "LinearRegression"),
    ("sklearn.linear_model._ridge", "Ridge RidgeCV RidgeClassifier RidgeClassifierCV _RidgeGCV"),
    (
        "sklearn.linear_model._coordinate_descent",
        "Lasso LassoCV ElasticNet ElasticNetCV MultiTaskLasso MultiTaskElasticNet",
    ),
    ("sklearn.linear_model._stochastic_gradient", "SGDClassifier SGDRegressor SGDOneClassSVM"),
    ("sklearn.linear_model._perceptron", "Perceptron"),
    ("sklearn.linear_model._passive_aggressive", "PassiveAggressiveClassifier PassiveAggressiveRegressor"),
    ("sklearn.linear_model._bayes", "BayesianRidge ARDRegression"),
    ("sklearn.linear_model._huber", "HuberRegressor"),
    ("sklearn.linear_model._least_angle", "Lars LarsCV LassoLars LassoLarsCV LassoLarsIC"),
    ("sklearn.linear_model._glm.glm", "PoissonRegressor GammaRegressor TweedieRegressor"),
    (
        "sklearn.linear_model._sgd_fast",
        "Hinge Log LogLoss ModifiedHuber SquaredLoss SquaredHinge Huber EpsilonInsensitive SquaredEpsilonInsensitive",
    ),
    (
        "sklearn._loss.loss",
        "HalfBinomialLoss HalfMultinomialLoss HalfSquaredError AbsoluteError PinballLoss HuberLoss \
        HalfPoissonLoss HalfGammaLoss HalfTweedieLoss ExponentialLoss HalfTweedieLossIdentity",
    ),
    ("sklearn._loss.link", "Interval IdentityLink LogLink LogitLink HalfLogitLink MultinomialLogit"),
    (
        "sklearn._loss._loss",
        "CyHalfBinomialLoss CyHalfMultinomialLoss CyHalfSquaredError CyAbsoluteError CyPinballLoss \
        CyHuberLoss CyHalfPoissonLoss CyHalfGammaLoss CyHalfTweedieLoss CyExponentialLoss",
    ),
    (
        "sklearn.preprocessing._data",
        "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer Binarizer \
        QuantileTransformer PowerTransformer KernelCenterer PolynomialFeatures",
    ),
    (
        "sklearn.preprocessing.data",
        "StandardScaler MinMaxScaler MaxAbsScaler RobustScaler Normalizer Binarizer \
        QuantileTransformer PowerTransformer PolynomialFeatures",
    ),
    ("sklearn.preprocessing._encoders", "OneHotEncoder OrdinalEncoder"),
    ("sklearn.preprocessing._target_encoder", "TargetEncoder"),
    ("sklearn.preprocessing._label", "LabelEncoder LabelBinarizer MultiLabelBinarizer"),
    ("sklearn.preprocessing.label", "LabelEncoder LabelBinarizer MultiLabelBinarizer"),
    ("sklearn.preprocessing._polynomial", "PolynomialFeatures SplineTransformer"),
    ("sklearn.preprocessing._discretization", "KBinsDiscretizer"),
    ("sklearn.preprocessing._function_transformer", "FunctionTransformer _identity"),
    ("sklearn.impute._base", "SimpleImputer MissingIndicator"),
    ("sklearn.impute._knn", "KNNImputer"),
    ("sklearn.impute._iterative", "IterativeImputer _ImputerTriplet"),
    ("sklearn.feature_extraction.text", "CountVectorizer TfidfVectorizer TfidfTransformer HashingVectorizer"),
    ("sklearn.feature_extraction._dict_vectorizer", "DictVectorizer"),
    ("sklearn.feature_extraction._hash", "FeatureHasher"),
    (
        "sklearn.feature_selection._univariate_selection",
        "SelectKBest SelectPercentile SelectFpr SelectFdr SelectFwe \
        GenericUnivariateSelect f_classif f_regression chi2",
    ),
    ("sklearn.feature_selection._from_model", "SelectFromModel"),
    ("sklearn.feature_selection._rfe", "RFE RFECV"),
    ("sklearn.feature_selection._variance_threshold", "VarianceThreshold"),
    ("sklearn.feature_selection._mutual_info", "mutual_info_classif mutual_info_regression"),
    ("sklearn.decomposition._pca", "PCA"),
    ("sklearn.decomposition.pca", "PCA"),
    ("sklearn.decomposition._truncated_svd", "TruncatedSVD"),
    ("sklearn.decomposition._incremental_pca", "IncrementalPCA"),
    ("sklearn.decomposition._kernel_pca", "KernelPCA"),
    ("sklearn.decomposition._nmf", "NMF MiniBatchNMF"),
    ("sklearn.decomposition._fastica", "FastICA"),
    ("sklearn.decomposition._factor_analysis", "FactorAnalysis"),
    ("sklearn.decomposition._lda", "LatentDirichletAllocation"),
    ("sklearn.discriminant_analysis", "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis"),
    (
        "sklearn.tree._classes",
        "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
    ),
    (
        "sklearn.tree.tree",
        "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
    ),
    ("sklearn.tree._tree", "Tree"),
    (
        "sklearn.ensemble._forest",
        "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor RandomTreesEmbedding",
    ),
    (
        "sklearn.ensemble.forest",
        "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor",
    ),
    ("sklearn.ensemble._gb", "GradientBoostingClassifier GradientBoostingRegressor"),
    ("sklearn.ensemble._gb_losses", "BinomialDeviance MultinomialDeviance ExponentialLoss LeastSquaresError"),
    (
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
        "HistGradientBoostingClassifier HistGradientBoostingRegressor",
    ),
    ("sklearn.ensemble._hist_gradient_boosting.binning", "_BinMapper"),
    ("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"),
    ("sklearn.ensemble._weight_boosting", "AdaBoostClassifier AdaBoostRegressor"),
    ("sklearn.ensemble._bagging", "BaggingClassifier BaggingRegressor"),
    ("sklearn.ensemble._voting", "VotingClassifier VotingRegressor"),
    ("sklearn.ensemble._stacking", "StackingClassifier StackingRegressor"),
    ("sklearn.ensemble._iforest", "IsolationForest"),
    ("sklearn.svm._classes", "SVC SVR NuSVC NuSVR LinearSVC LinearSVR OneClassSVM"),
    ("sklearn.svm.classes", "SVC SVR NuSVC NuSVR LinearSVC LinearSVR OneClassSVM"),
    ("sklearn.naive_bayes", "GaussianNB MultinomialNB ComplementNB BernoulliNB CategoricalNB"),
    ("sklearn.neighbors._classification", "KNeighborsClassifier RadiusNeighborsClassifier"),
    ("sklearn.neighbors._regression", "KNeighborsRegressor RadiusNeighborsRegressor"),
    ("sklearn.neighbors._unsupervised", "NearestNeighbors"),
    ("sklearn.neighbors._lof", "LocalOutlierFactor"),
    ("sklearn.neighbors._kde", "KernelDensity"),
    ("sklearn.neighbors._nearest_centroid", "NearestCentroid"),
    ("sklearn.neighbors._kd_tree", "KDTree KDTree64 newObj"),
    ("sklearn.neighbors._ball_tree", "BallTree BallTree64 newObj"),
    (
        "sklearn.metrics._dist_metrics",
        "EuclideanDistance EuclideanDistance64 MinkowskiDistance MinkowskiDistance64 \
        ManhattanDistance ManhattanDistance64 newObj",
    ),
    ("sklearn.neural_network._multilayer_perceptron", "MLPClassifier MLPRegressor"),
    ("sklearn.neural_network._stochastic_optimizers", "AdamOptimizer SGDOptimizer"),
    ("sklearn.gaussian_process._gpc", "GaussianProcessClassifier _BinaryGaussianProcessClassifierLaplace"),
    ("sklearn.gaussian_process._gpr", "GaussianProcessRegressor"),
    (
        "sklearn.gaussian_process.kernels",
        "RBF Matern WhiteKernel ConstantKernel Product Sum RationalQuadratic DotProduct ExpSineSquared",
    ),
    ("sklearn.cluster._kmeans", "KMeans MiniBatchKMeans"),
    ("sklearn.cluster.k_means_", "KMeans MiniBatchKMeans"),
    ("sklearn.cluster._dbscan", "DBSCAN"),
    ("sklearn.cluster._agglomerative", "AgglomerativeClustering FeatureAgglomeration"),
    ("sklearn.cluster._birch", "Birch"),
    ("sklearn.cluster._mean_shift", "MeanShift"),
    ("sklearn.cluster._spectral", "SpectralClustering"),
    ("sklearn.mixture._gaussian_mixture", "GaussianMixture"),
    ("sklearn.mixture._bayesian_mixture", "BayesianGaussianMixture"),
    ("sklearn.manifold._t_sne", "TSNE"),
    ("sklearn.isotonic", "IsotonicRegression"),
    ("sklearn.calibration", "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration"),
    ("sklearn.multiclass", "OneVsRestClassifier OneVsOneClassifier OutputCodeClassifier _ConstantPredictor"),
    ("sklearn.multioutput", "MultiOutputClassifier MultiOutputRegressor ClassifierChain RegressorChain"),
    ("sklearn.model_selection._search", "GridSearchCV RandomizedSearchCV"),
    (
        "sklearn.model_selection._split",
        "KFold StratifiedKFold GroupKFold ShuffleSplit StratifiedShuffleSplit TimeSeriesSplit",
    ),
    ("sklearn.covariance._empirical_covariance", "EmpiricalCovariance"),
    ("sklearn.covariance._shrunk_covariance", "LedoitWolf ShrunkCovariance OAS"),
    (
        "sklearn.metrics._scorer",
        "_PassthroughScorer _Scorer _PredictScorer _ProbaScorer _ThresholdScorer _MultimetricScorer",
    ),
    ("sklearn.dummy", "DummyClassifier DummyRegressor"),
    ("sklearn.random_projection", "GaussianRandomProjection SparseRandomProjection"),
    ("sklearn.kernel_approximation", "RBFSampler Nystroem"),
    ("sklearn.kernel_ridge", "KernelRidge"),
    ("sklearn.utils", "Bunch"),
    ("sklearn.utils._bunch", "Bunch"),
    ("sklearn.utils._metadata_requests", "MetadataRequest MethodMetadataRequest"),
    ("scipy.sparse._csr", "csr_matrix csr_array"),
    ("scipy.sparse._csc", "csc_matrix csc_array"),
    ("scipy.sparse._coo", "coo_matrix coo_array"),
    ("scipy.sparse._lil", "lil_matrix lil_array"),
    ("scipy.sparse._dia", "dia_matrix dia_array"),
    ("scipy.sparse._dok", "dok_matrix dok_array"),
    ("scipy.sparse.csr", "csr_matrix"),
    ("scipy.sparse.csc", "csc_matrix"),
    ("scipy.sparse.coo", "coo_matrix"),
    ("scipy.special._ufuncs", "expit logit"),
    ("pandas.core.frame", "DataFrame"),
    ("pandas.core.series", "Series"),
    (
        "pandas",
        "DataFrame Series Index RangeIndex MultiIndex DatetimeIndex TimedeltaIndex Timestamp Timedelta Categorical CategoricalDtype StringDtype BooleanDtype Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype Float32Dtype Float64Dtype DatetimeTZDtype",
    ),
    ("pandas.core.internals.managers", "BlockManager SingleBlockManager"),
    ("pandas.core.internals.blocks", "new_block"),
    ("pandas._libs.internals", "_unpickle_block"),
    ("pandas.core.indexes.base", "Index _new_Index"),
    ("pandas.core.indexes.range", "RangeIndex"),
    ("pandas.core.indexes.multi", "MultiIndex"),
    ("pandas.core.indexes.numeric", "Int64Index Float64Index UInt64Index"),
    ("pandas.core.indexes.datetimes", "DatetimeIndex _new_DatetimeIndex"),
    ("pandas._libs.tslibs.timestamps", "_unpickle_timestamp Timestamp"),
    ("pandas._libs.tslibs.timedeltas", "_timedelta_unpickle Timedelta"),
    ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"),
    ("pandas.core.arrays.categorical", "Categorical"),
    (
        "pandas.arrays",
        "Categorical StringArray ArrowStringArray DatetimeArray TimedeltaArray PeriodArray IntegerArray FloatingArray BooleanArray \
         SparseArray IntervalArray NumpyExtensionArray",
    ),
    ("pandas.core.dtypes.dtypes", "CategoricalDtype DatetimeTZDtype"),
    ("pandas.core.arrays.string_", "StringDtype StringArray"),
    ("xgboost.core", "Booster DMatrix"),
    ("xgboost.sklearn", "XGBClassifier XGBRegressor XGBRanker XGBModel"),
    ("lightgbm.basic", "Booster"),
    ("lightgbm.sklearn", "LGBMClassifier LGBMRegressor LGBMRanker"),
    // Hugging Face's training_args.bin and what lies in it.
    ("transformers.training_args", "TrainingArguments OptimizerNames ParallelMode"),
    ("transformers.training_args_seq2seq", "Seq2SeqTrainingArguments"),
    (
        "transformers.trainer_utils",
        "IntervalStrategy SchedulerType HubStrategy EvaluationStrategy SaveStrategy FSDPOption",
    ),
    ("accelerate.state", "PartialState AcceleratorState"),
    ("accelerate.utils.dataclasses", "DistributedType DeepSpeedPlugin"),
    ("transformers.trainer_pt_utils", "AcceleratorConfig"),
    ("omegaconf.dictconfig", "DictConfig"),
    ("omegaconf.listconfig", "ListConfig"),
    ("omegaconf.base", "ContainerMetadata Metadata"),
    ("omegaconf.nodes", "AnyNode StringNode IntegerNode FloatNode BooleanNode"),
    ("typing", "Any Union Optional List Dict Tuple"),
];

/// The tables of names, for the test that switches single ones off.
#[cfg(test)]
pub(in crate::triage::examine) fn tables() -> Vec<(&'static str, Vec<String>)> {
    let owned = |all: &[&str]| all.iter().map(|e| (*e).to_owned()).collect();
    let pairs =
        PAIRS.iter().flat_map(|(m, names)| names.split_ascii_whitespace().map(move |n| format!("{m} {n}")));
    let own = OWN.iter().map(|(m, n, _)| format!("{m} {n}"));
    let allowed: std::collections::BTreeSet<String> = own.chain(pairs).collect();
    vec![("allowed", allowed.into_iter().collect()), ("arrays", owned(ARRAYS)), ("plain", owned(PLAIN))]
}
