"""The ops that a model may have which this trainer loads: those that only compute.

None of them opens a file, a socket or a process, writes to the log, waits, or calls
Python. Taken by hand from TensorFlow's registry; an op that is not here is refused, so
a new one is refused until somebody has looked at it. See SECURITY.md.
"""

_ARRAYS = """
BatchToSpaceND Bitcast BroadcastArgs BroadcastTo Concat ConcatOffset ConcatV2 Const
DepthToSpace Diag DiagPart DynamicPartition DynamicStitch Empty EnsureShape ExpandDims
ExtractImagePatches Fill Gather GatherNd GatherV2 GuaranteeConst Identity IdentityN
InvertPermutation LinSpace MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV2
MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3
MirrorPad OneHot OnesLike Pack Pad PadV2 ParallelConcat ParallelDynamicStitch
Placeholder PlaceholderV2 PlaceholderWithDefault PreventGradient Range Rank Reshape
Reverse ReverseSequence ReverseV2 Roll ScatterNd Shape ShapeN Size Slice Snapshot
SpaceToBatchND SpaceToDepth Split SplitV Squeeze StopGradient StridedSlice
TensorScatterAdd TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate
Tile Transpose Unique UniqueV2 UniqueWithCounts UniqueWithCountsV2 Unpack Where
ZerosLike
"""
_MATH = """
Abs AccumulateNV2 Acos Acosh Add AddN AddV2 All Any ApproximateEqual ArgMax ArgMin Asin
Asinh Atan Atan2 Atanh BatchMatMul BatchMatMulV2 BatchMatMulV3 Betainc Bincount
BitwiseAnd BitwiseOr BitwiseXor Bucketize Cast Ceil ClipByValue Complex ComplexAbs Conj
Cos Cosh Cross Cumprod Cumsum CumulativeLogsumexp DenseBincount Digamma Div DivNoNan
Einsum Equal Erf Erfc Erfinv EuclideanNorm Exp Expm1 Floor FloorDiv FloorMod Greater
GreaterEqual HistogramFixedWidth Igamma Igammac Imag Inv Invert IsFinite IsInf IsNan
LeftShift Less LessEqual Lgamma Log Log1p LogicalAnd LogicalNot LogicalOr LowerBound
MatMul Max Maximum Mean Min Minimum Mod Mul MulNoNan Ndtri Neg NextAfter NotEqual
Polygamma PopulationCount Pow Prod Real RealDiv Reciprocal RightShift Rint Round Rsqrt
SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum Select SelectV2 Sigmoid Sign
Sin Sinh SparseMatMul SparseTensorDenseMatMul SparseToDense Sqrt Square
SquaredDifference Sub Sum Tan Tanh TruncateDiv TruncateMod UnsortedSegmentMax
UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum UpperBound Xdivy Xlog1py
Xlogy
"""
_NETWORKS = """
AvgPool AvgPool3D BatchNormWithGlobalNormalization BiasAdd BiasAddV1 Conv Conv2D
Conv2DBackpropInput Conv2DBackpropInputV2 Conv3D Conv3DBackpropInputV2 DataFormatDimMap
DataFormatVecPermute Dequantize DepthwiseConv2dNative Dilation2D Elu
FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 FusedPadConv2D FusedResizeAndPadConv2D
InTopK InTopKV2 L2Loss LRN LeakyRelu LogSoftmax MaxPool MaxPool3D MaxPoolV2
MaxPoolWithArgmax NthElement QuantizeAndDequantize QuantizeAndDequantizeV2
QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 QuantizeDownAndShrinkRange QuantizeV2
QuantizedAdd QuantizedAvgPool QuantizedBiasAdd QuantizedConcat QuantizedConcatV2
QuantizedConv2D QuantizedMatMul QuantizedMaxPool QuantizedMul QuantizedRelu
QuantizedRelu6 QuantizedReshape Relu Relu6 RequantizationRange Requantize Selu Softmax
SoftmaxCrossEntropyWithLogits Softplus Softsign SparseSoftmaxCrossEntropyWithLogits
TopK TopKV2
"""
# Of the ops above: a model that can be trained further may bring gradients of its own,
# as tf.nn.swish does.
_GRADIENTS = """
AvgPool3DGrad AvgPoolGrad BiasAddGrad BroadcastGradientArgs Conv2DBackpropFilter
Conv2DBackpropFilterV2 Conv3DBackpropFilterV2 CropAndResizeGradBoxes
CropAndResizeGradImage DepthwiseConv2dNativeBackpropFilter
DepthwiseConv2dNativeBackpropInput Dilation2DBackpropFilter Dilation2DBackpropInput
EluGrad FusedBatchNormGrad FusedBatchNormGradV2 FusedBatchNormGradV3 IgammaGradA InvGrad
LRNGrad LeakyReluGrad MaxPool3DGrad MaxPoolGrad MaxPoolGradV2 MaxPoolGradWithArgmax
MirrorPadGrad ReciprocalGrad Relu6Grad ReluGrad ResizeBicubicGrad ResizeBilinearGrad
ResizeNearestNeighborGrad RsqrtGrad ScaleAndTranslateGrad SeluGrad SigmoidGrad
SoftplusGrad SoftsignGrad SqrtGrad TanhGrad
"""
_RANDOM = """
Multinomial RandomShuffle RandomStandardNormal RandomUniform RandomUniformInt
SampleDistortedBoundingBox SampleDistortedBoundingBoxV2 StatelessMultinomial
StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg
StatelessRandomNormal StatelessRandomNormalV2 StatelessRandomUniform
StatelessRandomUniformFullInt StatelessRandomUniformFullIntV2 StatelessRandomUniformInt
StatelessRandomUniformIntV2 StatelessRandomUniformV2 StatelessSampleDistortedBoundingBox
StatelessTruncatedNormal StatelessTruncatedNormalV2 TruncatedNormal
"""
_PICTURES = """
AdjustContrast AdjustContrastv2 AdjustHue AdjustSaturation CropAndResize
DecodeAndCropJpeg DecodeBase64 DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng
DecodeRaw DecodeWebP EncodeJpeg EncodePng ExtractGlimpse ExtractGlimpseV2
ExtractJpegShape HSVToRGB ImageProjectiveTransformV2 ImageProjectiveTransformV3
RGBToHSV ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor
ScaleAndTranslate
"""
_TEXTS = """
AsString EncodeBase64 ReduceJoin RegexFullMatch RegexReplace StaticRegexFullMatch
StaticRegexReplace StringFormat StringJoin StringLength StringLower StringStrip
StringToHashBucket StringToHashBucketFast StringToHashBucketStrong StringToNumber
StringUpper Substr ParseExample ParseExampleV2 ParseSingleExample
"""
_CONTROL = """
Assert Case ControlTrigger Enter Exit For If LoopCond Merge NextIteration NoOp
PartitionedCall RefEnter RefExit RefIdentity RefMerge RefNextIteration RefSelect
RefSwitch StatefulPartitionedCall StatelessCase StatelessIf StatelessWhile Switch While
EmptyTensorList TensorListConcat TensorListConcatV2 TensorListElementShape
TensorListFromTensor TensorListGather TensorListGetItem TensorListLength
TensorListPopBack TensorListPushBack TensorListReserve TensorListResize
TensorListScatter TensorListScatterIntoExistingList TensorListScatterV2
TensorListSetItem TensorListSplit TensorListStack TensorArrayCloseV3
TensorArrayConcatV3 TensorArrayGatherV3 TensorArrayReadV3 TensorArrayScatterV3
TensorArraySizeV3 TensorArraySplitV3 TensorArrayV3 TensorArrayWriteV3
"""
# Variables and tables, which live in memory; one that is filled from a file is missing.
_STATE = """
Assign AssignAdd AssignAddVariableOp AssignSub AssignSubVariableOp AssignVariableOp
DisableCopyOnRead HashTable HashTableV2 InitializeTable InitializeTableV2
IsVariableInitialized LookupTableFind LookupTableFindV2 LookupTableImport
LookupTableImportV2 LookupTableSize LookupTableSizeV2 MutableHashTable
MutableHashTableV2 ReadVariableOp ResourceGather ResourceGatherNd VarHandleOp
VarIsInitializedOp Variable VariableShape VariableV2
"""

ALLOWED = frozenset(
    " ".join(
        [
            _ARRAYS,
            _MATH,
            _NETWORKS,
            _GRADIENTS,
            _RANDOM,
            _PICTURES,
            _TEXTS,
            _CONTROL,
            _STATE,
        ]
    ).split()
)
# What a model with variables has for its own checkpoint: allowed where it belongs.
RESTORING = frozenset(["RestoreV2", "ShardedFilename"])
SAVING = RESTORING | {"MergeV2Checkpoints", "SaveV2"}
# Random numbers whose state is in the process, where no checkpoint reaches it.
DRAWING = frozenset(
    name for name in _RANDOM.split() if not name.startswith("Stateless")
)
