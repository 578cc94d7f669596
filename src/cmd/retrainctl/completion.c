/* completion: a bash or zsh script out of the verb table. */
#include <stdio.h>
#include <string.h>

#include "cmd/retrainctl/ctl.h"

static void words(GString *s)
{
	for (const struct verb *const *v = verbs; *v; v++)
		g_string_append_printf(s, "%s%s", s->len ? " " : "", (*v)->name);
}

static void options(const struct verb *v, GString *s)
{
	g_string_assign(s, "--output --watch --address --dir --config --help");
	for (const GOptionEntry *r = v->rows; r && r->long_name; r++)
		g_string_append_printf(s, " --%s", r->long_name);
}

static int run(struct ctl *c, int argc, char **argv)
{
	GString *s = g_string_new(NULL);
	bool zsh = argc == 1 && strcmp(argv[0], "zsh") == 0;

	(void)c;
	if (argc != 1 || (!zsh && strcmp(argv[0], "bash") != 0)) {
		g_string_free(s, TRUE);
		return usage_error("completion", "expected bash or zsh");
	}
	if (zsh)
		puts("autoload -U +X bashcompinit && bashcompinit");
	words(s);
	printf("_retrainctl() {\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} words\n"
	       "\tif [ \"$COMP_CWORD\" = 1 ]; then words='%s'\n\telse case "
	       "${COMP_WORDS[1]} in\n",
	       s->str);
	for (const struct verb *const *v = verbs; *v; v++) {
		options(*v, s);
		printf("\t%s) words='%s';;\n", (*v)->name, s->str);
	}
	puts("\tesac; fi\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
	    "complete -o default -F _retrainctl retrainctl");
	g_string_free(s, TRUE);
	return CTL_OK;
}

const struct verb verb_completion = {
	.name = "completion",
	.args = "bash|zsh",
	.summary = "print a completion script",
	.help = "Use: . <(retrainctl completion bash)",
	.offline = true,
	.run = run,
};
