/* doctor: ok, warn or fail for each thing that a start depends on, with the remedy. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <sys/xattr.h>
#include <sys/resource.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/arena.h"
#include "base/json.h"
#include "cmd/config.h"
#include "cmd/retrainctl/ctl.h"

struct checks {
	struct ctl	*c;
	GString		*json;
	unsigned	 fails, warns;
};

static void say(struct checks *r, const char *level, const char *what, const char *detail,
    const char *remedy)
{
	r->fails += strcmp(level, "fail") == 0;
	r->warns += strcmp(level, "warn") == 0;
	json_open(r->json, '{');
	json_key(r->json, "check"), json_cstr(r->json, what);
	json_key(r->json, "result"), json_cstr(r->json, level);
	json_key(r->json, "detail"), json_cstr(r->json, detail);
	json_key(r->json, "remedy"), json_cstr(r->json, remedy);
	json_close(r->json, '}');
	if (r->c->format == FORMAT_TABLE || r->c->format == FORMAT_WIDE)
		printf("%-4s  %-16s  %s%s%s\n", level, what, detail ? detail : "",
		    remedy ? "; " : "", remedy ? remedy : "");
}

static void check_rules(struct checks *r, const struct config *c)
{
	struct reload_options o;
	struct arena *a = arena_new(0);
	struct rule_text *v;
	struct err err = { 0 };
	uint32_t n;

	config_reload_options(c, &o);
	if (!rules_read(&o, a, &v, &n, &err))
		say(r, "fail", "rules", err.msg, NULL);
	else {
		struct text *names = ARENA_ARRAY(a, struct text, n);
		for (uint32_t i = 0; i < n; i++)
			names[i] = (struct text){ v[i].name, v[i].bytes };
		struct diags *d = diags_new(names, n);
		struct ruleset *rs = ruleset_build(v, n, &c->catalog, d);
		char *t = g_strdup_printf("%u files, %u errors, %u warnings in %s", n,
		    diags_errors(d), diags_warnings(d), o.dir);
		say(r, rs ? "ok" : "fail", "rules", t, rs ? NULL : "retrainctl check");
		g_free(t);
		ruleset_unref(rs);
		diags_free(d);
	}
	arena_free(a);
}

static void check_state(struct checks *r, const struct config *c)
{
	struct stat st;
	struct statvfs fs;
	char *t;

	if (stat(c->state_dir.p, &st) < 0) {
		say(r, errno == ENOENT ? "ok" : "fail", "state_dir", errno == ENOENT ?
		    "not there yet: the first start makes it" : g_strerror(errno), NULL);
		return;
	}
	say(r, st.st_mode & 066 ? "warn" : "ok", "state_dir", c->state_dir.p,
	    st.st_mode & 066 ? "others may look into it: chmod 700" : NULL);
	if (statvfs(c->state_dir.p, &fs) == 0) {
		int64_t free_bytes = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
		t = g_strdup_printf("%lld MiB free", (long long)(free_bytes >> 20));
		say(r, free_bytes < c->runs.min_free ? "warn" : "ok", "space", t,
		    free_bytes < c->runs.min_free ?
		    "below runs.min_free no step starts" : NULL);
		g_free(t);
	}
}

static void check_database(struct checks *r, const struct config *c)
{
	char *path = g_build_filename(c->state_dir.p, "retraind.db", NULL);
	sqlite3 *db = NULL;
	sqlite3_stmt *s = NULL;

	if (access(path, F_OK) == 0) {
		bool ok =
		    sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
		    sqlite3_prepare_v2(db, "PRAGMA quick_check", -1, &s, NULL) ==
			SQLITE_OK &&
		    sqlite3_step(s) == SQLITE_ROW;
		const char *t = ok ? (const char *)sqlite3_column_text(s, 0) :
		    sqlite3_errmsg(db);
		say(r, ok && strcmp(t, "ok") == 0 ? "ok" : "fail", "database", t,
		    ok && strcmp(t, "ok") == 0 ? NULL : "restore a backup");
		sqlite3_finalize(s);
		sqlite3_close(db);
	}
	g_free(path);
}

static void check_lock(struct checks *r, const struct config *c)
{
	char *path = g_build_filename(c->state_dir.p, "lock", NULL);
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && fcntl(fd, F_OFD_GETLK, &fl) == 0)
		say(r, "ok", "daemon", fl.l_type == F_UNLCK ? "not running" : "running",
		    NULL);
	if (fd >= 0)
		close(fd);
	g_free(path);
}

static void check_system(struct checks *r)
{
	struct timex tx = { 0 };
	struct rlimit lim;
	char *t;
	int state = adjtimex(&tx);

	say(r, state == TIME_ERROR ? "warn" : "ok", "clock", state == TIME_ERROR ?
	    "not synchronised" : "synchronised", state == TIME_ERROR ?
	    "schedules follow the wall clock: run an NTP client" : NULL);
	getrlimit(RLIMIT_NOFILE, &lim);
	t = g_strdup_printf("%llu descriptors", (unsigned long long)lim.rlim_cur);
	say(r, lim.rlim_cur < 1024 ? "warn" : "ok", "nofile", t,
	    lim.rlim_cur < 1024 ? "raise LimitNOFILE" : NULL);
	g_free(t);
	if (geteuid() == 0)
		say(r, "warn", "identity", "steps run as root",
		    "give the executor a user, or"
		    " run the daemon as retraind");
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct checks r = { .c = c, .json = g_string_new(NULL) };
	GString *why = g_string_new(NULL);
	struct config *cfg = config_read(c->config, c->dir, why);

	(void)argv;
	json_open(r.json, '[');
	if (argc)
		usage_error("doctor", "expected no argument");
	say(&r, cfg ? "ok" : "fail", "config", cfg ? (cfg->path[0] ? cfg->path :
	    "no file: defaults") : g_strchomp(why->str), NULL);
	if (cfg) {
		check_rules(&r, cfg);
		check_state(&r, cfg);
		check_database(&r, cfg);
		check_lock(&r, cfg);
	}
	check_system(&r);
	json_close(r.json, ']');
	if (c->format == FORMAT_JSON)
		puts(r.json->str);
	g_string_free(r.json, TRUE);
	g_string_free(why, TRUE);
	config_free(cfg);
	return argc ? CTL_USAGE : r.fails ? CTL_NO : CTL_OK;
}

const struct verb verb_doctor = {
	.name = "doctor",
	.args = "",
	.summary = "check what a start depends on: ok, warn or fail, with the remedy",
	.offline = true,
	.run = run,
};
