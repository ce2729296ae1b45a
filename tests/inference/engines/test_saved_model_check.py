"""Tests of the operations that a SavedModel may hold, with models that would write a file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from net_kinds import NET_KINDS, random_net
from tensorflow.core.protobuf import saved_model_pb2

from fcn.cli.main import main
from fcn.errors import RunError, TrustError
from fcn.exports.saved_model import ServedModel
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.openvino_graph import convert_exported
from fcn.inference.engines.saved_model_check import MOST_GRAPH_BYTES, check_saved_model
from fcn.models.fcn import FCN

FIXTURE = Path(__file__).parents[2] / "fixtures" / "export" / "1"
IMAGES = tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")
IMAGE = np.zeros((1, 4, 5, 3), np.uint8)

Attack = Callable[[tf.Tensor, Path], None]


def write(images: tf.Tensor, marker: Path) -> None:
    tf.io.write_file(str(marker), tf.strings.as_string(tf.size(images)))


def write_in_a_function(images: tf.Tensor, marker: Path) -> None:
    @tf.function
    def inner(count: tf.Tensor) -> tf.Tensor:
        @tf.function
        def innermost(count: tf.Tensor) -> tf.Tensor:
            tf.io.write_file(str(marker), "ran")
            return count

        return innermost(count)

    inner(tf.size(images))


def write_in_a_branch(images: tf.Tensor, marker: Path) -> None:
    def hidden() -> tf.Tensor:
        tf.io.write_file(str(marker), "ran")
        return tf.constant(1)

    tf.cond(tf.size(images) > 0, hidden, lambda: tf.constant(0))


def write_in_a_loop(images: tf.Tensor, marker: Path) -> None:
    def body(index: tf.Tensor) -> tf.Tensor:
        tf.io.write_file(str(marker), "ran")
        return index + 1

    tf.while_loop(lambda index: index < tf.minimum(1, tf.size(images)), body, [0])


def save_weights(images: tf.Tensor, marker: Path) -> None:
    values = [tf.cast(images, tf.float32)]
    tf.raw_ops.SaveV2(prefix=str(marker), tensor_names=["a"], shape_and_slices=[""], tensors=values)


def print_to_a_file(images: tf.Tensor, marker: Path) -> None:
    tf.print(tf.size(images), output_stream=f"file://{marker}")


def call_python(images: tf.Tensor, marker: Path) -> None:
    def touch(count: Any) -> Any:
        marker.touch()
        return count

    tf.py_function(touch, [tf.size(images)], tf.int32)


def read(images: tf.Tensor, marker: Path) -> None:
    tf.io.read_file(str(marker))


ATTACKS: dict[str, tuple[Attack, str]] = {
    "write": (write, "WriteFile|AsString"),
    "write_in_a_function": (write_in_a_function, "WriteFile"),
    "write_in_a_branch": (write_in_a_branch, "WriteFile"),
    "write_in_a_loop": (write_in_a_loop, "WriteFile"),
    "save_weights": (save_weights, "SaveV2"),
    "print_to_a_file": (print_to_a_file, "PrintV2|StringFormat"),
    "call_python": (call_python, "EagerPyFunc"),
    "read": (read, "ReadFile"),
}


def hostile_export(folder: Path, source: Path, attack: Attack, marker: Path) -> Path:
    """Writes an export that labels as any other, and attacks when it does."""

    class Hostile(tf.Module):
        @tf.function(input_signature=[IMAGES])
        def predict_logits(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            attack(images, marker)
            return {"logits": tf.cast(images, tf.float32)}

    module = Hostile()
    version = folder / "1"
    tf.saved_model.save(module, str(version), signatures={"predict_logits": module.predict_logits})
    shutil.copytree(source / "assets", version / "assets", dirs_exist_ok=True)
    return version


def edited(source: Path, folder: Path, edit: Callable[[Any], None]) -> Path:
    """Copies an export with a change in its graph."""
    shutil.copytree(source, folder)
    document = saved_model_pb2.SavedModel.FromString((source / "saved_model.pb").read_bytes())
    edit(document)
    (folder / "saved_model.pb").write_bytes(document.SerializeToString())
    return folder


@pytest.mark.parametrize("name", ATTACKS)
def test_operations_that_use_files_or_python_are_refused(
    name: str, tmp_path: Path, plain_export: Path
) -> None:
    attack, operation = ATTACKS[name]
    marker = tmp_path / "marker"
    version = hostile_export(tmp_path / "export", plain_export, attack, marker)
    for path in (version, version.parent):
        with pytest.raises(TrustError, match=f"saved_model.pb: holds the operation '({operation})'"):
            open_engine(path, "tensorflow")
    assert not list(tmp_path.glob("marker*"))


@pytest.mark.parametrize("name", ["write", "write_in_a_function", "call_python"])
def test_with_trust_they_run(name: str, tmp_path: Path, plain_export: Path) -> None:
    marker = tmp_path / "marker"
    version = hostile_export(tmp_path / "export", plain_export, ATTACKS[name][0], marker)
    open_engine(version, "tensorflow", trust=True).label(IMAGE)
    assert marker.exists()


def test_openvino_reads_no_graph_that_was_not_checked(tmp_path: Path, plain_export: Path) -> None:
    pytest.importorskip("openvino")
    version = hostile_export(tmp_path / "export", plain_export, write, tmp_path / "marker")
    with pytest.raises(TrustError, match=r"WriteFile|AsString"):
        open_engine(version, "openvino")
    with pytest.raises(TrustError, match=r"WriteFile|AsString"):
        convert_exported(version)
    assert not (tmp_path / "marker").exists()


def test_a_table_that_is_filled_when_it_is_loaded_is_refused(tmp_path: Path, plain_export: Path) -> None:
    (tmp_path / "words").write_text("a\nb\n")

    class Hostile(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            words = tf.lookup.TextFileInitializer(
                str(tmp_path / "words"), tf.string, 0, tf.int64, 1, delimiter=" "
            )
            self.table = tf.lookup.StaticHashTable(words, -1)

        @tf.function(input_signature=[IMAGES])
        def predict_logits(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"logits": tf.cast(images, tf.float32)}

    (tmp_path / "words").write_text("a 1\nb 2\n")
    module = Hostile()
    tf.saved_model.save(module, str(tmp_path / "1"), signatures={"predict_logits": module.predict_logits})
    with pytest.raises(TrustError, match=r"saved_model\.pb: holds"):
        check_saved_model(tmp_path / "1")


def call_the_saver(document: Any) -> None:
    """Lets the serving function call the one that writes weights."""
    graph = document.meta_graphs[0].graph_def
    saver = document.meta_graphs[0].saver_def.save_tensor_name.partition(":")[0]
    call = next(node for node in graph.node if node.name == saver)
    target = next(one for one in graph.library.function if "predict_logits" in one.signature.name)
    target.node_def.append(call)


def name_the_saver_as_callable(document: Any) -> None:
    graph = document.meta_graphs[0].graph_def
    saver = document.meta_graphs[0].saver_def.save_tensor_name.partition(":")[0]
    call = next(node for node in graph.node if node.name == saver)
    objects = document.meta_graphs[0].object_graph_def
    found = next(node for node in objects.nodes if node.WhichOneof("kind") == "bare_concrete_function")
    found.bare_concrete_function.concrete_function_name = call.attr["f"].func.name


def write_in_the_saver(document: Any) -> None:
    graph = document.meta_graphs[0].graph_def
    saver = next(one for one in graph.library.function if "traced_restore" in one.signature.name)
    saver.node_def.add(name="evil", op="WriteFile")


def declare_another_saver(document: Any) -> None:
    """Moves the excuse of the saving function to the one that serves."""
    graph = document.meta_graphs[0].graph_def
    served = next(one for one in graph.library.function if one.signature.name.startswith("map_while_body"))
    served.node_def.add(name="evil", op="SaveV2")
    call = next(node for node in graph.node if node.op == "StatefulPartitionedCall")
    call.attr["f"].func.name = served.signature.name
    document.meta_graphs[0].saver_def.save_tensor_name = f"{call.name}:0"


def write_in_the_main_graph(document: Any) -> None:
    document.meta_graphs[0].graph_def.node.add(name="evil", op="WriteFile")


def replace_a_function(document: Any) -> None:
    document.meta_graphs[0].graph_def.library.function[0].attr["api_implements"].s = b"evil"


def name_the_saver_as_an_operation(document: Any) -> None:
    """Lets a function that writes files take the place of an operation of the serving function."""
    graph = document.meta_graphs[0].graph_def
    saver = next(one for one in graph.library.function if "traced_save" in one.signature.name)
    replaced = graph.library.function.add()
    replaced.CopyFrom(saver)
    replaced.signature.name = "Transpose"
    restore = document.meta_graphs[0].saver_def.restore_op_name
    call = next(node for node in graph.node if node.name == restore)
    call.attr["another"].func.name = "Transpose"


def add_a_gradient(document: Any) -> None:
    document.meta_graphs[0].graph_def.library.gradient.add(function_name="a", gradient_func="evil")


def register_an_object(document: Any) -> None:
    document.meta_graphs[0].object_graph_def.nodes[0].registered_name = "evil.Class"


def revive_an_object(document: Any) -> None:
    document.meta_graphs[0].object_graph_def.nodes[0].user_object.identifier = "_tf_keras_model"


def add_a_resource(document: Any) -> None:
    document.meta_graphs[0].object_graph_def.nodes.add().resource.device = ""


def restore_by_a_function(document: Any) -> None:
    document.meta_graphs[0].object_graph_def.nodes[9].saveable_objects["evil"].save_function = 4


def use_tensorflow_1(document: Any) -> None:
    document.meta_graphs[0].ClearField("object_graph_def")


def use_two_graphs(document: Any) -> None:
    document.meta_graphs.append(document.meta_graphs[0])


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (call_the_saver, "traced_save"),
        (name_the_saver_as_callable, "traced_save"),
        (write_in_the_saver, "WriteFile"),
        (declare_another_saver, "the operation|another call"),  # whichever function comes first
        (write_in_the_main_graph, "WriteFile"),
        (replace_a_function, "replaces"),
        (name_the_saver_as_an_operation, "replaces others, 'Transpose'"),
        (add_a_gradient, "evil"),
        (register_an_object, "evil.Class"),
        (revive_an_object, "_tf_keras_model"),
        (add_a_resource, "resource"),
        (restore_by_a_function, "loads itself"),
        (use_tensorflow_1, "TensorFlow 1"),
        (use_two_graphs, "TensorFlow 1"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_edited_graphs_are_refused(
    edit: Callable[[Any], None], words: str, tmp_path: Path, plain_export: Path
) -> None:
    version = edited(plain_export, tmp_path / "1", edit)
    with pytest.raises(TrustError, match=words):
        open_engine(version, "tensorflow")


def test_damaged_and_large_graphs_are_refused(tmp_path: Path, plain_export: Path) -> None:
    version = edited(plain_export, tmp_path / "1", lambda document: None)
    good = (version / "saved_model.pb").read_bytes()
    for damaged in (b"", b"no model", good[:1000], good[: len(good) // 2]):
        (version / "saved_model.pb").write_bytes(damaged)
        with pytest.raises(RunError, match="cannot be read"):
            open_engine(version, "tensorflow")
    with (version / "saved_model.pb").open("wb") as file:
        file.truncate(MOST_GRAPH_BYTES + 1)
    with pytest.raises(RunError, match="is larger than the 16 MB"):
        open_engine(version, "tensorflow")


def test_exports_of_earlier_versions_pass() -> None:
    check_saved_model(FIXTURE)


def test_the_export_of_this_version_passes(plain_export: Path) -> None:
    check_saved_model(plain_export)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", NET_KINDS)
def test_exports_of_every_kind_pass(kind: str, tmp_path: Path) -> None:
    net = random_net(kind)
    files = tmp_path / "classes.json", tmp_path / "model.json"
    for path in files:
        path.write_text("{}")
    ServedModel(net, *files).save(tmp_path / "1")
    check_saved_model(tmp_path / "1")


def test_commands_exit_with_2_and_name_the_operation(
    tmp_path: Path, plain_export: Path, net: FCN, capsys: pytest.CaptureFixture[str]
) -> None:
    version = hostile_export(tmp_path / "export", plain_export, write_in_a_function, tmp_path / "marker")
    (tmp_path / "images").mkdir()
    tf.io.write_file(str(tmp_path / "images" / "a.png"), tf.io.encode_png(IMAGE[0]))
    command = ["infer", str(version), str(tmp_path / "images"), "--output", str(tmp_path / "labels")]
    with pytest.raises(SystemExit) as stopped:
        main(command)
    errors = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "the operation 'WriteFile'" in errors
    assert "--trust" in errors
    assert not (tmp_path / "marker").exists()
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--trust", "--json"])
    assert stopped.value.code == 0
    assert json.loads(capsys.readouterr().out)["written"] == 1
    assert (tmp_path / "marker").exists()
