/* Rule files: which ones, and whether they may be trusted.
 *
 * *.yaml *.yml *.json directly in the directory or in a directory directly in that (a
 * bundle), not starting with '.', and not *.test.yaml; and *.ics, which calendars name.
 * What can't be read in a directory is that bundle's fault alone.  A directory without
 * rule files is no bundle: scripts may lie there.  Owner root, the daemon's uid or one of
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
#include "turn/bundles.h"
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

static bool read_one(const char *dir, const char *name, struct str bundle,
    const struct reload_options *o, struct arena *a, struct rule_text *ret,
    struct err *err)
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
		*ret = (struct rule_text){ .bundle = bundle,
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

struct listing { GPtrArray *files, *dirs; bool rules; };	/* names, sorted */

static struct listing listing_new(void)
{
	return (struct listing){ .files = g_ptr_array_new_with_free_func(g_free),
		.dirs = g_ptr_array_new_with_free_func(g_free) };
}

static void listing_free(struct listing *l)
{
	g_ptr_array_free(l->files, TRUE);
	g_ptr_array_free(l->dirs, TRUE);
}

static void list_name(struct listing *l, const char *dir, const char *name)
{
	struct stat st;

	if (is_rule_file(name) || is_companion(name)) {
		l->rules = l->rules || is_rule_file(name);
		g_ptr_array_add(l->files, g_strdup(name));
	} else if (name[0] != '.') {
		g_autofree char *path = g_build_filename(dir, name, NULL);

		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			g_ptr_array_add(l->dirs, g_strdup(name));
	}
}

static bool list_dir(const char *dir, struct listing *l, struct err *err)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;
	bool ok = true;

	if (!d)
		return err_set(err, ERR_IO, "rules directory '%s': %s", dir,
			       g_strerror(errno));
	while ((errno = 0, name = g_dir_read_name(d)))
		list_name(l, dir, name);
	if (errno)		/* some of the files are not all of them */
		ok = err_set(err, ERR_IO, "rules directory '%s': %s", dir,
			     g_strerror(errno));
	g_dir_close(d);
	if (l->files->len)
		qsort(l->files->pdata, l->files->len, sizeof(char *), by_name);
	if (l->dirs->len)
		qsort(l->dirs->pdata, l->dirs->len, sizeof(char *), by_name);
	return ok;
}

struct search {
	const struct reload_options *o;
	struct arena	*a;
	struct rules_found *found;
	uint32_t	 cap, bad_cap;
};

static void bad_bundle(struct search *s, struct str bundle, const struct err *err)
{
	struct rules_found *f = s->found;

	while (f->n && str_is(f->texts[f->n - 1].bundle, bundle))
		f->n--;		/* some of its files are not all of them */
	f->bad = arena_grow(s->a, f->bad, f->bad_n, &s->bad_cap, sizeof(*f->bad));
	f->bad[f->bad_n++] = (struct rules_bad){ bundle, *err };
}

static void read_files(struct search *s, const char *dir, struct str bundle,
    const struct listing *l)
{
	struct rules_found *f = s->found;
	struct err err = { 0 };

	for (guint i = 0; i < l->files->len; i++) {
		f->texts = arena_grow(s->a, f->texts, f->n, &s->cap, sizeof(*f->texts));
		if (!read_one(dir, g_ptr_array_index(l->files, i), bundle, s->o, s->a,
			      &f->texts[f->n], &err)) {
			bad_bundle(s, bundle, &err);
			return;
		}
		f->n++;
	}
}

/* One level is enough; rule files a level deeper were not meant to be left out. */
static bool none_deeper(const char *dir, const struct listing *l, struct err *err)
{
	for (guint i = 0; i < l->dirs->len; i++) {
		g_autofree char *path = g_build_filename(dir,
		    g_ptr_array_index(l->dirs, i), NULL);
		struct listing deep = listing_new();
		struct err ignored = { 0 };
		bool rules;

		list_dir(path, &deep, &ignored);
		rules = deep.rules;
		listing_free(&deep);
		if (rules)
			return err_set(err, ERR_USAGE, "'%s' has rule files: bundles are"
				       " the directories directly in the rules directory,"
				       " and have none below", path);
	}
	return true;
}

static void read_bundle(struct search *s, const char *rules_dir, const char *name)
{
	g_autofree char *dir = g_build_filename(rules_dir, name, NULL);
	struct str bundle = arena_str(s->a, str_of(name));
	struct listing l = listing_new();
	bool good = bundle_name_ok(bundle);
	struct err err = { 0 };

	if (!list_dir(dir, &l, &err)) {
		if (good)	/* else it was never meant to be one: lost+found */
			bad_bundle(s, bundle, &err);
	} else if (!none_deeper(dir, &l, &err))
		bad_bundle(s, bundle, &err);
	else if (l.rules && !good) {
		err_set(&err, ERR_USAGE, "'%s' has rule files, but its name can't prefix"
			" theirs: expected letters, digits, '_', '-' and '.'", dir);
		bad_bundle(s, bundle, &err);
	} else if (l.rules && !check_dir(dir, s->o, &err))
		bad_bundle(s, bundle, &err);
	else if (l.rules)
		read_files(s, dir, bundle, &l);
	listing_free(&l);
}

bool rules_find(const struct reload_options *o, struct arena *a, struct rules_found *ret,
    struct err *err)
{
	g_autofree char *dir = g_canonicalize_filename(o->dir, NULL);
	struct search s = { .o = o, .a = a, .found = ret };
	struct listing l = listing_new();
	bool ok = check_dir(dir, o, err) && list_dir(dir, &l, err);

	*ret = (struct rules_found){ .n = 0 };
	if (ok)
		read_files(&s, dir, STR(""), &l);
	for (guint i = 0; ok && i < l.dirs->len; i++)
		read_bundle(&s, dir, g_ptr_array_index(l.dirs, i));
	if (ok && ret->n > RULES_FILES_MAX)
		ok = err_set(err, ERR_LIMIT, "more than %d rule files in '%s'",
			     RULES_FILES_MAX, dir);
	listing_free(&l);
	return ok;
}

bool rules_read(const struct reload_options *o, struct arena *a, struct rule_text **ret,
    uint32_t *ret_n, struct err *err)
{
	struct rules_found found;

	if (!rules_find(o, a, &found, err))
		return false;
	if (found.bad_n) {
		*err = found.bad[0].err;
		return false;
	}
	*ret = found.texts;
	*ret_n = found.n;
	return true;
}

GPtrArray *rules_dirs(const char *dir)
{
	struct listing l = listing_new();
	struct err ignored = { 0 };
	GPtrArray *ret;

	list_dir(dir, &l, &ignored);
	ret = l.dirs;
	g_ptr_array_free(l.files, TRUE);
	for (guint i = 0; i < ret->len; i++) {
		g_autofree char *name = ret->pdata[i];

		ret->pdata[i] = g_build_filename(dir, name, NULL);
	}
	return ret;
}
