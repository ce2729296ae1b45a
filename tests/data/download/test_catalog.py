from pathlib import Path

from fcn.data.download.catalog import DATASETS


def test_the_catalog_is_well_formed() -> None:
    for dataset in DATASETS.values():
        assert len(bytes.fromhex(dataset.archive.checksum.digits)) == 16
        assert all(url.endswith(f"/{dataset.archive.name}") for url in dataset.archive.urls)
        assert not Path(dataset.folder).is_absolute()
