"""The Croissant description of a dataset version: what search engines and loaders of datasets read.

Source: Croissant 1.0 (MLCommons), https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.store.files import write_json
from schemas.shards import SHARDS
from schemas.table import Column

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "key": "cr:key",
    "md5": "cr:md5",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "repeated": "cr:repeated",
    "source": "cr:source",
    "subField": "cr:subField",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "fileProperty": "cr:fileProperty",
    "format": "cr:format",
    "jsonPath": "cr:jsonPath",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "regex": "cr:regex",
    "replace": "cr:replace",
    "separator": "cr:separator",
    "transform": "cr:transform",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "equivalentProperty": "cr:equivalentProperty",
    "samplingRate": "cr:samplingRate",
}
_TYPES = {"string": "sc:Text", "integer": "sc:Integer", "long": "sc:Integer", "double": "sc:Float", "float": "sc:Float"}
_PARQUET = "application/x-parquet"


def write_croissant(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write the description of a version; it follows from the manifest alone and holds no clock."""
    stages = [stage for stage in ("stage1", "stage2") if _files_of(manifest, stage)]
    licences = sorted({str(source["license"]) for source in manifest["sources"]})
    write_json(
        path,
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "name": manifest["name"],
            "version": manifest["version"],
            "description": "Training data for text-embedding models, made by pairwright: "
            f"{len(manifest['files'])} files.",
            "license": licences,
            "isLiveDataset": False,
            "distribution": [_file_object(file) for stage in stages for file in _files_of(manifest, stage)],
            "recordSet": [_record_set(stage, file) for stage in stages for file in _files_of(manifest, stage)],
        },
    )


def _files_of(manifest: Mapping[str, Any], stage: str) -> list[Mapping[str, Any]]:
    return [file for file in manifest["files"] if str(file["path"]).startswith(f"{stage}/")]


def _file_object(file: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file["path"],
        "name": file["path"],
        "contentUrl": file["path"],
        "contentSize": f"{file['bytes']} B",
        "encodingFormat": _PARQUET,
        "sha256": file["sha256"],
    }


def _record_set(stage: str, file: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the rows of one file; the row groups of a file are its planned batches."""
    name = f"{stage}/{Path(str(file['path'])).stem}"
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"Rows of {file['path']}: a query, a document that answers it, and its negatives. "
        "One Parquet row group is one planned batch.",
        "key": [{"@id": f"{name}/{column}"} for column in SHARDS.key],
        "field": [_field(name, str(file["path"]), column) for column in SHARDS.columns],
    }


def _field(record_set: str, file: str, column: Column) -> dict[str, Any]:
    inner = column.type.removeprefix("array<").removesuffix(">")
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{column.name}",
        "name": f"{record_set}/{column.name}",
        "description": column.doc,
        "dataType": _TYPES[inner],
        **({"repeated": True} if inner != column.type else {}),
        "source": {"fileObject": {"@id": file}, "extract": {"column": column.name}},
    }
