#!/usr/bin/env python3
"""House rules that a script can check; style in words is in docs/PRINCIPLES.md.

    lint.py                 print failures and counts, exit 1 on a failure
    lint.py -v              print the warnings too
    lint.py --write-files   write docs/files.md anew

A function over the hard limit needs a row in scripts/lint.allow, with its reason:
    path:function reason
"""
import glob
import os
import re
import subprocess
import sys

TREE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_WARN, FILE_FAIL = 400, 800
FUNCTION_WARN, FUNCTION_FAIL = 40, 80
HEADER_WARN, COLUMNS, TAB = 120, 90, 8
BANNED = {
    "strcpy": "g_strlcpy", "strcat": "GString", "sprintf": "snprintf",
    "vsprintf": "vsnprintf", "atoi": "strtoll", "atol": "strtoll", "atof": "g_ascii_strtod",
    "strtok": "strcspn", "gets": "fgets", "alloca": "the scratch arena",
}
CODE = ("src/**/*.[ch]", "include/**/*.h", "plugins/**/*.[ch]", "tests/**/*.[ch]",
        "bench/**/*.[ch]")
PRODUCT = ("src/", "include/", "plugins/")
# Places of one machine, and hosts of package registries: neither is ours to name.
FOREIGN = re.compile(
    r"(?<![\w.$}/])/" r"work/|/tmp/" r"b-|\b(?:pypi|npmjs|crates|rubygems|proxy\.golang|"
    r"registry\.npmjs|repo1?\.maven(?:\.apache)?|central\.sonatype|deb\.debian|files\.pythonhosted)\."
    r"(?:org|com|io)\b")
# A result that nobody looks at: the call stands as a statement of its own.  A cast
# to void says that it is meant.
IGNORED = re.compile(r"(?:[;{}]|(?<!\(void)\)|\belse)\s*((?:sqlite3_(?:exec|step|open_v2|"
                     r"backup_\w+|wal_checkpoint_v2)|store_commit|tx_commit)\s*\()")
# Names whose meaning is a house rule: the two lifecycle pairs and their kin.
SPEAKING = re.compile(r"_(?:new|free|init|fini|open|close|ref|unref)$")
FUNCTION = re.compile(r"(?:^|[\s*])(\w+)\(")


class Report:
    def __init__(self):
        self.failures, self.warnings = [], []

    def fail(self, path, line, text):
        self.failures.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")

    def warn(self, path, line, text):
        self.warnings.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")


def read(path):
    with open(os.path.join(TREE, path), encoding="utf-8", errors="replace") as f:
        return f.read()


def tracked():
    """Files of the project: what git would commit, or every file without git."""
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=TREE,
                          text=True, capture_output=True, check=False)
    if done.returncode == 0:
        return [p for p in done.stdout.splitlines() if os.path.isfile(os.path.join(TREE, p))]
    return [os.path.relpath(p, TREE) for p in glob.glob(f"{TREE}/**/*", recursive=True)
            if os.path.isfile(p) and not p.startswith(f"{TREE}/build/")]


def code_files():
    found = {os.path.relpath(p, TREE) for pattern in CODE
             for p in glob.glob(os.path.join(TREE, pattern), recursive=True)}
    return sorted(p for p in found if not p.startswith("build/"))


def blank(text):
    """The text with comments and literals emptied; lines and columns stay."""
    def hide(m):
        s = m[0]
        if s[0] in "\"'":
            return s[0] + " " * (len(s) - 2) + s[0]
        return re.sub(r"[^\n]", " ", s)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', hide,
                  text, flags=re.S)


def functions(text):
    """(name, first line, length) of every function; text is blank()ed.

    By the house's brace style: a body opens and closes with a brace in column 1,
    and its signature is what stands since the last blank line, `;`, `}` or `#`."""
    lines, found, opened = text.split("\n"), [], None
    for i, line in enumerate(lines):
        if line.startswith("{"):
            head = i
            while head > 0 and not re.match(r"^\s*$|.*[;}]\s*$|#", lines[head - 1]):
                head -= 1
            signature = re.sub(r"__attribute__\(\(.*?\)\)+", "", " ".join(lines[head:i]))
            name = FUNCTION.search(signature)
            opened = (name[1], head) if name and "=" not in signature else None
        elif line.startswith("}") and opened:
            found.append((opened[0], opened[1] + 1, i - opened[1] + 1))
            opened = None
    return found


def head_comment(text):
    """The comment that opens a file, as plain words; None without one."""
    m = re.match(r"\s*/\*(.*?)\*/", text, re.S)
    return re.sub(r"\s*\n\s*\*? ?", " ", m[1]).strip() if m else None


def first_sentence(comment):
    m = re.match(r"(.+?[.:;])(?:\s|$)", comment)
    return (m[1] if m else comment).rstrip(".:; ").replace("|", "\\|")


def check_sizes(r, path, text, bare, allowed):
    n = text.count("\n")
    if path.endswith(".h"):
        if n > HEADER_WARN:
            r.warn(path, 0, f"header of {n} lines, aim <= {HEADER_WARN}")
    elif n > FILE_FAIL:
        r.fail(path, 0, f"{n} lines, at most {FILE_FAIL}")
    elif n > FILE_WARN:
        r.warn(path, 0, f"{n} lines, aim <= {FILE_WARN}")
    for name, line, length in functions(bare):
        if length > FUNCTION_FAIL and f"{path}:{name}" not in allowed:
            r.fail(path, line, f"{name}() has {length} lines, at most {FUNCTION_FAIL} "
                               "(or a reason in scripts/lint.allow)")
        elif length > FUNCTION_WARN:
            r.warn(path, line, f"{name}() has {length} lines, aim <= {FUNCTION_WARN}")


def check_lines(r, path, text):
    for i, line in enumerate(text.split("\n"), 1):
        width = len(line.expandtabs(TAB))
        if width > COLUMNS:
            r.fail(path, i, f"{width} columns, at most {COLUMNS}")
        if line != line.rstrip():
            r.fail(path, i, "white space at the end")


def closing(text, at):
    """The index after the parenthesis that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i + 1
    return len(text)


def check_calls(r, path, text, bare):
    for m in re.finditer(r"\b(" + "|".join(BANNED) + r")\s*\(", bare):
        r.fail(path, bare.count("\n", 0, m.start()) + 1,
               f"{m[1]}() is banned, use {BANNED[m[1]]}")
    for m in IGNORED.finditer(bare):
        if not re.match(r"\s*;", bare[closing(bare, m.end() - 1):]):
            continue
        r.fail(path, bare.count("\n", 0, m.start(1)) + 1,
               f"the result of {m[1].rstrip('( ')}() is ignored")


def check_exports(r, path, text, bare):
    """A declaration's block (lines without a blank one between) holds a comment, or
    the header is so small that its head comment says it all, or the name does."""
    if bare.count(");") <= 3:
        return
    lines, codes, depth, start = text.split("\n"), bare.split("\n"), 0, 0
    for i, (line, code) in enumerate(zip(lines, codes)):
        if not line.strip():
            start = i
        m = re.match(r"(?!typedef|return|static|#)[a-z][\w\s]*?[\s*]+(\w+)\s*\(", code)
        if m and depth == 0 and not SPEAKING.search(m[1]):
            end = next((j for j in range(i, len(lines)) if not lines[j].strip()), len(lines))
            if not any("/*" in x or "*/" in x for x in lines[start:end]):
                r.fail(path, i + 1, f"{m[1]}() has no comment")
        depth += code.count("{") - code.count("}")


def check_floors(r, path, bare_includes, floors):
    floor = path.split("/")[1]
    if not path.startswith("src/") or floor not in floors:
        return
    for line, name in bare_includes:
        other = name.partition("/")[0]
        if other in floors and floors.index(other) > floors.index(floor):
            r.fail(path, line, f"includes \"{name}\": {floor} reaches up")


def allow_list(r):
    rows = {}
    for i, line in enumerate(read("scripts/lint.allow").splitlines(), 1):
        name, _, reason = line.partition(" ")
        if name and not name.startswith("#"):
            rows[name] = reason.strip()
            if not reason.strip():
                r.fail("scripts/lint.allow", i, f"{name} without a reason")
    return rows


def files_page(files):
    out = ["# Files", "", "One line per file, from its own first sentence "
           "(`scripts/lint.py --write-files`).", ""]
    folder = None
    for path in files:
        if not path.startswith(PRODUCT):
            continue
        if os.path.dirname(path) != folder:
            folder = os.path.dirname(path)
            out += ([""] if out[-1] else []) + [f"## {folder}", ""]
        out.append(f"- `{os.path.basename(path)}`: "
                   f"{first_sentence(head_comment(read(path)) or '')}")
    return "\n".join(out) + "\n"


def lint_code(r, files):
    allowed = allow_list(r)
    make = read("Makefile")
    pure = re.search(r"^PURE\s*:=\s*(.*)$", make, re.M)[1].split()
    floors = pure + re.search(r"^FLOORS\s*:=\s*\$\(PURE\)\s*(.*)$", make, re.M)[1].split()
    todo = 0
    for path in files:
        text = read(path)
        bare = blank(text)
        check_sizes(r, path, text, bare, allowed)
        check_lines(r, path, text)
        check_calls(r, path, text, bare)
        if head_comment(text) is None:
            r.fail(path, 1, "no head comment")
        if path.endswith(".h") and path.startswith(PRODUCT):
            check_exports(r, path, text, bare)
        check_floors(r, path, [(text.count("\n", 0, m.start()) + 1, m[1]) for m in
                               re.finditer(r'^#\s*include\s+"([^"]+)"', text, re.M)], floors)
        todo += len(re.findall(r"\bTODO_HANDLE\b", text)) if path.endswith(".c") else 0
    return todo


def lint_words(r):
    for path in tracked():
        text = read(path) if os.path.getsize(os.path.join(TREE, path)) < 1 << 20 else ""
        for m in FOREIGN.finditer(text):
            r.fail(path, text.count("\n", 0, m.start()) + 1,
                   f"names '{m[0]}', a place outside the project")


def main():
    files = code_files()
    page = files_page(files)
    if "--write-files" in sys.argv:
        with open(os.path.join(TREE, "docs/files.md"), "w", encoding="utf-8") as f:
            f.write(page)
        return 0
    r = Report()
    todo = lint_code(r, files)
    lint_words(r)
    on_disk = os.path.join(TREE, "docs/files.md")
    if not os.path.exists(on_disk) or read("docs/files.md") != page:
        r.fail("docs/files.md", 0, "not up to date: scripts/lint.py --write-files")
    for line in (r.warnings if "-v" in sys.argv else []):
        print("warning:", line)
    for line in r.failures:
        print(line)
    print(f"lint: {len(files)} files, {len(r.failures)} failures, {len(r.warnings)} warnings, "
          f"{todo} TODO_HANDLE")
    return 1 if r.failures else 0


if __name__ == "__main__":
    sys.exit(main())
