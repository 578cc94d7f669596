/* Inside the turn floor. */
#ifndef TURN_PRIV_H
#define TURN_PRIV_H

#include "base/arena.h"
#include "io/loop.h"
#include "turn/turn.h"

#define TURN_INPUTS 4096	/* upper bounds of a batch, never waits */
#define TURN_SLOW_INPUTS 500	/* of mqtt and http */
#define BATCH 256		/* messages of one read(); time is looked at between */
#define TURN_US 10000
#define COMMIT_MS 50
#define COMMIT_BYTES (1024 * 1024)
#define RETRY_MS 1000		/* a commit that found the disk full */

struct waiting {		/* an answer owed to a person; also a repeat's */
	turn_answer_f	 answer;
	void		*ctx;
	uint64_t	 token;
	bool		 repeat;	/* answered with what the first one got */
	uint64_t	 seq;		/* of the first */
	bool		 answered;
	int		 status;
	char		*json;
};
struct queued_command {
	struct command	 c;		/* strings owned */
	bool		 has_key;
	uint8_t		 key[16];
};
struct queued_report {
	struct report	 r;		/* strings owned */
};
struct queued_state {
	struct source_change c;		/* part owned */
};
struct queued_reload {
	struct ruleset	*rs;
	turn_answer_f	 answer;
	void		*ctx;
};
struct source_count {
	int64_t		 last_ms;	/* newest event's own time; 0: none yet */
	uint64_t	*accepted, *quarantined, *duplicate;
	uint64_t repeats; /* found here, by identity; the source counts its own */
	bool	 by_id, by_key;		/* mqtt and http; http's Idempotency-Key */
};
struct message_run {		/* that the journal keeps as one frame */
	enum journal_mode mode;
	uint32_t	 source;
	struct str	 part;		/* lent by the source */
	int64_t		 pos;
	uint32_t	 n;		/* 0: none is open */
};

struct turn {
	struct turn_parts p;
	struct world	*world;
	struct source	**sources;	/* in the order of inputs */
	struct source_count *counts;
	uint32_t	 sources_n;
	GQueue		 commands, reports, states, reloads;
	GArray		*waiting;	/* struct waiting */
	uint64_t	 token;
	struct arena	*arena;		/* of the open turn; reset after its commit */
	struct effects	 fx;
	uint64_t	 turn, commits;
	struct turn_head head;
	int64_t		 tick_offset;	/* tick = boot clock + this */
	int64_t		 open_since_ms;	/* boot clock of the first turn not committed */
	int64_t		 clock_ok_boot;	/* wall deadlines wait until then at most */
	bool		 at_once;	/* something in the open commit asks for it */
	int64_t		 retry_boot;	/* when a full disk is tried again */
	bool		 recovered, ready, full, broken, low, held, stopping;
	bool		 without_rules;	/* not even a last good set */
	struct io_watch	*timer, *clock_set;
	void		(*on_idle)(void *);
	void		*on_idle_ctx;
	void		(*on_event)(void *, struct str);
	void		*on_event_ctx;
	GPtrArray	*feed;		/* char *: events to be shown after the commit */
	struct message	*batch;		/* BATCH of them, lent to read() */
	uint32_t	 read;		/* messages of the open turn */
	GByteArray	*frame;		/* scratch */
	struct message_run run;
	GChecksum	*sum;		/* scratch */
	GString		*why;		/* scratch */
	struct { unsigned runs, attached, ended, lost; } recovery;
};

/* drain.c: up to `max` messages of a source become inputs, none begun after until_us
 * (clock_mono_us) but the first BATCH; how many.  Leaves source.ready: it has more. */
uint32_t drain_source(struct turn *, uint32_t i, uint32_t max, int64_t until_us);
void drain_commands(struct turn *);
void drain_reports(struct turn *);
void drain_states(struct turn *);
void drain_reloads(struct turn *);
void drain_deadlines(struct turn *, uint32_t budget);
void drain_free(struct turn *);
/* Its frame, at the turn's clocks. */
void turn_journal(struct turn *, struct input *);
/* One input is decided; returns its seq. */
uint64_t turn_step(struct turn *, struct input *);
/* frame.c */
/* One message, all of whose events but those skipped (by index) became inputs.
 * Messages in a row may wait for their frame, until the next of another kind. */
void frame_message(struct turn *, enum journal_mode, const struct message *,
    const uint32_t *skipped, uint32_t skipped_n);
void frame_end_run(struct turn *);
/* commit.c */
bool commit_due(const struct turn *, int64_t boot_ms);
void commit_run(struct turn *);
void commit_answers(struct turn *);	/* those that are due */
/* turn.c */
void turn_begin(struct turn *, const struct clock_now *);
void turn_end(struct turn *);
void turn_run(struct turn *);	/* the hook: one turn, if there is anything to do */
/* The wall clock is behind the last process's and may be about to be set. */
bool turn_clock_waits(const struct turn *, const struct clock_now *);
void turn_hold(struct turn *, bool on);	/* sources are not read for now */
void turn_report_recovery(struct turn *);
#endif
