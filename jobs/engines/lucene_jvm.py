"""The Java inside a process of ours, which Lucene runs in: started here, and kept quiet.

Known weakness: one process holds one embedded JVM, so heap and class path are settled by the first caller.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.setup.user_cache import user_cache
from jobs.spark.java import use_java
from jobs.spark.java_home import VECTOR_MODULE, JavaHome
from jobs.spark.output import redirect_output
from schemas.errors import EngineError

_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
# Lucene and Anserini report through two logging systems; what goes wrong reaches Python as an exception anyway.
_QUIET_LOGGING = {
    "quiet-logging.properties": "handlers=\n.level=OFF\n",
    "quiet-log4j2.properties": "status = off\nrootLogger.level = off\n",
}


def start_lucene_jvm(heap: str = "1g", *, whole: bool = True, quick: bool = False) -> None:
    """Start this process's embedded JVM for Pyserini and import it. Later calls do nothing.

    Pyserini would start the JVM itself, with a flag that the wheel's Java does not know, loud, and with a quarter
    of the machine's memory; so the JVM is started first, and Pyserini finds it running.

    With ``whole=False`` only ``pyserini.pyclass`` is imported, which reaches Anserini's classes by ``autoclass``.
    ``pyserini.search.lucene`` also imports torch and transformers, for encoders that BM25 does not use.

    ``quick`` is for work of seconds: without Java's second compiler, which takes longer to compile Lucene than such
    work takes, and without threads that collect.

    Cost:   0.2 s and 100 MB; 5 s and 600 MB when whole.
    Raises: EngineError when the JVM does not start.
    """
    wanted = "pyserini.search.lucene" if whole else "pyserini.pyclass"
    if wanted in sys.modules:
        return
    java = use_java()
    with _lend_key(), _keep_stderr() as stderr:
        try:
            _configure_jvm(java, heap, quick=quick)
            importlib.import_module("jnius")  # starts the JVM
            importlib.import_module(wanted)  # finds it running
        except EngineError:
            raise
        except Exception as fault:
            raise EngineError(_explain_start(java, heap, fault, stderr)) from fault


def _configure_jvm(java: JavaHome, heap: str, *, quick: bool) -> None:
    import jnius_config

    if jnius_config.vm_running:
        return  # somebody's JVM is up already: nothing can be set any more
    jars = sorted(_package_folder("pyserini").glob("resources/jars/anserini-*-fatjar.jar"))
    if not jars:
        raise EngineError("Pyserini came without its Anserini jar; try `pip install --force-reinstall pyserini`")
    jnius_config.set_classpath(str(jars[-1]))
    jnius_config.set_options(*_jvm_options(java, heap), *(_QUICK if quick else ()))


def _jvm_options(java: JavaHome, heap: str) -> list[str]:
    options = [
        f"-Xmx{heap}",
        "-Xrs",  # signals stay Python's: Ctrl-C is a KeyboardInterrupt, not the death of the process
        "--enable-native-access=ALL-UNNAMED",
        f"-Djava.util.logging.config.file={_quiet_file('quiet-logging.properties')}",
        f"-Dlog4j2.configurationFile={_quiet_file('quiet-log4j2.properties')}",
    ]
    if java.version >= 24:
        options.append("--sun-misc-unsafe-memory-access=allow")
    if java.vectors:
        options.append(f"--add-modules={VECTOR_MODULE}")
    return options


def _quiet_file(name: str) -> Path:
    path, text = user_cache() / name, _QUIET_LOGGING[name]
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{name}.{os.getpid()}")
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    return path


def _package_folder(name: str) -> Path:
    """Return where a package is installed without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EngineError(f"the package {name} is not installed; try `make setup`")
    return Path(spec.origin).parent


@contextmanager
def _lend_key() -> Iterator[None]:
    """Give Pyserini the OPENAI_API_KEY that its import insists on, and take it away again."""
    if "OPENAI_API_KEY" in os.environ:
        yield
        return
    os.environ["OPENAI_API_KEY"] = "unused"
    try:
        yield
    finally:
        os.environ.pop("OPENAI_API_KEY", None)


@contextmanager
def _keep_stderr() -> Iterator[Path]:
    """Collect what the JVM says at its start in a file that is read only when the start fails."""
    folder = Path(tempfile.mkdtemp(prefix="pairwright-jvm-"))
    path = folder / "stderr"
    try:
        with redirect_output(path, 2):
            yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _explain_start(java: JavaHome, heap: str, fault: Exception, stderr: Path) -> str:
    said = " ".join(stderr.read_text(encoding="utf-8", errors="replace").split())[-300:]
    return (
        f"Lucene's JVM did not start with {java} and a heap of {heap}: {fault} {said}".rstrip()
        + "; try `pairwright doctor`, a smaller heap, or PAIRWRIGHT_JAVA=wheel"
    )
