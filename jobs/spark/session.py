"""The Spark session: settings come from ``spark-conf/``, or from spark-submit when that started us.

The JVM writes its warnings to the log file of the run, not to the terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pyspark.sql import SparkSession

from jobs.spark.class_archive import archive_flags
from jobs.spark.java import use_java
from jobs.spark.output import redirect_output
from schemas.errors import EngineError, RecipeError

_CHECKOUT = Path(__file__).resolve().parents[2] / "spark-conf"
CONF_HOME = _CHECKOUT if _CHECKOUT.is_dir() else Path(sys.prefix) / "share" / "pairwright" / "spark-conf"
_JAVA_OPTIONS = "spark.driver.extraJavaOptions"


def read_conf(path: Path) -> dict[str, str]:
    """Return a Spark properties file as a mapping; ``{conf}`` in a value is the folder of the file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RecipeError(f"Spark settings {path} cannot be read ({error.strerror}); try one of {CONF_HOME}") from error
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.strip().partition(" ")
        if key and not key.startswith("#"):
            found[key] = value.strip().replace("{conf}", str(path.parent))
    return found


def under_spark_submit() -> bool:
    """Return whether spark-submit started this process; then the JVM and its settings are its own."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def stop_session(session: SparkSession) -> None:
    """Stop Spark and its Python workers, and have the JVM give its heap back.

    The JVM itself stays: functions registered with it would be lost.
    """
    jvm = session._jvm
    session.stop()
    if jvm is not None and not under_spark_submit():
        jvm.System.gc()


def start_session(
    name: str, log: Path, conf: Path | None = None, extra: Mapping[str, str] | None = None
) -> SparkSession:
    """Start Spark, or take the session that spark-submit prepared.

    Raises: EngineError when no fitting Java is found or Spark does not start.
    """
    builder = SparkSession.builder.appName(f"pairwright-{name}")
    if under_spark_submit():  # its settings hold
        return builder.getOrCreate()
    java = use_java()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {**read_conf(conf or CONF_HOME / "local.conf"), **(extra or {})}
    settings[_JAVA_OPTIONS] = f"{settings.get(_JAVA_OPTIONS, '')} {archive_flags(java)}".strip()
    for key, value in settings.items():
        builder = builder.config(key, value)
    try:
        with redirect_output(log):
            return builder.getOrCreate()
    except Exception as error:
        raise EngineError(
            f"Spark did not start ({type(error).__name__}); see {log}, or run: pairwright doctor"
        ) from error
