"""One synthesis of each kind of deployment by the real `cdk synth`, and its template to read."""

import json
import os
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from local.cdk import tools_path

INFRASTRUCTURE = Path(__file__).resolve().parents[2] / "infrastructure"
CDK = INFRASTRUCTURE / "node_modules/.bin/cdk"

ORDERS = "arn:aws:dynamodb:eu-west-1:111122223333:table/orders"
ORDERS_KEY = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

DEPLOYMENTS = {
    "dev": {},
    "prod": {
        "stage": "prod",
        "deletes": "drop",
        "layout": "year/siteId",
        "format": "parquet",
        "buffer_seconds": "900",
        "buffer_megabytes": "64",
        "error_days": "7",
        "old_version_days": "8",
        "log_days": "3653",
        "alarm_email": "operator@example.com",
        "operators": "policies",
    },
    "attached": {
        "stage": "attached",
        "table_name": "orders",
        "table_stream_arn": f"{ORDERS}/stream/2026-01-31T12:00:00.000",
        "table_key_arn": ORDERS_KEY,
        "api": "on",
    },
    "unencrypted": {
        "stage": "unencrypted",
        "table_name": "orders",
        "table_stream_arn": f"{ORDERS}/stream/2026-01-31T12:00:00.000",
    },
    "local": {"stage": "local", "target": "local"},
    "compacted": {"stage": "compacted", "compaction": "hourly", "schema": "tables/shop.py"},
    "function": {"stage": "function", "feed": "function", "operators": "policies"},
    "patients": {"stage": "patients", "schema": "tests/infrastructure/patients.py"},
}


class Cdk:
    """The CDK's command line, without an account, credentials or a region."""

    def __call__(
        self, *arguments: str, program: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        assert CDK.exists(), f"The CDK is not installed: run `npm ci` in {INFRASTRUCTURE}"
        app = json.loads((INFRASTRUCTURE / "cdk.json").read_text())["app"]
        if program:
            app = app.replace("-m infrastructure", program)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CDK_"))}
        whole = {
            **inherited,
            "PATH": tools_path(os.environ),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DISABLE_VERSION_CHECK": "1",
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            **environment,
        }
        return subprocess.run(
            [CDK, "--no-notices", "--app", app, *arguments],
            cwd=INFRASTRUCTURE,
            env=whole,
            capture_output=True,
            text=True,
            timeout=300,
        )


@dataclass(frozen=True)
class Deployment:
    """A synthesized deployment. Resources go by their path in the stack, such as `Lake/Bucket`."""

    folder: Path
    name: str
    template: dict[str, Any]
    context: dict[str, str]

    def all(self, kind: str = "") -> dict[str, dict[str, Any]]:
        """Resources of a type, or all, by path, with every reference spelt as `${path}`."""
        return {
            self._path(logical_id): self._spelt(resource)
            for logical_id, resource in self.template["Resources"].items()
            if resource["Type"].startswith(kind)
        }

    def __getitem__(self, path: str) -> dict[str, Any]:
        """The properties of a resource."""
        properties = self.all()[path]["Properties"]
        assert isinstance(properties, dict)
        return properties

    def made_after(self, path: str) -> set[str]:
        """The resources that must exist before this one, and go after it."""
        return {self._path(logical_id) for logical_id in self.all()[path].get("DependsOn", [])}

    def output(self, name: str) -> str:
        """The value of an output."""
        value = self._spelt(self.template["Outputs"][name]["Value"])
        assert isinstance(value, str)
        return value

    def allowed(self, role: str) -> dict[str, set[str]]:
        """What a role may do: the actions by resource, whatever their conditions."""
        actions: dict[str, set[str]] = {}
        for statement in self.statements(role):
            assert statement["Effect"] == "Allow"
            for resource in as_list(statement["Resource"]):
                actions.setdefault(resource, set()).update(as_list(statement["Action"]))
        return actions

    def statements(self, role: str) -> list[dict[str, Any]]:
        """The statements of a role's policies."""
        properties = self[role]
        assert "ManagedPolicyArns" not in properties
        attached = [
            policy["Properties"]
            for policy in self.all("AWS::IAM::Policy").values()
            if f"${{{role}}}" in policy["Properties"]["Roles"]
        ]
        return [
            statement
            for policy in [*properties["Policies"], *attached]
            for statement in policy["PolicyDocument"]["Statement"]
        ]

    def package(self) -> zipfile.ZipFile:
        """The zip both functions run from."""
        assets = json.loads((self.folder / f"{self.name}.assets.json").read_text())["files"]
        key = self["Transform"]["CodeUri"]["Key"]
        return zipfile.ZipFile(self.folder / assets[key.removesuffix(".zip")]["source"]["path"])

    def _path(self, logical_id: str) -> str:
        metadata = self.template["Resources"].get(logical_id, {}).get("Metadata", {})
        path = str(metadata.get("aws:cdk:path", logical_id))
        return path.removeprefix(f"{self.name}/").removesuffix("/Resource")

    def _spelt(self, value: Any) -> Any:
        match value:
            case {"Ref": name}:
                return f"${{{self._path(name)}}}"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"${{{self._path(name)}.{attribute}}}"
            case {"Fn::Join": [separator, parts]}:
                return separator.join(self._spelt(part) for part in parts)
            case {"Fn::Sub": str(text)}:
                return text
            case {"Fn::Sub": [text, variables]}:
                for name, part in variables.items():
                    text = text.replace(f"${{{name}}}", self._spelt(part))
                return text
            case dict():
                return {key: self._spelt(part) for key, part in value.items()}
            case list():
                return [self._spelt(part) for part in value]
        return value


def as_list(value: Any) -> list[Any]:
    """A policy's element, which may be one value or several."""
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="session")
def cdk() -> Cdk:
    return Cdk()


class Deployments(Mapping[str, Deployment]):
    """The synthesized deployments, each made when it is first asked for, once for all workers."""

    def __init__(self, cdk: Cdk, folder: Path) -> None:
        self._cdk = cdk
        self._folder = folder
        self._read: dict[str, Deployment] = {}

    def __getitem__(self, kind: str) -> Deployment:
        if kind not in self._read:
            self._read[kind] = self._synthesized(kind, DEPLOYMENTS[kind])
        return self._read[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(DEPLOYMENTS)

    def __len__(self) -> int:
        return len(DEPLOYMENTS)

    def _synthesized(self, kind: str, context: dict[str, str]) -> Deployment:
        output, done = self._folder / kind, self._folder / f"{kind}.done"
        with FileLock(self._folder / f"{kind}.lock"):
            if not done.exists():
                settings = [part for item in context.items() for part in ("-c", "=".join(item))]
                run = self._cdk("synth", "--quiet", "--output", str(output), *settings)
                assert run.returncode == 0, run.stdout + run.stderr
                done.touch()
        (template,) = output.glob("*.template.json")
        name = template.name.removesuffix(".template.json")
        return Deployment(output, name, json.loads(template.read_text()), context)


@pytest.fixture(scope="session")
def deployments(cdk: Cdk, shared_folder: Path) -> Deployments:
    folder = shared_folder / "cdk.out"
    folder.mkdir(exist_ok=True)
    return Deployments(cdk, folder)


@pytest.fixture
def dev(deployments: Deployments) -> Deployment:
    return deployments["dev"]


@pytest.fixture
def prod(deployments: Deployments) -> Deployment:
    return deployments["prod"]


@pytest.fixture
def attached(deployments: Deployments) -> Deployment:
    return deployments["attached"]


@pytest.fixture
def local(deployments: Deployments) -> Deployment:
    return deployments["local"]


@pytest.fixture
def patients(deployments: Deployments) -> Deployment:
    """A deployment of another declaration than the one that ships."""
    return deployments["patients"]


@pytest.fixture
def unencrypted(deployments: Deployments) -> Deployment:
    """A deployment that only follows a table, so that it has no API."""
    return deployments["unencrypted"]
