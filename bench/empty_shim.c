/* A shim that does nothing: it becomes the program behind it.  The floor of what stands
 * between a daemon and its steps.
 *
 *	empty_shim PROGRAM [ARGUMENT ...] */
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc > 1)
		execv(argv[1], argv + 1);
	return 127;
}
