/* Option table of the process kind.
 *
 * This object links nothing else, so that `retrainctl check` and the reference page
 * can use it.  To add an option: a row here, a member in options.h, its use in
 * process_open.c, which gets it as JSON under the row's name. */
#include "exec/exec.h"
#include "exec/options.h"

#define ROW(name, type, fallback, min, max, member, doc) \
	{ name, type, OPT_RESTART, fallback, min, max, NULL, \
	  offsetof(struct process_options, member), NULL, doc }
static const struct option process_rows[] = {
	ROW("user", OPT_STR, "\"\"", 0, 0, user,
	    "Whom steps run as, which needs root; empty: the daemon's own user, and then "
	    "a step may do all that the daemon may"),
	ROW("path", OPT_STR, "/usr/local/bin:/usr/bin:/bin", 0, 0, path,
	    "PATH of a step, and where its program is searched"),
	ROW("env", OPT_STRS, "[LANG, TZ]", 0, 0, env,
	    "Variables of the daemon that a step gets too; all others stay behind"),
	ROW("umask", OPT_STR, "\"027\"", 0, 0, umask, "Of a step, octal"),
	ROW("cgroup", OPT_STR, "auto", 0, 0, cgroup,
	    "auto: one cgroup per step where ours is delegated; off; or the path of a "
	    "cgroup to make them in"),
	ROW("running", OPT_INT, "32", 1, 10000, running,
	    "Steps that may run at once; further ones wait"),
	ROW("starts_per_second", OPT_INT, "20", 1, 1000, starts_per_second,
	    "Steps started in one second; further ones wait"),
	ROW("grace", OPT_DURATION, "30s", 0, 3600000, grace_ms,
	    "Time between TERM and KILL when a step is aborted"),
	ROW("log", OPT_SIZE, "64Mi", 64 << 10, 1ll << 40, log_bytes,
	    "What is kept of a step's output: its beginning and its end"),
	{ 0 },
};
#undef ROW

const struct catalog_kind exec_process_kind = {
	CATALOG_EXECUTOR, "process", "Steps as processes of this machine", process_rows,
	sizeof(struct process_options), NULL,
};
