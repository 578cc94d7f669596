/* new: a rule, its pipeline and its test, to begin from.
 *
 * What is written passes `check` and `test` as it is (tests/scripts/test_new.py).  To
 * add a kind: a row in kinds[]; @ stands for the name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/retrainctl/ctl.h"

#define NAME_MAX_BYTES 60

static char *kind, *into;

static const GOptionEntry rows[] = {
	{ "from", 0, 0, G_OPTION_ARG_STRING, &kind,
	  "new-data (default), metric, nightly, alert, canary or per-key", "KIND" },
	{ "into", 0, 0, G_OPTION_ARG_FILENAME, &into, "directory (the current one)",
	  "DIR" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

#define TRAIN_AND_GATE \
	"    concurrency: {limit: 1, on_limit: queue}\n" \
	"    timeout: 4h\n" \
	"    steps:\n" \
	"      - {name: train, command: [python3, train.py], timeout: 2h,\n" \
	"         retry: {attempts: 2, backoff: 30s}}\n" \
	"      - name: evaluate                  # leaves its numbers in metrics.json\n" \
	"        needs: train\n" \
	"        command: [python3, evaluate.py, " \
	"\"--model=${steps.train.outputs.model}\"]\n" \
	"      - name: better                    # the first model has nobody to beat\n" \
	"        needs: evaluate\n" \
	"        gate: >-\n" \
	"          !has(champion.metrics.accuracy) ||\n" \
	"          steps.evaluate.metrics.accuracy >= champion.metrics.accuracy\n" \
	"      - name: deploy\n" \
	"        needs: [train, better]\n" \
	"        command: [python3, deploy.py, " \
	"\"--model=${steps.train.outputs.model}\"]\n" \
	"    on_success:\n" \
	"      promote: {version: \"${run.id}\", metrics: " \
	"\"${steps.evaluate.metrics}\"}\n"
#define PIPELINE \
	"\npipelines:\n" \
	"  - name: @\n" \
	"    model: @\n" \
	TRAIN_AND_GATE
#define TEST_HEAD \
	"rules: @.yaml\n" \
	"start: 2026-03-02T08:00:00Z\n"
#define CHAMPION "models:\n  @: {version: v1, metrics: {accuracy: 0.9}}\n"
/* Its steps as they would end; then the champion is another. */
#define RUN_WELL \
	"  - run:\n" \
	"      pipeline: @\n" \
	"      steps:\n" \
	"        train: {after: 20m, outputs: {model: out/m1}}\n" \
	"        evaluate: {after: 2m, metrics: {accuracy: 0.93}}\n"
#define PROMOTED \
	"  - advance: 1h\n" \
	"  - expect: {champion: {@: @-1}}\n"

static const struct { const char *name, *rule, *test; } kinds[] = {
	{ "new-data",
	  "# A new dataset version arrives: retrain on it, deploy if it got better.\n\n"
	  "rules:\n"
	  "  - name: @\n"
	  "    on: {type: dataset.version.created, subject: @}\n"
	  "    when: data.rows >= 1000             # smaller parts are not worth a run\n"
	  "    dedupe: {key: data.version, for: 30d}\n"
	  "    run: @\n"
	  PIPELINE,
	  "name: a version of 1,000 rows is one run\n" TEST_HEAD CHAMPION
	  "steps:\n"
	  "  - event: {type: dataset.version.created, subject: @, data: {version: a,"
	  " rows: 999}}\n"
	  "  - expect: {decisions: []}             # too small\n"
	  "  - event: {type: dataset.version.created, subject: @, data: {version: b,"
	  " rows: 1000}}\n"
	  RUN_WELL
	  "  - event: {type: dataset.version.created, subject: @, data: {version: b,"
	  " rows: 1000}}\n"
	  "  - expect:\n"
	  "      decisions: [{rule: @, outcome: fired}, {outcome: suppressed, by:"
	  " dedupe}]\n"
	  PROMOTED },
	{ "metric",
	  "# A metric stays above its limit for a while: retrain, and not again at"
	  " once.\n\n"
	  "rules:\n"
	  "  - name: @\n"
	  "    on: {type: ml.metric, where: data.name == \"psi\" && data.model =="
	  " \"@\"}\n"
	  "    signals:\n"
	  "      psi: {value: data.value, over: 6h, min_count: 30}\n"
	  "    when: psi.avg > 0.2\n"
	  "    for: 30m                            # once above it is not enough\n"
	  "    recover: psi.avg < 0.12\n"
	  "    cooldown: 12h\n"
	  "    run: @\n"
	  PIPELINE,
	  "name: a shift that lasts is one run\n" TEST_HEAD CHAMPION
	  "steps:\n"
	  "  - feed: {type: ml.metric, every: 1m, count: 60, seed: 1, data: {name: psi,"
	  " model: @, value: {normal: [0.1, 0.01]}}}\n"
	  "  - expect: {decisions: []}\n"
	  "  - feed: {type: ml.metric, every: 1m, count: 240, seed: 2, data: {name: psi,"
	  " model: @, value: {normal: [0.4, 0.01]}}}\n"
	  "  - expect:\n"
	  "      decisions: [{rule: @, outcome: fired}]\n"
	  RUN_WELL
	  PROMOTED },
	{ "nightly",
	  "# Every night, unless a run of the last 20 hours was one already.\n\n"
	  "rules:\n"
	  "  - name: @\n"
	  "    schedule: {cron: \"0 2 * * *\", timezone: Europe/Berlin, catch_up: last,"
	  " deadline: 6h}\n"
	  "    when: now - last_run.created > duration(\"20h\")\n"
	  "    run: @\n"
	  PIPELINE,
	  "name: one run a night\n" TEST_HEAD CHAMPION
	  "steps:\n"
	  "  - advance: 14h                        # 2026-03-02T22:00Z\n"
	  "  - expect: {decisions: []}\n"
	  "  - advance: 4h                         # past two o'clock in Berlin\n"
	  "  - expect:\n"
	  "      decisions: [{rule: @, outcome: fired}]\n"
	  RUN_WELL
	  "  - advance: 1h\n"
	  "  - expect: {decisions: [], champion: {@: @-1}}\n" },
	{ "alert",
	  "# An alert of Prometheus fires: retrain (http source with hooks:"
	  " [alertmanager]).\n\n"
	  "rules:\n"
	  "  - name: @\n"
	  "    on:\n"
	  "      type: alertmanager.alert\n"
	  "      where: data.labels.alertname == \"ModelErrorHigh\" &&"
	  " data.labels.model =="
	  " \"@\"\n"
	  "    when: data.status == \"firing\"\n"
	  "    cooldown: 6h                        # the alert repeats until it is"
	  " solved\n"
	  "    run: @\n"
	  PIPELINE,
	  "name: an alert is one run, its repeats are none\n" TEST_HEAD CHAMPION
	  "steps:\n"
	  "  - event: {type: alertmanager.alert, data: {status: firing, labels:"
	  " {alertname: ModelErrorHigh, model: @}}}\n"
	  RUN_WELL
	  "  - advance: 10m\n"
	  "  - event: {type: alertmanager.alert, data: {status: firing, labels:"
	  " {alertname: ModelErrorHigh, model: @}}}\n"
	  "  - expect:\n"
	  "      decisions: [{rule: @, outcome: fired}, {outcome: suppressed, by:"
	  " cooldown}]\n"
	  PROMOTED },
	{ "canary",
	  "# New data trains a model; a small share of the traffic tries it before all"
	  " do.\n\n"
	  "rules:\n"
	  "  - name: @\n"
	  "    on: {type: dataset.version.created, subject: @}\n"
	  "    cooldown: 1d\n"
	  "    run: @\n"
	  "\npipelines:\n"
	  "  - name: @\n"
	  "    model: @\n"
	  "    concurrency: {limit: 1, on_limit: queue}\n"
	  "    timeout: 1d\n"
	  "    steps:\n"
	  "      - {name: train, command: [python3, train.py], timeout: 2h}\n"
	  "      - name: canary                    # serves 5 % for a while, and"
	  " measures\n"
	  "        needs: train\n"
	  "        command: [python3, canary.py, --share=0.05,"
	  " \"--model=${steps.train.outputs.model}\"]\n"
	  "      - name: sound\n"
	  "        needs: canary\n"
	  "        gate: >-\n"
	  "          !has(champion.metrics.error) ||\n"
	  "          steps.canary.metrics.error <= champion.metrics.error * 1.02\n"
	  "      - name: deploy\n"
	  "        needs: [train, sound]\n"
	  "        command: [python3, deploy.py,"
	  " \"--model=${steps.train.outputs.model}\"]\n"
	  "    on_success:\n"
	  "      promote: {version: \"${run.id}\", metrics:"
	  " \"${steps.canary.metrics}\"}\n",
	  "name: a canary that does worse is not deployed\n" TEST_HEAD
	  "models:\n  @: {version: v1, metrics: {error: 0.05}}\n"
	  "steps:\n"
	  "  - event: {type: dataset.version.created, subject: @, data: {rows: 1}}\n"
	  "  - run:\n"
	  "      pipeline: @\n"
	  "      steps:\n"
	  "        train: {outputs: {model: out/m1}}\n"
	  "        canary: {after: 1h, metrics: {error: 0.09}}\n"
	  "  - advance: 2h\n"
	  "  - expect: {decisions: [{rule: @, outcome: fired}], champion: {@: v1}}\n"
	  "  - advance: 1d\n"
	  "  - event: {type: dataset.version.created, subject: @, data: {rows: 1}}\n"
	  "  - run:\n"
	  "      pipeline: @\n"
	  "      steps:\n"
	  "        train: {outputs: {model: out/m2}}\n"
	  "        canary: {after: 1h, metrics: {error: 0.04}}\n"
	  "  - advance: 2h\n"
	  "  - expect: {decisions: [{outcome: fired}], champion: {@: @-2}}\n" },
	{ "per-key",
	  "# One rule and one pipeline for many models, each with a state of its own.\n\n"
	  "rules:\n"
	  "  - name: @\n"
	  "    on: {type: ml.metric, where: data.name == \"error\", key: data.model}\n"
	  "    model: \"${key}\"\n"
	  "    signals:\n"
	  "      error: {value: data.value, over: 1h, min_count: 10}\n"
	  "    when: error.avg > 0.2\n"
	  "    recover: error.avg < 0.1\n"
	  "    cooldown: 12h\n"
	  "    run: {pipeline: @, params: {model: \"${key}\"}}\n"
	  "\npipelines:\n"
	  "  - name: @\n"
	  "    model: \"${params.model}\"\n"
	  "    params: {model: {type: string}}\n"
	  "    concurrency: {limit: 20, per_key: 1}\n"
	  "    timeout: 4h\n"
	  "    steps:\n"
	  "      - {name: train, command: [python3, train.py,"
	  " \"--model=${params.model}\"]}\n"
	  "    on_success:\n"
	  "      promote: {version: \"${run.id}\", metrics:"
	  " \"${steps.train.metrics}\"}\n",
	  "name: the model that errs is trained, the other is not\n" TEST_HEAD
	  "steps:\n"
	  "  - feed: {type: ml.metric, every: 1m, count: 30, data: {name: error, model:"
	  " fine, value: 0.05}}\n"
	  "  - feed: {type: ml.metric, every: 1m, count: 30, data: {name: error, model:"
	  " worse, value: 0.4}}\n"
	  "  - expect:\n"
	  "      decisions: [{rule: @, key: worse, outcome: fired, params: {model:"
	  " worse}}]\n" },
};

static int find_kind(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (strcmp(kinds[i].name, kind ? kind : "new-data") == 0)
			return (int)i;
	return -1;
}

static bool name_ok(const char *s)
{
	size_t n = strlen(s);

	return n && n <= NAME_MAX_BYTES && g_ascii_isalpha(*s) && n == strspn(s,
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
}

/* False: said. */
static bool put(const char *path, const char *template, const char *name)
{
	char **parts = g_strsplit(template, "@", -1), *text = g_strjoinv(name, parts);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool ok = f && fputs(text, f) >= 0;

	ok = (f && fclose(f) == 0) && ok;
	if (!ok)
		fprintf(stderr, "retrainctl new: '%s': %s\n", path, g_strerror(errno));
	g_strfreev(parts);
	g_free(text);
	return ok;
}

static int write_both(const char *rule, const char *test, int i, const char *name)
{
	const char *there = access(rule, F_OK) == 0 ? rule :
	    access(test, F_OK) == 0 ? test : NULL;

	if (there) {
		fprintf(stderr, "retrainctl new: '%s' is there already, nothing is"
		    " written\n", there);
		return CTL_NO;
	}
	if (!put(rule, kinds[i].rule, name) || !put(test, kinds[i].test, name))
		return CTL_USAGE;
	printf("wrote %s and %s\nnext: retrainctl check %s; retrainctl test %s\n", rule,
	    test, rule, test);
	return CTL_OK;
}

static int run(struct ctl *c, int argc, char **argv)
{
	int i = find_kind(), status;
	char *base, *rule, *test;

	(void)c;
	if (argc != 1)
		return usage_error("new", "expected one name");
	if (i < 0)
		return usage_error("new", "unknown kind '%s': expected new-data, metric,"
		    " nightly, alert, canary or per-key", kind);
	if (!name_ok(argv[0]))
		return usage_error("new", "'%s' is no name: expected a letter, then up to"
		    " %d letters, digits, '-' and '_'", argv[0], NAME_MAX_BYTES - 1);
	base = g_build_filename(into ? into : ".", argv[0], NULL);
	rule = g_strconcat(into ? base : argv[0], ".yaml", NULL);
	test = g_strconcat(into ? base : argv[0], ".test.yaml", NULL);
	status = write_both(rule, test, i, argv[0]);
	g_free(base);
	g_free(rule);
	g_free(test);
	return status;
}

const struct verb verb_new = {
	.name = "new",
	.args = "[--from KIND] NAME [--into DIR]",
	.summary = "write a rule, its pipeline and its test, to begin from",
	.help = "Writes NAME.yaml and NAME.test.yaml, and nothing where one of them is"
	    " there.",
	.rows = rows,
	.offline = true,
	.run = run,
};
