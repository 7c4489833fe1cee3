"""What keeps operators' commands and upgrades from doing half of what they say."""

from tests.mutants.safeguard import Safeguard

_ERASE = "shared/cli/erase.py"
_COMMANDS = "tests/integration/turns/test_operator_commands.py"
_UPGRADES = "tests/integration/store/test_upgrades.py"

OPERATORS = (
    Safeguard(
        "who is erased is let in by no process any more",
        "G21",
        _ERASE,
        "            clock.pause(_KEYS_SECONDS)",
        "            pass",
        (f"{_COMMANDS}::test_nothing_of_an_erased_owner_is_left_anywhere",),
    ),
    Safeguard(
        "an erased log stays closed to its worker",
        "G21",
        "shared/stream/log_eraser.py",
        "_CLOSED = 2**31 - 1",
        "_CLOSED = 0",
        (f"{_COMMANDS}::test_a_worker_that_has_not_heard_of_it_writes_no_more",),
    ),
    Safeguard(
        "erased keys keep a closed server closed",
        "I1",
        "shared/store/erasure.py",
        "update(API_KEY).where(owned(API_KEY, owner)).values(nothing)",
        "delete(API_KEY).where(owned(API_KEY, owner))",
        (f"{_COMMANDS}::test_a_closed_server_stays_closed_and_a_bootstrap_key_is_not_let_in_again",),
    ),
    Safeguard(
        "what was erased is not in SQLite's log",
        "G21",
        _ERASE,
        "        cleaned = _empty_log(database)",
        "        cleaned = True",
        (f"{_COMMANDS}::test_nothing_of_an_erased_owner_is_left_anywhere",),
    ),
    Safeguard(
        "what was deleted is soon not in SQLite's log",
        "G21",
        "shared/turns/sweeper.py",
        "            self._database.empty_log()\n",
        "",
        ("tests/integration/turns/test_sweeper.py::test_what_was_deleted_is_soon_not_in_sqlites_files_either",),
    ),
    Safeguard(
        "the status is for operators",
        "I1",
        "api/status.py",
        ", dependencies=[AdminOnly]",
        "",
        ("tests/acceptance/owners/test_keys.py::test_what_is_an_operators_needs_an_operators_key",),
    ),
    Safeguard(
        "a migration does not queue for a table that is held for long",
        "G11",
        "shared/store/schema.py",
        """connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")""",
        "pass",
        (f"{_UPGRADES}::test_a_migration_does_not_queue_for_a_table_that_somebody_holds_for_long",),
    ),
)
