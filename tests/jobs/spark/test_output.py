"""What a process and its children write is in the log while it is redirected, and in the terminal before and after."""

import os
import subprocess
import sys

from jobs.spark.output import redirect_output


def test_output_of_the_process_and_its_children_goes_to_the_log_for_a_while(tmp_path, capfd):
    log = tmp_path / "logs" / "run.log"
    with redirect_output(log):
        os.write(1, b"out\n")
        os.write(2, b"error\n")
        subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('child\\n')"], check=True)
    os.write(1, b"after\n")
    assert sorted(log.read_text().split()) == ["child", "error", "out"]
    assert capfd.readouterr().out == "after\n"


def test_one_descriptor_alone_may_be_redirected(tmp_path, capfd):
    with redirect_output(tmp_path / "errors", 2):
        os.write(1, b"out\n")
        os.write(2, b"error\n")
    assert (tmp_path / "errors").read_text() == "error\n"
    assert capfd.readouterr().out == "out\n"
