/* The schema: version 2.
 *
 * run, step, attempt, model and decision are projections for readers and are never
 * read back by the daemon; its state is in state_base and state_delta.  The CHECKs
 * and the trigger repeat flow/run.c's tables: a terminal run never changes.
 * To change a table: append a migration step in schema_open(), raise STORE_SCHEMA. */
#include <stdio.h>

#include "base/cells.h"
#include "store/schema.h"

static const char schema_sql[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE source(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE turn(id INTEGER PRIMARY KEY, wall INTEGER NOT NULL, tick INTEGER NOT "
    "NULL,"
    " ruleset BLOB NOT NULL, seq0 INTEGER NOT NULL, n INTEGER NOT NULL);"
    "CREATE TABLE journal(turn0 INTEGER PRIMARY KEY, turn1 INTEGER NOT NULL,"
    " wall INTEGER NOT NULL, bytes INTEGER NOT NULL, zblob BLOB NOT NULL);"
    "CREATE TABLE pos(source INTEGER NOT NULL, part TEXT NOT NULL, position BLOB NOT "
    "NULL,"
    " PRIMARY KEY(source, part)) WITHOUT ROWID;"
    "CREATE TABLE state_base(shard INTEGER PRIMARY KEY, turn INTEGER NOT NULL, blob BLOB "
    "NOT NULL);"
    "CREATE TABLE state_delta(turn INTEGER PRIMARY KEY, blob BLOB NOT NULL);"
    "CREATE TABLE state_snap(snap INTEGER NOT NULL, shard INTEGER NOT NULL, turn INTEGER "
    "NOT NULL,"
    " blob BLOB NOT NULL, PRIMARY KEY(snap, shard, turn));"
    "CREATE TABLE snap(id INTEGER PRIMARY KEY, last INTEGER NOT NULL, wall INTEGER NOT "
    "NULL,"
    " tick INTEGER NOT NULL, ruleset BLOB NOT NULL, pieces INTEGER NOT NULL,"
    " fingerprint TEXT);"
    "CREATE TABLE seen(h16 BLOB PRIMARY KEY, source INTEGER NOT NULL, tick INTEGER NOT "
    "NULL,"
    " seq INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX seen_age ON seen(source, tick);"
    "CREATE TABLE rule(id INTEGER PRIMARY KEY, uid TEXT NOT NULL, name TEXT NOT NULL);"
    "CREATE TABLE pipeline(hash BLOB PRIMARY KEY, text TEXT NOT NULL, dropped "
    "INTEGER)"
    " WITHOUT ROWID;"
    "CREATE TABLE ruleset(hash BLOB PRIMARY KEY, wall INTEGER NOT NULL, text BLOB NOT "
    "NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE due(rule INTEGER NOT NULL, schedule TEXT NOT NULL, due_ms INTEGER NOT "
    "NULL,"
    " outcome TEXT NOT NULL, PRIMARY KEY(rule, schedule, due_ms)) WITHOUT ROWID;"
    "CREATE TABLE decision(id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, time INTEGER "
    "NOT NULL,"
    " rule_id INTEGER NOT NULL, rule TEXT NOT NULL, key TEXT NOT NULL, outcome TEXT NOT "
    "NULL"
    " CHECK(outcome IN ('fired','suppressed','observed','error')), suppressor TEXT,"
    " event TEXT, run INTEGER, run_name TEXT, reason TEXT, due_ms INTEGER,"
    " count INTEGER NOT NULL DEFAULT 1, trace TEXT);"
    "CREATE TABLE run(id INTEGER PRIMARY KEY, name TEXT NOT NULL, decision INTEGER, seq "
    "INTEGER,"
    " pipeline TEXT NOT NULL, rule TEXT, key TEXT, model TEXT, pipeline_hash BLOB NOT "
    "NULL,"
    " ruleset_hash BLOB NOT NULL, state TEXT NOT NULL"
    " CHECK(state IN ('pending','running','completed','aborted','failed')), outcome TEXT"
    " CHECK(outcome IS NULL OR (state='completed' AND outcome IN "
    "('promoted','rejected','none'))),"
    " reason TEXT, params TEXT, events TEXT, trigger TEXT, code TEXT, actor TEXT,"
    " abort_requested INTEGER NOT NULL, unverified INTEGER NOT NULL,"
    " created INTEGER NOT NULL, started INTEGER, finished INTEGER, retry_of INTEGER,"
    " environment TEXT,"
    " CHECK((finished IS NULL) = (state IN ('pending','running'))));"
    "CREATE TRIGGER run_final BEFORE UPDATE OF state ON run"
    " WHEN OLD.state IN ('completed','aborted','failed') AND NEW.state <> OLD.state"
    " BEGIN SELECT RAISE(ABORT, 'a terminal run never changes'); END;"
    "CREATE TRIGGER run_back BEFORE UPDATE OF state ON run"
    " WHEN OLD.state = 'running' AND NEW.state = 'pending'"
    " BEGIN SELECT RAISE(ABORT, 'a running run never becomes pending'); END;"
    "CREATE TABLE step(run INTEGER NOT NULL, idx INTEGER NOT NULL, name TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK(state IN"
    " ('pending','running','completed','aborted','failed','skipped')),"
    " reason TEXT, outputs TEXT, metrics TEXT, artifacts TEXT, attempts INTEGER NOT NULL,"
    " started INTEGER, finished INTEGER, PRIMARY KEY(run, idx)) WITHOUT ROWID;"
    "CREATE TABLE attempt(run INTEGER NOT NULL, step INTEGER NOT NULL, attempt INTEGER "
    "NOT NULL,"
    " akey TEXT NOT NULL, executor TEXT, native_id TEXT, native_state TEXT, reason TEXT,"
    " state TEXT NOT NULL, exit_code INTEGER, started INTEGER, finished INTEGER,"
    " PRIMARY KEY(run, step, attempt)) WITHOUT ROWID;"
    "CREATE TABLE model(model TEXT NOT NULL, version TEXT NOT NULL, run TEXT, stage TEXT "
    "NOT NULL"
    " CHECK(stage IN ('candidate','champion','archived')), metrics TEXT, baseline TEXT,"
    " since INTEGER NOT NULL, PRIMARY KEY(model, version)) WITHOUT ROWID;"
    "CREATE TABLE outbox(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, depth INTEGER "
    "NOT NULL,"
    " type TEXT NOT NULL, subject TEXT, json TEXT NOT NULL);"
    "CREATE TABLE quarantine(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, source TEXT "
    "NOT NULL,"
    " part TEXT, position INTEGER, reason TEXT NOT NULL, why TEXT, bytes INTEGER NOT "
    "NULL,"
    " head BLOB NOT NULL);"
    "CREATE TABLE audit(id INTEGER PRIMARY KEY, time INTEGER NOT NULL, seq INTEGER NOT "
    "NULL,"
    " actor TEXT NOT NULL, verb TEXT NOT NULL, target TEXT, detail TEXT, answer TEXT);"
    "CREATE INDEX audit_seq ON audit(seq);";

static bool pragma_int(sqlite3 *db, const char *sql, int *ret)
{
	sqlite3_stmt *st = NULL;
	bool ok = sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW;

	if (ok)
		*ret = sqlite3_column_int(st, 0);
	sqlite3_finalize(st);
	return ok;
}

static bool create(sqlite3 *db, struct err *err)
{
	char tail[160];

	snprintf(tail, sizeof(tail),
		 "PRAGMA application_id=%d; PRAGMA user_version=%d;"
		 " INSERT INTO meta VALUES('schema',%d),('cells',%d); COMMIT;",
		 STORE_APPLICATION_ID, STORE_SCHEMA, STORE_SCHEMA, CELLS_CODEC);
	if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(db, schema_sql, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(db, tail, NULL, NULL, NULL) != SQLITE_OK) {
		bool full = sqlite3_errcode(db) == SQLITE_FULL;
		return err_set(err, full ? ERR_FULL : ERR_IO, "creating the tables: %s",
		    sqlite3_errmsg(db));
	}
	return true;
}

bool schema_open(sqlite3 *db, bool *fresh, struct err *err)
{
	int version, app, cells = 0;

	if (!pragma_int(db, "PRAGMA user_version", &version) ||
	    !pragma_int(db, "PRAGMA application_id", &app))
		return err_set(err, ERR_CORRUPT, "not a database: %s",
			       sqlite3_errmsg(db));
	*fresh = version == 0;
	if (*fresh)
		return create(db, err);
	if (app != STORE_APPLICATION_ID)
		return err_set(err, ERR_USAGE,
			       "this database belongs to another program");
	if (!pragma_int(db, "SELECT value FROM meta WHERE name='cells'", &cells))
		return err_set(err, ERR_CORRUPT, "table meta: %s", sqlite3_errmsg(db));
	if (version > STORE_SCHEMA || cells > CELLS_CODEC)
		return err_set(err, ERR_USAGE,
			       "the database has schema %d, cells %d; this program"
			       " knows schema %d, cells %d: use a newer retraind, or the "
			       "copy made before the"
			       " migration",
			       version, cells, STORE_SCHEMA, CELLS_CODEC);
	if (version < STORE_SCHEMA || cells < CELLS_CODEC)
		return err_set(err, ERR_USAGE, "the database was written by an older"
		    " retraind (schema %d, cells %d; this one has %d, %d) and can't be"
		    " converted: go on with the older program, or move the database"
		    " files away and start afresh: history, champions and the"
		    " positions in the sources begin anew",
		    version, cells, STORE_SCHEMA, CELLS_CODEC);
	return true;
}
