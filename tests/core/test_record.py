"""The record's text: it comes back identically, and foreign text is refused with ValueError."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from breaker_core.record import (
    KEPT_CHANGES,
    SCHEMA,
    TEXT_LIMIT,
    NewerSchemaError,
    Override,
    OverrideKind,
    Record,
    State,
    Transition,
    Trial,
    clip,
    from_text,
    new_id,
    permits_left,
    restart,
    stamped,
    start,
    to_text,
)

quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)

FULL = Record(
    chain="abc",
    number=12,
    epoch="abc.9",
    epoch_at=1000.5,
    changes=("one", "two"),
    name="payments",
    state=State.HALF_OPEN,
    streak=3,
    streak_since=990.25,
    rounds=2,
    opened_at=995.0,
    open_until=1000.0,
    successes=1,
    trials=(Trial("t1", 1060.5), Trial("t2", 1061.0)),
    override=Override(
        kind=OverrideKind.FORCED_CLOSED, at=999.0, until=2000.0, by="alice", reason="a release"
    ),
    last_error="OSError: ü \ud7ff",
    last_error_at=995.0,
    transitions=(
        Transition(
            at=995.0,
            before=State.CLOSED,
            after=State.OPEN,
            rule="streak",
            count=3,
            limit=3,
            error="OSError",
            host="web1",
            process=42,
        ),
        Transition(
            at=999.0,
            before=State.OPEN,
            after=State.OPEN,
            rule="force_closed",
            by="alice",
            reason="a release",
        ),
    ),
)
FIELDS: dict[str, Any] = json.loads(to_text(FULL))


def text_with(**fields: Any) -> str:
    return json.dumps({**FIELDS, **fields})


# -- round trip ------------------------------------------------------------------------------


@pytest.mark.parametrize("record", [FULL, start("x", 1.0), replace(FULL, override=None, trials=())])
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    """Every field, with its type."""
    assert from_text(to_text(record)) == record


def test_the_text_is_plain_ascii_json_with_the_schema_number() -> None:
    """Whatever a cache does to encodings, it does not do it to this."""
    text = to_text(FULL)
    assert text.isascii()
    assert json.loads(text)["schema"] == SCHEMA


moments = st.floats(-1e10, 1e10)
short = st.text(st.characters(exclude_categories=["Cs"]), max_size=TEXT_LIMIT)


@given(
    epoch_at=moments,
    state=st.sampled_from(State),
    streak=st.integers(0, 2**53 - 1),
    since=st.none() | moments,
    trials=st.lists(st.builds(Trial, short, moments), max_size=5).map(tuple),
    error=short,
)
@quick
def test_any_record_comes_back_as_it_was(  # noqa: PLR0917 - hypothesis gives them by name
    epoch_at: float,
    state: State,
    streak: int,
    since: float | None,
    trials: tuple[Trial, ...],
    error: str,
) -> None:
    """Times to the last bit, texts to the last letter."""
    record = replace(
        FULL,
        epoch_at=epoch_at,
        state=state,
        streak=streak,
        streak_since=since,
        trials=trials,
        last_error=error,
    )
    assert from_text(to_text(record)) == record


def test_unknown_fields_are_carried_over_unchanged() -> None:
    """A newer minor release must not lose what it wrote."""
    extra = {"busy_until": 12.5, "tallies": {"a": [1, None, "ü"]}}
    record = from_text(text_with(**extra))
    assert record.extra == extra
    assert json.loads(to_text(replace(record, streak=0))) == {**FIELDS, **extra, "streak": 0}


def test_optional_fields_may_be_missing() -> None:
    """A record without times that nothing set is one of ours."""
    fields = {name: value for name, value in FIELDS.items() if name != "streak_since"}
    assert from_text(json.dumps(fields)).streak_since is None


# -- schemas ---------------------------------------------------------------------------------


def test_a_newer_schema_is_refused_by_an_error_of_its_own() -> None:
    """Such a record is read-only for us; it must not be taken for garbage and replaced."""
    with pytest.raises(NewerSchemaError, match=r"^schema 2 is newer than 1$"):
        from_text(text_with(schema=2))


@pytest.mark.parametrize("schema", [None, True, "1", 1.0, [], 0, -1])
def test_what_has_no_schema_of_ours_is_garbage(schema: Any) -> None:
    """And not a newer release's."""
    with pytest.raises(ValueError, match="schema") as caught:
        from_text(text_with(schema=schema))
    assert not isinstance(caught.value, NewerSchemaError)


# -- garbage ---------------------------------------------------------------------------------

NOT_TEXT = [None, 1, True, [], {}, "x" * (4 * TEXT_LIMIT + 1), "\ud800"]
NOT_A_COUNT = [None, -1, 1.0, True, "1", 2**53, 10**400, [], {}]
NOT_A_TIME = [True, "1", [], {}, 10**400, -(10**400), 1e12, -1e300]
NOT_A_LIST = [None, 1, "ab", {}, ["x"] * 10_001, [[["x"]]], [None]]
TRANSITION = FIELDS["transitions"][0]
OVERRIDE = FIELDS["override"]
WRONG = [
    *(("chain", each) for each in NOT_TEXT),
    *(("epoch", each) for each in NOT_TEXT),
    *(("name", each) for each in NOT_TEXT),
    *(("last_error", each) for each in NOT_TEXT),
    *(("number", each) for each in NOT_A_COUNT),
    *(("streak", each) for each in NOT_A_COUNT),
    *(("rounds", each) for each in NOT_A_COUNT),
    *(("successes", each) for each in NOT_A_COUNT),
    *(("epoch_at", each) for each in [None, *NOT_A_TIME]),
    *(("streak_since", each) for each in NOT_A_TIME),
    *(("opened_at", each) for each in NOT_A_TIME),
    *(("open_until", each) for each in NOT_A_TIME),
    *(("last_error_at", each) for each in NOT_A_TIME),
    *(("changes", each) for each in [*NOT_A_LIST, ["x"] * (KEPT_CHANGES + 1)]),
    *(("trials", each) for each in [*NOT_A_LIST, [["t", None]], [["t", 1, 2]], [[1, 2]], ["ab"]]),
    *(("transitions", each) for each in [*NOT_A_LIST, [TRANSITION] * 21, [[]], [{}], ["x"], [1]]),
    *(("state", each) for each in [None, "OPEN", "ajar", 1, [], {}]),
    *(("override", each) for each in [1, "x", [], {}, True]),
    *(
        ("override", {**OVERRIDE, name: each})
        for name in ("kind", "at", "until", "by", "reason")
        for each in ("ajar", [], {}, True, 10**400)
        if not (name in ("by", "reason") and each == "ajar")
    ),
    *(
        ("transitions", [{**TRANSITION, name: each}])
        for name in ("at", "from", "to", "rule", "count", "limit", "error", "host", "process", "by")
        for each in ([], {}, True, -1e300)
    ),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_field_of_the_wrong_kind_is_refused_by_name(field: str, value: Any) -> None:
    """Nothing half-read ever comes out."""
    with pytest.raises(ValueError, match=rf"^{field}: "):
        from_text(text_with(**{field: value}))


@pytest.mark.parametrize("field", ["chain", "number", "epoch_at", "state", "trials", "transitions"])
def test_a_record_without_its_fields_is_refused(field: str) -> None:
    """A missing field is not a default."""
    fields = {name: value for name, value in FIELDS.items() if name != field}
    with pytest.raises(ValueError, match=rf"^{field}: "):
        from_text(json.dumps(fields))


GARBAGE = [
    "",
    "null",
    "[]",
    '"text"',
    "12",
    "{",
    "{}",
    '{"schema":1}',
    to_text(FULL)[:-1],
    to_text(FULL) + "x",
    "\x00",
    "\ud800",
    "\ufeff" + to_text(FULL),
    "[" * 100_000,
    '{"schema":1,"x":' + "[" * 100_000,
    '{"a":' * 50_000,
    '{"schema":' + "9" * 5000 + "}",
    "gASVBQAAAAAAAABLAS4=",
]


@pytest.mark.parametrize("text", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_is_refused_with_a_value_error(text: str) -> None:
    """Also nesting a hundred thousand deep, and numbers of thousands of digits."""
    with pytest.raises(ValueError):  # noqa: PT011 - any, but nothing else
        from_text(text)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("field", ["epoch_at", "open_until", "some_new_field"])
def test_what_is_not_a_finite_number_is_refused_everywhere(field: str, constant: str) -> None:
    """Also in fields that we only carry over: it could never be written again."""
    text = text_with(**{field: "HERE"}).replace('"HERE"', constant)
    with pytest.raises(ValueError, match=r"number|time"):
        from_text(text)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [100, 500, 900])
def test_a_record_that_was_read_can_be_written_again(opening: str, depth: int) -> None:
    """Whatever a field we do not know holds, however deep in the stack the writer is."""
    closing = "]" if opening == "[" else "}"
    nested = opening * depth + "1" + closing * depth
    text = text_with(some_new_field="HERE").replace('"HERE"', nested)

    def deep_in_the_stack(record: Record, levels: int) -> str:
        return deep_in_the_stack(record, levels - 1) if levels else to_text(record)

    try:
        record = from_text(text)
    except ValueError:
        return
    assert deep_in_the_stack(record, 600)


def test_a_deeply_nested_unknown_field_is_refused() -> None:
    """Thirty-two levels are more than any release will write."""
    with pytest.raises(ValueError, match="nested"):
        from_text(text_with(new=json.loads("[" * 40 + "]" * 40)))


@given(st.text())
@example(to_text(FULL).replace("1060.5", "NaN"))
@quick
def test_any_text_is_read_or_refused(text: str) -> None:
    """Never another exception."""
    with pytest.raises(ValueError):  # noqa: PT011
        from_text(text)


@given(st.binary(max_size=200))
@quick
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """As a store decodes them: errors replaced."""
    with pytest.raises(ValueError):  # noqa: PT011
        from_text(data.decode("utf-8", "replace"))


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(FIELDS)), json_values)
@settings(quick, max_examples=400)
def test_any_value_in_any_field_is_read_or_refused(field: str, value: Any) -> None:
    """And what is read can be written, and read again as the same."""
    try:
        record = from_text(text_with(**{field: value}))
    except ValueError:
        return
    assert from_text(to_text(record)) == record


# -- clipping --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("short", "short"),
        ("", ""),
        ("x" * TEXT_LIMIT, "x" * TEXT_LIMIT),
        ("x" * (TEXT_LIMIT + 1), "x" * (TEXT_LIMIT - 1) + "…"),
        ("x" * 1_000_000, "x" * (TEXT_LIMIT - 1) + "…"),
        ("a\ud800b", "a?b"),
        ("\udfff" * 1000, "?" * (TEXT_LIMIT - 1) + "…"),
        ("ü" * 10, "ü" * 10),
    ],
    ids=["short", "empty", "full", "one more", "1 MB", "surrogate", "surrogates", "umlauts"],
)
def test_foreign_text_is_clipped_and_made_valid(text: str, kept: str) -> None:
    """At most 300 characters, and always valid UTF-8."""
    assert clip(text) == kept
    clip(text).encode("utf-8")


# -- the small helpers -----------------------------------------------------------------------


def test_ids_are_random() -> None:
    """A flush begins a chain that no older outcome can match."""
    assert len({new_id() for _ in range(1000)}) == 1000


def test_a_restarted_record_keeps_its_epoch_in_a_new_chain() -> None:
    """Calls that the epoch admitted are still its own; no later epoch can have its name."""
    record = restart(FULL)
    assert (record.epoch, record.number, record.changes) == (FULL.epoch, 0, ())
    assert record.chain != FULL.chain
    assert (record.state, record.override) == (FULL.state, FULL.override)


def test_the_last_sixteen_changes_are_kept() -> None:
    """So that a writer finds its own among them."""
    record = FULL
    for each in range(20):
        record = stamped(record, str(each))
    assert record.changes == tuple(str(each) for each in range(4, 20))


def test_a_trial_is_lost_from_its_deadline_on() -> None:
    """Rule 6: the deadline itself is late."""
    trials = (Trial("a", 10.0), Trial("b", 11.0))
    assert permits_left(trials, 9.9) == trials
    assert permits_left(trials, 10.0) == (Trial("b", 11.0),)


@pytest.mark.parametrize("state", State)
def test_states_show_as_their_words(state: State) -> None:
    """In templates, f-strings and JSON alike."""
    assert f"{state}" == str(state) == state.value == json.loads(json.dumps(state))


def test_the_first_epoch_names_its_chain() -> None:
    """Rule 2: so that nothing from before a flush matches it by accident."""
    one, other = start("x", 5.0), start("x", 5.0)
    assert (one.epoch, one.epoch_at) == (f"{one.chain}.0", 5.0)
    assert one.epoch != other.epoch
