/* What a step starts from: the commit of the pipeline's repository, and whether its
 * files differ from that commit; the environment that is let through.
 *
 * git is asked by the user that the shim runs as, with its own checks left on: a
 * repository of somebody else is refused by it, and the refusal is what is recorded.
 * A git that hangs is ended after ten seconds. */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd/shim.h"

#include "base/json.h"

/* First line of git's output; NULL: *why has its complaint. */
static char *ask_git(const char *repo, const char *verb, const char *what, char **why)
{
	const char *const argv[] = { "timeout", "-s", "KILL", "10", "git", "-C", repo,
		verb, what, NULL };
	/* no locks: looking must not write into the repository */
	const char *const envp[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C",
		"GIT_OPTIONAL_LOCKS=0", NULL };
	char *out = NULL, *complaint = NULL;
	GError *e = NULL;
	int status = 0;

	if (!g_spawn_sync(NULL, (char **)(uintptr_t)argv, (char **)(uintptr_t)envp,
	    G_SPAWN_SEARCH_PATH_FROM_ENVP, NULL, NULL, &out, &complaint, &status, &e)) {
		*why = g_strdup(e->message);
		g_error_free(e);
	} else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		*why = g_strdup(*complaint ? complaint : "git did not answer");
		(*why)[strcspn(*why, "\n")] = '\0';
		g_clear_pointer(&out, g_free);
	} else {
		out[strcspn(out, "\n")] = '\0';
	}
	g_free(complaint);
	return out;
}

static void add(GString *s, const char *name, const char *text)
{
	json_key(s, name);
	json_cstr(s, text);
}

static char *describe(const char *repo, const char *ref)
{
	GString *s = g_string_new(NULL);
	char *why = NULL, *changes = NULL;
	char *commit = ask_git(repo, "rev-parse", *ref ? ref : "HEAD", &why);

	if (commit)
		changes = ask_git(repo, "status", "--porcelain", &why);
	json_open(s, '{');
	add(s, "repo", repo);
	add(s, "ref", ref);
	add(s, "commit", commit);
	if (changes) {
		json_key(s, "dirty");
		json_bool(s, *changes != '\0');
	}
	if (why)
		add(s, "error", why);
	json_close(s, '}');
	g_free(commit);
	g_free(changes);
	g_free(why);
	return g_string_free(s, FALSE);
}

void code_note(struct shim *s)
{
	int fd = openat(s->dir, "input.json", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	json_error_t e;
	json_t *input = fd >= 0 ? shim_json(fd, &e) : NULL;
	const json_t *code = json_object_get(input, "code");
	const char *repo = json_string_value(json_object_get(code, "repo"));
	const char *ref = json_string_value(json_object_get(code, "ref"));

	if (repo && *repo)
		s->code = describe(repo, ref ? ref : "");
	json_decref(input);
}

/* Our own environment is what the executor lets through, and nothing else. */
void environment_note(struct shim *s)
{
	char **names = g_listenv();
	GString *out = g_string_new(NULL);

	json_open(out, '{');
	for (char **n = names; *n; n++)
		add(out, *n, g_getenv(*n));
	json_close(out, '}');
	s->environment = g_string_free(out, FALSE);
	g_strfreev(names);
}
