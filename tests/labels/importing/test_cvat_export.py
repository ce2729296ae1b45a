"""A task as CVAT exports it, in two forms made by hand, is imported as what was drawn by other means."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from importing_sources import write_colors, write_image, write_text

from fcn.classes import VOID
from fcn.cli.main import main
from fcn.data.image_io import read_label
from fcn.data.voc import read_classes, read_split
from fcn.labels.importing.importer import ImportOptions, plan_import

SIZE = (24, 32)
COLORS = {"background": (0, 0, 0), "car": (51, 221, 255), "lane mark": (255, 204, 51), "road": (130, 64, 128)}
IMAGES = {"Train": ("clip 1/frame_000000", "clip 1/frame_000001"), "Validation": ("clip 2/frame_000000",)}
ROWS, COLUMNS = np.indices(SIZE)


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["data", *map(str, arguments)])
    return int(stopped.value.code or 0)


def imported(source: Path, root: Path, *options: str) -> dict[str, np.ndarray]:
    """Returns the imported labels by name."""
    assert run("import", source, "--output", root, *options) == 0
    return {
        one.name: read_label(one.label_path) for split in ("train", "val") for one in read_split(root, split)
    }


def draw(*shapes: tuple[int, np.ndarray]) -> np.ndarray:
    """Returns the label of regions, each over those before it."""
    label = np.zeros(SIZE, np.uint8)
    for value, inside in shapes:
        label[inside] = value
    return label


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """Returns which pixels are within corners, which belong to it."""
    columns, rows = COLUMNS.clip(left, right), ROWS.clip(top, bottom)
    return (columns == COLUMNS) & (rows == ROWS)


def row_runs(mask: np.ndarray) -> str:
    runs, value = [0], False
    for pixel in mask.ravel().tolist():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return ", ".join(map(str, runs))


RING = box(0, 0, 6, 4) & ~box(2, 1, 4, 2)
SHAPES = {
    "clip 1/frame_000000": (
        # The file lists the car first, and a higher z_order lifts it over the road.
        '<box label="car" source="manual" occluded="1" z_order="2" xtl="4.00" ytl="8.00" xbr="9.00"'
        ' ybr="12.00"><attribute name="color">red</attribute></box>'
        '<polygon label="road" source="semi-auto" occluded="0" z_order="0"'
        ' points="2.00,4.00;22.00,4.00;22.00,14.00;2.00,14.00"></polygon>'
        '<polygon label="lane mark" source="manual" occluded="0" z_order="1"'
        ' points="6.00,6.00;16.00,6.00;6.00,16.00"><attribute name="dashed">false</attribute></polygon>'
        '<tag label="night" source="manual"><attribute name="sure">true</attribute></tag>',
        draw(
            (3, box(2, 4, 22, 14)),
            (2, (COLUMNS >= 6) & (ROWS >= 6) & (COLUMNS + ROWS <= 22)),
            (1, box(4, 8, 9, 12)),
        ),
    ),
    "clip 1/frame_000001": (
        f'<mask label="road" source="manual" occluded="0" rle="{row_runs(RING[:5, :7])}" left="10" top="3"'
        ' width="7" height="5" z_order="0"></mask>'
        '<polygon label="car" source="manual" occluded="0" z_order="0"'
        ' points="20.40,10.40;24.60,10.40;24.60,14.51;20.40,14.51" group_id="3"></polygon>'
        '<polygon label="lane mark" source="file" occluded="0" outside="1" z_order="0"'
        ' points="0.00,0.00;31.00,0.00;31.00,23.00;0.00,23.00"></polygon>'
        '<polyline label="lane mark" source="manual" z_order="0" points="0.00,0.00;31.00,23.00"></polyline>'
        '<skeleton label="person" source="manual" z_order="0">'
        '<points label="head" source="manual" outside="0" points="1.00,1.00"></points></skeleton>',
        draw((3, np.roll(RING, (3, 10), (0, 1))), (1, box(20, 10, 25, 15))),
    ),
    "clip 2/frame_000000": ("", draw()),
}


def write_for_images(folder: Path, kind: str) -> None:
    """Writes "CVAT for images 1.1" of a project, or of a task, which has no subsets."""
    listed = "".join(
        f"<label><name>{name}</name><color>#{red:02x}{green:02x}{blue:02x}</color><type>any</type>"
        "<attributes><attribute><name>color</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute></attributes></label>"
        for name, (red, green, blue) in COLORS.items()
        if name != "background"
    )
    listed += (
        "<label><name>night</name><color>#101010</color><type>tag</type><attributes></attributes></label>"
    )
    listed += (
        "<label><name>person</name><color>#202020</color><type>skeleton</type><attributes></attributes>"
        "<svg></svg></label><label><name>head</name><color>#303030</color><type>points</type>"
        "<attributes></attributes><parent>person</parent></label>"
    )
    images = ""
    for number, (subset, name) in enumerate((one, name) for one, names in IMAGES.items() for name in names):
        place = f"images/{subset}" if kind == "project" else "images"
        write_image(folder / place / f"{name}.png", SIZE)
        part = f' subset="{subset}" task_id="{number}"' if kind == "project" else ""
        images += (
            f'<image id="{number}" name="{name}.png"{part} width="{SIZE[1]}" height="{SIZE[0]}">\n'
            f"{SHAPES[name][0]}\n</image>\n"
        )
    meta = (
        f"<{kind}><id>7</id><name>drive</name><size>3</size><mode>annotation</mode><bugtracker></bugtracker>"
        "<segments><segment><id>1</id><start>0</start><stop>2</stop></segment></segments><owner><username>me"
        f"</username><email></email></owner><labels>{listed}</labels></{kind}><dumped>2026-11-28</dumped>"
    )
    write_text(
        folder / "annotations.xml",
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n'
        f"  <meta>{meta}</meta>\n{images}</annotations>\n",
    )


def check(found: dict[str, np.ndarray], root: Path) -> None:
    names = read_classes(root).names
    table = np.array([names.index(name) for name in COLORS], np.uint8)
    assert len(found) == len(SHAPES)
    for name, (_, label) in SHAPES.items():
        (imported_label,) = (one for key, one in found.items() if key.endswith(name.replace("/", "__")))
        np.testing.assert_array_equal(imported_label, table[label], err_msg=name)


def test_a_project_as_cvat_for_images(tmp_path: Path) -> None:
    write_for_images(tmp_path / "source", "project")
    found = imported(tmp_path / "source", tmp_path / "root")
    check(found, tmp_path / "root")
    assert [name.partition("clip ")[2] for name in found][2:] == ["2__frame_000000"], "the subset Validation"
    plan = plan_import([tmp_path / "source"], ImportOptions())
    assert (
        "3 annotations without an area (polylines, points, cuboids, skeletons, tags): left out" in plan.notes
    )
    assert "1 shape is marked as outside of the image: left out" in plan.notes
    assert read_classes(tmp_path / "root").names == tuple(COLORS), "no tags and skeletons"
    assert plan.choice.classes.palette == tuple(COLORS.values())


def test_a_task_as_cvat_for_images(tmp_path: Path) -> None:
    write_for_images(tmp_path / "source", "task")
    check(imported(tmp_path / "source", tmp_path / "root", "--val", "0.4"), tmp_path / "root")


def test_tracks_are_refused_with_the_form_to_export(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_for_images(tmp_path / "source", "task")
    path = tmp_path / "source" / "annotations.xml"
    track = (
        '<track id="0" label="car" source="manual"><box frame="0" keyframe="1" outside="0" occluded="0" '
        'xtl="1.0" ytl="1.0" xbr="5.0" ybr="5.0" z_order="0"></box></track>'
    )
    path.write_text(path.read_text().replace("</annotations>", f"{track}</annotations>"))
    assert run("import", tmp_path / "source", "--output", tmp_path / "root") == 2
    error = capsys.readouterr().err
    assert "CVAT for video" in error
    assert "Export the task as CVAT for images 1.1" in error
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("with_void", [False, True])
def test_segmentation_mask(tmp_path: Path, with_void: bool) -> None:
    """RGB masks of classes and objects, a list of colors, and lists of images with folders."""
    folder = tmp_path / "source"
    colors: dict[str, Sequence[int]] = {**COLORS, **({"__ignore__": (224, 224, 192)} if with_void else {})}
    lines = [f"{name}:{','.join(map(str, color))}::" for name, color in colors.items()]
    write_text(folder / "labelmap.txt", "\n".join(["# label:color_rgb:parts:actions", *lines]) + "\n")
    expected = {}
    for subset, names in IMAGES.items():
        write_text(
            folder / "ImageSets" / "Segmentation" / f"{subset}.txt", "".join(f"{one}\n" for one in names)
        )
        for name in names:
            label = SHAPES[name][1].copy()
            if with_void:
                label[20:, :5] = 4
            write_image(folder / "JPEGImages" / f"{name}.png", SIZE)
            write_colors(folder / "SegmentationClass" / f"{name}.png", label, np.array(list(colors.values())))
            objects = np.random.default_rng(0).integers(0, 256, (256, 3))
            objects[0] = 0
            write_colors(folder / "SegmentationObject" / f"{name}.png", label, objects)
            expected[name.replace("/", "__")] = np.where(label == 4, VOID, label)
    options = ["--void", "__ignore__"] if with_void else []
    found = imported(folder, tmp_path / "root", *options)
    names = read_classes(tmp_path / "root").names
    assert names == tuple(COLORS)
    assert list(found)[2:] == ["clip 2__frame_000000"], "the subset Validation"
    for name, label in expected.items():
        np.testing.assert_array_equal(found[name], label, err_msg=name)
