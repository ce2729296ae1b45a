"""Forms of image files: how each is recognized by its content, which are decoded, and by what."""

from collections.abc import Callable
from io import BytesIO
from typing import IO, NamedTuple

from PIL import ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fcn.data.media_boxes import without_descriptions
from fcn.errors import BackendError, DataError
from fcn.system.optional import import_optional

_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "WebP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "AVIF": (".avif",),
    "HEIC": (".heic", ".heif", ".hif"),
    "JPEG 2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "PNM": (".ppm", ".pgm", ".pbm", ".pnm"),
}

IMAGE_SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
"""Suffixes, in lower case, of the files that are taken for images in a folder."""

FURTHER_SUFFIXES = IMAGE_SUFFIXES - {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
"""Suffixes that came later: a data set may hold such files beside the images that its lists mean."""

IMAGE_FORMATS = ", ".join([*_SUFFIXES][:-1]) + f" or {[*_SUFFIXES][-1]}"
"""The formats that can be decoded, for messages."""

_RAW = "a camera's raw file"
_DEVELOP = "Export it as a TIFF or JPEG with the camera's software or a raw converter"
_SAVE_AS = "Save it as a PNG or JPEG"
_VIDEO = "a video or an audio file"

UNREADABLE_SUFFIXES: dict[str, str] = {
    **dict.fromkeys(
        (
            *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef"),
            *(".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw"),
            *(".x3f",),
        ),
        f"is {_RAW}, which is not decoded here. {_DEVELOP}.",
    ),
    **{
        suffix: f"is {form}, which is not decoded here. {_SAVE_AS}."
        for suffix, form in (
            *((".svg", "an SVG drawing"), (".svgz", "an SVG drawing")),
            *((".psd", "a Photoshop file"), (".psb", "a Photoshop file"), (".xcf", "a GIMP file")),
            *((".jxl", "a JPEG XL image"), (".jxr", "a JPEG XR image"), (".exr", "an OpenEXR image")),
            *((".hdr", "a Radiance image"), (".tga", "a TGA image"), (".pfm", "a PFM image")),
        )
    },
}
"""Suffixes of pictures that cannot be decoded, in lower case, each with the reason and the remedy."""


class Form(NamedTuple):
    """A form of files.

    Attributes:
        name: Its name in messages, with its article if it cannot be decoded.
        open: Reads the header of such a file; None if it cannot be decoded.
        remedy: A sentence without its period: what to do with a file that cannot be decoded.
    """

    name: str
    open: Callable[..., ImageFile.ImageFile] | None = None
    remedy: str = _SAVE_AS


def _open_heic(source: IO[bytes]) -> ImageFile.ImageFile:
    """Reads the header of a HEIC file with pi-heif, without its metadata.

    Raises:
        BackendError: If it is not installed.
    """
    plugin = import_optional("pi_heif", "HEIC", "heic")
    image: ImageFile.ImageFile = plugin.HeifImageFile(BytesIO(without_descriptions(source.read())))
    return image


# The content decides, not the suffix. Pillow's own search for a reader would try some forty formats, and take
# a photo with a preview behind it (MPO) for an animation.
_JPEG, _TIFF = Form("JPEG", JpegImageFile), Form("TIFF", TiffImageFile)
_JPEG_2000 = Form("JPEG 2000", Jpeg2KImageFile)
_AVIF, _HEIC = Form("AVIF", AvifImageFile), Form("HEIC", _open_heic)
_RAW_FORM = Form(_RAW, None, _DEVELOP)
_SIGNATURES: tuple[tuple[bytes, Form], ...] = (
    (b"\xff\xd8\xff", _JPEG),
    (b"\x89PNG\r\n\x1a\n", Form("PNG", PngImageFile)),
    (b"BM", Form("BMP", BmpImageFile)),
    (b"GIF87a", Form("GIF", GifImageFile)),
    (b"GIF89a", Form("GIF", GifImageFile)),
    (b"II*\0\x10\0\0\0CR", _RAW_FORM),  # Canon's, otherwise a TIFF
    (b"II*\0", _TIFF),
    (b"MM\0*", _TIFF),
    (b"II+\0", _TIFF),
    (b"MM\0+", _TIFF),
    (b"\xff\x4f\xff\x51", _JPEG_2000),
    (b"\0\0\0\x0cjP  \r\n\x87\n", _JPEG_2000),
    *((b"P%d%c" % (kind, end), Form("PNM", PpmImageFile)) for kind in range(1, 7) for end in b" \t\n\r#"),
    *((start, _RAW_FORM) for start in (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb")),
    (b"8BPS", Form("a Photoshop file")),
    (b"gimp xcf", Form("a GIMP file")),
    (b"\xff\x0a", Form("a JPEG XL image")),
    (b"\0\0\0\x0cJXL ", Form("a JPEG XL image")),
    (b"II\xbc", Form("a JPEG XR image")),
    (b"v/1\x01", Form("an OpenEXR image")),
    (b"#?RADIANCE", Form("a Radiance image")),
    (b"\0\0\1\0", Form("an icon")),
    (b"%PDF", Form("a PDF document")),
    (b"PK\3\4", Form("a ZIP archive", None, "Unpack it")),
    (b"\x1f\x8b", Form("a compressed file", None, "Unpack it")),
    (b"\x1aE\xdf\xa3", Form(_VIDEO, None, "Give it the suffix of its format")),
)
# Of RIFF files and those in the ISO base media format, what follows the length of the first box decides.
_WEBP = Form("WebP", WebPImageFile)
_OTHER_MEDIA = Form(_VIDEO, None, "Give it the suffix of its format")
_BRANDS: dict[bytes, Form] = {
    **dict.fromkeys((b"avif", b"avis"), _AVIF),
    **dict.fromkeys(
        (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"), _HEIC
    ),
    b"crx ": _RAW_FORM,
    b"jxl ": Form("a JPEG XL image"),
}
WEB_PAGE = Form("a web page", None, "Download the image itself")
"""What servers send in place of an image: a listing, a page to sign in."""

_TEXTS: tuple[tuple[bytes, Form], ...] = (
    (b"<svg", Form("an SVG drawing")),
    (b"<html", WEB_PAGE),
    (b"<!doctype html", WEB_PAGE),
    (b"version https://git-lfs", Form("a pointer of Git LFS", None, "Fetch the file itself: git lfs pull")),
)

START_BYTES = 256
"""How many of the first bytes of a file `find_form` looks at."""


def find_form(start: bytes) -> Form | None:
    """Returns the form of a file; None for an unknown one.

    Args:
        start: Its first `START_BYTES` bytes.

    Example:
        >>> find_form(b"8BPS...").name
        'a Photoshop file'
    """
    if start.startswith(b"RIFF"):
        # A RIFF file that ends too early is WebP: it is the only one that can be decoded.
        return _WEBP if start[8:12] == b"WEBP" or len(start) < 12 else _OTHER_MEDIA
    if start[4:8] == b"ftyp" and len(start) >= 12:
        end = min(int.from_bytes(start[:4]), len(start))
        brands = [start[8:12], *(start[place : place + 4] for place in range(16, end - 3, 4))]
        known: list[Form] = [_BRANDS[brand] for brand in brands if brand in _BRANDS]
        # "mif1" alone is a container for any codec.
        for known_form in known:
            if known_form is not _HEIC:
                return known_form
        return known[0] if known else _OTHER_MEDIA
    if form := next((form for signature, form in _SIGNATURES if start.startswith(signature)), None):
        return form
    text: bytes = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text:
        return _TEXTS[0][1]
    return next((form for begin, form in _TEXTS if text.startswith(begin)), None)


def is_risky(start: bytes) -> bool:
    """Returns whether a decoder of a file may take memory that its header does not state, or crash.

    `fcn infer` leaves such a file to another process, header included.

    Args:
        start: Its first `START_BYTES` bytes.
    """
    return find_form(start) in (_AVIF, _HEIC, _JPEG_2000)


def reader_of(start: bytes, name: object) -> Callable[..., ImageFile.ImageFile]:
    """Returns what reads the header of an image file.

    Args:
        start: Its first `START_BYTES` bytes.
        name: The image's name in an error, usually its path.

    Raises:
        DataError: If it cannot be decoded. The message names the form that it has.
    """
    form = find_form(start)
    if form is None:
        what = (
            "is empty (0 bytes)" if not start else f"is truncated or not an image ({IMAGE_FORMATS} expected)"
        )
        raise DataError(f"{name}: {what}. Replace the file or take it out.")
    if form.open is None:
        raise DataError(f"{name}: is {form.name}, which is not decoded here. {form.remedy}, or take it out.")
    if form is _HEIC:
        try:
            import_optional("pi_heif", "HEIC", "heic")
        except BackendError as error:
            raise DataError(f"{name}: is an image in HEIC. {str(error).removeprefix('HEIC: ')}") from error
    return form.open
