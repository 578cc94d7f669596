/* What people change: each becomes a command of the turn and is answered after the
 * commit that covers it.
 *
 * A repeat with the same Idempotency-Key by the same actor on the same path gets the
 * first answer.  To add one: its kind in flow/command.h, a handler here, a route. */
#include <string.h>

#include "api/priv.h"
#include "base/json.h"
#include "io/log.h"

static void on_answer(void *ctx, int status, struct str json)
{
	struct call *c = ctx;

	call_json(c, status, json);
	call_unref(c);
}

/* Actor and path take part: two people may choose the same key. */
static bool key_of(struct call *c, uint8_t ret[16])
{
	const char *key = request_header(c->req, "Idempotency-Key");
	const char *const parts[] = { c->actor, request_raw_path(c->req), key };
	GChecksum *sum;
	uint8_t all[32];
	gsize n = sizeof(all);

	if (!key || !*key)
		return false;
	sum = g_checksum_new(G_CHECKSUM_SHA256);
	for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++)
		g_checksum_update(sum, (const guchar *)parts[i],
		    (gssize)strlen(parts[i]) + 1);
	g_checksum_get_digest(sum, all, &n);
	memcpy(ret, all, 16);
	g_checksum_free(sum);
	return true;
}

void call_command(struct call *c, struct command *cmd)
{
	struct turn *t = call_turn(c);
	uint8_t key[16];

	if (!t)
		return;
	cmd->actor = str_of(c->actor);
	turn_command(t, cmd, key_of(c, key) ? key : NULL, on_answer, call_ref(c));
}

static void with_params(struct call *c, enum command_kind kind)
{
	struct command cmd = { .kind = kind, .target = str_of(c->vars[0]) };
	char *params;

	if (!call_body(c))
		return;
	params = call_dump(c, "params");
	cmd.key = call_str(c, "key");
	cmd.params = str_of(params);
	cmd.force = call_true(c, "force");
	call_command(c, &cmd);
	free(params);
}

void on_trigger(struct call *c)
{
	with_params(c, COMMAND_TRIGGER);
}

void on_start(struct call *c)
{
	with_params(c, COMMAND_RUN);
}

static void with_target(struct call *c, enum command_kind kind, const char *target,
    bool all)
{
	struct command cmd = { .kind = kind, .all = all };

	if (!call_body(c))
		return;
	cmd.target = target ? str_of(target) : call_str(c, "rule");
	cmd.reason = call_str(c, "reason");
	call_command(c, &cmd);
}

void on_abort(struct call *c)
{
	with_target(c, COMMAND_ABORT, c->vars[0], false);
}

void on_abort_all(struct call *c)
{
	with_target(c, COMMAND_ABORT, "", true);
}

void on_pause(struct call *c)
{
	with_target(c, COMMAND_PAUSE, NULL, false);
}

void on_resume(struct call *c)
{
	with_target(c, COMMAND_RESUME, NULL, false);
}

/* All that the body holds is what the command takes. */
static void with_body(struct call *c, struct command *cmd)
{
	char *params;

	if (!call_body(c))
		return;
	params = json_dumps(c->body, JSON_COMPACT);
	cmd->params = str_of(params);
	call_command(c, cmd);
	free(params);
}

void on_promote(struct call *c)
{
	struct command cmd = { .kind = COMMAND_PROMOTE, .target = str_of(c->vars[0]) };

	with_body(c, &cmd);
}

void on_silence(struct call *c)
{
	struct command cmd = { .kind = COMMAND_SILENCE };

	with_body(c, &cmd);
}

void on_unsilence(struct call *c)
{
	with_target(c, COMMAND_UNSILENCE, c->vars[0], false);
}

/* The world has no memory of ended runs: their tables have. */
static void on_retry_read(struct call *c, const struct err *err, struct str json)
{
	json_t *run;
	struct command cmd = { .kind = COMMAND_RETRY, .params = json };

	if (err) {
		call_err(c, err);
		return;
	}
	if (!c->req)
		return;		/* nobody waits: nothing is begun */
	run = json_loadb(json.p, json.len, 0, NULL);
	cmd.target = str_of(json_string_value(json_object_get(run, "run")));
	cmd.key = str_of(json_string_value(json_object_get(run, "key")));
	cmd.reason = call_str(c, "reason");
	cmd.force = call_true(c, "force");
	call_command(c, &cmd);
	json_decref(run);
}

void on_retry(struct call *c)
{
	struct query *q;

	if (!call_body(c))
		return;
	q = g_new0(struct query, 1);
	q->kind = QUERY_RETRY;
	q->id = g_strdup(c->vars[0]);
	call_read(c, q, NULL, on_retry_read);
}

void on_reload(struct call *c)
{
	if (!call_body(c) || !call_turn(c))
		return;
	if (!c->api->p.reload) {
		call_error(c, 503, "the rules are not loaded yet");
		return;
	}
	log_info("reload of the rules asked for by '%s'", c->actor);
	reload_ask(c->api->p.reload, on_answer, call_ref(c));
}

void on_reload_status(struct call *c)
{
	GString *s;

	if (!c->api->p.reload) {
		call_error(c, 503, "the rules are not loaded yet");
		return;
	}
	s = g_string_new(NULL);
	reload_status_json(c->api->p.reload, s);
	call_take(c, 200, s);
}

void on_bundles(struct call *c)
{
	GString *s;

	if (!c->api->p.reload) {
		call_error(c, 503, "the rules are not loaded yet");
		return;
	}
	s = g_string_new(NULL);
	reload_bundles_json(c->api->p.reload, s);
	call_take(c, 200, s);
}
