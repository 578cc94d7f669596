/* The executor interface: what built-in kinds and plug-ins implement.
 *
 * Changes (a member added at an end: minor, nothing else may change within an ABI)
 *   2026-11-23  1  first version
 *
 * Contract
 *   - Calls come on the loop thread and return at once.  Never fork, never wait(-1),
 *     never block.
 *   - Strings are lent for the call; JSON is text.
 *   - Each operation is answered exactly once by host->done(), at once or later; after
 *     its deadline the answer is ignored.
 *   - start() is idempotent by job->key where `once` says ENFORCED. */
#ifndef RETRAIN_PLUGIN_H
#define RETRAIN_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define RETRAIN_ABI 1u

enum retrain_once {
	RETRAIN_ENFORCED = 1,	/* the key makes a second start impossible */
	RETRAIN_SEARCHABLE,	/* a start can be found by its key */
	RETRAIN_UNCHECKED,	/* neither */
};
enum retrain_state {
	RETRAIN_ABSENT = 1, RETRAIN_PENDING, RETRAIN_RUNNING, RETRAIN_COMPLETED,
	RETRAIN_ABORTED, RETRAIN_FAILED,
};
enum retrain_answer {
	RETRAIN_OK = 1,
	RETRAIN_EXISTED,	/* it was started before, under this key */
	RETRAIN_REFUSED,	/* surely not done; do not repeat */
	RETRAIN_BUSY,		/* surely not done; repeat after again_ms */
	RETRAIN_UNCERTAIN,	/* perhaps done; the host goes on by `once` */
};
struct retrain_option {
	const char	*name, *type, *fallback, *doc;
};
struct retrain_job {		/* enough to find the job after a restart */
	uint32_t	 size, attempt;
	const char	*key, *run, *step, *pipeline;
	const char	*dir;		/* working directory */
	const char	*native_id;	/* NULL until an answer gave one */
	const char	*argv;		/* JSON array, or NULL */
	const char	*with;		/* JSON object, or NULL */
	const char	*input;		/* JSON: input.json */
	const char	*env;		/* JSON object of strings */
	const char	*reason;	/* of an abort */
	int64_t		 timeout_ms;
};
struct retrain_result {
	uint32_t	 size;
	enum retrain_answer answer;
	enum retrain_state state;
	const char	*native_id, *native_state, *reason;	/* may be NULL */
	const char	*outputs, *metrics, *artifacts, *text;	/* JSON or NULL */
	int32_t		 exit_code;	/* -1: none */
	int32_t		 again_ms;	/* when to poll next; 0: the host chooses */
	int64_t		 started_ms, finished_ms;	/* wall; 0: unknown */
	const char	*code;		/* JSON {repo, ref, commit, dirty}, or NULL */
	const char	*environment;	/* JSON object: what was let through, or NULL */
};
struct retrain_op;
struct retrain_watch;
struct retrain_host {
	uint32_t	 abi, size;
	void	(*log)(const struct retrain_host *, int level, const char *text);
	int64_t	(*now_ms)(const struct retrain_host *);
	/* fd -1: a timer.  events: POLLIN, POLLOUT. */
	struct retrain_watch *(*watch)(const struct retrain_host *, int fd, short events,
	    int64_t after_ms, void (*ready)(void *), void *);
	void	(*unwatch)(struct retrain_watch *);
	void	(*done)(struct retrain_op *, const struct retrain_result *);
	/* News of a job without an operation: the host polls it now. */
	void	(*changed)(const struct retrain_host *, const char *key);
};
struct retrain_executor {
	uint32_t	 abi, size;
	const char	*name, *doc;
	enum retrain_once once;
	const struct retrain_option *options, *with;	/* end with a NULL name */
	/* options: JSON object.  NULL: why in err. */
	void	*(*open)(const struct retrain_host *, const char *options, char *err,
	    size_t);
	void	(*start)(void *, struct retrain_op *, const struct retrain_job *);
	void	(*find)(void *, struct retrain_op *, const struct retrain_job *);
	void	(*poll)(void *, struct retrain_op *, const struct retrain_job *);
	void	(*abort)(void *, struct retrain_op *, const struct retrain_job *);
	/* text = log bytes from offset `from` */
	void	(*logs)(void *, struct retrain_op *, const struct retrain_job *,
	    int64_t from);
	/* The end of this job is recorded: its traces may go.  May be NULL. */
	void	(*forget)(void *, const char *key);
	void	(*close)(void *);
};
/* What a shared object exports. */
const struct retrain_executor *retrain_plugin(uint32_t host_abi);
#endif
