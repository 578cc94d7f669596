/* From the fork to the step's program: environment, identity, limits, exec.
 *
 * A variable of a later group wins over one of an earlier:
 *	PATH HOME USER LOGNAME SHELL TMPDIR
 *	what the executor's `env` lets through (the shim was given only those)
 *	the pipeline's and the step's `env`
 *	RETRAIN_DIR RETRAIN_RUN RETRAIN_PIPELINE RETRAIN_STEP RETRAIN_ATTEMPT RETRAIN_KEY
 *	RETRAIN_INPUT RETRAIN_OUTPUTS RETRAIN_METRICS RETRAIN_ARTIFACTS
 *	RETRAIN_PARAM_<NAME>: parameters that are text, numbers or booleans; the name in
 *	upper case, what is no letter, digit or _ becomes _
 *
 * What fails up to and with exec goes through err_fd, which closes on exec. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/shim.h"

#define PARAM_MAX (64 << 10)	/* longer ones are in input.json alone */

static void fail(int err_fd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));
static void fail(int err_fd, const char *fmt, ...)
{
	char text[500];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = g_vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (write(err_fd, text, MIN((size_t)n, sizeof(text) - 1)) < 0)
		_exit(126);
	_exit(125);
}

/* ---- environment ---- */

static void set(GHashTable *env, const char *name, const char *value)
{
	g_hash_table_replace(env, g_strdup(name), g_strdup(value));
}

static void set_path(GHashTable *env, const struct shim *s, const char *name,
    const char *file)
{
	g_hash_table_replace(env, g_strdup(name), g_build_filename(s->path, file, NULL));
}

static char *scalar(const json_t *v)
{
	GString *out;

	if (json_is_string(v))
		return strlen(json_string_value(v)) == json_string_length(v)
		    ? g_strdup(json_string_value(v)) : NULL;
	if (json_is_boolean(v))
		return g_strdup(json_is_true(v) ? "true" : "false");
	if (json_is_integer(v))
		return g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
	if (!json_is_real(v))
		return NULL;
	out = g_string_new(NULL);
	json_double(out, json_real_value(v));
	return g_string_free(out, FALSE);
}

static void set_param(GHashTable *env, const char *name, const json_t *v)
{
	char *text = scalar(v), *upper = g_ascii_strup(name, -1), *full;

	g_strcanon(upper, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", '_');
	full = g_strconcat("RETRAIN_PARAM_", upper, NULL);
	if (text && strlen(text) <= PARAM_MAX)
		set(env, full, text);
	g_free(text);
	g_free(upper);
	g_free(full);
}

/* A step without the parameters that it has would do something else. */
static void set_params(GHashTable *env, const struct shim *s, int err_fd)
{
	int fd = openat(s->dir, "input.json", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	json_error_t e = { 0 };
	json_t *input, *v;
	const char *name;

	if (fd < 0 && errno == ENOENT)
		return;
	if (fd < 0)
		fail(err_fd, "input.json: %s", g_strerror(errno));
	input = shim_json(fd, &e);
	if (!input)
		fail(err_fd, "input.json: %s", e.text);
	json_object_foreach(json_object_get(input, "params"), name, v)
		set_param(env, name, v);
	json_decref(input);
}

static void set_passed(GHashTable *env)
{
	for (char **e = environ; *e; e++) {
		char *eq = strchr(*e, '=');

		if (eq)
			g_hash_table_replace(env, g_strndup(*e, (gsize)(eq - *e)),
			    g_strdup(eq + 1));
	}
}

static void set_ours(GHashTable *env, const struct shim *s, int err_fd)
{
	char attempt[24];

	g_snprintf(attempt, sizeof(attempt), "%lld",
	    (long long)spec_number(s, "attempt", 1));
	set(env, "RETRAIN_DIR", s->path);
	set(env, "RETRAIN_RUN", spec_text(s, "run"));
	set(env, "RETRAIN_PIPELINE", spec_text(s, "pipeline"));
	set(env, "RETRAIN_STEP", spec_text(s, "step"));
	set(env, "RETRAIN_ATTEMPT", attempt);
	set(env, "RETRAIN_KEY", spec_text(s, "key"));
	set_path(env, s, "RETRAIN_INPUT", "input.json");
	set_path(env, s, "RETRAIN_OUTPUTS", "outputs.json");
	set_path(env, s, "RETRAIN_METRICS", "metrics.json");
	set_path(env, s, "RETRAIN_ARTIFACTS", "artifacts");
	set_params(env, s, err_fd);
}

static char **to_vector(GHashTable *env)
{
	GList *names = g_list_sort(g_hash_table_get_keys(env), (GCompareFunc)strcmp);
	char **v = g_new0(char *, g_hash_table_size(env) + 1);
	unsigned n = 0;

	for (const GList *l = names; l; l = l->next)
		v[n++] =
		    g_strconcat(l->data, "=", g_hash_table_lookup(env, l->data), NULL);
	g_list_free(names);
	return v;
}

static char **child_env(const struct shim *s, int err_fd)
{
	GHashTable *env = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	const char *name;
	json_t *v;
	char **ret;

	set(env, "PATH", spec_text(s, "path"));
	set(env, "HOME", spec_text(s, "home"));
	set(env, "USER", spec_text(s, "user"));
	set(env, "LOGNAME", spec_text(s, "user"));
	set(env, "SHELL", spec_text(s, "shell"));
	set_path(env, s, "TMPDIR", "tmp");
	set_passed(env);
	json_object_foreach(json_object_get(s->spec, "env"), name, v)
		if (json_is_string(v))
			set(env, name, json_string_value(v));
	set_ours(env, s, err_fd);
	ret = to_vector(env);
	g_hash_table_destroy(env);
	return ret;
}

/* ---- in the child ---- */

static void join_cgroup(const struct shim *s, int err_fd)
{
	char *path;
	int fd;

	if (!s->cgroup)
		return;
	path = g_build_filename(s->cgroup, "cgroup.procs", NULL);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) < 0)
		fail(err_fd, "cgroup '%s': %s", s->cgroup, g_strerror(errno));
	close(fd);
	g_free(path);
}

/* The kernel shall take the step before the daemon. */
static void volunteer(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "500", 3) < 0)
		errno = 0;		/* no reason not to run */
	close(fd);
}

static void become(const struct shim *s, int err_fd)
{
	const json_t *list = json_object_get(s->spec, "groups");
	size_t n = json_array_size(list);
	gid_t *groups, gid = (gid_t)spec_number(s, "gid", 0);
	uid_t uid = (uid_t)spec_number(s, "uid", 0);

	if (!json_object_get(s->spec, "uid"))
		return;
	groups = g_new0(gid_t, n + 1);
	for (size_t i = 0; i < n; i++)
		groups[i] = (gid_t)json_integer_value(json_array_get(list, i));
	if (setgroups(n, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		fail(err_fd, "can't become user '%s': %s", spec_text(s, "user"),
		    g_strerror(errno));
	g_free(groups);
}

/* A change of identity clears the death signal, so it is asked for after it; and the
 * shim may have died before that. */
static void die_with(pid_t shim)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != shim)
		_exit(124);
}

/* glibc keeps two signals to itself: signal() refuses them, yet its posix_spawn leaves
 * them ignored in every child.  So the kernel is asked, whose struct sigaction is four
 * words and all zero for the default. */
static void reset_signals(void)
{
	const unsigned long dfl[4] = { 0 };
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		syscall(SYS_rt_sigaction, i, dfl, NULL, sizeof(unsigned long));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 0 1 2 as the step shall have them, 3 for errors, nothing else. */
static void arrange_fds(int out_fd, int err_fd)
{
	int in = open("/dev/null", O_RDONLY);

	dup2(in, 0);
	dup2(out_fd, 1);
	dup2(out_fd, 2);
	if (err_fd != 3)
		dup2(err_fd, 3);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	syscall(SYS_close_range, 4u, ~0u, 0u);
}

static const char *env_value(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; *env; env++)
		if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
			return *env + n + 1;
	return "";
}

static void explain(const char *file, const char *searched, int error)
{
	if (searched)
		fail(3, "exec %s: %s (searched PATH %s)", file, g_strerror(error),
		    searched);
	if (error == ENOENT && access(file, F_OK) == 0)
		fail(3, "exec %s: its interpreter does not exist", file);
	fail(3, "exec %s: %s%s", file, g_strerror(error),
	    error == ENOEXEC ? " (a script needs a first line with #!)" : "");
}

/* What exists but can't be executed says more than what is not there. */
static void exec_search(char *const *argv, char *const *env)
{
	const char *path = env_value(env, "PATH");
	gchar **dirs = g_strsplit(path, ":", -1);
	int error = ENOENT;

	if (strchr(argv[0], '/')) {
		execve(argv[0], argv, env);
		explain(argv[0], NULL, errno);
	}
	for (gchar **d = dirs; *d; d++) {
		char *file = g_build_filename(**d ? *d : ".", argv[0], NULL);

		execve(file, argv, env);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			explain(file, NULL, errno);
		if (access(file, F_OK) == 0) {
			if (errno == ENOENT)
				explain(file, NULL, ENOENT);
			error = EACCES;
		}
		g_free(file);
	}
	explain(argv[0], path, error);
}

static char **spec_argv(const struct shim *s, int err_fd)
{
	const json_t *list = json_object_get(s->spec, "argv");
	size_t n = json_array_size(list);
	char **argv = g_new0(char *, n + 1);

	for (size_t i = 0; i < n; i++) {
		const char *arg = json_string_value(json_array_get(list, i));

		if (!arg)
			fail(err_fd, "argv: expected a list of texts");
		argv[i] = g_strdup(arg);
	}
	if (n == 0 || !*argv[0])
		fail(err_fd, "argv: expected a program");
	return argv;
}

void child_exec(const struct shim *s, int out_fd, int err_fd)
{
	const char *dir = spec_text(s, "dir");
	char **argv = spec_argv(s, err_fd), **env = child_env(s, err_fd);
	pid_t shim = (pid_t)spec_number(s, "shim_pid", 0);

	close(s->claim_fd);		/* the lock shall go with the shim */
	setsid();
	join_cgroup(s, err_fd);
	volunteer();
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	umask((mode_t)spec_number(s, "umask", 027));
	become(s, err_fd);
	die_with(shim);
	if (chdir(*dir ? dir : s->path) < 0)
		fail(err_fd, "can't enter '%s': %s", dir, g_strerror(errno));
	arrange_fds(out_fd, err_fd);
	reset_signals();
	exec_search(argv, env);
	_exit(125);
}
