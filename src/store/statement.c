/* Every write-side statement, prepared once.  ORDER statements: enum stmt_id. */
#include "store/store_priv.h"

static const char *const sql[ST_MAX] = {
	[ST_BEGIN] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_ROLLBACK] = "ROLLBACK",
	[ST_TURN] = "INSERT INTO turn VALUES(?1,?2,?3,?4,?5,?6)",
	[ST_JOURNAL] = "INSERT INTO journal VALUES(?1,?2,?3,?4,?5)",
	[ST_POS] = "INSERT INTO pos VALUES(?1,?2,?3)"
		   " ON CONFLICT DO UPDATE SET position=excluded.position",
	[ST_BASE] = "INSERT INTO state_base VALUES(?1,?2,?3)"
		    " ON CONFLICT DO UPDATE SET turn=excluded.turn, blob=excluded.blob",
	[ST_DELTA] = "INSERT INTO state_delta VALUES(?1,?2)",
	[ST_DELTA_DROP] = "DELETE FROM state_delta WHERE turn<=?1",
	[ST_SEEN] = "INSERT INTO seen VALUES(?1,?2,?3,?4) ON CONFLICT DO NOTHING",
	[ST_SEEN_GET] = "SELECT seq FROM seen WHERE h16=?1",
	[ST_SEEN_TRIM] = "DELETE FROM seen WHERE h16 IN (SELECT h16 FROM seen"
			 " WHERE source=?1 AND tick<?2 ORDER BY tick LIMIT ?3)",
	[ST_RULE] = "INSERT INTO rule VALUES(?1,?2,?3)"
		    " ON CONFLICT DO UPDATE SET uid=excluded.uid, name=excluded.name",
	[ST_PIPELINE] = "INSERT INTO pipeline VALUES(?1,?2,NULL)"
			" ON CONFLICT DO UPDATE SET dropped=NULL",
	/* Snapshots from before that turn may have runs of it. */
	[ST_PIPELINE_DROP] = "UPDATE pipeline SET dropped=?2 WHERE hash=?1",
	[ST_PIPELINE_TRIM] = "DELETE FROM pipeline WHERE dropped<=coalesce("
			     "(SELECT min(last) FROM snap),9223372036854775807)",
	/* All but those in force since the oldest block or snapshot, and the last. */
	[ST_RULESET_TRIM] =
	    "DELETE FROM ruleset WHERE hash<>(SELECT value FROM meta WHERE"
	    " name='ruleset') AND wall<(SELECT max(wall) FROM ruleset WHERE wall<="
	    "min((SELECT wall FROM journal ORDER BY turn0 LIMIT 1),"
	    "coalesce((SELECT min(wall) FROM snap),9223372036854775807)))",
	[ST_SNAP] = "INSERT INTO snap VALUES(?1,?2,?3,?4,?5,?6,"
		    "(SELECT value FROM meta WHERE name='fingerprint'))",
	[ST_SNAP_PIECE] = "INSERT INTO state_snap VALUES(?1,?2,?3,?4)",
	[ST_SNAP_CUT] = "DELETE FROM snap WHERE last<?1",
	[ST_SNAP_TRIM] =
	    "DELETE FROM state_snap WHERE (snap,shard,turn) IN (SELECT snap,shard,turn"
	    " FROM state_snap WHERE snap<>?1 AND snap NOT IN (SELECT id FROM snap)"
	    " ORDER BY snap LIMIT ?2) RETURNING length(blob)",
	[ST_RULESET] = "INSERT INTO ruleset VALUES(?1,?2,?3)"
		       " ON CONFLICT DO UPDATE SET wall=excluded.wall",
	[ST_DUE] = "INSERT INTO due VALUES(?1,?2,?3,?4)"
		   " ON CONFLICT DO UPDATE SET outcome=excluded.outcome",
	[ST_DECISION] =
	    "INSERT INTO decision VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,"
	    "?13,?14,?15) ON CONFLICT(id) DO UPDATE SET run=excluded.run,"
	    " run_name=excluded.run_name, count=excluded.count",
	[ST_RUN] =
	    "INSERT INTO run VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,"
	    "?16,?17,?18,?19,?20,?21,?22,?23,?24,?25) ON CONFLICT(id) DO UPDATE SET"
	    " state=excluded.state, outcome=excluded.outcome, reason=excluded.reason,"
	    " code=excluded.code, environment=excluded.environment,"
	    " abort_requested=excluded.abort_requested,"
	    " unverified=excluded.unverified, started=excluded.started,"
	    " finished=excluded.finished",
	[ST_STEP] =
	    "INSERT INTO step VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11)"
	    " ON CONFLICT DO UPDATE SET state=excluded.state, reason=excluded.reason,"
	    " outputs=excluded.outputs, metrics=excluded.metrics, "
	    "artifacts=excluded.artifacts,"
	    " attempts=excluded.attempts, started=excluded.started, "
	    "finished=excluded.finished",
	[ST_ATTEMPT] =
	    "INSERT INTO attempt VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)"
	    " ON CONFLICT DO UPDATE SET native_id=excluded.native_id,"
	    " native_state=excluded.native_state, reason=excluded.reason, "
	    "state=excluded.state,"
	    " exit_code=excluded.exit_code, started=excluded.started, "
	    "finished=excluded.finished",
	[ST_MODEL] =
	    "INSERT INTO model VALUES(?1,?2,?3,?4,?5,?6,?7) ON CONFLICT DO UPDATE SET"
	    " stage=excluded.stage, since=excluded.since,"
	    " metrics=coalesce(excluded.metrics,metrics),"
	    " baseline=coalesce(excluded.baseline,baseline)",
	[ST_OUTBOX] = "INSERT INTO outbox VALUES(?1,?2,?3,?4,?5,?6)",
	[ST_OUTBOX_GET] = "SELECT id,type,subject,json,depth FROM outbox WHERE id>?1"
			  " ORDER BY id LIMIT ?2",
	[ST_OUTBOX_TRIM] = "DELETE FROM outbox WHERE id IN (SELECT id FROM"
			   " (SELECT id,time FROM outbox WHERE id<=?1 ORDER BY id"
			   " LIMIT ?3) WHERE time<?2 OR id<=?4)",
	[ST_QUARANTINE] =
	    "INSERT INTO quarantine(time,source,part,position,reason,why,bytes,head)"
	    " VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
	[ST_AUDIT] = "INSERT INTO audit(time,seq,actor,verb,target,detail,answer)"
		     " VALUES(?1,?2,?3,?4,?5,?6,?7)",
	[ST_AUDIT_GET] = "SELECT answer FROM audit WHERE seq=?1",
	[ST_SOURCE] = "INSERT INTO source VALUES(?1,?2) ON CONFLICT DO NOTHING",
	[ST_JOURNAL_TRIM] =
	    "DELETE FROM journal WHERE turn0=(SELECT min(turn0) FROM journal)"
	    " AND (wall<?1 OR ?2) RETURNING length(zblob),turn1",
	/* The inner limit: only the oldest rows are looked at. */
	[ST_TURN_TRIM] = "DELETE FROM turn WHERE id IN (SELECT id FROM turn"
			 " WHERE id<(SELECT min(turn0) FROM journal)"
			 " ORDER BY id LIMIT ?1)",
	[ST_DECISION_TRIM] = "DELETE FROM decision WHERE id IN (SELECT id FROM"
			     " (SELECT id,time FROM decision ORDER BY id LIMIT ?2)"
			     " WHERE time<?1)",
	[ST_QUARANTINE_TRIM] =
	    "DELETE FROM quarantine WHERE id IN (SELECT id FROM"
	    " (SELECT id,time FROM quarantine ORDER BY id LIMIT ?2)"
	    " WHERE time<?1 OR id<=(SELECT max(id) FROM quarantine)-?3)",
	[ST_META] = "INSERT INTO meta VALUES(?1,?2)"
		    " ON CONFLICT DO UPDATE SET value=excluded.value",
};

bool statements_prepare(struct store *s, struct err *err)
{
	for (unsigned i = 0; i < ST_MAX; i++)
		if (sqlite3_prepare_v3(s->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
				       &s->st[i], NULL) != SQLITE_OK)
			return err_set(err, ERR_CORRUPT, "preparing '%.60s': %s", sql[i],
			    sqlite3_errmsg(s->db));
	return true;
}

void statements_finish(struct store *s)
{
	for (unsigned i = 0; i < ST_MAX; i++)
		sqlite3_finalize(s->st[i]);
}

void bind_str(sqlite3_stmt *st, int i, struct str v)
{
	if (v.len)
		sqlite3_bind_text(st, i, v.p, (int)v.len, SQLITE_STATIC);
	else
		sqlite3_bind_null(st, i);
}

void bind_blob(sqlite3_stmt *st, int i, const void *p, size_t n)
{
	sqlite3_bind_blob64(st, i, p, n, SQLITE_STATIC);
}

void bind_ms(sqlite3_stmt *st, int i, int64_t ms)
{
	if (ms)
		sqlite3_bind_int64(st, i, ms);
	else
		sqlite3_bind_null(st, i);
}

int step_done(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	rc = rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc;
}
