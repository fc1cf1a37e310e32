#!/usr/bin/env python3
"""Licences, doubled crates and known advisories, by what cargo says and a snapshot of the RustSec database.

Usage: audit.py [--database DIR]      checks the workspace
       audit.py --self-test           shows that each check can fail
Exit codes: 0 nothing found, 1 something found, 2 cannot check.
"""
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def version(text):
    """A version as a tuple that compares as SemVer does, build metadata left out."""
    core, _, pre = text.split("+")[0].partition("-")
    numbers = [int(part) for part in core.split(".")]
    numbers += [0] * (3 - len(numbers))
    words = tuple((0, int(w), "") if w.isdigit() else (1, 0, w) for w in pre.split(".")) if pre else ((2, 0, ""),)
    return tuple(numbers), words


def bump(numbers, at):
    """The first version that a caret or a bare requirement no longer takes."""
    return tuple(numbers[:at]) + (numbers[at] + 1,) + (0,) * (2 - at)


def holds(requirement, found):
    """Whether a version meets a requirement such as `>= 0.22.4, < 0.23.0`, `^1.2` or `=1.0.1`."""
    for part in requirement.split(","):
        operator, wanted = re.match(r"\s*(>=|<=|>|<|=|\^|~)?\s*(\S+)\s*$", part).groups()
        if wanted == "*":
            continue
        given = len(wanted.split("-")[0].split("."))
        low = version(wanted)
        numbers = low[0]
        if operator == ">=":
            good = found >= low
        elif operator == ">":
            good = found > low
        elif operator == "<":
            good = found < low
        elif operator == "<=":
            good = found <= low
        elif operator == "=":
            good = found[0][:given] == numbers[:given] and (given < 3 or found == low)
        elif operator == "~":
            good = low <= found < (bump(numbers, min(given - 1, 1)), low[1])
        else:
            first = next((n for n in range(min(given, 3)) if numbers[n]), min(given, 3) - 1)
            good = low <= found and found[0] < bump(numbers, first)
        if not good:
            return False
    return True


def advisories(database):
    """All advisories by crate; withdrawn ones left out."""
    known = {}
    for path in sorted((database / "crates").glob("*/RUSTSEC-*.md")):
        match = re.search(r"```toml\n(.*?)```", path.read_text(encoding="utf-8"), re.S)
        if not match:
            raise ValueError(f"{path}: no TOML at the top")
        data = tomllib.loads(match.group(1))
        if "withdrawn" not in data["advisory"]:
            known.setdefault(data["advisory"]["package"], []).append(data)
    return known


def affected(known, packages, ignored=()):
    """The advisories that the packages fall under: (is an error, text)."""
    out = []
    for name, text in packages:
        for data in known.get(name, []):
            entry, ranges = data["advisory"], data.get("versions", {})
            good = ranges.get("patched", []) + ranges.get("unaffected", [])
            if entry["id"] in ignored or any(holds(r, version(text)) for r in good):
                continue
            kind = entry.get("informational")
            out.append((kind is None or kind == "unsound", f"{entry['id']}: {name} {text} {kind or 'vulnerable'}"))
    return out


def licence_allowed(expression, allow):
    """Whether an SPDX expression can be met with the allowed licences. `/` is an old way to write OR."""
    words = re.findall(r"\(|\)|[^\s()]+", expression.replace("/", " OR "))

    def either(at):
        value, at = both(at)
        while at < len(words) and words[at] == "OR":
            other, at = both(at + 1)
            value = value or other
        return value, at

    def both(at):
        value, at = one(at)
        while at < len(words) and words[at] == "AND":
            other, at = one(at + 1)
            value = value and other
        return value, at

    def one(at):
        if words[at] == "(":
            value, at = either(at + 1)
            return value, at + 1
        name = words[at]
        if at + 2 < len(words) and words[at + 1] == "WITH":
            return f"{name} WITH {words[at + 2]}" in allow or name in allow, at + 3
        return name in allow, at + 1

    value, end = either(0)
    return value and end == len(words)


def doubled(packages, skipped):
    """Crates in two versions, less those with a reason."""
    versions = {}
    for name, text in packages:
        versions.setdefault(name, set()).add(text)
    left = {name: sorted(v for v in found if f"{name}@{v}" not in skipped) for name, found in versions.items()}
    return [f"{name} in versions {', '.join(found)}" for name, found in sorted(left.items()) if len(found) > 1]


def used_packages():
    """Packages that are built here for this machine, features considered: name, version, licence."""
    tree = ["cargo", "tree", "--workspace", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}|{l}"]
    out = subprocess.run(tree, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = {line.removesuffix(" (*)") for line in out.splitlines() if line.strip()}
    packages = set()
    for line in lines:
        package, _, licence = line.partition("|")
        name, text = package.split()[:2]
        packages.add((name, text.removeprefix("v"), licence))
    if len(packages) < 20:
        raise ValueError("cargo tree names fewer packages than this project has")
    return sorted(packages)


def locked_packages():
    """Everything in the lock files, tests and fuzzing included."""
    for name in ("Cargo.lock", "fuzz/Cargo.lock"):
        for package in tomllib.loads((ROOT / name).read_text())["package"]:
            if "source" in package:
                yield package["name"], package["version"]


def check(database):
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    errors = []
    used = used_packages()
    allow = set(rules["licenses"]["allow"])
    errors += [f"licence of {n} {v}: {text}" for n, v, text in used if not licence_allowed(text or "none", allow)]
    errors += doubled([(n, v) for n, v, _ in used], {skip["crate"] for skip in rules["bans"]["skip"]})
    print(f"licences and versions: {len(used)} packages read")
    if database and (database / "crates").is_dir():
        known = advisories(database)
        locked = sorted(set(locked_packages()))
        found = affected(known, locked, rules["advisories"]["ignore"])
        errors += [text for error, text in found if error]
        for _, text in (entry for entry in found if not entry[0]):
            print(f"warning: {text}")
        print(f"advisories: {sum(map(len, known.values()))} read against {len(locked)} packages")
    else:
        print("advisories: no snapshot here; not checked")
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    return 1 if errors else 0


def self_test():
    bad = {"a": [{"advisory": {"id": "X-1", "package": "a"}, "versions": {"patched": [">= 1.2.3", ">= 0.9.5, < 1.0.0"]}}]}
    hit = lambda text: bool(affected(bad, [("a", text)]))
    assert hit("1.2.2") and hit("0.9.4") and hit("1.0.0") and hit("1.2.3-rc.1")
    assert not hit("1.2.3") and not hit("2.0.0") and not hit("0.9.9")
    assert not affected(bad, [("b", "1.0.0")]) and not affected(bad, [("a", "1.0.0")], ["X-1"])
    assert holds("^0.2.3", version("0.2.9")) and not holds("^0.2.3", version("0.3.0"))
    assert holds("0.23", version("0.23.7")) and not holds("0.23", version("0.24.0")) and holds("< 1", version("0.9.0"))
    allow = {"MIT", "ISC", "Apache-2.0"}
    assert licence_allowed("GPL-3.0 OR MIT", allow) and licence_allowed("MIT/Zlib", allow)
    assert not licence_allowed("GPL-3.0", allow) and not licence_allowed("MIT AND GPL-3.0", allow)
    assert licence_allowed("ISC AND (GPL-3.0 OR Apache-2.0)", allow) and not licence_allowed("ISC AND (GPL-3.0 OR X)", allow)
    assert doubled([("a", "1"), ("a", "2")], set()) and not doubled([("a", "1"), ("a", "2")], {"a@1"})
    print("self-test: every check can fail")
    return 0


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["--self-test"]:
        sys.exit(self_test())
    sys.exit(check(pathlib.Path(arguments[1]) if arguments[:1] == ["--database"] and len(arguments) == 2 else None))
