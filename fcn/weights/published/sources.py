"""The data sets that published nets were trained on: class names in the order of their ids, and means."""

from typing import NamedTuple

from fcn.classes import VOC_CLASS_NAMES

PASCAL_CONTEXT_CLASS_NAMES = (
    *VOC_CLASS_NAMES,
    *("bag", "bed", "bench", "book", "building", "cabinet", "ceiling", "clothes", "computer", "cup", "door"),
    *("fence", "floor", "flower", "food", "grass", "ground", "keyboard", "light", "mountain", "mouse"),
    *("curtain", "platform", "sign", "plate", "road", "rock", "shelves", "sidewalk", "sky", "snow"),
    *("bedcloth", "track", "tree", "truck", "wall", "water", "window", "wood"),
)
"""The 59 most frequent classes of PASCAL-Context (Mottaghi et al., 2014) behind background."""

NYUD_CLASS_NAMES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture"),
    *("counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat"),
    *(
        "clothes",
        "ceiling",
        "books",
        "refridgerator",
        "television",
        "paper",
        "towel",
        "shower curtain",
        "box",
    ),
    *("whiteboard", "person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure"),
    *("otherfurniture", "otherprop"),
)
"""The 40 classes of NYUDv2 (Gupta et al., 2014), spelled as there."""

SIFT_FLOW_CLASS_NAMES = (
    *("awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow", "crosswalk", "desert"),
    *("door", "fence", "field", "grass", "moon", "mountain", "person", "plant", "pole", "river", "road"),
    *("rock", "sand", "sea", "sidewalk", "sign", "sky", "staircase", "streetlight", "sun", "tree", "window"),
)
"""The 33 semantic classes of SIFT Flow (Liu et al., 2011)."""


class Source(NamedTuple):
    """A data set that authors trained a net on: it decides the mean and the names of the classes."""

    title: str
    class_names: tuple[str, ...]
    mean: tuple[float, float, float]


CAMVID_CLASS_NAMES = (
    *("building", "tree", "sky", "car", "sign", "road", "pedestrian", "fence", "pole", "sidewalk"),
    "bicyclist",
)
"""CamVid's 11 classes (Sturgess et al., 2009) in the order of Yu & Koltun's net."""

SOURCES = {
    21: Source("Pascal VOC", VOC_CLASS_NAMES, (104.00699, 116.66877, 122.67892)),
    33: Source("SIFT Flow", SIFT_FLOW_CLASS_NAMES, (114.578, 115.294, 108.353)),
    40: Source("NYUDv2 color", NYUD_CLASS_NAMES, (116.190, 97.203, 92.318)),
    60: Source("PASCAL-Context", PASCAL_CONTEXT_CLASS_NAMES, (104.007, 116.669, 122.679)),
}
"""Data sets of FCNs, by the number of classes, which tells the published ones apart."""

DILATED_SOURCES = {
    11: Source("CamVid", CAMVID_CLASS_NAMES, (110.70313206, 108.77808759, 105.41212523)),
    21: Source("Pascal VOC", VOC_CLASS_NAMES, (102.93, 111.36, 116.52)),
}
"""Data sets of Yu & Koltun's nets, by the number of classes."""
