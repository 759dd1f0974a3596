"""The package that both functions run from, built by Chalice."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import chalice
import msgspec
from aws_cdk import aws_iam as iam
from chalice.cdk import Chalice
from chalice.deploy.packager import NoSuchPackageError, PackageDownloadError
from constructs import Construct

from chalicelib.declared import DEFAULT, VARIABLE
from chalicelib.errors import SluiceError
from infrastructure.values import PROJECT, Target

WHEELS = Path(sys.prefix, "wheels")
"""Where `make setup` puts what requirements.txt pins, and last a copy of requirements.txt."""

FUNCTION_FOLDER = "/var/task"
"""Where Lambda unpacks a function, as tracebacks name it
(https://docs.aws.amazon.com/lambda/latest/dg/python-package.html)."""


class PackagingError(SluiceError):
    """A requirement of the functions is not to be had; the message says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The functions' package cannot be built: {reason}. Check the connection to the "
            "package index, and that requirements.txt pins a version that has a wheel for the "
            "functions' platform; once `make setup` has fetched it, no connection is needed."
        )


def packaged(
    scope: Construct, *, target: Target, role: iam.IRole, schema: Path = DEFAULT
) -> Chalice:
    """The application, packaged by Chalice. Raises PackagingError if a requirement is missing.

    The declaration `schema` is packed as `chalicelib.schema`, so that the functions know no other.

    Chalice zips whatever it finds under `chalicelib` and leaves its output in the working
    directory, so it is given a copy of the sources, in a folder that goes away: a stray `.pyc` is
    no change of the functions. It gets their compiled form too, so that no cold start waits for
    the compiler: Chalice's functions run on the Python that packages them.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        source = Path(folder, "source")
        shutil.copytree(
            PROJECT / "chalicelib",
            source / "chalicelib",
            ignore=shutil.ignore_patterns("__pycache__", "py.typed"),
        )
        for name in ("app.py", "requirements.txt", ".chalice/config.json"):
            (source / name).parent.mkdir(exist_ok=True)
            shutil.copy(PROJECT / name, source / name)
        shutil.copy(schema, source / "chalicelib/schema.py")
        _compile(source)
        try:
            # Chalice reads the routes from `app.py`, which it imports here.
            with _environment({VARIABLE: str(schema), **_wheels_of_setup(source)}):
                app = Chalice(
                    scope,
                    "Chalice",
                    source_dir=str(source),
                    stage_config={
                        "lambda_architecture": _architecture(target),
                        # Chalice demands one role for all functions; each is then given its own.
                        "manage_iam_role": False,
                        "iam_role_arn": role.role_arn,
                    },
                )
        except (NoSuchPackageError, PackageDownloadError) as error:
            raise PackagingError(str(error).strip().rpartition("\n")[2]) from error
        (package,) = Path(folder).glob("chalice.out/*/deployment.zip")
        _check_package(package)
    return app


def _wheels_of_setup(source: Path) -> dict[str, str]:
    """Return the options by which pip takes what `make setup` fetched, if nothing else is asked.

    pip reads them from the environment, which Chalice passes on; it then asks no index.
    """
    fetched = WHEELS / "requirements.txt"
    if not fetched.exists() or fetched.read_text() != (source / "requirements.txt").read_text():
        return {}
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(WHEELS)}


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _compile(source: Path) -> None:
    """Put the compiled form of all that a cold start imports where Chalice packs it from: `vendor`.

    Python checks it against the packed source by its hash, and else compiles that source as ever.
    It is the same wherever it is built and however old the sources are; a process of its own sees
    to that, because what a process did before leaves traces in compiled code.
    """
    vendor = source / "vendor"
    shutil.copytree(source / "chalicelib", vendor / "chalicelib")
    shutil.copy(source / "app.py", vendor)
    for library, pattern in ((chalice, "[!a-z]*.py"), (chalice, "app.py"), (msgspec, "*.py")):
        for module in Path(library.__path__[0]).glob(pattern):
            (vendor / library.__name__).mkdir(exist_ok=True)
            shutil.copy(module, vendor / library.__name__)
    command = [
        *(sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash"),
        *("-s", str(vendor), "-p", FUNCTION_FOLDER, str(vendor)),
    ]
    subprocess.run(command, check=True)  # noqa: S603
    for module in vendor.rglob("*.py"):
        module.unlink()


def _architecture(target: Target) -> str:
    if target == "aws":
        return "arm64"
    # The emulator runs the functions in a Python of this machine.
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def _check_package(package: Path) -> None:
    """Chalice only warns of a requirement it cannot get for the functions' platform.

    Its compiled form is packed all the same, so only the metadata says that it was there.
    """
    with zipfile.ZipFile(package) as archive:
        packed = {name.split("/")[0].lower() for name in archive.namelist()}
    for line in (PROJECT / "requirements.txt").read_text().splitlines():
        name, _, version = line.partition("==")
        if f"{name.lower().replace('-', '_')}-{version}.dist-info" not in packed:
            raise PackagingError(f"found no wheel of {line} for the functions' platform")
