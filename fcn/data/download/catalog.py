"""The data sets that others publish and `fcn data download` can fetch.

VOC: Everingham et al., "The PASCAL Visual Object Classes Challenge" (IJCV 2010).
SBD: Hariharan et al., "Semantic contours from inverse detectors" (ICCV 2011).
"""

from typing import NamedTuple

from fcn.system.download.file import Checksum, PublishedFile


class PublishedDataset(NamedTuple):
    """A data set in one archive.

    Attributes:
        title: Its name, for people.
        archive: The archive, tar with or without gzip.
        inside: The folder of the archive that is kept.
        folder: Where that folder goes, relative to where the user wants data sets.
    """

    title: str
    archive: PublishedFile
    inside: str
    folder: str


# Sizes as servers stated them.
DATASETS = {
    "voc2012": PublishedDataset(
        "Pascal VOC 2012, training and validation images",
        PublishedFile(
            "VOCtrainval_11-May-2012.tar",
            (
                "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
                "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
                "https://data.pjreddie.com/files/VOCtrainval_11-May-2012.tar",
                "https://pjreddie.com/media/files/VOCtrainval_11-May-2012.tar",
            ),
            Checksum("md5", "6cd6e144f989b92b3379bac3b3de84fd", "torchvision.datasets.voc"),
            1_999_639_040,
        ),
        "VOCdevkit/VOC2012",
        "VOCdevkit/VOC2012",
    ),
    "voc2011": PublishedDataset(
        "Pascal VOC 2011, training and validation images",
        PublishedFile(
            "VOCtrainval_25-May-2011.tar",
            ("http://host.robots.ox.ac.uk/pascal/VOC/voc2011/VOCtrainval_25-May-2011.tar",),
            Checksum("md5", "6c3384ef61512963050cb5d687e5bf1e", "torchvision.datasets.voc"),
        ),
        "TrainVal/VOCdevkit/VOC2011",
        "VOCdevkit/VOC2011",
    ),
    "sbd": PublishedDataset(
        "Semantic Boundaries Dataset",
        PublishedFile(
            "benchmark.tgz",
            (
                "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/"
                "benchmark.tgz",
                "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/"
                "benchmark.tgz",
            ),
            Checksum("md5", "82b4d87ceb2ed10f6038a1cba92111cb", "torchvision.datasets.sbd"),
            1_419_539_633,
        ),
        "benchmark_RELEASE",
        "benchmark_RELEASE",
    ),
}
"""The data sets to download, by the name a user types."""
