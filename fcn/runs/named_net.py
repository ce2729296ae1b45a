"""Models by path or by the name of a published net, which is downloaded and imported once."""

import difflib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fcn.errors import RunError
from fcn.runs.folder import RunFolder
from fcn.runs.licenses import license_of
from fcn.system.files import remove
from fcn.system.json_files import read_json_file
from fcn.system.remedies import as_started, set_keys
from fcn.system.text import print_notice
from fcn.weights.catalog import NETS, PublishedNet

if TYPE_CHECKING:  # it imports what downloads, which is seldom needed
    from fcn.weights.cache import WeightCache

IMPORT_FILE = "import.json"
"""Name of the file in a run that says from what it was imported."""

CONVERSION = 1
"""Number of the way in which weights are put into our nets; a net from another way is imported again."""

_CLOSE = 0.75
# Every name begins with letters that say nothing yet, such as "fcn" or "vgg".
_SHORTEST = 4


def resolve_model(
    model: Path | str,
    prepare: Callable[[], None] = lambda: None,
    cache: "WeightCache | None" = None,
    catalog: Mapping[str, PublishedNet] = NETS,
) -> Path:
    """Returns the path of a model that was given as a path or as the name of a published net.

    A net is downloaded and imported when its name is first used. What exists under the name as a path wins,
    and a line says so.

    Args:
        model: A path, or a name.
        prepare: Called before Keras is imported, if that is necessary.
        cache: Where published nets are kept; None for the user's.
        catalog: The published nets by name.

    Returns:
        The path, or the run folder of the net.

    Raises:
        DownloadError: If the net cannot be downloaded.
        OutputError: If it cannot be kept.
        RunError: If there is no such model, it is a classifier, which labels no pixels, or the file of the
            net cannot be read.
    """
    path = _existing_path(model, catalog)
    if path is not None:
        return path
    name = str(model)
    if catalog[name].is_classifier:
        raise RunError(
            f"{name}: is a classifier of whole images, from which a training can start: "
            f"{set_keys(f'model.weights={name}')}. Give a net that labels pixels; "
            f"{as_started('python -m fcn weights')} lists them."
        )
    cache = cache or _user_cache()
    run = cache.net_path(name)
    if not is_imported(run):
        with cache.locked(run):
            if not is_imported(run):  # by another program
                _import(name, run, prepare, cache, catalog)
    return run


def resolve_weights(
    weights: str, cache: "WeightCache | None" = None, catalog: Mapping[str, PublishedNet] = NETS
) -> Path:
    """Returns the path of the weights that a training starts from, given as `resolve_model` takes them.

    Of a classifier that is the published file itself: an imported net would hold the same weights once more.

    Raises:
        FcnError: What `resolve_model` raises.
    """
    path = _existing_path(weights, catalog)
    if path is not None:
        return path
    net = catalog[weights]
    if net.is_classifier:
        return (cache or _user_cache()).fetch(weights, net)
    return resolve_model(weights, cache=cache, catalog=catalog)


def is_imported(run: Path) -> bool:
    """Returns whether a run folder of a published net is there and whole, and imported in today's way."""
    with suppress(OSError, ValueError, TypeError, LookupError):
        document = read_json_file(run / IMPORT_FILE)
        size = RunFolder(run).best.stat().st_size
        return bool(document["conversion"] == CONVERSION and document["checkpoint_bytes"] == size)
    return False


def close_names(name: str, catalog: Mapping[str, PublishedNet] = NETS) -> list[str]:
    """Returns the name of the published net that a text may mean, if there is one.

    Hyphens do not matter, and the beginning of a name is enough; of several, the first is returned.

    Example:
        >>> close_names("fcn8s_voc"), close_names("FCN-8s")
        (['fcn8s-voc'], ['fcn8s-voc'])
    """
    names = {_squeeze(known): known for known in catalog}
    wanted = _squeeze(name)
    found = [one for one in names if one.startswith(wanted)] if len(wanted) >= _SHORTEST else []
    found = found or difflib.get_close_matches(wanted, names, n=1, cutoff=_CLOSE)
    return [names[one] for one in found[:1]]


def _squeeze(name: str) -> str:
    """Returns a name without what people write in different ways."""
    return name.lower().replace("-", "").replace("_", "")


def _user_cache() -> "WeightCache":
    from fcn.weights.cache import WeightCache

    return WeightCache()


def _existing_path(model: Path | str, catalog: Mapping[str, PublishedNet]) -> Path | None:
    """Returns the path of a model that is not the name of a published net, or exists; else None.

    Raises:
        RunError: If it does not exist, but is close to the name of a published net.
    """
    path, name = Path(model), str(model)
    if name not in catalog:
        if not path.exists() and (names := close_names(name, catalog)):
            raise RunError(
                f"{path}: no such model. Did you mean the published net {names[0]}? "
                f"{as_started('python -m fcn weights')} lists all."
            )
        return path
    if not path.exists():
        return None
    print_notice(
        f"{name}: exists here, and is used in place of the published net of that name. To use that net, "
        f"rename or move {path.absolute()}."
    )
    return path.absolute()  # an absolute path is not taken for a name


def _import(
    name: str,
    run: Path,
    prepare: Callable[[], None],
    cache: "WeightCache",
    catalog: Mapping[str, PublishedNet],
) -> None:
    source = cache.fetch(name, catalog[name])
    prepare()
    from fcn.runs.importing import import_weights

    remove(run)
    print_notice(f"{name}: importing it, once.")
    try:
        import_weights(source, run, licenses=(license_of(name, catalog[name]),), catalog=catalog)
    except RunError as error:
        removing = as_started("python -m fcn weights remove")
        raise RunError(str(error), f"To download it again, run {removing} {name} first.") from error
