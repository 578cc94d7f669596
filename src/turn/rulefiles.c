/* Rule files: which ones, and whether they may be trusted.
 *
 * *.yaml *.yml *.json directly in the directory, not starting with '.', and not
 * *.test.yaml; and *.ics, which calendars name.  Owner root, the daemon's uid or one of
 * `owners`; not writable by others; by a group only if it is `group`.  A directory that
 * is sticky and root's, or a read-only mount, needs no owner (ConfigMaps).  Symlinks are
 * followed. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <glib.h>

#include "base/arena.h"
#include "turn/reload.h"

#define RULES_BYTES_MAX (4u * 1024 * 1024)	/* of one file */
#define RULES_FILES_MAX 10000

static bool is_rule_file(const char *name)
{
	if (name[0] == '.' || g_str_has_suffix(name, ".test.yaml"))
		return false;
	return g_str_has_suffix(name, ".yaml") || g_str_has_suffix(name, ".yml") ||
	    g_str_has_suffix(name, ".json");
}

/* No rule file, but one that a rule file may name. */
static bool is_companion(const char *name)
{
	return name[0] != '.' && g_str_has_suffix(name, ".ics");
}

static bool owner_allowed(uid_t uid, const struct reload_options *o)
{
	struct passwd *pw;

	if (uid == 0 || uid == geteuid())
		return true;
	for (uint32_t i = 0; i < o->owners.n; i++) {
		char *name = g_strndup(o->owners.v[i].p, o->owners.v[i].len);
		char *end;
		unsigned long n = strtoul(name, &end, 10);
		bool ok = *name && !*end ? n == uid
					 : (pw = getpwnam(name)) && pw->pw_uid == uid;
		g_free(name);
		if (ok)
			return true;
	}
	return false;
}

static bool group_allowed(gid_t gid, const struct reload_options *o)
{
	char *name = g_strndup(o->group.p, o->group.len);
	struct group *g = *name ? getgrnam(name) : NULL;
	bool ok = g && g->gr_gid == gid;

	g_free(name);
	return ok;
}

static bool check_owner(const char *path, const struct stat *st,
			const struct reload_options *o, struct err *err)
{
	if (!owner_allowed(st->st_uid, o))
		return err_set(err, ERR_DENIED,
			       "'%s' belongs to uid %u: expected root, uid %u or one"
			       " of rules.owners",
			       path, (unsigned)st->st_uid, (unsigned)geteuid());
	if (st->st_mode & S_IWOTH)
		return err_set(err, ERR_DENIED,
			       "'%s' may be written by everyone (mode %03o): chmod o-w",
			       path, (unsigned)(st->st_mode & 0777));
	if ((st->st_mode & S_IWGRP) && !group_allowed(st->st_gid, o))
		return err_set(err, ERR_DENIED,
			       "'%s' may be written by group %u (mode %03o): chmod g-w,"
			       " or name the group in rules.group",
			       path, (unsigned)st->st_gid,
			       (unsigned)(st->st_mode & 0777));
	return true;
}

static bool check_dir(const char *path, const struct reload_options *o, struct err *err)
{
	struct stat st;
	struct statvfs fs;

	if (stat(path, &st) < 0)
		return err_set(err, ERR_IO, "rules directory '%s': %s", path,
			       g_strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_IO, "rules directory '%s' is not a directory",
			       path);
	if ((st.st_mode & S_ISVTX) && st.st_uid == 0)
		return true;
	if (statvfs(path, &fs) == 0 && (fs.f_flag & ST_RDONLY))
		return true;
	return check_owner(path, &st, o, err);
}

static bool read_one(const char *dir, const char *name, const struct reload_options *o,
    struct arena *a, struct rule_text *ret, struct err *err)
{
	char *path = g_build_filename(dir, name, NULL);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	bool ok = false;
	char *buf;

	if (fd < 0 || fstat(fd, &st) < 0)
		err_set(err, ERR_IO, "'%s': %s", path, g_strerror(errno));
	else if (!S_ISREG(st.st_mode))
		err_set(err, ERR_IO, "'%s' is not a regular file", path);
	else if (st.st_size > RULES_BYTES_MAX)
		err_set(err, ERR_LIMIT, "'%s' is larger than 4 MiB", path);
	else if (check_owner(path, &st, o, err)) {
		buf = arena_alloc(a, (size_t)st.st_size + 1);
		ssize_t n = 0, got = 0;
		while (n < st.st_size &&
		       (got = read(fd, buf + n, (size_t)(st.st_size - n))) > 0)
			n += got;
		*ret = (struct rule_text){ .bundle = STR(""),
			.name = arena_str(a, str_of(path)),
			.dir = arena_str(a, str_of(dir)), .bytes = { buf, (uint32_t)n },
			.companion = is_companion(name) };
		ok = n == st.st_size ||		/* half a file may be valid YAML */
		    err_set(err, ERR_IO, "'%s': %s", path, got < 0 ? g_strerror(errno) :
			"it became shorter while it was read");
	}
	if (fd >= 0)
		close(fd);
	g_free(path);
	return ok;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool rules_read(const struct reload_options *o, struct arena *a, struct rule_text **ret,
    uint32_t *ret_n, struct err *err)
{
	char *dir = g_canonicalize_filename(o->dir, NULL);
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	GDir *d = NULL;
	const char *name;
	bool ok = check_dir(dir, o, err);

	if (ok && !(d = g_dir_open(dir, 0, NULL)))
		ok = err_set(err, ERR_IO, "rules directory '%s': %s", dir,
			     g_strerror(errno));
	while (ok && (errno = 0, name = g_dir_read_name(d)))
		if (is_rule_file(name) || is_companion(name))
			g_ptr_array_add(names, g_strdup(name));
	if (ok && errno)		/* some of the files are not all of them */
		ok = err_set(err, ERR_IO, "rules directory '%s': %s", dir,
			     g_strerror(errno));
	if (d)
		g_dir_close(d);
	if (ok && names->len > RULES_FILES_MAX)
		ok = err_set(err, ERR_LIMIT, "more than %d rule files in '%s'",
			     RULES_FILES_MAX, dir);
	if (ok) {
		if (names->len)
			qsort(names->pdata, names->len, sizeof(char *), by_name);
		*ret = ARENA_ARRAY(a, struct rule_text, names->len);
		*ret_n = names->len;
		for (uint32_t i = 0; ok && i < names->len; i++)
			ok = read_one(dir, g_ptr_array_index(names, i), o, a, &(*ret)[i],
				      err);
	}
	g_ptr_array_free(names, TRUE);
	g_free(dir);
	return ok;
}
