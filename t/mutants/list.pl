# Defects that the tests must catch: what, where, the text that is right, the
# text in its place, and the test that fails then: a unit test by the name of
# its program, or a file in t/.

(
    # an empty set

    [ 'the id of a call that an empty set lets in is never made',
      'src/http/ngx_http_trv_access.c',
      'if (ctx->id.hi == 0
        && (ctx->later.data == NULL
            || trv_id_digest(ctx->later.data, ctx->later.len, &ctx->id)
               != TRV_OK))',
      'if (ctx->id.hi == 0)',
      't/staleness.t' ],

    [ 'the id of a call is made of what came in place of its token',
      'src/http/ngx_http_trv_access.c',
      'later->data = p;',
      'later->data = (char *) token.data;',
      't/cutoff.t' ],

    [ 'a set is empty before it is filled',
      'src/core/trv_replica.c',
      '&& trv_control_get(&r->control->filled) == TRV_CONTROL_FILLED
           && trv_replica_current(r)',
      '&& trv_replica_current(r)',
      'unit/trv_replica_test' ],

    [ 'an empty set is not mapped for those who ask whether it is ready',
      'src/core/trv_replica.c',
      '&& trv_replica_current(r)
           && r->mapped != 0;',
      ';',
      'unit/trv_replica_test' ],

    [ 'a set is empty while its first entry was put but not counted',
      'src/core/trv_writer_take.c',
      'if (r->writer->claimed.count == 0) {',
      'if (0) {',
      'unit/trv_replica_test' ],

    # the log

    [ 'a gap in the log is not seen',
      'src/core/trv_tail.c',
      'trv_position_cmp(&t->entry.prev, &t->position) != 0;',
      'trv_position_cmp(&t->entry.prev, &t->position) > 1;',
      'unit/trv_follow_merge_test' ],

    [ 'an entry that does not parse ends the reading',
      'src/core/trv_tail.c',
      'events->skipped = (rc == TRV_INVALID);',
      'events->skipped = 0; if (rc == TRV_INVALID) { return TRV_OK; }',
      'unit/trv_follow_test' ],

    [ 'what is missed during a merge is thought to be here',
      'src/core/trv_follow_tail.c',
      'if (events.gap || events.merge) {',
      'if (events.merge) {',
      'unit/trv_follow_merge_test' ],

    [ 'an edge that was away fills an empty Redis before those that know more',
      'src/core/trv_judge.c',
      ' || !trv_replica_ready(f->replica))',
      ')',
      'unit/trv_follow_merge_test' ],

    [ 'an edge that was away is ready while another one gives',
      'src/core/trv_merge.c',
      '|| (m->heartbeat.merging && !trv_replica_ready(m->replica)))',
      ')',
      'unit/trv_follow_merge_test' ],

    [ 'an edge that was away is ready before another one gives',
      'src/lua/adopt.lua',
      "if ARGV[2] ~= '' and",
      'if false and',
      'unit/trv_follow_merge_test' ],

    [ 'who has nothing to give has the turn to give',
      'src/core/trv_follow.c',
      'gives ? f->edge : ""',
      'gives ? f->edge : f->edge',
      'unit/trv_follow_merge_test' ],

    [ 'a daily merge holds up heartbeats',
      'src/core/trv_follow.c',
      'beat = !trv_follow_merges_alone(f) &&',
      'beat = false &&',
      'unit/trv_follow_turns_test' ],

    [ 'heartbeats hold up a daily merge',
      'src/core/trv_follow.c',
      '!(beat && f->merge_asked)',
      '!beat',
      'unit/trv_follow_turns_test' ],

    [ 'an edge far away reads few entries at once',
      'src/core/trv_tail.c',
      't->count *= 2;',
      't->count *= 1;',
      'unit/trv_tail_test' ],

    [ 'entries of many ids are read by the hundred',
      'src/core/trv_tail.c',
      't->ids > t->entries * TRV_TAIL_FEW_IDS',
      '0',
      'unit/trv_tail_test' ],

    [ 'a reply that was too large for a link is asked for again',
      'src/core/trv_follow_tail.c',
      'f->tail.count = TRV_TAIL_COUNT_MIN;',
      '',
      'unit/trv_follow_turns_test' ],

    [ 'reports hold up all else while Redis is far away',
      'src/core/trv_follow.c',
      '!report || f->just_reported',
      '!report',
      'unit/trv_follow_turns_test' ],

    [ 'a daily merge reports as if no heartbeat did beside it',
      'src/core/trv_follow.c',
      'f->report || (trv_follow_merges_alone(f)',
      'f->report || (f->merging',
      'unit/trv_follow_turns_test' ],

    [ 'a daily merge goes on though Redis has another set',
      'src/core/trv_judge.c',
      "trv_follow_merge_stop(f);\n        trv_follow_due(f, cause);",
      'trv_follow_due(f, cause);',
      'unit/trv_follow_turns_test' ],

    [ 'a heartbeat promises what a daily merge has not read',
      'src/core/trv_follow_merge.c',
      'hb = trv_merge_heartbeat(f->merge);',
      'hb = &f->hb;',
      'unit/trv_follow_turns_test' ],

    [ 'a daily merge that fails is thought to be due for a difference',
      'src/core/trv_follow_merge.c',
      "f->cause = TRV_CAUSE_NONE;\n        f->daily_ms",
      'f->daily_ms',
      'unit/trv_follow_merge_test' ],

    [ 'a log that ends before our position is believed',
      'src/core/trv_judge.c',
      'return TRV_CAUSE_BEHIND;',
      'return TRV_CAUSE_NONE;',
      'unit/trv_follow_merge_test' ],

    [ 'another replication id is believed',
      'src/core/trv_judge.c',
      'return TRV_CAUSE_REPLICATION;',
      'return TRV_CAUSE_NONE;',
      't/failover.t' ],

    [ 'a tail that stands still is not noticed',
      'src/core/trv_judge.c',
      'return TRV_CAUSE_STUCK;',
      'return TRV_CAUSE_NONE;',
      'unit/trv_follow_merge_test' ],

    [ 'the log of any replica is read',
      'src/core/trv_follow_tail.c',
      'if (strcmp(f->tail_repl_id, f->hb.repl_id) != 0) {',
      'if (0) {',
      't/read_from.t' ],

    [ 'a replica that does not fit is not left',
      'src/core/trv_follow.c',
      'if (f->up[TRV_LINK_TAIL] && f->tail.running && trv_follow_apart(f)) {',
      'if (0) {',
      'unit/trv_follow_test' ],

    [ 'what is read from a replica is not looked at when it has lost its master',
      'src/event/ngx_trv_redis_greet.c',
      '&& strstr(text, "master_link_status:up") == NULL)',
      '&& text == NULL)',
      't/read_from.t' ],

    # heartbeat and contact

    [ 'a long merge puts off the sign of life',
      'src/event/ngx_trv_follower.c',
      'if (!fl->timer.timer_set',
      'if (1 || !fl->timer.timer_set',
      't/merge_busy.t' ],

    [ 'a replica of Redis is followed',
      'src/core/trv_judge.c',
      'if (!f->hb.master) {',
      'if (0) {',
      't/redis_replicas.t' ],

    [ 'another total digest is contact',
      'src/core/trv_judge.c',
      'if (fits && trv_digest_equal(&total, &f->hb.total)) {',
      'if (fits) {',
      'unit/trv_follow_merge_test' ],

    [ 'revocations that are gone from Redis are not noticed',
      'src/core/trv_judge.c',
      'fits = f->hb.kept == f->hb.total.count + f->junk;',
      'fits = true;',
      't/merge_cases.t' ],

    [ 'contact is when the reply is read',
      'src/core/trv_judge.c',
      'trv_writer_contact_set(f->replica, f->hb_ms);',
      'trv_writer_contact_set(f->replica, f->now_ms);',
      'unit/trv_follow_beat_test' ],

    [ 'contact is when the next heartbeat was sent',
      'src/core/trv_judge.c',
      'f->contact_ms = f->hb_ms;',
      'f->contact_ms = f->hb_ms = f->hb_sent_ms;',
      'unit/trv_follow_beat_test' ],

    [ 'totals of before midnight are compared with those of after',
      'src/core/trv_judge.c',
      'if (f->hb.first_day != was.first_day) {',
      'if (0) {',
      'unit/trv_follow_beat_test' ],

    # merging

    [ 'an empty Redis is accepted',
      'src/core/trv_judge.c',
      "    if (f->hb.set_id[0] == '\\0') {\n        trv_judge_agrees",
      "    if (f->hb.set_id[0] == 1) {\n        trv_judge_agrees",
      't/redis_lost.t' ],

    [ 'a merge takes, and gives nothing',
      'src/core/trv_merge_give.c',
      'd->give = ours.count && !trv_digest_equal(&ours, theirs);',
      'd->give = false; (void) theirs;',
      't/redis_lost.t' ],

    [ 'a day that changes while it is read is left as it is',
      'src/lua/repair.lua',
      'or current and', 'or false and',
      't/merge_busy.t' ],

    [ 'a merge gives, and takes nothing',
      'src/core/trv_merge.c',
      'rc = trv_writer_put(m->replica, &id, day);',
      'rc = TRV_DECLINED;',
      't/million.t' ],

    [ 'an entry of the day of the merge is forgotten',
      'src/core/trv_rebuild.c',
      'day < w->build_first_day',
      'day <= w->build_first_day',
      'unit/trv_replica_test' ],

    [ 'what is put during a rebuild stays in the old table',
      'src/core/trv_writer.c',
      "    if (w->build.head != NULL) {\n        trv_writer_rebuild_put",
      "    if (w->build.head == NULL && w->build_failed) {\n"
          . "        trv_writer_rebuild_put",
      'unit/trv_replica_test' ],

    # the table

    [ 'the id is published before the rest of the slot',
      'src/core/trv_table.c',
      'tags, memory_order_release);',
      'tags, memory_order_relaxed);',
      'thread/trv_table_stress' ],

    [ 'a probe ends at the end of the table',
      'src/core/trv_table.c',
      'return (group == t->groups) ? 0 : group;',
      'return (group == t->groups) ? group - 1 : group;',
      'unit/trv_table_test' ],

    [ 'a look-up ends at a full group',
      'src/core/trv_table.c',
      'matches |= (empty == 0) * trv_table_match(second, tag);',
      '',
      'unit/trv_table_test' ],

    [ 'a shorter expiry wins',
      'src/core/trv_table.c',
      'if (place->was >= day) {',
      'if (place->was == day) {',
      'unit/trv_table_test' ],

    [ 'half of an id is enough',
      'src/core/trv_table.c',
      'if (trv_id_equal(&t->ids[*slot], id)) {',
      'if (t->ids[*slot].hi == id->hi) {',
      'unit/trv_table_test' ],

    [ 'a tag is enough',
      'src/core/trv_table.c',
      'if (trv_id_equal(&t->ids[*slot], id)) {',
      'if (id->hi && t->ids[*slot].hi) {',
      'unit/trv_table_test' ],

    [ 'links are followed',
      'src/core/trv_file.c',
      'flags = O_NOFOLLOW | O_CLOEXEC',
      'flags = O_CLOEXEC',
      't/replica_broken.t' ],

    [ 'two writers at once',
      'src/core/trv_replica.c',
      'if (flock(fd, LOCK_EX | LOCK_NB) == -1) {',
      'if (flock(fd, LOCK_SH | LOCK_NB) == -1) {',
      'unit/trv_replica_test' ],

    [ 'a prefetch leaves the table of before mapped',
      'src/core/trv_replica.c',
      "    (void) trv_replica_current(r);\n",
      '',
      'unit/trv_replica_test' ],

    [ 'a lock in the look-up',
      'src/core/trv_replica.c',
      "trv_rc_e\ntrv_replica_lookup(trv_replica_t *r, const trv_id_t *id)\n{\n",
      "trv_rc_e\ntrv_replica_lookup(trv_replica_t *r, const trv_id_t *id)\n{\n"
          . "    (void) flock(r->control_fd, LOCK_SH);\n",
      't/no_waiting.t' ],

    # the token of a call

    [ 'a cookie whose name is in another case is not seen',
      'src/core/trv_bearer.c',
      '!trv_bearer_same_name(pair.data, equal - pair.data, name)',
      'equal - pair.data != (ptrdiff_t) name->len '
          . '|| memcmp(pair.data, name->data, name->len) != 0',
      'unit/trv_bearer_test' ],

    [ 'a token is trimmed',
      'src/core/trv_bearer.c',
      "    while (p < end && *p == ' ') {",
      "    while (p < end && (*p == ' ' || *p == '\\t')) {",
      'unit/trv_bearer_test' ],

    [ 'the end of a token is not looked at',
      'src/core/trv_bearer.c',
      'return trv_bearer_block(value + len - sizeof(block)) ? TRV_OK',
      'return true ? TRV_OK',
      'unit/trv_bearer_test' ],

    [ 'the first of two tokens in a query is taken',
      'src/core/trv_bearer.c',
      'if (rc != TRV_OK || trv_bearer_beside',
      'if (found) { continue; } if (rc != TRV_OK || trv_bearer_beside',
      'unit/trv_bearer_test' ],

    [ 'a token in two places',
      'src/http/ngx_http_trv_token.c',
      'if (search.broken || search.found > 1) {',
      'if (search.broken) {',
      't/request_inputs.t' ],

    [ 'the id of a token is of its first 64 bytes',
      'src/core/trv_id.c',
      'SHA256_Update(&ctx, token, len) != 1',
      'SHA256_Update(&ctx, token, len < 64 ? len : 64) != 1',
      'unit/trv_id_test' ],

    [ 'the length in the padding of a digest has eight bits',
      'src/core/trv_id.c',
      '(unsigned char) (len * 8 >> 8);',
      '0;',
      'unit/trv_id_test' ],

    # the answer to a call

    [ 'satisfy any lets a revoked token in',
      'src/http/ngx_http_trv_refusal.c',
      'if (ctx->verdict == NGX_HTTP_TRV_MISSING',
      'if (ctx->verdict <= NGX_HTTP_TRV_MISSING',
      't/access_phase.t' ],

    [ 'an edge is never stale',
      'src/http/ngx_http_trv_access.c',
      '|| age > (ngx_msec_int_t) lcf->stale_ms',
      '',
      't/staleness.t' ],

    [ 'an edge that was never filled lets calls in',
      'src/http/ngx_http_trv_access.c',
      'if (!ngx_trv_set_ready(set)) {',
      'if (0) {',
      't/staleness.t' ],

    [ 'a dry run refuses',
      'src/http/ngx_http_trv_access.c',
      'return ctx->dry_run ? NGX_DECLINED : ngx_http_trv_refuse(r, lcf, ctx);',
      'return ngx_http_trv_refuse(r, lcf, ctx);',
      't/staleness.t' ],

    [ 'long calls of a revoked token go on',
      'src/event/ngx_trv_watch.c',
      "        if (trv_replica_lookup(list->replica, &watch->id) == TRV_OK) {",
      "        if (trv_replica_lookup(list->replica, &watch->id) == TRV_FULL) {",
      't/cutoff.t' ],

    # revoking

    [ 'a script that Redis does not know is an error',
      'src/event/ngx_trv_redis_io.c',
      'NOSCRIPT',
      'NOSUCHER',
      't/redis_lost.t' ],

    [ 'a page of another site may revoke',
      'src/http/ngx_http_trv_admin.c',
      'if (ngx_http_trv_admin_cross_site(r)) {',
      'if (0 && ngx_http_trv_admin_cross_site(r)) {',
      't/admin_inputs.t' ],

    [ 'a body that was not read is the next request',
      'src/http/ngx_http_trv_admin_answer.c',
      'if (ngx_http_discard_request_body(r) != NGX_OK) {',
      'if (0) {',
      't/body_not_read.t' ],

    [ 'what is revoked is not in the log',
      'src/lua/prelude.lua',
      "  local last = log_add(length, unpack(entry))\n",
      "  local last = log_last()\n",
      't/revoked_token_is_refused.t' ],

    [ 'digests of days are not kept',
      'src/lua/prelude.lua',
      "    digest_put(c[1], c[3], c[2])\n",
      "",
      't/inspect.t' ],

    [ 'the types of keys are not looked at',
      'src/lua/prelude.lua',
      "  if wrong then\n    return wrong\n  end\nend\n\nlocal format",
      "end\n\nlocal format",
      't/redis_lost.t' ],

    [ 'an edge one of whose workers is late is not signed off',
      'src/event/ngx_trv_set.c',
      'i < NGX_TRV_SET_FAREWELL_MS',
      'i < NGX_TRV_SET_FAREWELL_MS / 10',
      't/confirmed.t' ],

    [ 'a worker that shuts down keeps the writer lock',
      'src/event/ngx_trv_set.c',
      "        ngx_trv_follower_stop(set->follower);\n"
          . "        trv_replica_unlock(set->replica);\n",
      "        ngx_trv_follower_stop(set->follower);\n",
      't/reload.t' ],

    # whose tokens

    [ 'anybody may revoke what is on record',
      'src/lua/revoke.lua',
      "if not (record.partner ~= '' and owned(record, partner, store))",
      "if not (record.partner ~= '')",
      't/policy_matrix.t' ],

    [ 'what is not on record may be revoked by all',
      'src/lua/revoke.lua',
      "if #unknown > 1 then",
      "if #unknown > 2 then",
      't/policy_matrix.t' ],

    [ 'a scope reaches beyond what one owns',
      'src/lua/scope.lua',
      "if not within(partner, ARGV[3]) or not within(store, ARGV[4]) then",
      "if false then",
      't/policy_matrix.t' ],

    [ 'a merchant sees what others have revoked',
      'src/lua/get.lua',
      "or not owned({partner = known[4], store = known[5]}, ARGV[2], ARGV[3])",
      "or false",
      't/policy_matrix.t' ],

    [ 'an expiry can be given for a token on record',
      'src/lua/revoke.lua',
      "elseif given ~= 0 and #registered > 1 then",
      "elseif false then",
      't/revoke_registered.t' ],

    [ 'the expiry on record does not count',
      'src/lua/revoke.lua',
      "record and (tonumber(record.expires_at) or 0) or given",
      "given",
      't/revoke_registered.t' ],

    [ 'what is revoked is said to be active',
      'src/lua/revoke.lua',
      "if not asked[page[n]] and not redis.call('ZSCORE', REVOKED, page[n]) then",
      "if not asked[page[n]] then",
      't/revoke_registered.t' ],

    # scopes

    [ 'what is registered while a scope is revoked is hit',
      'src/lua/scope.lua',
      "(tonumber(record[2] or nil) or 0) <= tonumber(serial)",
      "true",
      't/revoke_scope.t' ],

    [ 'expect is not looked at for a scope',
      'src/http/ngx_http_trv_revoke_scope.c',
      'rv->hits != (uint64_t) rv->request.expect)',
      'rv->hits == (uint64_t) rv->request.expect + 1000000000)',
      't/revoke_scope.t' ],

    [ 'a scope is revoked in one script',
      'src/http/ngx_http_trv_revoke.c',
      'rv->batch = ngx_min(rv->batch, NGX_HTTP_TRV_REVOKE_BATCH);',
      ';',
      't/revoke_scope.t' ],

    [ 'a failure half-way is said to have changed nothing',
      'src/http/ngx_http_trv_revoke.c',
      'if (rv->count && rv->request.ids == NULL) {',
      'if (0) {',
      't/revoke_scope.t' ],

    # proof

    [ 'positions of different histories are compared',
      'src/http/ngx_http_trv_edges.c',
      '&& ngx_strcmp(id, repl_id) == 0',
      '',
      't/failover.t' ],

    [ 'a clock that was ahead keeps dead edges alive',
      'src/lua/edges.lua',
      'if heard > now_number then',
      'if false then',
      't/failover.t' ],

    [ 'a revocation is not repeated at a new master',
      'src/http/ngx_http_trv_proof.c',
      'if (pf->counted && pf->edges.moved && pf->again',
      'if (0 && pf->again',
      't/failover.t' ],

    [ 'edges that had no time to report do not count',
      'src/http/ngx_http_trv_proof.c',
      '!(pf->counted && pf->edges.settled',
      '!(pf->counted',
      't/confirmed.t' ],

    [ 'who waits for a retry gets no entry',
      'src/lua/revoke.lua',
      'elseif repeats and day_of(was) >= first_day() then',
      'elseif false then',
      't/confirmed.t' ],

    [ 'a merge entry moves the position',
      'src/core/trv_follow_tail.c',
      'if (f->cause == TRV_CAUSE_NONE && !f->doubted) {',
      'if (f->cause == TRV_CAUSE_NONE) {',
      'unit/trv_follow_test' ],
    # counters and evidence

    [ 'two workers count in one block',
      'src/event/ngx_trv_stats.c',
      'st->own = &st->shared->blocks[ngx_process_slot];',
      'st->own = &st->shared->blocks[0];',
      't/metrics.t' ],

    [ 'a call that is redirected inside is counted twice',
      'src/http/ngx_http_trv_access.c',
      'if (ctx->counted_set == lcf->set && ctx->counted == stat) {',
      'if (0) {',
      't/metrics.t' ],

    [ 'delays are taken by the clock of the edge',
      'src/core/trv_measure.c',
      'delay = (int64_t) f->now_ms + f->clock_ms - (int64_t) entered_ms;',
      'delay = (int64_t) f->now_ms - (int64_t) entered_ms;',
      'unit/trv_follow_beat_test' ],

    [ 'a Redis that may evict is no alarm',
      'src/core/trv_measure.c',
      'if (!f->hb.policy || f->hb.evicting == f->evicting) {',
      'if (1) {',
      't/edges.t' ],

    [ 'a batch of tries that comes again is counted again',
      'src/lua/tries.lua',
      "if redis.call('GET', taken) == ARGV[2] then",
      "if redis.call('GET', taken) == 'x' then",
      't/tries.t' ],

    [ 'what an edge tells again of a minute is added again',
      'src/lua/minutes.lua',
      "add(sums, redis.call('HGET', key, ARGV[1]), -1)",
      "add(sums, redis.call('HGET', key, ARGV[1]), 0)",
      't/last_hour.t' ],

    [ 'a slot is given away while its tries are pending',
      'src/core/trv_tries.c',
      'if (word == 0 && empty == NULL) {',
      'if (trv_try_under_way(word) == 0 && empty == NULL) {',
      'unit/trv_tries_test' ],

    [ 'who takes over forgets the batch under way',
      'src/core/trv_flush.c',
      'if (again ? trv_try_under_way(word) : trv_try_pending(word)) {',
      'if (!again && trv_try_pending(word)) {',
      'unit/trv_tries_test' ],

    [ 'an entry for which there is no room holds up the scan of a merge',
      'src/core/trv_follow.c',
      '|| (tail != TRV_OK && trv_writer_scanned(f->replica)))',
      '|| tail != TRV_OK)',
      'unit/trv_follow_merge_test' ],

    [ 'nobody says that a directory is kept under another prefix',
      'src/event/ngx_trv_set.c',
      'state->foreign && !ngx_exiting',
      '0 && !ngx_exiting',
      't/sets.t' ],

    [ 'who makes a table is bound to the CPU of its worker',
      'src/event/ngx_trv_job.c',
      '(void) sched_setaffinity(',
      '(void) sched_getaffinity(',
      't/table_jobs.t' ],

    [ 'an edge that was away is ready at once',
      'src/core/trv_writer_take.c',
      'trv_control_set(&control->filled, TRV_CONTROL_AWAY);',
      '',
      't/away.t' ],

    [ 'a writer that takes over gives no sign of life',
      'src/core/trv_writer_take.c',
      'trv_writer_beat_set(r, now_ms);',
      '',
      'unit/trv_writer_take_test' ],

    [ 'a call before there is a writer is judged by what is old',
      'src/event/ngx_trv_set.c',
      'return !set->starting && trv_replica_ready(set->replica);',
      'return trv_replica_ready(set->replica);',
      't/away.t' ],

    [ 'the record of a revocation is not looked at before',
      'src/lua/revoke.lua',
      "wrong_type(revocation_key(id), 'hash')",
      'nil',
      't/redis_lost.t' ],

    # replies of Redis, and no room

    [ 'a reply may be of any depth',
      'src/core/trv_reader.c',
      'if (depth > TRV_READER_MAX_DEPTH) {',
      'if (depth > 1000) {',
      'unit/trv_reader_test' ],

    [ 'elements of inner arrays are not counted',
      'src/core/trv_reader.c',
      'if ((size_t) elements > TRV_READER_MAX_ELEMENTS - r->elements) {',
      'if ((size_t) elements > TRV_READER_MAX_ELEMENTS) {',
      'unit/trv_reader_test' ],

    [ 'a reply may be of any length',
      'src/core/trv_reader.c',
      'if (len > TRV_READER_MAX_LEN - r->len) {',
      'if (len > TRV_READER_MAX_LEN) {',
      'unit/trv_reader_test' ],

    [ 'a merge that fails is tried again each time as soon',
      'src/core/trv_follow_merge.c',
      'f->retry_ms = f->retry_ms ? f->retry_ms * 2 : TRV_FOLLOW_RETRY_MS;',
      'f->retry_ms = TRV_FOLLOW_RETRY_MS;',
      'unit/trv_follow_merge_test' ],

    [ 'a tail that waits in vain is a lost link',
      'src/core/trv_follow.c',
      "return TRV_DECLINED;\n        }\n\n        return trv_follow_tail_next",
      "return TRV_ERROR;\n        }\n\n        return trv_follow_tail_next",
      'unit/trv_follow_test' ],

    [ 'a limit on the size of files is not looked at',
      'src/core/trv_file.c',
      'size > limit.rlim_cur) {',
      'size > limit.rlim_max) {',
      'unit/trv_table_test' ],

    # tables, made in a child

    [ 'a child of a worker keeps its connections',
      'src/event/ngx_trv_job.c',
      'ngx_trv_job_close(high + 1, (unsigned) -1);',
      '(void) high;',
      't/table_jobs.t' ],

    [ 'a child that was killed has done its work',
      'src/event/ngx_trv_job.c',
      'job->err = ECHILD;',
      'job->err = 0;',
      't/table_jobs.t' ],

    [ 'a table is unmapped in steps that are too small',
      'src/core/trv_table_file.c',
      'from = (t->size > n) ? t->size - n : 0;',
      'from = (t->size > n) ? t->size - n / 4 : 0;',
      'unit/trv_table_test' ],

    [ 'calls in the preaccess phase are not judged',
      'ngx_http_token_revoke_module.c',
      'mcf->phases |= 1 << conf->phase;',
      'mcf->phases |= 1;',
      't/access_phase.t' ],

    # after a crash, a lost key, a clock that was wrong, ...

    [ 'the table that was begun last is taken for a removed one',
      'src/core/trv_writer_take.c',
      'g > generation && (next == 0 || g < next)',
      'g > generation && g > next',
      'unit/trv_writer_take_test' ],

    [ 'a replica that lacks entries is counted until it fits',
      'src/core/trv_writer.c',
      '? TRV_CONTROL_AWAY : 0);',
      '? TRV_CONTROL_AWAY : TRV_CONTROL_UNSURE);',
      'unit/trv_writer_take_test' ],

    [ 'a replica that was away is not counted after a crash',
      'src/core/trv_writer_take.c',
      'filled == TRV_CONTROL_FILLED || filled == TRV_CONTROL_AWAY',
      'filled == TRV_CONTROL_FILLED',
      'unit/trv_writer_take_test' ],

    [ 'entries without a day are a reason for a table',
      'src/core/trv_rebuild.c',
      '    over.count -= w->tally.days[0].count;',
      '    (void) over;',
      'unit/trv_replica_test' ],

    [ 'an entry that costs the link is read for ever',
      'src/core/trv_follow_tail.c',
      'trv_follow_due(f, TRV_CAUSE_STUCK);',
      '',
      'unit/trv_follow_test' ],

    [ 'who has heard Redis once waits for it for ever',
      'src/core/trv_follow.c',
      'if (now_ms - f->heard_ms',
      'if (!f->hb.master && now_ms - f->heard_ms',
      'unit/trv_follow_test' ],

    [ 'a new worker begins the day of the daily merge anew',
      'src/core/trv_follow.c',
      'daily_ms == 0 || daily_ms > now_ms',
      'daily_ms <= now_ms || daily_ms > now_ms',
      'unit/trv_follow_test' ],

    [ 'a turn lasts as long as a wrong clock says',
      'src/lua/prelude.lua',
      'left > 0 and left <= TURN_MS and',
      'left > 0 and',
      'unit/trv_follow_merge_test' ],

    [ 'days end when a clock that was ahead says so',
      'src/lua/prune.lua',
      "if tonumber(redis.call('HGET', META, 'first_day') or nil) ~= yesterday then",
      'if yesterday > first_day() then',
      'unit/trv_follow_merge_test' ],

    [ 'a lost serial begins at zero',
      'src/lua/prelude.lua',
      'now_ms - 1)',
      '0)',
      't/revoke_scope.t' ],

    # ... and what is made to look like something else

    [ 'a call is cut off by the location that it is in',
      'src/http/ngx_http_trv_cutoff.c',
      'co = watch->data;',
      'co = watch->data; co->lcf = ngx_http_get_module_loc_conf(co->request, '
          . 'ngx_http_token_revoke_module);',
      't/cutoff.t' ],

    [ 'a name that PHP reads as another is not seen',
      'src/core/trv_bearer.c',
      'return len == name->len ||',
      'return len == name->len; return',
      'unit/trv_bearer_test' ],

    [ 'an argument behind a fragment is not looked for',
      'src/http/ngx_http_trv_token.c',
      "ngx_strlchr(p, last, '#')",
      "ngx_strlchr(p, last, '\\n')",
      't/request_inputs.t' ],

    [ 'a challenge that was taken back stays so',
      'src/http/ngx_http_trv_refusal.c',
      'ctx->challenge->hash = 1;',
      '',
      't/access_phase.t' ],

    [ 'a path ends the quotes around it',
      'src/http/ngx_http_trv_access.c',
      q{ || c == '"')},
      ')',
      't/access_phase.t' ],

    [ 'a token that a redirect has left behind is not looked for',
      'src/http/ngx_http_trv_token.c',
      "p = ngx_strlchr(p, last, '?');",
      'p = NULL;',
      't/request_inputs.t' ],

    [ 'a header for CGI is another one',
      'src/http/ngx_http_trv_token.c',
      "&& !(h->lowcase_key[i] == '_' && header->data[i] == '-')",
      '',
      't/request_inputs.t' ],

    [ 'an error_page gives a refusal its status',
      'src/http/ngx_http_trv_refusal.c',
      'r->err_status = refusal->status;',
      '',
      't/access_phase.t' ],

    [ 'the second refusal of a call has the challenge of the first',
      'src/http/ngx_http_trv_refusal.c',
      'if (refusal->status != NGX_HTTP_SERVICE_UNAVAILABLE) {',
      'if (!again && refusal->status != NGX_HTTP_SERVICE_UNAVAILABLE) {',
      't/access_phase.t' ],

    [ 'a call that goes on to another set is not watched by the first',
      'src/http/ngx_http_trv_cutoff.c',
      'if (co && co->lcf->set == lcf->set) {',
      'if (co) {',
      't/cutoff.t' ],

    # the HTTP API

    [ 'a condition of the request hides what was done',
      'src/http/ngx_http_trv_answer.c',
      'r->disable_not_modified = 1;',
      '',
      't/admin_inputs.t' ],

    [ 'an argument that is not known is ignored',
      'src/http/ngx_http_trv_admin.c',
      'if (r->args.len && ',
      'if (r->args.len && r->method != NGX_HTTP_POST && ',
      't/admin_inputs.t' ],

    [ 'a reason quotes a token by its id',
      'src/core/trv_request.c',
      'if (trv_id_equal(&req->ids[i], &id)) {',
      'if (i == 1000 && trv_id_equal(&req->ids[i], &id)) {',
      'unit/trv_request_test' ],

    [ 'lines that are on record are not counted where the body breaks',
      'src/http/ngx_http_trv_body.c',
      '} else if (body->take && body->received) {',
      '} else if (0) {',
      't/tokens_lines.t' ],

    [ 'a body is gone for a mirror',
      'src/http/ngx_http_trv_body.c',
      "        if (!r->preserve_body) {\n            cl->buf->pos",
      "        if (1) {\n            cl->buf->pos",
      't/admin_lifetimes.t' ],

    [ 'records go by a clock that is ahead',
      'src/lua/prune.lua',
      'math.min(now, tonumber(ARGV[3]))',
      'now',
      't/clocks.t' ],

    [ 'a revocation that was forgotten does not come back',
      'src/lua/register.lua',
      "redis.call('HGET', token_key(id), 'was_revoked')",
      'nil',
      't/clocks.t' ],

    [ 'a score by hand is repeated in the log',
      'src/lua/prelude.lua',
      'and score < 1e12 and score or nil',
      'and score or nil',
      't/confirmed.t' ],

    # ... and a directory is that of one set

    [ 'a directory in another spelling is another one',
      'src/http/ngx_http_trv_set.c',
      'if (sets[i] != set && sets[i]->path',
      'if (sets[i] == NULL',
      't/config.t' ],

    [ 'a directory that is not there yet is told by its text',
      'src/core/trv_dir.c',
      '&& strcmp(a, b) == 0;',
      '&& strcmp(one, other) == 0;',
      't/config.t' ],

    [ 'a replica of another set is believed',
      'src/core/trv_replica_state.c',
      'return prefix == r->prefix || prefix == 0 || r->prefix == 0;',
      'return prefix != 1;',
      'unit/trv_writer_take_test' ],

    [ 'another set goes on where the one before was',
      'src/core/trv_writer_take.c',
      'foreign = (prefix != 0);',
      'foreign = 0;',
      'unit/trv_writer_take_test' ],

    [ 'a set goes on with the set id of another',
      'src/core/trv_writer_take.c',
      'trv_control_mark_set(control, &none);',
      '',
      'unit/trv_writer_take_test' ],

    [ 'what was filled before prefixes were kept is forgotten',
      'src/core/trv_writer_take.c',
      'foreign = (prefix != 0);',
      'foreign = 1;',
      'unit/trv_writer_take_test' ],

    [ 'an edge with another name is another edge',
      'src/lua/report.lua',
      "redis.call('HDEL', EDGES, all[i])",
      '',
      't/edges.t' ],
)
