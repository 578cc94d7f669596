/* What the step left: outputs.json, metrics.json, artifacts/.
 *
 * The step wrote these, so nothing is believed: every name is opened beneath its
 * directory without following links and without waiting (a FIFO), and only regular
 * files are read.  A file that breaks the rules fails a step that completed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "cmd/shim.h"

#define RESULT_MAX (1 << 20)
#define FILES_MAX 1000
#define DEPTH_MAX 32
#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)

static void spoil(struct shim *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
static void spoil(struct shim *s, const char *fmt, ...)
{
	va_list ap;

	if (strcmp(s->state, "completed") != 0)
		return;			/* it has a reason of its own */
	s->state = "failed";
	va_start(ap, fmt);
	g_vsnprintf(s->reason, sizeof(s->reason), fmt, ap);
	va_end(ap);
}

/* The text, when it is an object. */
static char *parse(struct shim *s, const char *name, int fd, int64_t size)
{
	char *text = g_malloc((size_t)size + 1);
	json_error_t e = { 0 };
	json_t *v = NULL;
	int64_t n = 0;
	ssize_t k = 0;

	while (n < size && (k = read(fd, text + n, (size_t)(size - n))) > 0)
		n += k;
	text[n] = '\0';
	if (n < size && k < 0)
		spoil(s, "%s: %s", name, g_strerror(errno));
	else
		v = json_loadb(text, (size_t)n, 0, &e);
	if (!v)
		spoil(s, "%s: line %d: %s", name, e.line, e.text);
	else if (!json_is_object(v))
		spoil(s, "%s: expected a JSON object", name);
	if (!json_is_object(v))
		g_clear_pointer(&text, g_free);
	json_decref(v);
	return text;
}

static char *read_result(struct shim *s, const char *name)
{
	int fd = openat(s->dir, name, OPEN_FLAGS);
	char *v = NULL;
	struct stat st;

	if (fd < 0) {
		if (errno == ELOOP)
			spoil(s, "%s: expected a regular file, not a symbolic link",
			      name);
		else if (errno != ENOENT)
			spoil(s, "%s: %s", name, g_strerror(errno));
		return NULL;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		spoil(s, "%s: expected a regular file", name);
	else if (st.st_size > RESULT_MAX)
		spoil(s, "%s: %lld bytes, at most 1 MiB", name, (long long)st.st_size);
	else
		v = parse(s, name, fd, st.st_size);
	close(fd);
	return v;
}

/* ---- artifacts ---- */

struct walk {
	struct shim	*s;
	GPtrArray	*found;		/* struct artifact */
	bool		 too_many;
};
struct artifact {
	char		*path;
	int64_t		 size;
	char		*sha256;
};

static void artifact_free(void *arg)
{
	struct artifact *a = arg;

	g_free(a->path);
	g_free(a->sha256);
	g_free(a);
}

static int by_path(const void *a, const void *b)
{
	return strcmp((*(struct artifact *const *)a)->path,
	    (*(struct artifact *const *)b)->path);
}

static void add_file(struct walk *w, int fd, const char *path)
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
	struct artifact *a = g_new0(struct artifact, 1);
	char *buf = g_malloc(1 << 18);
	ssize_t n;

	while ((n = read(fd, buf, 1 << 18)) > 0) {
		g_checksum_update(sum, (const guchar *)buf, n);
		a->size += n;
	}
	a->path = g_utf8_make_valid(path, -1);
	a->sha256 = g_strdup(g_checksum_get_string(sum));
	g_ptr_array_add(w->found, a);
	g_checksum_free(sum);
	g_free(buf);
	if (n < 0)
		spoil(w->s, "artifacts/%s: %s", path, g_strerror(errno));
}

static void walk_dir(struct walk *w, int dir_fd, const char *prefix, int depth);

static void walk_name(struct walk *w, int dir_fd, const char *prefix, const char *name,
    int depth)
{
	int fd = openat(dir_fd, name, OPEN_FLAGS);
	char *path = *prefix ? g_strconcat(prefix, "/", name, NULL) : g_strdup(name);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		walk_dir(w, fd, path, depth + 1);
		fd = -1;
	} else if (fd >= 0 && S_ISREG(st.st_mode)) {
		if (w->found->len < FILES_MAX)
			add_file(w, fd, path);
		else
			w->too_many = true;
	} else if (fd < 0 && errno != ELOOP && errno != ENXIO) {
		spoil(w->s, "artifacts/%s: %s", path, g_strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	g_free(path);
}

/* Takes the descriptor. */
static void walk_dir(struct walk *w, int dir_fd, const char *prefix, int depth)
{
	DIR *d = fdopendir(dir_fd);
	const struct dirent *e;

	if (!d) {
		spoil(w->s, "artifacts/%s: %s", prefix, g_strerror(errno));
		close(dir_fd);
		return;
	}
	if (depth > DEPTH_MAX)
		spoil(w->s, "artifacts/%s: more than %d directories deep", prefix,
		    DEPTH_MAX);
	errno = 0;
	while (depth <= DEPTH_MAX && !w->too_many && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			walk_name(w, dirfd(d), prefix, e->d_name, depth);
		errno = 0;
	}
	if (errno)			/* some of the files are not all of them */
		spoil(w->s, "artifacts/%s: %s", prefix, g_strerror(errno));
	closedir(d);
}

static char *list(const GPtrArray *found)
{
	GString *out = g_string_new(NULL);

	json_open(out, '[');
	for (unsigned i = 0; i < found->len; i++) {
		const struct artifact *a = g_ptr_array_index(found, i);

		json_open(out, '{');
		json_key(out, "path");
		json_cstr(out, a->path);
		json_key(out, "size");
		json_i64(out, a->size);
		json_key(out, "sha256");
		json_cstr(out, a->sha256);
		json_close(out, '}');
	}
	json_close(out, ']');
	return g_string_free(out, FALSE);
}

static void collect_artifacts(struct shim *s)
{
	struct walk w = { .s = s };
	int fd = openat(s->dir, "artifacts", OPEN_FLAGS | O_DIRECTORY);

	if (fd < 0) {
		if (errno != ENOENT && errno != ELOOP && errno != ENOTDIR)
			spoil(s, "artifacts: %s", g_strerror(errno));
		return;
	}
	w.found = g_ptr_array_new_with_free_func(artifact_free);
	walk_dir(&w, fd, "", 0);
	if (w.too_many)
		spoil(s, "artifacts: more than %d files", FILES_MAX);
	g_ptr_array_sort(w.found, by_path);
	if (w.found->len)
		s->artifacts = list(w.found);
	g_ptr_array_free(w.found, TRUE);
}

/* Who was told to stop need not have finished its files, and hashing takes time that
 * a container does not give. */
void collect(struct shim *s)
{
	if (strcmp(s->state, "completed") != 0 && strcmp(s->state, "failed") != 0)
		return;
	s->outputs = read_result(s, "outputs.json");
	s->metrics = read_result(s, "metrics.json");
	collect_artifacts(s);
}
