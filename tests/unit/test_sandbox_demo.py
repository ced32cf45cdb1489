import os
import signal
import subprocess
import sys
from pathlib import Path

from slipway.sandbox import demo

ROOT = Path(__file__).resolve().parents[2]
COMMAND = """#!{python}
import sys, time
try:
    print("ready", file=sys.stderr, flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    sys.exit("stopped by Ctrl-C")
"""
DEMO = """
import sys
from pathlib import Path
from slipway.sandbox import demo
sys.executable = sys.argv[1]
demo._invoke(Path.cwd(), "deploy")
"""


def test_ctrl_c_in_a_command_is_told_once(tmp_path: Path) -> None:
    invoke = tmp_path / "invoke"
    invoke.write_text(COMMAND.format(python=sys.executable), encoding="utf-8")
    invoke.chmod(0o755)
    words = [sys.executable, "-c", DEMO, str(tmp_path / "python")]
    process = subprocess.Popen(
        words, cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "ready\n"
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, "stopped by Ctrl-C\n")


def test_an_upload_is_known_again_under_the_name_that_it_got() -> None:
    present = {"harbour_map_JUBGhQn.svg", "read_me.html", "other map.svg"}
    found = [demo._is_among(name, present) for name in (*demo.UPLOADS, "map.svg")]
    assert found == [False, True, True, False]
