"""Writes a session in every format with the program and judges each by the validator of whoever defined it.

usage: check.py LAOCOON SESSION [--sarif-schema FILE] [--out DIR]

The schema of SARIF is the file `src/schema.json` of the crate serde-sarif 0.8 (`cargo fetch` brings it), or any copy of
OASIS's sarif-schema-2.1.0.json. Exit code 0: every check passed.
"""

import argparse, json, pathlib, subprocess, sys, tempfile, typing

import typing_extensions

# pydantic asks for it before Python 3.12; thehive4py uses the other.
typing.TypedDict = typing_extensions.TypedDict

import jsonschema
import stix2
import stix2validator
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf.json_format import ParseDict
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from pydantic import TypeAdapter
from pymisp import MISPEvent
from thehive4py.types.case import InputCase
from thehive4py.types.observable import InputObservable
from thehive4py.types.procedure import InputProcedure

FORMATS = ["text", "html", "markdown", "json", "sarif", "stix", "timesketch", "thehive", "misp", "in-toto", "cyclonedx", "navigator"]
HERE = pathlib.Path(__file__).resolve().parent


def write(laocoon, session, format):
    return subprocess.run([laocoon, "report", session, "--format", format], check=True, capture_output=True).stdout


def schema_errors(document, schema):
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return [f"{'/'.join(map(str, e.path))}: {e.message}"[:300] for e in kind(schema, format_checker=kind.FORMAT_CHECKER).iter_errors(document)]


def check_json(text, _):
    return schema_errors(json.loads(text), json.loads((HERE / "../../src/report/scan.schema.json").read_text()))


def check_sarif(text, options):
    log = json.loads(text)
    errors = schema_errors(log, json.loads(pathlib.Path(options.sarif_schema).read_text())) if options.sarif_schema else ["no --sarif-schema given"]
    # GitHub's subset: limits and what it cannot do without.
    for run in log["runs"]:
        rules = [r["id"] for r in run["tool"]["driver"]["rules"]]
        if len(rules) != len(set(rules)):
            errors.append("a rule id twice")
        errors += [f"{r['id']}: more than 20 tags" for r in run["tool"]["driver"]["rules"] if len(r["properties"]["tags"]) > 20]
        for r in run["results"]:
            place = r["locations"][0]["physicalLocation"]
            if not place["artifactLocation"]["uri"] or place["region"]["startLine"] < 1 or rules[r["ruleIndex"]] != r["ruleId"]:
                errors.append(f"{r['ruleId']}: place or rule index")
    return errors


def check_stix(text, _):
    found = stix2validator.validate_string(text.decode(), stix2validator.ValidationOptions(version="2.1", strict=False))
    results = found if isinstance(found, list) else getattr(found, "object_results", [found])
    errors = [str(e)[:300] for r in results for e in getattr(r, "errors", []) or []]
    if not all(r.is_valid for r in results):
        errors.append("not valid")
    # 103: ids that are functions of the session are not random; the standard allows both.
    said = [str(w)[:200] for r in results for w in getattr(r, "warnings", []) or []]
    print(f"     {sum('{103}' in w for w in said)} warnings that ids are not of version 4")
    for warning in sorted({w for w in said if "{103}" not in w}):
        print("     warning:", warning)
    bundle = json.loads(text)
    ids = [o["id"] for o in bundle["objects"]]
    if len(ids) != len(set(ids)):
        errors.append("an id twice")
    for o in bundle["objects"]:
        parsed = stix2.parse(o, version="2.1")
        if o["type"] == "file":
            again = stix2.parse({k: v for k, v in o.items() if k != "id"} | {"type": "file"}, version="2.1")
            if again.id != parsed.id:
                errors.append(f"{o['id']}: the library makes {again.id}")
        for ref in [o[k] for k in ("source_ref", "target_ref", "created_by_ref") if k in o] + o.get("object_refs", []):
            if ref not in ids:
                errors.append(f"{o['id']} points to {ref}, which is not there")
    return errors


def check_timesketch(text, _):
    errors = []
    for n, line in enumerate(text.decode().splitlines()):
        row = json.loads(line)
        if not {"message", "datetime", "timestamp_desc"} <= row.keys() or not row["datetime"].endswith("+00:00"):
            errors.append(f"line {n}: columns")
        if any(len(str(v).encode()) > 32766 for v in row.values()):
            errors.append(f"line {n}: a field over 32,766 bytes")
    return errors


def check_thehive(text, _):
    d = json.loads(text)
    TypeAdapter(InputCase).validate_python(d["case"], strict=True)
    TypeAdapter(list[InputObservable]).validate_python(d["observables"], strict=True)
    TypeAdapter(list[InputProcedure]).validate_python(d["procedures"], strict=True)
    return []


def check_misp(text, _):
    event = MISPEvent()
    event.from_dict(**json.loads(text)["Event"])
    errors = []
    for o in event.objects:
        # Strict: the template is loaded, unknown relations and missing ones are errors.
        from pymisp import MISPObject
        strict = MISPObject(o.name, strict=True)
        if strict.template_uuid != o.template_uuid or str(strict.template_version) != str(o.template_version):
            errors.append(f"{o.name}: template {o.template_uuid} version {o.template_version}, known {strict.template_uuid} {strict.template_version}")
        for a in o.attributes:
            strict.add_attribute(a.object_relation, value=a.value)
            if strict.attributes[-1].type != a.type:
                errors.append(f"{o.name} {a.object_relation}: type {a.type}, template {strict.attributes[-1].type}")
        strict.to_dict(strict=True)
    return errors


def check_in_toto(text, _):
    d = json.loads(text)
    predicate = d.pop("predicate")
    ParseDict(d, statement_pb2.Statement())
    ParseDict(predicate, test_result_pb2.TestResult())
    return [] if predicate["result"] in ("PASSED", "WARNED", "FAILED") and d["subject"] else ["result or subject"]


def check_cyclonedx(text, _):
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.decode())
    return [str(error)[:500]] if error else []


def check_navigator(text, _):
    d = json.loads(text)
    good = d["domain"] == "atlas-atlas" and d["versions"]["layer"] == "4.5" and all(t["techniqueID"].startswith("AML.T") and 0 < t["score"] <= 100 for t in d["techniques"])
    return [] if good else ["domain, version or a technique"]


def check_pages(text, _):
    bad = [c for c in text.decode() if (ord(c) < 32 and c != "\n") or c in "\u202e\u2066\u200b\x7f"]
    return [f"{len(bad)} characters that act"] if bad else []


def main():
    options = argparse.ArgumentParser()
    options.add_argument("laocoon")
    options.add_argument("session")
    options.add_argument("--sarif-schema")
    options.add_argument("--out")
    options = options.parse_args()
    out = pathlib.Path(options.out or tempfile.mkdtemp())
    out.mkdir(parents=True, exist_ok=True)
    failed = False
    for format in FORMATS:
        text = write(options.laocoon, options.session, format)
        (out / format).write_bytes(text)
        same = text == write(options.laocoon, options.session, format)
        check = globals().get("check_" + format.replace("-", "_"), check_pages)
        try:
            errors = check(text, options)
        except Exception as e:  # a validator's own words
            errors = [f"{type(e).__name__}: {e}"[:600]]
        errors += [] if same else ["written twice, it differs"]
        failed |= bool(errors)
        print(f"{format:<12} {len(text):>9} bytes  {'ok' if not errors else 'FAILED'}")
        for e in errors:
            print("   ", e)
    sys.exit(failed)


main()
