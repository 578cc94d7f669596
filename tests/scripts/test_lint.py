"""scripts/lint.py: each rule, on a small tree that breaks it."""
import unittest

from tree import Copy

MAKEFILE = "PURE := base decide\nFLOORS := $(PURE) io\n"
GOOD_C = """/* A file that pleases. */
#include "base/good.h"

int good_add(int a, int b)
{
	return a + b;
}
"""
GOOD_H = """/* A header that pleases. */
int good_add(int a, int b);
"""
LONG = "/* Long. */\nint long_one(void)\n{\n" + "\t;\n" * 80 + "\treturn 0;\n}\n"
BARE_H = """/* A header with one block that nobody explains. */
/* Explained. */
int a_one(void);
int a_two(void);

int b_one(void);
struct b *b_new(void);
"""


class LintTest(unittest.TestCase):
    def setUp(self):
        self.tree = Copy("scripts/lint.py").__enter__()
        self.addCleanup(self.tree.__exit__)
        for name, text in (("Makefile", MAKEFILE), ("scripts/lint.allow", ""),
                           ("docs/files.md", ""), ("src/base/good.c", GOOD_C),
                           ("src/base/good.h", GOOD_H)):
            self.tree.write(name, text)

    def lint(self):
        self.tree.run("python3", "scripts/lint.py", "--write-files")
        return self.tree.run("python3", "scripts/lint.py", "-v")

    def refused(self, name, text, expected):
        self.tree.write(name, text)
        status, output = self.lint()
        self.assertEqual(status, 1, output)
        self.assertIn(expected, output)
        self.assertIn(" 1 failures", output)

    def test_good_tree_passes(self):
        status, output = self.lint()
        self.assertEqual((status, output),
                         (0, "lint: 2 files, 0 failures, 0 warnings, 0 TODO_HANDLE\n"))

    def test_long_line(self):
        self.refused("src/base/x.c", "/* X. */\n\t/* " + "x" * 80 + " */\n",
                     "src/base/x.c:2: 94 columns, at most 90")

    def test_long_file(self):
        self.refused("src/base/x.c", "/* X. */\n" + ";\n" * 800, "801 lines, at most 800")

    def test_long_function_unless_it_is_allowed_with_a_reason(self):
        self.refused("src/base/x.c", LONG, "src/base/x.c:2: long_one() has 84 lines")
        self.tree.write("scripts/lint.allow", "src/base/x.c:long_one a table in disguise\n")
        self.assertEqual(self.lint()[0], 0)
        self.tree.write("scripts/lint.allow", "src/base/x.c:long_one\n")
        self.assertIn("without a reason", self.lint()[1])

    def test_warnings_do_not_fail(self):
        self.tree.write("src/base/x.c", LONG.replace("\t;\n" * 80, "\t;\n" * 50))
        status, output = self.lint()
        self.assertEqual(status, 0)
        self.assertIn("long_one() has 54 lines, aim <= 40", output)

    def test_missing_head_comment(self):
        self.refused("src/base/x.c", "int x;\n", "src/base/x.c:1: no head comment")

    def test_declaration_without_a_comment_in_its_block(self):
        self.refused("src/base/x.h", BARE_H, "src/base/x.h:6: b_one() has no comment")

    def test_banned_call_but_not_its_name_in_a_comment_or_text(self):
        self.refused("src/base/x.c",
                     '/* Not strcpy(). */\nstatic void f(char *p)\n{\n'
                     '\tstrcat(p, "sprintf(");\n}\n',
                     "src/base/x.c:4: strcat() is banned, use GString")

    def test_ignored_result_of_sqlite(self):
        self.refused("src/base/x.c",
                     "/* X. */\nstatic int f(void *s)\n{\n\tif (s)\n\t\tsqlite3_step(s);\n"
                     "\t(void)sqlite3_exec(s, 0, 0, 0, 0);\n\treturn sqlite3_step(s);\n}\n",
                     "src/base/x.c:5: the result of sqlite3_step() is ignored")

    def test_include_upwards(self):
        self.refused("src/decide/x.c", '/* X. */\n#include "io/loop.h"\n',
                     'src/decide/x.c:2: includes "io/loop.h": decide reaches up')

    def test_place_outside_the_project(self):
        self.refused("docs/x.md", "See /" + "work/main for more.\n", "names '/" + "work/'")

    def test_list_of_files_out_of_date(self):
        self.lint()
        self.tree.write("src/base/new.c", "/* A new one. */\n")
        status, output = self.tree.run("python3", "scripts/lint.py")
        self.assertEqual(status, 1)
        self.assertIn("docs/files.md: not up to date", output)

    def test_todo_is_counted(self):
        self.tree.write("src/base/x.c", "/* X. */\nint x = TODO_HANDLE;\n")
        self.assertIn("1 TODO_HANDLE", self.lint()[1])


if __name__ == "__main__":
    unittest.main()
