"""Faults of the store: of claims, holds, progress, versions and leases."""

from __future__ import annotations

from typing import Final

from mutants.mutant import Mutant

_MANY = "tests/sinks/test_many_writers.py"
_SERVER = "tests/contract/test_server_store.py::TestServerStore"

STORE: Final = (
    Mutant(
        "a write is taken for done without counting",
        "sinks/users.py",
        "if self._collection.count(replace(mine, among=part.keys)) == len(part.keys):",
        "if self._collection.count(replace(mine, among=part.keys)) >= 0:",
        (f"{_SERVER}::test_a_claim_takes_users_from_others",),
    ),
    Mutant(
        "users in memory are written whatever their writer is",
        "sinks/users.py",
        "self._collection.upsert(part, where=mine, mode=WriteMode.UPDATE)",
        "self._collection.upsert(part, mode=WriteMode.UPDATE)",
        (f"{_SERVER}::test_a_claim_takes_users_from_others", f"{_MANY}::test_zombie_claims_are_harmless"),
    ),
    Mutant(
        "a user that was deleted is inserted as it was remembered",
        "sinks/users.py",
        "self._collection.upsert(part, where=mine, mode=WriteMode.UPDATE)",
        "self._collection.upsert(part, where=mine)",
        (f"{_SERVER}::test_deleted_users_are_not_brought_back",),
    ),
    Mutant(
        "absent is new for sure",
        "sinks/users.py",
        "self._collection.upsert(part, mode=WriteMode.INSERT)",
        "self._collection.upsert(part)",
        (f"{_SERVER}::test_new_users_are_inserted_once", f"{_MANY}::test_late_insert_undoes_nothing"),
    ),
    Mutant(
        "what was read back is not compared",
        "sinks/users.py",
        'same.append(all(known.get(name) == payload[name] for name in ("state", "watermarks")))',
        "same.append(bool(known and payload))",
        (f"{_SERVER}::test_new_users_are_inserted_once",),
    ),
    Mutant(
        "a process that lost a user between claim and read still writes it",
        "sinks/users.py",
        "held = self._exclusive or record.writer == taken",
        "held = self._exclusive or record.writer != NEW",
        (f"{_MANY}::test_a_user_that_is_taken_between_claim_and_read_is_lost",),
    ),
    Mutant(
        "the token stays the same after a lost answer",
        "sinks/writer.py",
        "            self._token = self._draw()",
        "            self._draw()",
        (
            f"{_MANY}::test_every_unanswered_request_changes_the_token",
            f"{_MANY}::test_late_write_undoes_nothing",
        ),
    ),
    Mutant(
        "claimed users carry no fence",
        "sinks/users.py",
        "mine = {WRITER: token, FENCE: HIGHEST}",
        "mine = {WRITER: token, FENCE: 0}",
        ("tests/sinks/test_upgrade.py::test_a_daemon_of_then_overwrites_no_claimed_user",),
    ),
    Mutant(
        "progress may fall",
        "sinks/progress.py",
        "self._users.upsert(points, where=Where(any_of=tuple(lower)))",
        "self._users.upsert(points)",
        (f"{_SERVER}::test_progress_only_rises",),
    ),
    Mutant(
        "progress rises while versions are switched",
        "sinks/sources.py",
        """        if self._confirm is not None:
            self._confirm()
""",
        "",
        (f"{_SERVER}::test_progress_waits_for_a_switch",),
    ),
    Mutant(
        "progress stays behind in the old version",
        "sinks/store_versions.py",
        "self._versions.copy_progress(name, self._freeze.renew)",
        "self._freeze.renew()",
        (f"{_SERVER}::test_progress_goes_along_with_a_switch",),
    ),
    Mutant(
        "two runs fill one version",
        "sinks/versions.py",
        "if self._record.read().fillers.get(self._version) != self._owner:",
        "if self._version not in self._record.read().all:",
        (f"{_SERVER}::test_the_later_one_that_fills_a_version_goes_on",),
    ),
    Mutant(
        "daemons of an older release continue after an upgrade",
        "sinks/upgrade.py",
        "    _rewrite(VersionRecord(meta))\n",
        "",
        (f"{_SERVER}::test_older_releases_can_go_on_with_nothing",),
    ),
    Mutant(
        "an old name of a source is everybody's",
        "sinks/sources.py",
        """                self._prepare()
                self._put(points, None, WriteMode.INSERT)
            self._settled""",
        """                self._prepare()
            self._put(
                [
                    (_alias_id(alias), {"alias": alias, "identity": owners[alias], _KIND: _ALIASES})
                    for alias in part
                ],
                None,
                WriteMode.EITHER,
            )
            self._settled""",
        (f"{_SERVER}::test_an_alias_is_the_first_ones",),
    ),
    Mutant(
        "a late blob undoes a newer one of the same holder",
        "sinks/leases.py",
        "                self._doubtful.add(lease)\n",
        "                pass\n",
        (f"{_MANY}::test_late_blob_does_not_undo_a_newer_one",),
    ),
    Mutant(
        "a folder's log never gets to the disk",
        "sinks/edge/collection.py",
        "for path in [*self._log.iterdir(), self._log]:",
        "for path in list[Path]():",
        ("tests/sinks/test_edge.py::test_a_sync_puts_the_log_on_the_disk",),
    ),
    Mutant(
        "a folder is never flushed",
        "sinks/edge/collection.py",
        "if self._since_flush >= FLUSH_EVERY_BYTES:",
        "if self._since_flush < 0:",
        ("tests/sinks/test_edge.py::test_the_log_is_no_longer_than_what_a_flush_leaves",),
    ),
)
