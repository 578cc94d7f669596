/* What is written into a run directory before its shim starts, and to abort it. */
#include "exec/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "io/log.h"

/* Whole or not at all, for a shim of an earlier daemon may be reading.  Durable it
 * need not be: what is not claimed is started again from the database. */
static bool write_file(int dir, const char *name, struct str text, struct err *err)
{
	int fd = openat(dir, ".new",
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
	    0600);
	ssize_t n = -1;

	if (fd >= 0) {
		n = write(fd, text.p, text.len);
		close(fd);
	}
	if (n == (ssize_t)text.len && renameat(dir, ".new", dir, name) == 0)
		return true;
	if (n >= 0 && n < (ssize_t)text.len)
		errno = ENOSPC;
	return err_set(err, errno == ENOSPC || errno == EDQUOT || errno == EMFILE ||
	    errno == ENFILE ? ERR_FULL : ERR_IO, "%s: %s", name, g_strerror(errno));
}

static void add_groups(const struct process *p, GString *out)
{
	json_key(out, "groups");
	json_open(out, '[');
	for (int i = 0; i < p->groups_n; i++)
		json_i64(out, p->groups[i]);
	json_close(out, ']');
}

static void add_raw(GString *out, const char *name, const char *json)
{
	json_key(out, name);
	json_raw(out, str_of(json));
}

static void add_text(GString *out, const char *name, const char *text)
{
	json_key(out, name);
	json_cstr(out, text);
}

static void add_number(GString *out, const char *name, int64_t v)
{
	json_key(out, name);
	json_i64(out, v);
}

/* The shim reads version N and N-1. */
static char *spec(const struct process *p, const struct retrain_job *job)
{
	GString *out = g_string_new(NULL);
	char *cgroup = p->cgroup ? g_build_filename(p->cgroup, job->key, NULL) : NULL;

	json_open(out, '{');
	add_number(out, "version", 1);
	add_text(out, "key", job->key);
	add_text(out, "run", job->run);
	add_text(out, "pipeline", job->pipeline);
	add_text(out, "step", job->step);
	add_number(out, "attempt", job->attempt);
	add_text(out, "dir", job->dir);
	add_raw(out, "argv", job->argv);
	add_raw(out, "env", job->env);
	add_text(out, "path", p->path);
	add_text(out, "user", p->user);
	add_text(out, "home", p->home);
	add_text(out, "shell", p->shell);
	if (p->switch_user) {
		add_number(out, "uid", p->uid);
		add_number(out, "gid", p->gid);
		add_groups(p, out);
	}
	add_number(out, "umask", p->umask);
	add_number(out, "grace_ms", p->grace_ms);
	add_number(out, "log_bytes", p->log_bytes);
	add_text(out, "cgroup", cgroup);
	json_close(out, '}');
	g_free(cgroup);
	return g_string_free(out, FALSE);
}

static bool make_subdir(const struct process *p, int dir, const char *name,
    struct err *err)
{
	if ((mkdirat(dir, name, 0700) < 0 && errno != EEXIST) ||
	    (p->switch_user && fchownat(dir, name, p->uid, p->gid,
	    AT_SYMLINK_NOFOLLOW) < 0))
		return err_set(err, errno == ENOSPC ? ERR_FULL : ERR_IO, "%s: %s", name,
		    g_strerror(errno));
	return true;
}

/* With another user the directory stays ours and sticky: the step may add to it, but
 * not take away the claim or the exit record. */
static int make_dir(const struct process *p, const char *key, struct err *err)
{
	int fd = -1;

	if (mkdirat(p->runs_fd, key, 0700) == 0 || errno == EEXIST)
		fd = openat(p->runs_fd, key,
		    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || (p->switch_user && (fchown(fd, (uid_t)-1, p->gid) < 0 ||
	    fchmod(fd, 01770) < 0))) {
		err_set(err, errno == ENOSPC ? ERR_FULL : ERR_IO, "runs/%s: %s", key,
		    g_strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

bool process_prepare(const struct process *p, const struct retrain_job *job, bool abort,
    struct err *err)
{
	int dir = make_dir(p, job->key, err);
	char *text = spec(p, job);
	struct str input = job->input ? str_of(job->input) : STR("{}");
	bool ok = dir >= 0 && make_subdir(p, dir, "tmp", err) &&
	    make_subdir(p, dir, "artifacts", err) &&
	    write_file(dir, "input.json", input, err) &&
	    (!p->switch_user || fchownat(dir, "input.json", p->uid, p->gid,
	    AT_SYMLINK_NOFOLLOW) == 0) &&
	    write_file(dir, "spec.json", str_of(text), err) &&
	    (!abort || write_file(dir, "abort", str_of(job->reason), err));

	g_free(text);
	if (dir >= 0)
		close(dir);
	return ok;
}

/* Without the file, on a full disk say, the step ends as interrupted: good enough. */
void process_put_abort(const struct process *p, const struct retrain_job *job)
{
	struct err err = { 0 };
	int dir = make_dir(p, job->key, &err);

	if (dir < 0 || !write_file(dir, "abort", str_of(job->reason), &err))
		p->host->log(p->host, LOG_WARN, err.msg);
	if (dir >= 0)
		close(dir);
}
