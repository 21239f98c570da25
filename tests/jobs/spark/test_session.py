"""spark-conf: every file is read, and every setting in it is one that this release of Spark knows."""

import pytest

from jobs.spark.session import CONF_HOME, read_conf

# Names that end in what people choose, and those that Spark puts together where it reads them.
FAMILIES = (
    "spark.executorEnv.",
    "spark.yarn.appMasterEnv.",
    "spark.kubernetes.driverEnv.",
    "spark.executor.resource.",
    "spark.kubernetes.driver.volumes.",
    "spark.kubernetes.executor.volumes.",
    "spark.hadoop.parquet.enable.dictionary#",
)


@pytest.mark.parametrize("name", ["local", "standalone", "yarn", "kubernetes", "gpu"])
def test_every_setting_is_known_to_spark(spark, name: str) -> None:
    jvm = spark._jvm
    for module in (
        "internal.config.package$",
        "internal.config.UI$",
        "internal.config.Python$",
        "deploy.yarn.config.package$",
        "deploy.k8s.Config$",
        "sql.internal.StaticSQLConf$",
    ):
        jvm.java.lang.Class.forName(f"org.apache.spark.{module}")
    find = getattr(jvm.org.apache.spark.internal.config, "ConfigEntry$").__getattr__("MODULE$").findEntry
    settings = read_conf(CONF_HOME / f"{name}.conf")
    assert settings
    unknown = {key for key in settings if find(key) is None and not key.startswith(FAMILIES)}
    assert unknown - {"spark.master"} == set()
