"""Archives of loaded classes, which Java maps into memory at its next start instead of loading them from jars again.

Loading and verifying some ten thousand classes is half of what a short session costs. ``PAIRWRIGHT_CLASS_ARCHIVE=off``
does without: nothing is written, and no flag is passed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from contextlib import suppress
from pathlib import Path

from jobs.setup.user_cache import user_cache
from jobs.spark.java_home import JavaHome

SWITCH = "PAIRWRIGHT_CLASS_ARCHIVE"  # "off": no archives


def archive_flags(java: JavaHome) -> str:
    """Return the flags by which Java keeps the classes that Spark loads in an archive, and maps them the next time.

    Java writes the archive at the end of the first process that names it. Later it refuses one whose jars' times have
    changed, and does not write it anew: so the state of the jars is in the name, and archives of their other states go.
    No flags for a JDK 21: it refuses an archive when the class path names a jar twice, and Spark's names one twice.
    The wheel's Java has a launcher that does not.
    """
    if _is_off() or (java.version <= 21 and java.origin != "wheel"):
        return ""
    import pyspark

    jars = Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent) / "jars"
    states = {jar.name: jar.stat() for jar in jars.glob("*.jar")}
    held = sorted((name, state.st_size, state.st_mtime_ns) for name, state in states.items())
    folder, place = user_cache(), f"spark-{_digest(java.home, jars)}"
    wanted = folder / f"{place}-{_digest(java.version, held)}.jsa"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in set(folder.glob(f"{place}-*.jsa")) - {wanted}:
        stale.unlink(missing_ok=True)
    return f"-XX:+AutoCreateSharedArchive -XX:SharedArchiveFile={wanted}"


def _digest(*facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


def dump_own_classes(runtime: Path) -> None:
    """Make the archive of Java's own classes, which a JDK comes with and the wheel does not: others stand on it.

    Cost: a second, 15 MB. Not where the environment cannot be written: sessions start more slowly then.
    """
    archive = runtime / "lib" / "server" / "classes.jsa"
    if _is_off() or archive.exists() or not os.access(archive.parent, os.W_OK):
        return
    draft = archive.with_name(f"{archive.name}.{os.getpid()}")  # whole or not there: other processes start Java too
    dump = [str(runtime / "bin" / "java"), "-Xshare:dump", f"-XX:SharedArchiveFile={draft}"]
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(dump, capture_output=True, timeout=120, check=True)
        draft.replace(archive)


def _is_off() -> bool:
    return os.environ.get(SWITCH, "").lower() == "off"
