"""Checks the operations of a SavedModel before TensorFlow loads it.

A SavedModel is a program. Some operations of TensorFlow write files, read them or call Python, and a loaded
model runs whatever its graphs hold. Here the graphs are parsed, which runs nothing. Each operation, those in
the library of functions too, must be one that the exports of this package are made of.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tensorflow.core.protobuf import saved_model_pb2

from fcn.errors import RunError
from fcn.system.trust import read_bounded, untrusted

MOST_GRAPH_BYTES = 16 << 20
"""The largest graph that is read. Those of this package take less than 1 MB, since weights are apart."""

_CALLS = frozenset(
    ("StatefulPartitionedCall", "PartitionedCall", "If", "StatelessIf", "While", "StatelessWhile")
) | {"Case", "StatelessCase"}
"""Operations that call functions of the library, which are checked themselves."""

# Mathematics of maps, labels and weights: what exports hold, and alike what earlier and later versions of
# TensorFlow and Keras make of the same layers.
_MATHEMATICS = """
    Abs Add AddN AddV2 All Any ArgMax AvgPool BatchMatMulV2 BatchToSpaceND BiasAdd BroadcastTo Cast Ceil
    ClipByValue ConcatV2 Const Conv2D Conv2DBackpropInput Cumsum DenseBincount DepthToSpace
    DepthwiseConv2dNative Div DivNoNan Einsum Elu EnsureShape Equal Exp ExpandDims ExtractImagePatches
    Fill Floor FloorDiv FloorMod FusedBatchNorm FusedBatchNormV3 GatherNd GatherV2 Greater GreaterEqual
    Identity IdentityN Less LessEqual LinSpace Log LogicalAnd LogicalNot LogicalOr MatMul Max MaxPool
    MaxPoolV2 Maximum Mean Min Minimum MirrorPad Mul Neg NoOp NotEqual OneHot OnesLike Pack Pad PadV2 Pow
    Prod Range Rank ReadVariableOp RealDiv Relu Relu6 Reshape ResizeArea ResizeBicubic ResizeBilinear
    ResizeNearestNeighbor ReverseV2 Round Rsqrt ScatterNd Select SelectV2 Shape ShapeN Sigmoid Sign Size
    Slice Softmax SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze
    StopGradient StridedSlice Sub Sum Tanh TensorScatterUpdate Tile TopKV2 Transpose TruncateDiv
    TruncateMod Unpack UnsortedSegmentMin ZerosLike
"""
# Image files from bytes and to bytes, and lists with an entry for each image of a request.
_IMAGES = """
    Assert DecodeBmp DecodeJpeg DecodePng DecodeRaw EncodePng StringLength Substr TensorListFromTensor
    TensorListGetItem TensorListLength TensorListReserve TensorListSetItem TensorListStack
"""
OPERATIONS = _CALLS | frozenset(f"{_MATHEMATICS} {_IMAGES}".split())
"""Operations that functions may contain. None of them uses files, Python, a network or another process. Some
take as much memory or time as a graph asks for."""

_MAIN = frozenset(
    ("Const", "Identity", "NoOp", "Placeholder", "StatefulPartitionedCall", "PartitionedCall")
) | {"VarHandleOp", "VarIsInitializedOp", "ReadVariableOp", "AssignVariableOp"}
"""Operations that the main graph may contain. Only programs of TensorFlow 1 run it."""

_SAVING = frozenset(
    ("MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename", "StaticRegexFullMatch", "StringJoin")
) | {"AssignVariableOp", "Const", "DisableCopyOnRead", "Identity", "NoOp", "Pack", "ReadVariableOp", "Select"}
"""Operations in the two functions that save and restore weights for other programs. They use files."""

_ALL = OPERATIONS | _MAIN | _SAVING

_OBJECTS = frozenset(("user_object", "asset", "function", "bare_concrete_function", "variable", "constant"))
_USER_OBJECTS = frozenset(
    ("_generic_user_object", "signature_map", "trackable_list_wrapper", "trackable_dict_wrapper")
) | {"trackable_tuple_wrapper"}
"""The objects that TensorFlow makes when it loads; others, such as tables, run functions at that moment."""


def check_saved_model(version: Path) -> None:
    """Refuses a SavedModel with operations or objects that no export of this package has.

    Files are used only by the two functions that save and restore weights. TensorFlow loads weights without
    them, so nothing may call them but the graph of the former TensorFlow, which does not run either.

    Args:
        version: Folder with `saved_model.pb`.

    Raises:
        RunError: If it cannot be read, or is larger than `MOST_GRAPH_BYTES`.
        TrustError: If it holds something else.
    """
    path = version / "saved_model.pb"
    document = saved_model_pb2.SavedModel()
    try:
        document.ParseFromString(read_bounded(path, MOST_GRAPH_BYTES))
    except RunError:
        raise
    except Exception as error:  # of reading, or the one of Protocol Buffers
        raise RunError(
            f"{version}: cannot be read as a model exported by this package ({error}). Export it again."
        ) from error
    graphs = document.meta_graphs
    if not graphs:
        raise RunError(f"{version}: cannot be read as an exported model (it has no graph). Export it again.")
    # Any other form is loaded as that of TensorFlow 1, which runs the main graph.
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        raise untrusted(path, "a graph of", "TensorFlow 1")
    graph, objects = graphs[0].graph_def, graphs[0].object_graph_def
    savers = {graphs[0].saver_def.save_tensor_name.partition(":")[0], graphs[0].saver_def.restore_op_name}
    saving = _called(node for node in graph.node if node.name in savers)
    _check_operations([node for node in graph.node if node.name not in savers], _MAIN, path, saving)
    for function in graph.library.function:
        if function.signature.name in saving:
            _check_names((node.op for node in function.node_def), _SAVING, path)
        else:
            _check_operations(function.node_def, OPERATIONS, path, saving)
        # TensorFlow may call one function instead of another that declares the same, and looks for a function
        # of the name of an operation first.
        if "api_implements" in function.attr or function.signature.name in _ALL:
            raise untrusted(path, "a function that replaces others,", function.signature.name)
    for gradient in graph.library.gradient:
        raise untrusted(path, "the gradient function", gradient.gradient_func)
    _check_objects(objects, path, saving)


def _check_operations(nodes: Sequence[Any], allowed: frozenset[str], path: Path, saving: set[str]) -> None:
    """Refuses operations that are not allowed, and calls of the functions that save and restore."""
    _check_names((node.op for node in nodes), allowed, path)
    for name in sorted(saving & _called(nodes)):
        raise untrusted(path, "another call of the function that uses files,", name)


def _check_names(found: Iterable[str], allowed: frozenset[str], path: Path) -> None:
    for name in sorted(set(found) - allowed):
        raise untrusted(path, "the operation", name)


def _called(nodes: Iterable[Any]) -> set[str]:
    """Returns the names of the functions that nodes name."""
    return {
        function.name
        for node in nodes
        for value in node.attr.values()
        for function in (value.func, *value.list.func)
        if function.name
    }


def _check_objects(objects: Any, path: Path, saving: set[str]) -> None:
    callable_names = set(objects.concrete_functions)
    for node in objects.nodes:
        kind = node.WhichOneof("kind")
        if kind not in _OBJECTS:
            raise untrusted(path, "an object of the kind", kind)
        if kind == "user_object" and node.user_object.identifier not in _USER_OBJECTS:
            raise untrusted(path, "an object of the kind", node.user_object.identifier)
        if node.registered_name or node.saveable_objects:
            raise untrusted(path, "an object that loads itself,", node.registered_name)
        callable_names.update(_functions_of(node))
    for name in sorted(saving & callable_names):
        raise untrusted(path, "another call of the function that uses files,", name)


def _functions_of(node: Any) -> Iterator[str]:
    yield from node.function.concrete_functions
    yield node.bare_concrete_function.concrete_function_name
