/* retrain-shim: one per step, outlives the daemon.
 *
 *	retrain-shim RUN_DIRECTORY [DESCRIPTOR]
 *
 *	claim ─► abort file? ─► exec main, log its output ─► main ends ─► kill what is
 *	left ─► check outputs, hash artifacts ─► exit.json ─► end (the lock goes)
 *
 * Invariants
 *   (1) Nothing is exec'ed before the claim is made and durable.  A claim is made by
 *       link(), already locked, so it is exclusive and held from its first instant.
 *   (2) The lock on the claim is held until the exit record is durable, and by no
 *       other process: main closes it before exec.
 *   (3) No descendant lives when the exit record is written.
 *   (4) SIGTERM means abort where the abort file is there, else interrupted.  It is
 *       blocked and taken from a signalfd, so it is never lost.
 *
 * DESCRIPTOR gets one line: "claimed", "exists", "busy WHY" or "error WHY". */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cmd/shim.h"

#define SPEC_VERSION 1
#define SPEC_MAX (64 << 20)

const char *spec_text(const struct shim *s, const char *name)
{
	const char *v = json_string_value(json_object_get(s->spec, name));

	return v ? v : "";
}

int64_t spec_number(const struct shim *s, const char *name, int64_t otherwise)
{
	const json_t *v = json_object_get(s->spec, name);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* One write below PIPE_BUF: whole or not at all.  Nobody listening is fine. */
static void say(struct shim *s, const char *word, const char *why)
{
	char *line = g_strdup_printf("%s %.400s\n", word, why);

	if (s->say_fd >= 0 && write(s->say_fd, line, strlen(line)) >= 0)
		close(s->say_fd);
	s->say_fd = -1;
	g_free(line);
}

static void be_on_our_own(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "retrain-shim");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	setsid();			/* fails for a group leader, which is as good */
	umask(077);
}

/* Descriptor 0 to 2 must be something, else a file of ours gets their number. */
static void fill_std(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd < 3);
	if (fd > 2)
		close(fd);
}

json_t *shim_json(int fd, json_error_t *e)
{
	FILE *f = fdopen(fd, "r");
	json_t *v = f ? json_loadf(f, 0, e) : NULL;

	if (f)
		fclose(f);
	else
		close(fd);
	return v;
}

static bool read_spec(struct shim *s)
{
	int fd = openat(s->dir, "spec.json", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	json_error_t e = { 0 };
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size > SPEC_MAX) {
		g_snprintf(s->reason, sizeof(s->reason), "spec.json: %s",
		    fd < 0 ? g_strerror(errno) : "too large");
	} else {
		s->spec = shim_json(fd, &e);
		fd = -1;
		if (!s->spec)
			g_snprintf(s->reason, sizeof(s->reason), "spec.json: %s", e.text);
	}
	if (fd >= 0)
		close(fd);
	if (!s->spec)
		return false;
	if (spec_number(s, "version", 0) == SPEC_VERSION)
		return true;
	g_snprintf(s->reason, sizeof(s->reason), "spec.json: version %d, expected %d",
	    (int)spec_number(s, "version", 0), SPEC_VERSION);
	return false;
}

static void run(struct shim *s)
{
	s->started_ms = now_ms();
	s->state = "failed";
	if (faccessat(s->dir, "abort", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		s->state = "aborted";
		g_snprintf(s->reason, sizeof(s->reason), "aborted before it started");
	} else if (read_spec(s) && cgroup_make(s)) {
		code_note(s);
		environment_note(s);
		watch_step(s);
		if (s->ran)
			collect(s);
	}
	s->finished_ms = now_ms();
}

static bool claim(struct shim *s)
{
	if (claim_make(s)) {
		say(s, "claimed", "");
		return true;
	}
	if (errno == EEXIST)
		say(s, "exists", "");
	else
		say(s, errno == ENOSPC || errno == EDQUOT || errno == ENFILE ? "busy" :
		    "error", g_strerror(errno));
	return false;
}

int main(int argc, char **argv)
{
	struct shim s = { .dir = -1, .claim_fd = -1, .say_fd = -1, .exit_code = -1 };

	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("retrain-shim " RETRAIND_VERSION) < 0;
	if (argc < 2 || argc > 3 || argv[1][0] != '/') {
		fputs("usage: retrain-shim RUN_DIRECTORY [DESCRIPTOR]\n"
		      "retraind starts it; the directory is absolute.\n", stderr);
		return 2;
	}
	fill_std();
	be_on_our_own();
	json_set_alloc_funcs(g_malloc, g_free);	/* no memory: the end, not "no JSON" */
	s.path = argv[1];
	if (argc == 3) {
		s.say_fd = (int)strtol(argv[2], NULL, 10);
		fcntl(s.say_fd, F_SETFD, FD_CLOEXEC);
	}
	s.dir = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s.dir < 0)
		say(&s, "error", g_strerror(errno));
	else if (claim(&s)) {
		run(&s);
		record_write(&s);
	}
	g_free(s.outputs);
	g_free(s.metrics);
	g_free(s.artifacts);
	g_free(s.code);
	g_free(s.environment);
	json_decref(s.spec);
	return s.dir < 0;
}
