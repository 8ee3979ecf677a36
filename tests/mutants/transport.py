"""Faults of the transport."""

from __future__ import annotations

from mutants.mutant import Mutant

FILE = "streams/transport/consumer.py"
MARKS = "streams/transport/offset_marks.py"
SCHEDULES = "tests/streams/transport/test_transport_schedules.py::"
AT_ANY_STEP = SCHEDULES + "test_nothing_is_lost_and_nothing_committed_unapplied_at_any_step"

TRANSPORT = [
    Mutant(
        "read offsets are committed instead of finished ones",
        FILE,
        "return self._marks.reached(tp) if tp in self._marks else None",
        "return self._marks._passed.get(tp)",
        (SCHEDULES + "test_only_finished_offsets_are_committed",),
    ),
    Mutant(
        "a batch is current by its generation, whatever its epoch",
        FILE,
        "return not self._settling and _epoch(message) == self._epoch and self.owns(message)",
        "return not self._settling and self.owns(message)",
        (
            SCHEDULES
            + "test_a_batch_of_an_earlier_assignment_is_not_current_though_its_generation_comes_again",
        ),
    ),
    Mutant(
        "a batch is marked as done whatever its epoch",
        FILE,
        "if self.owns(message) and (settled or _epoch(message) == self._epoch):",
        "if self.owns(message):",
        (
            SCHEDULES
            + "test_a_batch_of_an_earlier_assignment_is_not_current_though_its_generation_comes_again",
        ),
    ),
    Mutant(
        "a batch is marked as done unchecked",
        FILE,
        "if self.owns(message) and (settled or _epoch(message) == self._epoch):",
        "if settled or True:",
        (
            SCHEDULES
            + "test_a_batch_of_an_earlier_assignment_is_not_current_though_its_generation_comes_again",
        ),
    ),
    Mutant(
        "no seek after a fetch across a rebalance",
        FILE,
        "                    await self._read_again()\n",
        "                    pass\n",
        (SCHEDULES + "test_what_was_fetched_across_a_rebalance_is_read_again",),
    ),
    Mutant(
        "a fetch across a rebalance is handed over once the flow is back",
        FILE,
        "astray = not self.flow_active or epoch != self._epoch",
        "astray = not self.flow_active",
        (SCHEDULES + "test_what_was_fetched_across_a_rebalance_is_read_again",),
    ),
    Mutant(
        "a partition is ours by Faust's generation alone",
        FILE,
        "message.generation_id == self.app.consumer_generation_id == coordinator.generation",
        "message.generation_id == self.app.consumer_generation_id",
        (SCHEDULES + "test_the_clients_generation_counts_as_soon_as_it_is_known",),
    ),
    Mutant(
        "one batch in 200 is dropped",
        FILE,
        "            self._marks.hand_over(tp, last.offset + 1)\n",
        "            if last.offset % 800 < 4: continue\n            self._marks.hand_over(tp, last.offset + 1)\n",
        (SCHEDULES + "test_every_fetch_is_handed_over_in_order",),
    ),
    Mutant(
        "what was taken from the client counts as processed",
        MARKS,
        "        if handed is None or done >= handed:\n            return max(passed, done)",
        "        if True:\n            return max(passed, done)",
        (AT_ANY_STEP,),
    ),
    Mutant(
        "what was marked outlives the assignment",
        MARKS,
        "            marks.pop(tp, None)\n",
        "            pass\n",
        (AT_ANY_STEP,),
    ),
    Mutant(
        "a first start reads from the latest offset",
        "streams/worker/app.py",
        'consumer_auto_offset_reset="earliest"',
        'consumer_auto_offset_reset="latest"',
        ("tests/streams/transport/test_transport.py::test_a_first_start_reads_what_is_there_already",),
    ),
    Mutant(
        "a first start begins at the latest offset",
        "streams/broker/start_rule.py",
        'kind: StartKind = "earliest"',
        'kind: StartKind = "latest"',
        ("tests/streams/broker/test_start_rule.py::test_the_default_is_earliest_and_nobody_said_so",),
    ),
]
