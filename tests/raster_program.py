"""A worker of a job that labels GeoTIFFs: `python raster_program.py OUTPUT SECONDS INPUT`."""

import sys
from pathlib import Path

from rasters import WindowedBrightness, windowed

from fcn.jobs.job import LabelingResult, open_job


def label_rasters(
    output: Path,
    *inputs: Path,
    kinds: tuple[str, ...] = ("geotiff", "geopackage"),
    seconds: float = 0,
) -> LabelingResult:
    with open_job(output, inputs, {"model": "brightness"}, kinds) as job:
        return job.run(windowed(WindowedBrightness(seconds)))


if __name__ == "__main__":
    done = label_rasters(Path(sys.argv[1]), Path(sys.argv[3]), kinds=("geotiff",), seconds=float(sys.argv[2]))
    print(done.written, done.labeled, len(done.failed))
