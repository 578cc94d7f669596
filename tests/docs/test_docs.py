"""The documentation says what the programs do.

Every YAML block that begins like a rule file loads, with the other blocks of its page;
every line of an sh block with an offline verb runs; what `make docs` generates is what
is in the tree; the shipped configuration is valid, and so are its examples; man pages
and metrics name what is there.
"""
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile
import unittest

TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("RETRAIN_BUILD", os.path.join(TREE, "build")))
OFFLINE = {"check", "cron", "eval", "schema", "completion", "version", "test"}
PAGES = [os.path.join(TREE, "README.md"), *sorted(glob.glob(f"{TREE}/docs/*.md")),
         *sorted(glob.glob(f"{TREE}/docs/design/*.md"))]
ENV = {k: v for k, v in os.environ.items() if not k.startswith("RETRAIND_")}
ENV["PATH"] = BUILD + ":" + ENV.get("PATH", "")


def read(path):
    with open(os.path.join(TREE, path), encoding="utf-8") as f:
        return f.read()


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", read(page), re.M | re.S)


def run(argv, cwd=TREE):
    return subprocess.run(argv, cwd=cwd, env=ENV, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def rule_files(page):
    """The page's blocks that are rule files; comments may stand before the first key."""
    return [b for b in blocks(page, "yaml")
            if re.match(r"(#.*\n)*(rules|pipelines|vars|defaults):", b)]


def commands(page):
    """Lines of sh blocks, continued lines joined."""
    for block in blocks(page, "sh"):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            if line.startswith("retrainctl "):
                yield line


def verbs():
    """Verb -> its long options, as the program itself says."""
    usage = run(["retrainctl", "--help"]).stdout
    names = re.findall(r"^  ([a-z]+) {2,}\S", usage, re.M)
    texts = {v: run(["retrainctl", v, "--help"]).stdout for v in names}
    return {v: set(re.findall(r"--[a-z][a-z-]*", t)) for v, t in texts.items()}


class Examples(unittest.TestCase):
    def test_rule_files_of_every_page_load(self):
        seen = 0
        for page in PAGES:
            files = rule_files(page)
            seen += len(files)
            if not files:
                continue
            with self.subTest(page=os.path.relpath(page, TREE)), \
                    tempfile.TemporaryDirectory() as d:
                for i, text in enumerate(files):
                    with open(f"{d}/block-{i + 1}.yaml", "w", encoding="utf-8") as f:
                        f.write(text)
                out = run(["retrainctl", "check", d])
                self.assertEqual(out.returncode, 0, out.stdout)
        self.assertGreater(seen, 5)

    def test_offline_commands_run(self):
        seen = 0
        for page in PAGES:
            for line in commands(page):
                words = shlex.split(line, comments=True)
                if words[1] not in OFFLINE and "--from-file" not in words:
                    continue
                seen += 1
                with self.subTest(page=os.path.relpath(page, TREE), line=line):
                    out = run(words)
                    self.assertEqual(out.returncode, 0, out.stdout)
        self.assertGreater(seen, 5)

    def test_commands_use_verbs_and_options_that_exist(self):
        known = verbs()
        for page in PAGES:
            for line in commands(page):
                words = shlex.split(line, comments=True)
                with self.subTest(page=os.path.relpath(page, TREE), line=line):
                    self.assertIn(words[1], known)
                    used = {w.partition("=")[0] for w in words if w.startswith("--")}
                    self.assertLessEqual(used, known[words[1]])

    def test_links_between_pages_lead_somewhere(self):
        for page in PAGES:
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", read(page)):
                with self.subTest(page=os.path.relpath(page, TREE), target=target):
                    self.assertTrue(os.path.exists(
                        os.path.join(os.path.dirname(page), target)))


class Generated(unittest.TestCase):
    def test_what_make_docs_writes_is_in_the_tree(self):
        with tempfile.TemporaryDirectory() as d:
            out = run([sys.executable, "scripts/gen-docs", BUILD, "--out", d])
            self.assertEqual(out.returncode, 0, out.stdout)
            for path in re.findall(r"^gen-docs: (\S+)$", out.stdout, re.M):
                with self.subTest(path=path), open(f"{d}/{path}", encoding="utf-8") as f:
                    self.assertEqual(f.read(), read(path), "run make docs")


class Pictures(unittest.TestCase):
    def test_pictures_show_what_backtest_draws(self):
        with tempfile.TemporaryDirectory() as d:
            out = run([sys.executable, "docs/pictures/make", d])
            self.assertEqual(out.returncode, 0, out.stdout)
            drawn = sorted(os.listdir(d))
            self.assertEqual(drawn, sorted(f for f in os.listdir(f"{TREE}/docs/pictures")
                                           if f.endswith(".svg")))
            for name in drawn:
                with self.subTest(name=name), open(f"{d}/{name}", encoding="utf-8") as f:
                    self.assertEqual(f.read(), read(f"docs/pictures/{name}"),
                                     "run docs/pictures/make")


class Later(unittest.TestCase):
    def test_the_guide_lists_every_key_that_is_not_available(self):
        later = set(re.findall(r"^\| `([a-z_.]+)` .*\(not available in this version\) \|$",
                               read("docs/rules-reference.md"), re.M))
        guide = read("docs/rules.md").partition("## Not in this version")[2]
        self.assertGreater(len(later), 0)
        self.assertEqual(later - set(re.findall(r"`([a-z_.]+)`", guide)), set())


class Configuration(unittest.TestCase):
    def check(self, text):
        with tempfile.TemporaryDirectory() as d:
            os.mkdir(f"{d}/rules")
            with open(f"{d}/retraind.yaml", "w", encoding="utf-8") as f:
                f.write(text)
            return run(["retraind", "--config", f"{d}/retraind.yaml", "--dir", d,
                        "--check"])

    def test_the_shipped_file_is_valid(self):
        out = self.check(read("config/retraind.yaml"))
        self.assertEqual(out.returncode, 0, out.stdout)

    def test_the_shipped_file_is_valid_with_its_examples_uncommented(self):
        text = re.sub(r"^  # ", "  ", read("config/retraind.yaml"), flags=re.M)
        self.assertIn("\n  - name: events", text)
        out = self.check(text)
        self.assertEqual(out.returncode, 0, out.stdout)

    def test_a_wrong_key_is_noticed(self):
        out = self.check(read("config/retraind.yaml") + "stoop: {}\n")
        self.assertEqual(out.returncode, 2, out.stdout)
        self.assertIn("stop", out.stdout)


class Manual(unittest.TestCase):
    def test_pages_have_no_warnings(self):
        pages = sorted(glob.glob(f"{TREE}/docs/man/*.[158]"))
        self.assertEqual([os.path.basename(p) for p in pages],
                         ["retrainctl.1", "retraind.8", "retraind.yaml.5"])
        if subprocess.run(["sh", "-c", "command -v groff"],
                          stdout=subprocess.DEVNULL).returncode:
            self.skipTest("groff is not installed")
        for page in pages:
            out = run(["groff", "-man", "-Tutf8", "-ww", "-z", page])
            self.assertEqual((out.returncode, out.stdout), (0, ""), page)

    def test_retrainctl_1_names_every_verb_and_option(self):
        text = read("docs/man/retrainctl.1").replace("\\-", "-")
        for verb, options in verbs().items():
            section = re.search(rf'^\.SS "?{verb}\b.*?(?=^\.S[SH] |\Z)', text,
                                re.M | re.S)
            self.assertTrue(section, f"no section '{verb}'")
            common = {"--output", "--watch", "--address", "--dir", "--config", "--help"}
            for option in options - common:
                with self.subTest(verb=verb, option=option):
                    self.assertIn(option, section[0])

    def test_retraind_8_names_every_option(self):
        text = read("docs/man/retraind.8").replace("\\-", "-")
        usage = run(["retraind", "--help"]).stdout
        for option in set(re.findall(r"--[a-z][a-z-]*", usage)):
            self.assertIn(option, text)


class Routes(unittest.TestCase):
    def test_the_page_and_the_code_have_the_same(self):
        rows = re.findall(r'ROW\(\s*"([A-Z]+)",\s*(V1\s*)?"([^"]+)"', read("src/api/route.c"))
        code = {f"{method} {'/api/v1' if v1 else ''}{path}" for method, v1, path in rows}
        page = set(re.findall(r"`((?:GET|POST|PUT|DELETE) /[^`? ]*)", read("docs/api.md")))
        page = {re.sub(r"^(POST /hooks)/[a-z]+$", r"\1/{name}", p) for p in page}
        self.assertGreater(len(code), 20)
        self.assertEqual(page, code)


class Metrics(unittest.TestCase):
    def test_the_table_names_every_family(self):
        families = set(re.findall(r'^\tROW\("([a-z_]+)"', read("src/io/metrics.c"), re.M))
        table = re.search(r"^## Metrics$.*?(?=^## |\Z)", read("docs/operations.md"),
                          re.M | re.S)[0]
        named = set(re.findall(r"^\| `([a-z_]+)", table, re.M))
        ours = {f for f in families if not f.startswith("process_")}
        self.assertEqual(named, ours)


if __name__ == "__main__":
    unittest.main()
