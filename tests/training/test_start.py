from pathlib import Path

import keras
import numpy as np
import pytest
from eager_training import eager_training
from net_kinds import randomize
from weight_files import encode_keras, vgg16_arrays

from fcn.classes import Classes
from fcn.config.file import Config
from fcn.config.sections import ModelConfig
from fcn.errors import ConfigError, DownloadError, RunError
from fcn.models.dilated import DilatedNet
from fcn.models.factory import build_model
from fcn.models.fcn import FCN
from fcn.runs.model_file import load_model
from fcn.training.stages import train_stages
from fcn.training.start import load_start, start_from, start_weights
from fcn.weights.catalog import NETS

THIN = {"width": 1 / 32, "fc_channels": 16}
CLASSES = Classes.named(("ground", "cat", "dog"))


@pytest.fixture(scope="module")
def coarse(thin_net) -> FCN:
    return thin_net(32, class_names=CLASSES.names, channel_order="bgr", mean=(1, 2, 3), scale=(1, 1, 1))


def test_a_finer_net_begins_where_the_coarser_one_ended(coarse: FCN) -> None:
    finer = start_from(coarse, True, ModelConfig(net="fcn16s", **THIN), CLASSES)
    assert finer.new == ("upscore2", "score_pool4", "upscore16")
    assert finer.reinitialized == ()
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype(np.float32)
    scores = [
        keras.Model(net.input, net.get_layer("score_fr").output)(image) for net in (coarse, finer.model)
    ]
    np.testing.assert_array_equal(*scores)
    assert finer.model.channel_order == "bgr"
    # Two bilinear steps are not quite one, and the new skip adds nothing.
    logits = [np.asarray(net(image)) for net in (coarse, finer.model)]
    assert np.mean(logits[0].argmax(-1) == logits[1].argmax(-1)) > 0.9
    with_skip = np.asarray(finer.model.get_layer("score_pool4").kernel)
    assert not with_skip.any()


def test_other_classes_reinitialize_the_scores(coarse: FCN) -> None:
    started = start_from(coarse, True, ModelConfig(net="fcn32s", **THIN), Classes.named(("sea", "sky")))
    assert started.reinitialized == ("score_fr", "upscore32")
    assert "fc7" in started.kept
    np.testing.assert_array_equal(started.model.get_layer("fc6").kernel, coarse.get_layer("fc6").kernel)
    assert not np.asarray(started.model.get_layer("score_fr").kernel).any()
    assert "score_fr" in started.describe()


@pytest.mark.parametrize("net", ["fcn32s", "fcn8s", "fcn8s_largefov", "frontend"])
@pytest.mark.parametrize("names", [("cow", "dog", "ground"), ("dog", "cat", "ground"), ("dog",)])
def test_classes_of_the_same_name_keep_their_scores(net: str, names: tuple[str, ...]) -> None:
    """New, fewer and reordered classes; an upsampling that mixes classes as well."""
    source = build_model(net=net, num_classes=3, class_names=CLASSES.names, **THIN)
    randomize(source)
    started = start_from(source, True, ModelConfig(net=net, **THIN), Classes.named(names))
    assert started.reinitialized == started.new == ()
    assert started.kept_classes == tuple(name for name in names if name in CLASSES.names)
    assert all(name in started.describe() for name in started.kept_classes)
    ids = {names.index(name): CLASSES.names.index(name) for name in started.kept_classes}
    for name in started.partly_kept:
        after, before = (net.get_layer(name).get_weights() for net in (started.model, source))
        for new, old in ids.items():
            if name.startswith("upscore"):
                for to, of in ids.items():
                    np.testing.assert_array_equal(after[0][..., new, to], before[0][..., old, of])
            else:
                np.testing.assert_array_equal(after[0][..., new], before[0][..., old])
                assert after[1][new] == before[1][old]


def test_a_net_with_one_more_class_labels_the_others_as_before(coarse: FCN) -> None:
    names = (*CLASSES.names, "cow")
    started = start_from(coarse, True, ModelConfig(net="fcn32s", **THIN), Classes.named(names))
    assert started.partly_kept == ("score_fr", "upscore32")
    assert "score_fr, upscore32 keep those of ground, cat, dog" in started.describe()
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 96, 3)).astype(np.float32)
    before, after = np.asarray(coarse(image)), np.asarray(started.model(image))
    np.testing.assert_allclose(after[..., :3], before, atol=1e-5 * np.abs(before).max())
    assert not after[..., 3].any()


def test_skips_of_other_scales_do_not_keep_their_scores() -> None:
    source = build_model(net="fcn8s", num_classes=3, class_names=CLASSES.names, **THIN)
    wanted = ModelConfig(net="fcn8s", skip_scales=(0.01, 0.002), **THIN)
    started = start_from(source, True, wanted, Classes.named(("dog", "cow")))
    assert started.partly_kept == started.kept_classes == ()
    assert "score_pool3" in started.reinitialized
    assert started.model.skip_scales == (0.01, 0.002)


def test_published_geometry_is_fine_tuned_in_ours(thin_net) -> None:
    published = thin_net(8, geometry="reference", class_names=CLASSES.names)
    started = start_from(published, True, ModelConfig(net="fcn8s", **THIN), CLASSES)
    assert started.model.geometry == "same"
    assert started.new == started.reinitialized == ()


@pytest.mark.parametrize(("source_net", "net"), [("fcn8s_at_once", "fcn8s"), ("fcn8s", "fcn8s_at_once")])
def test_a_score_layer_keeps_the_scale_of_what_it_reads(source_net: str, net: str) -> None:
    options = {**THIN, "num_classes": 3, "class_names": CLASSES.names}
    source = build_model(source_net, **options)
    rng = np.random.default_rng(0)
    for layer in source.layers:
        if layer.name.startswith("score_"):
            layer.set_weights([rng.standard_normal(value.shape) for value in layer.get_weights()])
    started = start_from(source, True, ModelConfig(net=net, **THIN), CLASSES)
    image = rng.uniform(0, 255, (1, 40, 50, 3)).astype(np.float32)
    np.testing.assert_allclose(started.model(image), source(image), rtol=1e-5, atol=1e-5)


def test_skips_have_the_scales_of_the_configuration(coarse: FCN) -> None:
    model = ModelConfig(net="fcn8s", skip_scales=(0.01, 0.002), **THIN)
    started = start_from(coarse, True, model, CLASSES).model
    assert isinstance(started, FCN)
    assert started.skip_scales == (0.01, 0.002)
    assert [started.get_layer(f"scale_{pool}").scale for pool in ("pool4", "pool3")] == [0.01, 0.002]


def test_trained_skips_do_not_get_other_scales() -> None:
    options = {**THIN, "num_classes": 3, "class_names": CLASSES.names, "skip_scales": (0.01, 0.002)}
    source = build_model("fcn16s", **options)
    finer = ModelConfig(net="fcn8s", skip_scales=(0.01, 0.5), **THIN)  # pool3 is new
    assert start_from(source, True, finer, CLASSES).model.skip_scales == (0.01, 0.5)
    other = ModelConfig(net="fcn8s", weights="a.keras", skip_scales=(0.1, 0.5), **THIN)
    with pytest.raises(
        RunError, match=r"a\.keras: .*skip_scales=\[0\.01, 0\.002\]\. Received: \[0\.1, 0\.5\]"
    ):
        start_from(source, True, other, CLASSES)
    assert start_from(source, False, other, CLASSES).model.skip_scales == (0.1, 0.5)


def test_an_imported_classifier_has_no_scores_to_keep(thin_net, tmp_path: Path) -> None:
    thin_net(8, awake=False).save(tmp_path / "classifier.keras")
    thin_net(8).save(tmp_path / "net.keras")
    assert not load_start(str(tmp_path / "classifier.keras"))[1]
    assert load_start(str(tmp_path / "net.keras"))[1]


def test_weights_of_another_size_are_refused(coarse: FCN) -> None:
    with pytest.raises(RunError, match=r"block1_conv1.*model\.width"):
        start_from(coarse, True, ModelConfig(net="fcn32s", width=1 / 16, fc_channels=16), CLASSES)


@pytest.mark.parametrize("net", ["fcn16s", "frontend", "largefov"])
def test_other_channels_of_fc6_and_fc7_initialize_them_and_their_scores(coarse: FCN, net: str) -> None:
    started = start_from(coarse, True, ModelConfig(net=net, width=1 / 32, fc_channels=24), CLASSES)
    scores = ("score_fr",) if net == "fcn16s" else ()
    assert started.reinitialized == ("fc6", "fc7", *scores)
    assert started.model.get_layer("fc6").kernel.shape[-1] == 24
    for name in ("block1_conv1", "block5_conv3"):
        assert name in started.kept
        np.testing.assert_array_equal(started.model.get_layer(name).kernel, coarse.get_layer(name).kernel)
    assert "newly initialized: fc6, fc7" in started.describe()
    assert np.asarray(started.model.get_layer("fc6").kernel).any()
    assert not started.model.has_trained_scores()


def test_a_file_without_top_starts_a_net(tmp_path: Path, capsys) -> None:
    path = tmp_path / "notop.h5"
    path.write_bytes(encode_keras(vgg16_arrays(top=False)))
    source = load_start(str(path))
    assert (source.has_scores, source.missing) == (False, ("fc6", "fc7"))
    said = capsys.readouterr().err
    assert f"{path}: has the layers and shapes of VGG16 of ImageNet, Keras, convolutions alone" in said
    for net in ("fcn8s_at_once", "frontend", "fcn8s_largefov"):
        config = ModelConfig(net=net, width=1 / 16, fc_channels=1)
        started = start_from(source.model, False, config, CLASSES, missing=source.missing)
        assert started.new[:2] == ("fc6", "fc7")
        assert len(started.kept) == 13
        assert (started.model.channel_order, started.model.mean) == ("bgr", (103.939, 116.779, 123.68))
        np.testing.assert_array_equal(
            started.model.get_layer("block3_conv2").kernel, vgg16_arrays()["block3_conv2"][0]
        )


def test_imagenet_takes_the_smallest_file_with_all_it_needs() -> None:
    for config, top in (
        ({"net": "fcn8s"}, True),
        ({"net": "fcn8s", "fc_channels": 4096}, True),
        ({"net": "fcn8s_at_once", "fc_channels": 512}, False),
        ({"net": "frontend", "fc_channels": 1024}, False),
        ({"net": "largefov"}, True),
        ({"net": "fcn8s_largefov", "fc_channels": 512}, True),
    ):
        weights = start_weights(ModelConfig(weights="imagenet", **config))
        assert weights == ("vgg16-keras" if top else "vgg16-keras-notop")
    assert start_weights(ModelConfig(weights="runs/voc", fc_channels=512)) == "runs/voc"


def test_a_missing_start_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nowhere"):
        load_start(str(tmp_path / "nowhere"))


def test_without_a_network_imagenet_says_which_file_to_put_where(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("FCN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("FCN_WEIGHTS_MIRROR", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    for weights in ("vgg16-keras", "vgg16-keras-notop"):
        file = NETS[weights].file
        with pytest.raises(DownloadError) as raised:
            load_start(weights)
        assert str(tmp_path / "weights" / file.name) in str(raised.value)
        assert f"{file.size:,} bytes, MD5 {file.checksum.digits}" in str(raised.value)


def test_another_file_under_the_name_of_keras_file_starts_a_net(tmp_path: Path, capsys) -> None:
    path = tmp_path / NETS["vgg16-keras-notop"].file.name
    path.write_bytes(encode_keras(vgg16_arrays(top=False)))
    assert load_start(str(path)).missing == ("fc6", "fc7")
    assert "is not the published file" in capsys.readouterr().err


@pytest.fixture(scope="module")
def frontend() -> DilatedNet:
    net = DilatedNet(3, **THIN, class_names=CLASSES.names, channel_order="bgr")
    randomize(net)
    return net


@pytest.mark.parametrize("context", ["basic", "large"])
def test_a_context_net_begins_where_its_front_end_ended(frontend: DilatedNet, context: str) -> None:
    started = start_from(frontend, True, ModelConfig(net="context", context=context, **THIN), CLASSES)
    assert started.reinitialized == ()
    assert started.new[0] == "ctx_conv1_1"
    assert all(name.startswith("ctx_") for name in started.new)
    image = np.random.default_rng(0).uniform(0, 255, (1, 40, 56, 3)).astype(np.float32)
    np.testing.assert_allclose(started.model(image), frontend(image), rtol=0, atol=1e-5)
    other = start_from(started.model, True, ModelConfig(net="context", **THIN), Classes.named(("sea", "sky")))
    assert {"final", "ctx_conv1_1", "ctx_final", "upscore8"} <= set(other.reinitialized)


def test_a_context_module_keeps_its_geometry() -> None:
    source = DilatedNet(3, context="basic", geometry="reference", class_names=CLASSES.names, **THIN)
    source.get_layer("final").bias.assign([1, 2, 3])
    with pytest.raises(
        RunError, match=r"published\.keras: has a context module of .* Set model.geometry=refer"
    ):
        start_from(source, True, ModelConfig(net="context", weights="published.keras", **THIN), CLASSES)
    published = ModelConfig(net="context", geometry="reference", **THIN)
    assert "ctx_conv1_1" in start_from(source, True, published, CLASSES).kept


@pytest.mark.parametrize("net", ["largefov", "fcn8s_largefov"])
def test_largefov_begins_with_decimated_layers(frontend: DilatedNet, net: str) -> None:
    started = start_from(frontend, True, ModelConfig(net=net, width=1 / 32, fc_channels=4), CLASSES)
    for name, step in (("fc6", 3), ("fc7", 1)):
        kernel, bias = frontend.get_layer(name).get_weights()
        kernel = kernel[::step, ::step, :, ::4] if name == "fc6" else kernel[:, :, ::4, ::4]
        found = started.model.get_layer(name).get_weights()
        np.testing.assert_array_equal(found[0], kernel)
        np.testing.assert_array_equal(found[1], bias[::4])
    if net == "largefov":
        scores = frontend.get_layer("final").get_weights()[0][:, :, ::4]
        np.testing.assert_array_equal(started.model.get_layer("final").get_weights()[0], scores)
        assert started.new == ()


def test_a_net_that_dilates_takes_an_fcns_layers_and_gives_them_back(coarse: FCN) -> None:
    started = start_from(coarse, True, ModelConfig(net="frontend", **THIN), CLASSES)
    assert started.new == ("final", "upscore8")
    assert (started.model.channel_order, started.model.mean) == ("bgr", (1, 2, 3))
    back = start_from(started.model, True, ModelConfig(net="fcn8s", **THIN), CLASSES)
    np.testing.assert_array_equal(back.model.get_layer("fc6").kernel, coarse.get_layer("fc6").kernel)
    assert set(back.new) == {"score_fr", "upscore2", "score_pool4", "upscore_pool4", "score_pool3"}


def configuration(root: Path, **model: object) -> Config:
    return Config.model_validate(
        {
            "data": {"root": root},
            "augmentation": {"crop_size": (32, 32)},
            "model": {**THIN, **model},
            "train": {"steps": 2, "batch_size": 1, "learning_rate": 0.01},
        }
    )


@pytest.mark.slow
def test_one_command_trains_from_coarse_to_fine(dataset: Path, tmp_path: Path, capsys) -> None:
    config = configuration(dataset, skip_scales=(0.5, 0.25))
    with eager_training():
        result = train_stages(config, tmp_path / "run")
    assert result.run.path == tmp_path / "run" / "fcn8s"
    assert [load_model(tmp_path / "run" / net).stride for net in ("fcn32s", "fcn16s", "fcn8s")] == [32, 16, 8]
    said = capsys.readouterr().err
    assert "new: upscore2, score_pool4, upscore16" in said
    assert said.count("agrees with") == 2
    assert result.run.load_config().model.weights == str(tmp_path / "run" / "fcn16s")
    assert [load_model(tmp_path / "run" / net).skip_scales for net in ("fcn16s", "fcn8s")] == [
        (0.5, 0.25)
    ] * 2
    again = train_stages(config, tmp_path / "run", resume=True)
    assert again.run.path == result.run.path


def test_at_once_has_no_stages(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at once"):
        train_stages(configuration(dataset, net="fcn8s_at_once"), tmp_path / "run")
