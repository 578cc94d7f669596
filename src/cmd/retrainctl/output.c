/* One JSON answer as a table, JSON, YAML or names.
 *
 * -o json and -o yaml print the API's fields unchanged (docs/api.md is the contract);
 * tables are for people: times as ages, states coloured on a terminal, control
 * characters of foreign text escaped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <yaml.h>

#include "base/json.h"
#include "base/time.h"
#include "cmd/retrainctl/ctl.h"

const char *member(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s ? s : "";
}

/* Name of an object: id, else name. */
static const char *name_of(const json_t *j)
{
	return *member(j, "id") ? member(j, "id") : member(j, "name");
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void print_age(GString *out, const char *rfc3339)
{
	int64_t ms, d;

	if (!time_parse(str_of(rfc3339), &ms, NULL)) {
		g_string_append(out, *rfc3339 ? rfc3339 : "-");
		return;
	}
	d = now_ms() - ms;
	const char *before = d < 0 ? "in " : "", *after = d < 0 ? "" : " ago";
	d = (d < 0 ? -d : d) / 1000;
	if (d < 120)
		g_string_append_printf(out, "%s%llds%s", before, (long long)d, after);
	else if (d < 7200)
		g_string_append_printf(out, "%s%lldm%s", before, (long long)d / 60,
				       after);
	else if (d < 172800)
		g_string_append_printf(out, "%s%lldh%s", before, (long long)d / 3600,
				       after);
	else
		g_string_append_printf(out, "%s%lldd%s", before, (long long)d / 86400,
				       after);
}

static const json_t *field(const json_t *row, const char *path)
{
	char **parts = g_strsplit(path, ".", 8);

	for (char **p = parts; *p && row; p++)
		row = json_object_get(row, *p);
	g_strfreev(parts);
	return row;
}

static void new_line(GString *out, int depth)
{
	if (depth >= 0)
		g_string_append_printf(out, "\n%*s", 2 * depth, "");
}

/* A number or a key; base/json, which sets commas by the byte before, must see none. */
static void write_atom(GString *out, const char *key, double number)
{
	GString *s = g_string_new(NULL);

	if (key)
		json_str(s, str_of(key));
	else
		json_double(s, number);
	g_string_append_len(out, s->str, (gssize)s->len);
	g_string_free(s, TRUE);
}

/* As jansson would print it, but each number with as few digits as give it again: 0.9,
 * not 0.90000000000000002.  depth < 0: on one line. */
static void write_json(const json_t *j, int depth, GString *out)
{
	bool object = json_is_object(j);
	int in = depth < 0 ? depth : depth + 1;
	const char *key;
	json_t *v;
	size_t i;

	if (json_is_real(j)) {
		write_atom(out, NULL, json_real_value(j));
		return;
	}
	if (!object && !json_is_array(j)) {
		char *t = json_dumps(j, JSON_ENCODE_ANY);
		g_string_append(out, t);
		free(t);
		return;
	}
	g_string_append_c(out, object ? '{' : '[');
	json_array_foreach(j, i, v) {
		g_string_append(out, i ? "," : "");
		new_line(out, in);
		write_json(v, in, out);
	}
	i = 0;
	if (object)
		json_object_foreach((json_t *)(uintptr_t)j, key, v) {
			g_string_append(out, i++ ? "," : "");
			new_line(out, in);
			write_atom(out, key, 0);
			g_string_append(out, in < 0 ? ":" : ": ");
			write_json(v, in, out);
		}
	if (i || json_array_size(j))
		new_line(out, depth);
	g_string_append_c(out, object ? '}' : ']');
}

static char *json_text(const json_t *j, bool indent)
{
	GString *s = g_string_new(NULL);

	write_json(j, indent ? 0 : -1, s);
	return g_string_free(s, FALSE);
}

/* What a foreign text may not do to a terminal. */
static void safe(GString *out, const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			g_string_append_printf(out, "\\x%02x", (unsigned char)*s);
		else
			g_string_append_c(out, *s);
}

static char *cell(const json_t *row, const struct column *c)
{
	const json_t *v = field(row, c->field);
	GString *s = g_string_new(NULL);

	if (json_is_string(v) && c->kind == COL_TIME)
		print_age(s, json_string_value(v));
	else if (json_is_string(v))
		safe(s, *json_string_value(v) ? json_string_value(v) : "-");
	else if (!v || json_is_null(v))
		g_string_append_c(s, '-');
	else {
		char *t = json_text(v, false);
		safe(s, t);
		free(t);
	}
	return g_string_free(s, FALSE);
}

static const char *color_of(const char *state)
{
	static const struct { const char *state, *color; } colors[] = {
		{ "completed", "32" }, { "fired", "32" }, { "connected", "32" },
		{ "failed", "31" }, { "error", "31" }, { "down", "31" },
		{ "aborted", "33" }, { "rejected", "33" }, { "suppressed", "33" },
		{ "running", "36" }, { "firing", "36" }, { "pending", "36" },
	};

	for (unsigned i = 0; i < G_N_ELEMENTS(colors); i++)
		if (strcmp(colors[i].state, state) == 0)
			return colors[i].color;
	return NULL;
}

static void print_cell(struct ctl *c, const struct column *col, const char *text,
		       size_t width, bool last)
{
	const char *color = c->color && col->kind == COL_STATE ? color_of(text) : NULL;
	glong have = g_utf8_strlen(text, -1);

	if (color)
		printf("\033[%sm%s\033[0m", color, text);
	else
		fputs(text, stdout);
	if (!last)
		printf("%*s", (int)(width + 2 - (size_t)have), "");
}

static void table(struct ctl *c, const json_t *rows, const struct column *cols)
{
	struct column use[32];
	size_t width[32], n = 0, rows_n = json_array_size(rows);
	char **cells;

	for (; cols->title && n < 32; cols++)
		if (!cols->wide || c->format == FORMAT_WIDE)
			use[n++] = *cols;
	cells = g_new0(char *, rows_n * n + 1);
	for (size_t k = 0; k < n; k++)
		width[k] = strlen(use[k].title);
	for (size_t i = 0; i < rows_n; i++)
		for (size_t k = 0; k < n; k++) {
			char *t = cells[i * n + k] =
			    cell(json_array_get(rows, i), &use[k]);
			if ((size_t)g_utf8_strlen(t, -1) > width[k])
				width[k] = (size_t)g_utf8_strlen(t, -1);
		}
	for (size_t k = 0; k < n; k++)
		printf("%-*s", (int)(k + 1 < n ? width[k] + 2 : 0), use[k].title);
	putchar('\n');
	for (size_t i = 0; i < rows_n; i++) {
		for (size_t k = 0; k < n; k++)
			print_cell(c, &use[k], cells[i * n + k], width[k], k + 1 == n);
		putchar('\n');
	}
	for (size_t i = 0; i < rows_n * n; i++)
		g_free(cells[i]);
	g_free(cells);
}

static int yaml_node(yaml_document_t *d, const json_t *j)
{
	const char *key;
	json_t *v;
	size_t i;
	int id;
	char *t;

	if (json_is_array(j)) {
		id = yaml_document_add_sequence(d, NULL, YAML_ANY_SEQUENCE_STYLE);
		json_array_foreach(j, i, v)
			yaml_document_append_sequence_item(d, id, yaml_node(d, v));
		return id;
	}
	if (json_is_object(j)) {
		id = yaml_document_add_mapping(d, NULL, YAML_ANY_MAPPING_STYLE);
		json_object_foreach((json_t *)(uintptr_t)j, key, v) {
			int k = yaml_document_add_scalar(d, NULL,
			    (const yaml_char_t *)key, -1, YAML_ANY_SCALAR_STYLE);
			yaml_document_append_mapping_pair(d, id, k, yaml_node(d, v));
		}
		return id;
	}
	if (json_is_string(j))	/* quoted: "1" and "true" must stay strings */
		return yaml_document_add_scalar(d, NULL,
		    (const yaml_char_t *)json_string_value(j), (int)json_string_length(j),
		    YAML_DOUBLE_QUOTED_SCALAR_STYLE);
	t = json_text(j, false);
	id = yaml_document_add_scalar(d, NULL, (const yaml_char_t *)t, -1,
	    YAML_PLAIN_SCALAR_STYLE);
	free(t);
	return id;
}

static void print_yaml(const json_t *j)
{
	yaml_emitter_t e;
	yaml_document_t d;

	yaml_emitter_initialize(&e);
	yaml_emitter_set_output_file(&e, stdout);
	yaml_emitter_set_unicode(&e, 1);
	yaml_document_initialize(&d, NULL, NULL, NULL, 1, 1);
	yaml_node(&d, j);
	yaml_emitter_open(&e);
	yaml_emitter_dump(&e, &d);
	yaml_emitter_close(&e);
	yaml_emitter_delete(&e);
}

static void names(const json_t *j)
{
	size_t i;
	json_t *v;

	if (json_is_object(j))
		puts(name_of(j));
	json_array_foreach(j, i, v)
		puts(name_of(v));
}

void output(struct ctl *c, const json_t *j, const struct column *cols)
{
	json_t *one = NULL;
	char *text;

	switch (c->format) {
	case FORMAT_JSON:
		text = json_text(j, true);
		puts(text);
		free(text);
		break;
	case FORMAT_YAML:
		print_yaml(j);
		break;
	case FORMAT_NAME:
		names(j);
		break;
	case FORMAT_TABLE:
	case FORMAT_WIDE:
		if (!cols) {		/* an object for people: YAML reads best */
			print_yaml(j);
			break;
		}
		if (json_is_object(j)) {
			one = json_array();
			json_array_append(one, (json_t *)(uintptr_t)j);
			j = one;
		}
		table(c, j, cols);
		json_decref(one);
	}
	fflush(stdout);
}

int watch_loop(struct ctl *c, int (*f)(struct ctl *, void *), void *ctx)
{
	const struct timespec pause = { 1, 0 };
	int status = f(c, ctx);

	while (c->watch && status == CTL_OK) {
		nanosleep(&pause, NULL);
		if (isatty(1))
			fputs("\033[H\033[J", stdout);
		status = f(c, ctx);
	}
	return status;
}
