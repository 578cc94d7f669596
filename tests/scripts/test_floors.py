"""make floors: the tree passes, and each kind of violation makes it fail."""
import unittest

from tree import Copy

# A file that each case adds; the floor's own code is left alone.
CLOCK = """/* A clock call in decide, which must not link. */
#include <stdint.h>
#include <time.h>

int64_t decide_now(void);
int64_t decide_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}
"""
GLIB_CLOCK = """/* The same through GLib, which a pure floor may link. */
#include <glib.h>

gint64 decide_now(void);
gint64 decide_now(void)
{
	return g_get_real_time();
}
"""
UPWARD_CALL = """/* A call to the right, declared by hand. */
void store_spoil(void);
void event_spoil(void);
void event_spoil(void)
{
	store_spoil();
}
"""
UPWARD_TARGET = """/* What the call above finds. */
void store_spoil(void);
void store_spoil(void)
{
}
"""
UPWARD_INCLUDE = """/* An include to the right that uses nothing of it. */
#include "store/spoil.h"
"""
BROKER = """/* A client library in a pure floor. */
const char *mosquitto_strerror(int);
const char *decide_spoil(void);
const char *decide_spoil(void)
{
	return mosquitto_strerror(0);
}
"""
CLASH = """/* A name that jansson has too. */
void json_pack(void);
void json_pack(void)
{
}
"""
LOGGING = """/* Logging, which check.o alone may do. */
#include <glib.h>

void expr_spoil(void);
void expr_spoil(void)
{
	g_warning("no");
}
"""


class FloorsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = Copy("Makefile", "src", "include", "scripts", "build/floors").__enter__()
        cls.addClassCleanup(cls.tree.__exit__)

    def floors(self, **added):
        """make floors with files added: keys are paths, with __ for /."""
        names = {k.replace("__", "/") + ".c": v for k, v in added.items()}
        for name, text in names.items():
            self.tree.write("src/" + name, text)
        try:
            return self.tree.make("floors")
        finally:
            for name in names:
                self.tree.run("rm", "-f", "src/" + name,
                              *(f"build/floors/lib{f}.a" for f in (name.split("/")[0],)),
                              f"build/floors/{name[:-2]}.o", f"build/floors/{name[:-2]}.d")

    def refused(self, text, **added):
        status, output = self.floors(**added)
        self.assertNotEqual(status, 0, output)
        self.assertIn(text, output)

    def test_the_tree_passes(self):
        status, output = self.floors()
        self.assertEqual(status, 0, output)
        self.assertIn("prefixes link, 8 of them pure", output)

    def test_clock_in_decide(self):
        self.refused("decide/spoil.o uses clock_gettime", decide__spoil=CLOCK)

    def test_clock_of_glib_in_decide(self):
        self.refused("decide/spoil.o uses g_get_real_time", decide__spoil=GLIB_CLOCK)

    def test_call_upwards(self):
        self.refused("event reaches up", event__spoil=UPWARD_CALL, store__spoil=UPWARD_TARGET)

    def test_include_upwards(self):
        self.tree.write("src/store/spoil.h", "/* Empty. */\n")
        self.refused('spoil.c:2 includes "store/spoil.h": rules reaches up',
                     rules__spoil=UPWARD_INCLUDE)

    def test_world_library_in_a_pure_floor(self):
        self.refused("decide reaches outside the pure libraries", decide__spoil=BROKER)

    def test_name_of_a_library(self):
        self.refused("json_pack is defined by a floor and by a library", io__spoil=CLASH)

    def test_log_outside_check(self):
        self.refused("expr/spoil.o uses g_log", expr__spoil=LOGGING)


if __name__ == "__main__":
    unittest.main()
