"""`./run`: cut short at any step, or started twice at once, it still gets to a whole .venv.

The script is the real one. What it starts is made of a few steps each (pip, uv), or is the system's; each step is a
place where the whole process group can be killed, as a crash, a power cut or Ctrl-C would.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import django
import pytest

from tests.sites import wait_for

STEP = """\
step() {
  read -r done < "$STEPS"; done=$((done + 1)); echo $done > "$STEPS"
  [ "$done" != "${STOP_AT:-}" ] || { kill -s "$STOP_BY" 0; read -r _ < "$STEPS.never"; }
}
"""
SYSTEM = '#!/bin/sh\n. "$STUBS/step"\nstep\n{program} "$@"\ncode=$?\nstep\nexit $code\n'
PYTHON = """\
#!/bin/sh
. "$STUBS/step"
case "$*" in
  *'run_module("pip"'*" install "*)
    while [ "$1" != --target ]; do shift; done
    mkdir -p "$2/bin"; step
    cp "$STUBS/uv" "$2/bin/uv"; step ;;
  *'run_module("pip"'*) exit 1 ;;
  *) exec {python} -IS "$@" ;;
esac
"""
UV = """\
#!/bin/sh
. "$STUBS/step"
for folder; do :; done
if [ "$1" = venv ]; then
  # So does the real one.
  [ ! -e "$folder" ] || [ -e "$folder/pyvenv.cfg" ] || { echo "uv will not clear $folder" >&2; exit 2; }
  rm -rf "$folder"; mkdir -p "$folder/bin"; step
  echo > "$folder/pyvenv.cfg"; step
else
  echo installing >> "$STEPS.installs"
  [ -z "${WAIT_AT_UV:-}" ] || read -r _ < "$WAIT_AT_UV"
  while [ "$1" != --python ]; do shift; done
  echo 'echo "ran $*"' > "$2/bin/python"; step
  chmod +x "$2/bin/python"; step
fi
"""


class Fresh:
    """A checkout with nothing set up, where .venv is what a Ctrl-C in an old `./run` has left."""

    def __init__(self, folder: Path, checkout: Path) -> None:
        self.folder, self.steps, stubs = folder, folder / "steps", folder / "stubs"
        stubs.mkdir(parents=True)
        (folder / ".venv" / "bin").mkdir(parents=True)
        shutil.copy(checkout / "run", folder)
        (folder / "requirements-dev.lock").write_text("some==1\n")
        os.mkfifo(folder / "steps.never")
        texts = {"step": STEP, "python": PYTHON.replace("{python}", sys.executable), "uv": UV}
        for name in ("cat", "cksum", "mv", "rm", "sync"):
            program = "/bin/true" if name == "sync" else shutil.which(name)
            texts[name] = SYSTEM.replace("{program}", str(program))
        for name, text in texts.items():
            (stubs / name).write_text(text)
            (stubs / name).chmod(0o755)
        self._env = {
            "PATH": f"{stubs}:{os.environ['PATH']}",
            "PYTHON": str(stubs / "python"),
            "STUBS": str(stubs),
            "STEPS": str(self.steps),
        }

    def start(self, **env: str) -> subprocess.Popen[str]:
        self.steps.write_text("0\n")
        return subprocess.Popen(
            [self.folder / "run", "it"],
            env={**self._env, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=_heed_ctrl_c,
        )

    def run(self, **env: str) -> int:
        """Run it to its end and return the exit code; how many steps it took is in `taken`."""
        with self.start(**env) as process:
            self.output, self.errors = process.communicate(timeout=60)
            self.taken = int(self.steps.read_text() or 0)
            return process.returncode

    def installs(self) -> int:
        return len((self.folder / "steps.installs").read_text().splitlines())


def _heed_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a run in the background ignores it


@pytest.fixture
def fresh(tmp_path: Path, checkout: Path) -> Fresh:
    return Fresh(tmp_path / "checkout", checkout)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    with process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(("cut", "every"), [(signal.SIGKILL, 1), (signal.SIGINT, 4)])
def test_a_start_cut_short_at_any_step_is_made_good_by_the_next(
    tmp_path: Path, checkout: Path, cut: signal.Signals, every: int
) -> None:
    """Ctrl-C in the first start left a .venv without pyvenv.cfg, and every later one failed: uv did not clear it."""
    whole = Fresh(tmp_path / "whole", checkout)
    assert (whole.run(), whole.output) == (0, "ran it\n"), whole.errors
    assert whole.taken > 15
    for step in range(1, whole.taken + 1, every):
        fresh = Fresh(tmp_path / f"{step}", checkout)
        assert fresh.run(STOP_AT=str(step), STOP_BY=cut.name.removeprefix("SIG")) in (-cut, 128 + cut), step
        assert (fresh.run(), fresh.output) == (0, "ran it\n"), f"step {step}: {fresh.errors}"
        left = {path.name for path in fresh.folder.glob(".[vt]*")} | {
            path.name for path in fresh.folder.glob(".tools/*")
        }
        assert left - {".venv.old"} == {".venv", ".tools", "uv-0.13.9"}, step


def test_ctrl_c_while_pip_is_imported_shows_no_traceback(fresh: Fresh, tmp_path: Path) -> None:
    """It did in the first second of the first start: pip sees to Ctrl-C once its imports are done."""
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__main__.py").write_text(
        f"import sys, time\nopen({str(tmp_path / 'arguments')!r}, 'w').write(' '.join(sys.argv[1:]))\ntime.sleep(600)\n"
    )
    arguments = tmp_path / "arguments"
    with _ended(fresh.start(PYTHON=sys.executable, PYTHONPATH=str(tmp_path))) as process:
        wait_for(lambda: arguments.exists() and arguments.read_text().startswith("install"), "pip to be imported")
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (-signal.SIGINT, "")
    assert errors.splitlines() == ["run: setting up .venv (once, and after each change of requirements-dev.lock)"]


def test_of_two_at_once_the_second_waits_and_says_so(fresh: Fresh) -> None:
    """The second cleared the .venv under the first, which died with a traceback."""
    gate = fresh.folder / "gate"
    os.mkfifo(gate)
    with _ended(fresh.start(WAIT_AT_UV=str(gate))) as first:
        wait_for((fresh.folder / "steps.installs").exists, "the first to install")
        with _ended(fresh.start()) as second:
            assert second.stderr
            assert "waiting for another ./run" in second.stderr.readline()
            gate.write_text("go on\n")
            for process in (first, second):
                output, errors = process.communicate(timeout=60)
                assert (process.returncode, output) == (0, "ran it\n"), errors
    assert fresh.installs() == 1


def test_what_a_killed_start_has_left_running_is_waited_for(fresh: Fresh) -> None:
    """Only the shell was killed: its uv goes on writing, and nobody may clear the folder meanwhile."""
    gate = fresh.folder / "gate"
    os.mkfifo(gate)
    with _ended(fresh.start(WAIT_AT_UV=str(gate))) as first:
        wait_for((fresh.folder / "steps.installs").exists, "the first to install")
        first.kill()
        with _ended(fresh.start()) as second:
            assert second.stderr
            assert "waiting for another ./run" in second.stderr.readline()
            gate.write_text("go on\n")
            output, errors = second.communicate(timeout=60)
            assert (second.returncode, output) == (0, "ran it\n"), errors
    assert fresh.installs() == 2


def test_the_second_start_sets_nothing_up(fresh: Fresh) -> None:
    fresh.run()
    assert (fresh.run(), fresh.output, fresh.errors) == (0, "ran it\n", "")
    assert fresh.installs() == 1


def test_scripts_of_the_venv_do_not_name_the_folder_in_which_they_were_made() -> None:
    scripts = [path for path in Path(sys.prefix, "bin").iterdir() if path.is_file() and not path.is_symlink()]
    assert [path.name for path in scripts if b".venv.new" in path.read_bytes()[:500]] == []


def test_libraries_are_compiled_when_they_are_installed() -> None:
    """With PYTHONDONTWRITEBYTECODE each process compiled them anew: 6.5 s of processor time in place of 3."""
    assert Path(importlib.util.cache_from_source(django.__file__)).exists()
