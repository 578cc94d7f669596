/* Opening the process kind: options, the shim, the steps' user, their cgroups. */
#include "exec/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Descriptors that a child is given are first put on 100 and further: stay above. */
#define FD_FLOOR 200

static bool fail(char *err, size_t n, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(char *err, size_t n, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	g_vsnprintf(err, n, fmt, ap);
	va_end(ap);
	return false;
}

static const char *text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

static int64_t number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

/* ---- the shim ---- */

static char *own_dir(void)
{
	char *exe = g_file_read_link("/proc/self/exe", NULL);
	char *dir = g_path_get_dirname(exe ? exe : "/");

	g_free(exe);
	return dir;
}

static bool open_shim(struct process *p, const char *given, char *err, size_t n)
{
	char *dir = own_dir();
	char *tried[] = {
		g_strdup(given),
		g_build_filename(dir, "retrain-shim", NULL),
		g_build_filename(dir, "../lib/retraind/retrain-shim", NULL),
		g_strdup(PREFIX "/lib/retraind/retrain-shim"),
	};
	unsigned first = *given ? 0 : 1, last = *given ? 0 : 3;
	int fd = -1;

	for (unsigned i = first; i <= last && fd < 0; i++)
		if (access(tried[i], X_OK) == 0)
			fd = open(tried[i], O_RDONLY | O_CLOEXEC);
	p->shim_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FD_FLOOR);
	if (fd >= 0)
		close(fd);
	else
		fail(err, n, "can't open retrain-shim (tried %s%s%s)", tried[first],
		    first == last ? "" : ", ", first == last ? "" : tried[last]);
	g_free(dir);
	for (unsigned i = 0; i < G_N_ELEMENTS(tried); i++)
		g_free(tried[i]);
	return p->shim_fd >= 0 || (*err ? false : fail(err, n, "retrain-shim: %s",
	    g_strerror(errno)));
}

/* ---- the user ---- */

/* CAP_CHOWN 0, CAP_KILL 5, CAP_SETGID 6, CAP_SETUID 7 */
static bool may_switch(void)
{
	const uint64_t need = 1u << 0 | 1u << 5 | 1u << 6 | 1u << 7;
	char *status = NULL, *p;
	uint64_t have = 0;

	if (!g_file_get_contents("/proc/self/status", &status, NULL, NULL))
		return false;
	p = strstr(status, "\nCapEff:");
	if (p)
		have = g_ascii_strtoull(p + 8, NULL, 16);
	g_free(status);
	return (have & need) == need;
}

static void take_passwd(struct process *p, const struct passwd *pw)
{
	p->user = g_strdup(pw ? pw->pw_name : "");
	p->home = g_strdup(pw && *pw->pw_dir ? pw->pw_dir : "/");
	p->shell = g_strdup(pw && *pw->pw_shell ? pw->pw_shell : "/bin/sh");
	p->uid = pw ? pw->pw_uid : geteuid();
	p->gid = pw ? pw->pw_gid : getegid();
}

/* A uid without an entry is fine: containers give any. */
static bool find_user(struct process *p, const char *name, char *err, size_t n)
{
	const struct passwd *pw = *name ? getpwnam(name) : getpwuid(geteuid());

	if (*name && !pw)
		return fail(err, n, "user '%s' does not exist", name);
	take_passwd(p, pw);
	p->switch_user = *name && p->uid != geteuid();
	if (!p->switch_user) {
		if (geteuid() == 0)
			p->host->log(p->host, 2, "steps run as root: set 'user'");
		return true;
	}
	if (!may_switch())
		return fail(err, n, "user '%s' needs root, or the capabilities SETUID, "
		    "SETGID, KILL and CHOWN", name);
	p->groups_n = 256;
	p->groups = g_new0(gid_t, 256);
	if (getgrouplist(p->user, p->gid, p->groups, &p->groups_n) < 0)
		return fail(err, n, "user '%s' is in more than 256 groups", name);
	return true;
}

/* ---- run directories ---- */

/* A step of another user must be able to reach its directory, not to look around. */
static void open_way(const struct process *p, const char *state_dir)
{
	if (p->switch_user && (chmod(state_dir, 0711) < 0 || chmod(p->runs, 0711) < 0))
		p->host->log(p->host, 1, "can't let the steps' user into runs/");
}

static bool open_runs(struct process *p, const char *state_dir, char *err, size_t n)
{
	char *dir = g_canonicalize_filename(state_dir, NULL);

	p->runs = g_build_filename(dir, "runs", NULL);
	if (g_mkdir_with_parents(p->runs, 0700) == 0)
		p->runs_fd = open(p->runs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->runs_fd < 0)
		fail(err, n, "'%s': %s", p->runs, g_strerror(errno));
	else
		open_way(p, dir);
	g_free(dir);
	return p->runs_fd >= 0;
}

/* ---- cgroups ---- */

/* The rest of the line that begins with `head`, copied; NULL: none. */
static char *line_after(const char *path, const char *head)
{
	char *all = NULL, *ret = NULL;
	gchar **lines;

	if (!g_file_get_contents(path, &all, NULL, NULL))
		return NULL;
	lines = g_strsplit(all, "\n", -1);
	for (gchar **l = lines; *l && !ret; l++)
		if (g_str_has_prefix(*l, head))
			ret = g_strdup(*l + strlen(head));
	g_strfreev(lines);
	g_free(all);
	return ret;
}

/* Where the v2 hierarchy is mounted: "36 25 0:32 / /sys/fs/cgroup rw - cgroup2 ..." */
static char *cgroup_mount(void)
{
	char *all = NULL, *ret = NULL;
	gchar **lines;

	if (!g_file_get_contents("/proc/self/mountinfo", &all, NULL, NULL))
		return NULL;
	lines = g_strsplit(all, "\n", -1);
	for (gchar **l = lines; *l && !ret; l++) {
		gchar **f = strstr(*l, " - cgroup2 ") ? g_strsplit(*l, " ", 6) : NULL;

		if (f && g_strv_length(f) == 6)
			ret = g_strdup(f[4]);
		g_strfreev(f);
	}
	g_strfreev(lines);
	g_free(all);
	return ret;
}

static char *own_cgroup(void)
{
	char *own = line_after("/proc/self/cgroup", "0::"), *mount = cgroup_mount();
	char *path = own && mount ? g_build_filename(mount, own, NULL) : NULL;

	g_free(own);
	g_free(mount);
	return path;
}

static bool is_delegated(const char *path)
{
	char v[2] = "";

	return getxattr(path, "user.delegate", v, sizeof(v)) == 1 && v[0] == '1';
}

static bool find_cgroup(struct process *p, const char *want, char *err, size_t n)
{
	char *probe;

	if (strcmp(want, "off") == 0)
		return true;
	if (strcmp(want, "auto") == 0) {
		p->cgroup = own_cgroup();
		if (p->cgroup && !is_delegated(p->cgroup))
			g_clear_pointer(&p->cgroup, g_free);
		return true;
	}
	p->cgroup = g_strdup(want);
	probe = g_build_filename(want, "cgroup.procs", NULL);
	if (*want != '/' || access(probe, W_OK) < 0)
		fail(err, n, "cgroup '%s': expected auto, off or the path of a cgroup v2 "
		    "that we may write to", want);
	g_free(probe);
	return !*err;
}

/* ---- all of it ---- */

static void read_options(struct process *p, const json_t *o)
{
	const json_t *env = json_object_get(o, "env");

	p->path = g_strdup(text(o, "path"));
	p->env = g_new0(char *, json_array_size(env) + 1);
	for (size_t i = 0; i < json_array_size(env); i++)
		p->env[i] = g_strdup(json_string_value(json_array_get(env, i)));
	p->running_max = number(o, "running");
	p->starts_max = number(o, "starts_per_second");
	p->grace_ms = number(o, "grace");
	p->log_bytes = number(o, "log");
	p->min_free = number(o, "min_free");
}

static bool read_umask(struct process *p, const char *s, char *err, size_t n)
{
	char *end;

	p->umask = strtol(s, &end, 8);
	if (!*s || *end || p->umask < 0 || p->umask > 0777)
		return fail(err, n,
		    "'umask' expects an octal number such as 027, not '%s'",
		    s);
	return true;
}

bool process_setup(struct process *p, const char *options, char *err, size_t n)
{
	json_t *o = json_loads(options, 0, NULL);
	bool ok;

	read_options(p, o);
	ok = read_umask(p, text(o, "umask"), err, n) &&
	    open_shim(p, text(o, "shim"), err, n) &&
	    find_user(p, text(o, "user"), err, n) &&
	    open_runs(p, text(o, "state_dir"), err, n) &&
	    find_cgroup(p, text(o, "cgroup"), err, n);
	json_decref(o);
	return ok;
}
