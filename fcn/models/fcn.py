"""FCN-32s, FCN-16s and FCN-8s (Long et al., "Fully convolutional networks for semantic segmentation")."""

import keras

from fcn.models.arguments import FCNArguments, collect_arguments
from fcn.models.geometry import CropOffsets, reference_crop_offsets
from fcn.models.keras_defaults import keras_defaults
from fcn.models.net import SegmentationNet, fit_to_image, preprocess, score
from fcn.models.upsampling import CropLike, upscore
from fcn.models.vgg import vgg16_features

AT_ONCE_SKIP_SCALES = (1e-2, 1e-4)
"""Factors of pool4 and pool3 with which FCN-8s is trained at once, all skips from the start (PAMI 2017)."""


@keras.saving.register_keras_serializable(package="fcn")
class FCN(SegmentationNet):
    """A fully convolutional VGG16 with learnable upsampling and skip connections.

    An ordinary functional Keras model: it compiles, fits and saves as any other. On a CPU compile it with
    `jit_compile=False`: XLA makes transposed convolutions many times slower there.

    Input: `[B, H, W, 3]` RGB, 0 to 255, any H and W from 1. Output: logits `float32[B, H, W,
    num_classes]`; no softmax inside.

    Args:
        stride: Output stride of the finest scores: 32, 16 (adds pool4) or 8 (adds pool4 and pool3).
        skip_scales: Factors of pool4 and pool3 in front of their score layers.
        others: As every net has them: `fcn.models.arguments.NetArguments` documents each.

    Raises:
        ValueError: If an argument has none of these values.

    Example:
        >>> FCN(num_classes=3, width=1 / 16).compute_output_shape((1, 45, 67, 3))
        (1, 45, 67, 3)
    """

    paper = 'Long et al., "Fully convolutional networks for semantic segmentation", CVPR 2015'

    @collect_arguments(FCNArguments)
    @keras_defaults()
    def __init__(self, arguments: FCNArguments) -> None:
        num_classes, stride, upsampling = arguments.num_classes, arguments.stride, arguments.upsampling

        # === Layers ===
        reference = arguments.geometry == "reference"
        crops = reference_crop_offsets(stride) if reference else CropOffsets(0, 0, 0)
        padding = "valid" if reference else "same"
        skips = {32: (), 16: ("pool4",), 8: ("pool4", "pool3")}[stride]
        scales = dict(zip(("pool4", "pool3"), arguments.skip_scales, strict=True))

        # === Functional model ===
        model_input = preprocess(arguments)
        features = vgg16_features(model_input.normalized, arguments)
        scores = score(features.fc7, num_classes, self.score_layer)
        upscore_name = "upscore2"
        for skip in skips:
            scores = upscore(scores, 2, num_classes, upsampling != "frozen", upscore_name, padding)
            pool = getattr(features, skip)
            if scales[skip] != 1:
                pool = keras.layers.Rescaling(scales[skip], name=f"scale_{skip}")(pool)
            skip_scores = score(pool, num_classes, f"score_{skip}")
            # The larger of the two is cut: without padding that is the skip, with it the upsampled scores.
            if reference:
                crop = CropLike(getattr(crops, skip), name=f"score_{skip}c")
                skip_scores = crop([skip_scores, scores])
            else:
                scores = CropLike(name=f"{upscore_name}_crop")([scores, skip_scores])
            scores = keras.layers.Add(name=f"fuse_{skip}")([scores, skip_scores])
            upscore_name = f"upscore_{skip}"
        scores = upscore(scores, stride, num_classes, upsampling == "learned", f"upscore{stride}", padding)
        logits = fit_to_image(scores, model_input, arguments.input_scale, crops.scores)
        kind = f"fcn{stride}s" if arguments.fc6 == "full" else f"fcn{stride}s_{arguments.fc6}"
        super().__init__(model_input, logits, arguments, kind)
