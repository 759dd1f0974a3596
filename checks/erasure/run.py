"""The run: fill a lake, erase with three kills, search every byte, and try to bring keys back."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from chalicelib.catalog import CURRENT, HISTORY, ICEBERG_PREFIX
from chalicelib.partitions import (
    DATA_PREFIX,
    ERROR_PREFIX,
    REPLAYED_PREFIX,
    RESULT_PREFIX,
)
from checks.crash.compare import differences
from checks.crash.moments import MOMENTS
from checks.crash.trial import Report, Trial
from checks.crash.workload import DAYS
from checks.erasure.bring_back import put_errors, put_export, quarantined, send_dead_letters
from checks.erasure.contents import contents
from local.arrivals import POLL_SECONDS, broken_transform
from local.processes import LocalRunError
from local.session import Session
from sluice.compaction.size import lake_size
from sluice.erasure.memory import HELD_BACK
from sluice.erasure.versions import versions
from sluice.lake import objects
from sluice.stack import Stack
from sluice.wording import counted

COMPACTED = (0.4, 0.25)
"""The parts of the changes that are there before each of two compactions."""

RAW, BESIDE = 0.2, 0.05
"""The parts that stay raw, and that are made beside the killed runs."""

QUARANTINED = 0.05
"""The part that is replayed, and the part that stays in quarantine."""

PLACES = (DATA_PREFIX, ERROR_PREFIX, REPLAYED_PREFIX, RESULT_PREFIX, ICEBERG_PREFIX)

_KEY = re.compile(rb"record-\d+")


class Erasing(Trial):
    """A lake from which keys are erased, by runs that are killed."""

    def __init__(
        self, session: Session, stack: Stack, changes: int, keys: int, report: Report
    ) -> None:
        """`keys` is how many are erased."""
        super().__init__(session, stack, changes, report)
        self._count = keys
        self._chance = Random(7)  # noqa: S311
        self._keys: set[str] = set()
        self._all = {key.encode() for key in self._writer.keys}
        self._file = session.folder / "keys"

    def run(self) -> None:
        """Fill the lake, erase, and look."""
        began = time.monotonic()
        self._fill()
        self._keys = set(self._chance.sample(sorted(self._writer.items), self._count))
        self._file.write_text("\n".join(sorted(self._keys)))
        self._put_result()
        export = put_export(self._stack, list(self._writer.items.values()))
        errors = quarantined(self._stack)
        self._writer.delete(self._keys)
        self._settle()
        before = self._found()
        self._report(
            f"{self._writer.written:,} changes after {time.monotonic() - began:.0f} s; "
            f"{lake_size(self._stack)}"
        )
        self._dry_run()
        for name, moment in self._moments().items():
            self._kill(name, moment)
        began = time.monotonic()
        compaction = self._start("compact", "--older-than", "0s")
        runs = [self._erase("--yes") for _ in range(2)]
        for each in runs:
            self._expect(each, 0)
        seconds = time.monotonic() - began
        self._report(f"erased by two runs at once in {seconds:.1f} s, beside a compaction")
        self._output(compaction)
        # A file that it had begun may come after their second search.
        self._expect(self._erase("--yes"), 0)
        self._settle()
        self._look("after the erasure", before)
        self._bring_back(errors, export)
        self._expect(self._erase("--yes"), 0)
        self._compact()
        self._look("in the end", before)
        self.problems += differences(self._stack, self._writer, self._keys)

    def _fill(self) -> None:
        for part in COMPACTED:
            with broken_transform(self._stack):
                self._write(int(self._changes * QUARANTINED))
            self._replay()
            self._write(int(self._changes * part))
            self._output(self._start("compact", "--older-than", "0s"))
        with broken_transform(self._stack):
            self._write(int(self._changes * QUARANTINED))
        self._write(int(self._changes * RAW))

    def _replay(self) -> dict[str, Any]:
        answer = self._answer(self._start("replay", "--json"))
        self._again += answer["accepted"]
        self._settle()
        return answer

    def _put_result(self) -> None:
        """Put results of queries: some with all keys, of which one is an old version, or none."""
        named = "\n".join(f'"{key}","1"' for key in sorted(self._keys)).encode()
        others = sorted(self._writer.items.keys() - self._keys)[:100]
        for name, body in (
            ("a.csv", named),
            ("a.csv", b'"id"\n'),
            ("b.csv", named),
            ("c.csv", "\n".join(f'"{key}"' for key in others).encode()),
        ):
            self._stack.s3.put_object(
                Bucket=self._stack.bucket, Key=RESULT_PREFIX + name, Body=body
            )

    def _dry_run(self) -> None:
        places = self._answer(self._erase("--dry-run"))["places"]
        for place in PLACES:
            if place not in places or not places[place]["objects"]:
                self.problems.append(f"the keys were not in {place} before: {places}")
        self._report(f"the keys are in {places}")

    def _moments(self) -> dict[str, Callable[[], bool]]:
        def old_versions() -> set[str]:
            return {
                each.id
                for of_key in versions(self._stack.s3, self._stack.bucket, DATA_PREFIX)
                for each in of_key
            }

        first = old_versions()
        commits = {name: MOMENTS[f"{name} is committed"] for name in (HISTORY, CURRENT)}
        states = {name: commit(self._stack) for name, commit in commits.items()}
        return {
            "the search is noted": lambda: bool(self._checkpoints()),
            "versions are deleted": lambda: not first <= old_versions(),
            "history is committed": lambda: commits[HISTORY](self._stack) != states[HISTORY],
        }

    def _checkpoints(self) -> list[Path]:
        return list(self._session.folder.rglob("erase-*.json"))

    def _kill(self, name: str, has_come: Callable[[], bool]) -> None:
        """Kill an erasure beside a writer when a moment has come."""
        began = time.monotonic()
        run = self._erase("--yes")
        left = int(self._changes * BESIDE / 3)
        while not has_come() and run.poll() is None:
            self._writer.write(min(5, left))
            left -= min(5, left)
            time.sleep(POLL_SECONDS)
        run.kill()
        output = run.communicate()
        if run.returncode != -signal.SIGKILL:
            self.problems.append(f"the erasure ended before {name}: {output}")
        self._report(f"killed after {time.monotonic() - began:.1f} s, as {name}")

    def _found(self) -> dict[str, set[str]]:
        """Return the records that any byte of the bucket names, each with the places that do."""
        places: dict[str, set[str]] = {}
        for name, _, body in contents(self._stack.s3, self._stack.bucket):
            for key in self._all.intersection(_KEY.findall(body + b"\n" + name.encode())):
                places.setdefault(key.decode(), set()).add(name)
        return places

    def _look(self, when: str, before: dict[str, set[str]]) -> None:
        """Search every byte, and ask the command to."""
        self._expect(self._start("erase", "--verify", "--from", str(self._file), "--json"), 0)
        now = self._found()
        if left := self._keys & now.keys():
            key = min(left)
            self.problems.append(f"{when}, {len(left)} keys are left, such as {key}: {now[key]}")
        if lost := before.keys() - self._keys - now.keys():
            self.problems.append(f"{when}, {len(lost)} other keys are lost, such as {min(lost)}")
        self._report(f"{when}, every byte of the bucket names {len(now):,} other keys")

    def _bring_back(self, errors: list[bytes], export: str) -> None:
        """Replay and redrive what had the keys, and read an export from before."""
        put_errors(self._stack, errors)
        send_dead_letters(self._stack, self._keys)
        replayed = self._replay()
        redriven = self._answer(self._start("redrive", "--json"))
        checkpoint = str(self._session.folder / "export")
        copied = self._answer(
            self._start("backfill", "--from-export", export, "--checkpoint", checkpoint, "--json")
        )
        self._again += redriven["accepted"] + copied["items"]
        self._settle()
        for name, held_back, count in (
            ("replay", replayed["obstacles"].get(HELD_BACK, 0), 1),
            ("redrive", redriven["heldBack"], len(self._keys)),
            ("export", copied["heldBack"], len(self._keys)),
        ):
            self._report(f"the {name} held back {counted(held_back, 'change')}")
            if held_back < count:
                self.problems.append(f"the {name} held back {held_back} of {count}")
        back = {
            key: names
            for key, names in self._found().items()
            if key in self._keys
            and any(name.startswith((DATA_PREFIX, ICEBERG_PREFIX)) for name in names)
        }
        if back:
            self.problems.append(f"{len(back)} keys came back, such as {min(back.items())}")

    def _compact(self) -> None:
        while any(objects(self._stack, DATA_PREFIX)):
            self._output(self._start("compact", "--older-than", "0s"))
        self._report(f"all of {DAYS} days is compacted: {lake_size(self._stack)}")

    def _erase(self, option: str) -> "subprocess.Popen[str]":
        return self._start("erase", "--from", str(self._file), option, "--json")

    def _expect(self, process: "subprocess.Popen[str]", status: int) -> None:
        output, errors = process.communicate()
        if process.returncode != status:
            what = f"`{process.args!s}` exited {process.returncode}: {output}{errors}"
            self.problems.append(what)

    def _answer(self, process: "subprocess.Popen[str]") -> dict[str, Any]:
        """Return the JSON that a command prints, whatever its exit status."""
        output, errors = process.communicate()
        try:
            answer: dict[str, Any] = json.loads(output)
        except ValueError:
            raise LocalRunError(f"`{process.args!s}` printed {output}{errors}") from None
        return answer
