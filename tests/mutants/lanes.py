"""Faults of the lanes and of what writes users: the order of claim, read, marks, write, count and progress."""

from __future__ import annotations

from mutants.mutant import Mutant

ORDER = "tests/streams/worker/test_lane_order.py::"
CLAIMS = "tests/streams/worker/test_claims.py::"
WORKERS = "tests/streams/worker/test_lanes_of_two_workers.py::"
MARKS = "tests/streams/events/test_watermarks.py::"

LETTERS = "tests/streams/repair/test_letter_redrive.py::test_a_letter_between_two_that_were_redriven_is_applied_and_none_twice"

IN_ORDER = (f"{ORDER}test_the_steps_come_in_their_order_and_offsets_last",)

LANES: list[Mutant] = [
    Mutant(
        "offsets are marked before the users are written",
        "streams/worker/lane.py",
        """            await self._apply(flush)
            for batch in batches:
                self._work.membership.done(batch)
                self._reached("batch done")
""",
        """            for batch in batches:
                self._work.membership.done(batch)
                self._reached("batch done")
            await self._apply(flush)
""",
        IN_ORDER,
    ),
    Mutant(
        "progress is raised before the users are written",
        "streams/worker/lane.py",
        """                self._reached("catalogue written")
""",
        """                self._reached("catalogue written")
                await self._retrying(flush, flush.raise_progress)
""",
        IN_ORDER,
    ),
    Mutant(
        "progress says more than the flush had",
        "streams/worker/flush.py",
        "batch.records[-1].offset + 1 for batch",
        "batch.records[-1].offset + 2 for batch",
        IN_ORDER,
    ),
    Mutant(
        "dead letters follow the write",
        "streams/worker/lane.py",
        """        await self._send_dead_letters(flush)
        self._reached("letters sent")
        while True:
""",
        """        self._reached("letters sent")
        while True:
""",
        IN_ORDER,
    ),
    Mutant(
        "users are remembered before the store has acknowledged them",
        "streams/ingest/ingest.py",
        """        before()
        with self._stage("write"):
""",
        """        before()
        self._remember(prepared, held, np.ones(len(held), np.bool_), token)
        with self._stage("write"):
""",
        (f"{ORDER}test_a_user_is_remembered_only_as_the_store_has_acknowledged_it",),
    ),
    Mutant(
        "letters of a flush are sent again with each try",
        "streams/worker/flush.py",
        "rejects, self._rejects = self._rejects, []\n        return iter(rejects)",
        "rejects = self._rejects\n        return iter(rejects)",
        (f"{ORDER}test_a_flush_that_is_tried_again_counts_each_event_and_letter_once",),
    ),
    Mutant(
        "what a try brought in counts as redelivered",
        "streams/ingest/ingest.py",
        "        self._code[ours] = self._tries.expected(ours)\n",
        "",
        (f"{ORDER}test_a_flush_that_is_tried_again_counts_each_event_and_letter_once",),
    ),
    Mutant(
        "progress is looked at before the claim",
        "streams/ingest/ingest.py",
        """            claim = ingest.store.users.claim(missing)
""",
        """            ingest.sources.look(columns.sources)
            ingest.sources.look = lambda *_: None  # type: ignore[method-assign]
            claim = ingest.store.users.claim(missing)
""",
        (f"{CLAIMS}test_progress_is_looked_at_after_the_claim",),
    ),
    Mutant(
        "what is below progress is judged by marks alone",
        "streams/events/watermarks.py",
        "    marks = np.maximum(marks, floor[pair % max(1, count)])\n",
        "",
        (f"{MARKS}test_what_is_below_the_progress_of_its_source_is_redelivered_without_a_mark",),
    ),
    Mutant(
        "a mark is dropped while its source may come again",
        "streams/events/watermarks.py",
        "if offset >= finished.get(key, 0)}",
        "if offset > finished.get(key, 0)}",
        (f"{MARKS}test_a_mark_is_dropped_only_at_or_below_the_progress_of_its_source",),
    ),
    Mutant(
        "marks are dropped above the progress of their source",
        "streams/events/watermarks.py",
        "if offset >= finished.get(key, 0)}",
        "if key not in finished}",
        (f"{MARKS}test_a_mark_is_dropped_only_at_or_below_the_progress_of_its_source",),
    ),
    Mutant(
        "letters are judged by the highest offset of their partition",
        "streams/letters/letter.py",
        'return f"letter/{source}/{offset}"',
        'return f"letter/{source}"',
        (LETTERS,),
    ),
    Mutant(
        "the progress of letters is not raised",
        "streams/repair/letter_redrive.py",
        """            self._ingest.advance(dict.fromkeys(done.sources, DONE))
""",
        "",
        (LETTERS,),
    ),
    Mutant(
        "refused users count as written",
        "streams/ingest/ingest.py",
        "        self._settle(rows[taken[columns.user]])\n",
        "        self._settle(rows)\n",
        (f"{CLAIMS}test_a_user_that_is_claimed_away_before_the_write_is_prepared_again",),
    ),
    Mutant(
        "users of a call without an answer stay in memory",
        "streams/ingest/ingest.py",
        """                self._ingest.cache.forget(users)
                raise
""",
        """                raise
""",
        (f"{WORKERS}test_a_late_request_of_its_own_takes_nothing_back",),
    ),
    Mutant(
        "lanes of a process write one user at once",
        "streams/ingest/ingest.py",
        "        with self._ingest.locks.of(users):\n",
        "        with self._ingest.locks.of([]):\n",
        (f"{CLAIMS}test_two_threads_of_a_process_never_have_the_same_user_at_once",),
    ),
    Mutant(
        "a lane that lost its partition continues",
        "streams/worker/lane.py",
        """        if not self._work.membership.owns(flush.last):
            raise LaneLost
""",
        """        if not self._work.membership.owns(flush.last):
            log.debug("lane lost")
""",
        (f"{WORKERS}test_a_worker_that_learns_of_its_loss_stops_before_it_claims",),
    ),
    Mutant(
        "a folder is not on the disk when its offsets are committed",
        "streams/worker/lanes.py",
        "            await asyncio.to_thread(self._intake.store.sync)\n",
        "",
        (
            "tests/streams/worker/test_lanes.py::test_a_folder_is_put_on_the_disk_before_offsets_are_committed",
        ),
    ),
    Mutant(
        "offsets are committed before what has to be done first",
        "streams/transport/consumer.py",
        """        before_commit = getattr(self.app, "before_commit", None)
        if before_commit is not None:
            await before_commit()
""",
        "",
        (
            "tests/streams/transport/test_transport_schedules.py::test_what_has_to_be_done_before_a_commit_is_waited_for",
        ),
    ),
    Mutant(
        "what was refused is counted",
        "streams/ingest/tries.py",
        "            yield one.prepared, np.isin(one.rows, rows[self._last[rows] == number])\n",
        "            yield one.prepared, np.ones(len(one.rows), np.bool_)\n",
        (
            "tests/streams/counts/test_counts.py::test_events_that_several_writers_prepare_are_counted_once",
            f"{CLAIMS}test_counts_have_what_was_taken_of_a_write",
        ),
    ),
    Mutant(
        "a replay raises progress before the users are written",
        "streams/replay/replay.py",
        """            outcome = _retrying(intake, applying.run)
""",
        """            _retrying(intake, partial(intake.ingest.advance, ends))
            outcome = _retrying(intake, applying.run)
""",
        (
            "tests/streams/replay/test_replay_order.py::test_a_replay_that_ends_after_any_step_is_gone_on_with",
        ),
    ),
    Mutant(
        "progress is never raised",
        "streams/worker/lane.py",
        "        await self._retrying(flush, flush.raise_progress)\n        flush.count(outcome, self._work.outcomes)\n",
        "        flush.count(outcome, self._work.outcomes)\n",
        IN_ORDER,
    ),
]
