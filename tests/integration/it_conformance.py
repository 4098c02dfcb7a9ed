#!/usr/bin/env python3
"""Joins and windowed aggregates against Kafka Streams 4.1 on the same records in the same order: random cases, whose results must be
equal but for the named differences of docs/CONFORMANCE.md, and for each of these a case that shows both sides.

Which records a difference may concern is worked out here from the input alone; anything else that differs fails.

    it_conformance.py [--cases N] [--seed S]
"""

import argparse
import bisect
import collections
import pathlib
import random
import sys
import tempfile

import conformance_sides as sides

SIDES = ("l", "r")
FLUSH_MS = 10000000  # long after everything: closes all windows
seen = collections.Counter()  # rows that each named difference concerned


class Mismatch(Exception):
    pass


def expect(right, *what):
    if not right:
        raise Mismatch(" ".join(map(str, what)))


# ---- random cases ----

def random_rows(rng, n, sources):
    """Mostly in order, some out of order within and past any grace, ties, and a few jumps."""
    rows, now = [], 1000
    for i in range(n):
        now += rng.choice((0, 0, 1, 2, 3, 5)) if rng.random() < 0.96 else rng.randint(20, 60)
        ms = now - (rng.randint(1, 60) if rng.random() < 0.3 else 0)
        rows.append([rng.choice(sources), rng.choice("abc"), ms, str(i)])
    return rows


def flushed(rows, sources):
    """One more record of each source at the end, of a key of its own."""
    return rows + [[source, "flush", FLUSH_MS, str(len(rows) + i)] for i, source in enumerate(sources)]


def random_case(rng, number):
    common = {"slice_rows": rng.choice((1, 2, 7, 1000)), "store": "rocksdb" if number % 150 == 7 else "memory"}
    kind = rng.choice(("stream_stream",) * 4 + ("aggregate", "stream_table", "table_table"))
    sources = ("l",) if kind == "aggregate" else SIDES
    rows = random_rows(rng, rng.randint(5, 70), sources)
    if kind == "stream_stream":
        before = rng.choice((0, 1, 5, 10, 20))
        after = before if rng.random() < 0.6 else rng.choice((0, 3, 10, 25))
        grace = rng.choice((0, 1, 5, 20)) or (before + after == 0)
        return {**common, "kind": kind, "type": rng.choice(("inner", "left", "left", "outer")), "before": before, "after": after,
                "grace": int(grace), "rows": flushed(rows, SIDES)}
    if kind == "aggregate":
        return {**common, "kind": kind, "size": rng.choice((1, 5, 10, 20)), "grace": rng.choice((0, 1, 5, 20)),
                "emit": rng.choice(("changes", "suppressed")), "rows": flushed(rows, sources)}
    return {**common, "kind": kind, "type": rng.choice(("inner", "left", "outer") if kind == "table_table" else ("inner", "left")), "rows": rows}


def stream_times(rows):
    times, now = [], 0
    for source, _, ms, _ in rows:
        now = now if source == "clock" else max(now, ms)
        times.append(now)
    return times


# ---- stream-stream joins ----

class Join:
    """What of a join's results follows from its input: which rows come late, and when windows close."""

    def __init__(self, case):
        self.rows, self.times, self.type = case["rows"], stream_times(case["rows"]), case["type"]
        self.reach = {"l": case["after"], "r": case["before"]}
        self.grace, self.symmetric = case["grace"], case["after"] == case["before"]
        self.retention = case["before"] + case["after"] + case["grace"]

    def closed(self, row, at):
        """Whether the row's window is closed when row number `at` comes."""
        source, _, ms, _ = self.rows[row]
        return self.times[at] > ms + self.reach[source] + self.grace

    def late(self, row):
        return self.closed(row, row)

    def is_outer(self, row):
        """Whether the row goes out without a partner."""
        return self.type == "outer" or (self.type == "left" and self.rows[row][0] == "l")

    def behind(self, row):
        """Out of order by more than its window, but inside of grace."""
        source, _, ms, _ = self.rows[row]
        return self.times[row] > ms + self.reach[source]

    def expired(self, row, at):
        """Whether Kafka Streams' store of the row's side has dropped it when row number `at` comes: it goes by that side's time alone."""
        source, _, ms, _ = self.rows[row]
        return ms <= max(other[2] for other in self.rows[:at + 1] if other[0] == source) - self.retention


def split(results):
    """(pairs in order as (left, right, ms), row without a partner -> [(cause, ms)])."""
    pairs, alone = [], collections.defaultdict(list)
    for cause, left, right, ms in results:
        if left is not None and right is not None:
            pairs.append((left, right, ms))
        else:
            alone[left if right is None else right].append((cause, ms))
    return pairs, alone


def their_results(case, answer):
    results = []
    for cause, key, value, ms in answer:
        left, right = (None if part == "null" else int(part) for part in value.split(","))
        expect(key == case["rows"][right if left is None else left][1], "key", key, value)
        results.append((cause, left, right, ms))
    return results


def our_results(case, rows):
    """Pairs are caused by the later of the two, others by the first record whose stream time is past the row's timer."""
    times, results = stream_times(case["rows"]), []
    for row in rows:
        left, right = row["l"], row["r"]
        pair = left is not None and right is not None
        cause = max(left, right) if pair else bisect.bisect_left(times, sides.ms_of(row["now"]))
        expect(row["k"] == case["rows"][right if left is None else left][1], "key", row)
        if cause < len(times):  # the rest goes out at the end of input, which Kafka Streams has not
            results.append((cause, left, right, sides.ms_of(row["at"])))
    expect([r[0] for r in results] == sorted(r[0] for r in results), "order of causes", results)
    return results


def compare_pairs(join, theirs, ours):
    """Returns the rows of pairs that one side alone makes."""
    other = set()
    wanted = []
    for left, right, ms in theirs:
        at, stored = max(left, right), min(left, right)
        if join.late(at) or join.closed(stored, at):
            seen["closed_window_joins"] += 1
            other |= {left, right}
        else:
            wanted.append((left, right, ms))
    mine = []
    for pair in ours:
        at, stored = max(pair[:2]), min(pair[:2])
        if pair not in theirs and (join.expired(stored, at) or join.expired(at, at)):
            seen["store_forgets_open_row"] += 1
            other |= set(pair[:2])
        else:
            mine.append(pair)
    expect(wanted == mine, "pairs\n theirs", wanted, "\n ours  ", mine)
    return other


def compare_alone(join, row, theirs, ours, has_pair, in_other, joined_at_once):
    """One row of an outer side: whether it goes out without a partner, and when."""
    if join.late(row):
        expect(not ours, "row", row, "is late and goes out")
        seen["late_row_goes_out"] += len(theirs)
    elif join.behind(row):
        expect(bool(theirs) == (not joined_at_once), "row", row, "theirs", theirs)
        expect(bool(ours) == (not has_pair), "row", row, "ours", ours)
        if theirs:
            expect(theirs[0][0] == row, "row", row, "theirs not at once")
            seen["null_before_window_closes"] += 1
            seen["null_and_pair"] += has_pair
    elif in_other:
        expect(bool(ours) == (not has_pair), "row", row, "ours", ours)
    else:
        expect(len(theirs) == len(ours), "row", row, "theirs", theirs, "ours", ours)
        if theirs and theirs[0][0] != ours[0][0]:
            expect(theirs[0][0] > ours[0][0], "row", row, "theirs before its window closed", theirs, ours)
            seen["null_held_back" if join.symmetric else "null_held_back_asymmetric"] += 1
    for cause, ms in ours:
        expect(ms == join.rows[row][2], "time of row", row, ms)
        expect(join.closed(row, cause) and not join.closed(row, cause - 1), "row", row, "not when its window closes")
    expect(all(ms == join.rows[row][2] for _, ms in theirs), "time of row", row, "theirs")


def compare_join(case, theirs, ours):
    join = Join(case)
    their_pairs, their_alone = split(their_results(case, theirs))
    our_pairs, our_alone = split(our_results(case, ours["out"]))
    other = compare_pairs(join, their_pairs, our_pairs)
    for row in range(len(join.rows)):
        expect(len(our_alone[row]) <= 1 and len(their_alone[row]) <= 1, "row", row, "twice without a partner")
        if join.is_outer(row):
            compare_alone(join, row, their_alone[row], our_alone[row], any(row in pair[:2] for pair in our_pairs), row in other,
                          any(max(pair[:2]) == row for pair in their_pairs))
    for name, source in (("late_left", "l"), ("late_right", "r")):
        late = [row for row in range(len(join.rows)) if join.rows[row][0] == source and join.late(row)]
        expect([row["i"] for row in ours[name]] == late, name, ours[name], "instead of", late)
    seen["pairs"] += len(our_pairs)
    seen["rows without a partner"] += sum(map(len, our_alone.values()))


# ---- aggregates and tables ----

def compare_aggregate(case, theirs, ours):
    """Results of one cause may come in any order when windows close."""
    times, mine = stream_times(case["rows"]), []
    for row in ours["out"]:
        final = case["emit"] == "suppressed"
        cause = bisect.bisect_left(times, sides.ms_of(row["now"])) if final else row["newest"]
        if cause < len(times):
            mine.append((cause, f"{row['k']}@{sides.EPOCH_MS + sides.ms_of(row['start'])}", f"{row['n']},{row['total']},{row['newest']}", sides.ms_of(row["at"])))
    expect([row[0] for row in mine] == sorted(row[0] for row in mine), "order of causes", mine)
    expect(sorted(mine) == sorted(theirs), "aggregates\n theirs", theirs, "\n ours  ", mine)
    late = [i for i, (_, _, ms, _) in enumerate(case["rows"]) if ms - ms % case["size"] + case["size"] + case["grace"] <= times[i]]
    expect([row["i"] for row in ours["late_left"]] == late, "late", ours["late_left"], "instead of", late)
    seen[f"aggregates, {case['emit']}"] += len(mine)


def compare_tables(case, theirs, ours):
    theirs, mine = their_results(case, theirs), []
    for row in ours["out"]:
        mine.append((row["l"], row["r"], sides.ms_of(row["at"])))
    if case["kind"] == "table_table":  # each change has its own time here, the later of both rows there
        for _, left, right, ms in theirs:
            expect(ms == max(case["rows"][row][2] for row in (left, right) if row is not None), "time", left, right, ms)
        changed = [max(row for row in (left, right) if row is not None) for left, right, _ in mine]
        expect([ms for _, _, ms in mine] == [case["rows"][row][2] for row in changed], "times", mine)
        seen["table_join_has_time_of_change"] += sum(ms != theirs[i][3] for i, (_, _, ms) in enumerate(mine))
        theirs = [(*row[:3], mine[i][2]) for i, row in enumerate(theirs[:len(mine)])] + theirs[len(mine):]
    expect([row[1:] for row in theirs] == mine, case["kind"], "\n theirs", theirs, "\n ours  ", mine)
    seen[case["kind"]] += len(mine)


COMPARE = {"stream_stream": compare_join, "aggregate": compare_aggregate, "stream_table": compare_tables, "table_table": compare_tables}

# ---- each difference by itself: what Kafka Streams has, and we ----


def join(verb, before, after, rows, **more):
    return {"kind": "stream_stream", "type": verb, "before": before, "after": after, "grace": 5,
            "rows": [[*row[:3], row[3] if len(row) > 3 else str(i)] for i, row in enumerate(rows)], **more}


# name -> (case, their results, ours): "row that caused it: left,right"
SHOWN = {
    "null_before_window_closes (KAFKA-19536)": (
        join("left", 10, 10, [("r", "a", 1020), ("l", "z", 1024), ("l", "b", 1012), ("l", "z", 1050)]),
        ["2: 2,null", "3: 1,null"], ["3: 2,null", "3: 1,null"]),
    "null_and_pair (KAFKA-19536)": (
        join("left", 10, 10, [("l", "z", 1024), ("l", "a", 1012), ("r", "a", 1020), ("l", "z", 1050)]),
        ["1: 1,null", "2: 1,2", "3: 0,null"], ["2: 1,2", "3: 0,null"]),
    "late_row_goes_out (KAFKA-16123)": (
        join("left", 10, 10, [("l", "z", 2000), ("l", "a", 1100)]), ["1: 1,null"], []),
    "closed_window_joins (KAFKA-16123)": (
        join("left", 10, 10, [("l", "a", 1000), ("l", "z", 1016), ("r", "a", 1005), ("l", "z", 1050)]),
        ["1: 0,null", "2: 0,2", "3: 1,null"], ["1: 0,null", "3: 1,null"]),
    "null_waits_for_the_wall_clock": (
        join("left", 10, 10, [("l", "a", 1000), ("l", "b", 1030), ("l", "c", 1060), ("clock", None, 2000), ("l", "d", 1061)], throttle=1000),
        ["4: 0,null", "4: 1,null"], ["1: 0,null", "2: 1,null"]),
    "null_held_back_asymmetric": (
        join("left", 100, 0, [("l", "a", 1000), ("r", "b", 1010), ("r", "c", 1050), ("l", "d", 1051)]), ["3: 0,null"], ["1: 0,null"]),
    "null_held_back": (
        join("left", 10, 10, [("l", "a", 1000), ("l", "b", 1010), ("l", "c", 1014), ("l", "d", 1016), ("l", "e", 1026), ("l", "f", 1030)]),
        ["3: 0,null", "5: 1,null", "5: 2,null"], ["3: 0,null", "4: 1,null", "5: 2,null"]),
    "store_forgets_open_row": (
        join("inner", 0, 10, [("l", "a", 1000), ("l", "z", 1015), ("r", "a", 1010)]), [], ["2: 0,2"]),
    "null_key": (join("left", 10, 10, [("l", None, 1000), ("l", "b", 1050), ("l", "c", 1100)]), ["0: 0,null", "2: 1,null"], ["2: 1,null"]),
    "null_value": (join("left", 10, 10, [("l", "a", 1000, None), ("l", "b", 1050), ("l", "c", 1100)]), ["2: 1,null"], ["2: 1,null"]),
    "table_join_has_time_of_change": (
        {"kind": "table_table", "type": "inner", "rows": [["l", "a", 1000, "0"], ["r", "a", 990, "1"]]}, ["1: 0,1 at 1000"], ["1: 0,1 at 990"]),
    "on_window_close_loses_windows": (
        {"kind": "aggregate", "size": 10, "grace": 5, "emit": "on_window_close", "rows": [["l", "a", 1000, "0"], ["l", "b", 1090, "1"]]},
        [], ["1: a 1,0,0"]),
}
LETTERS = {"null_key": 1, "null_value": 1}  # where Kafka Streams drops a record, or takes one that we refuse


def shown(case, theirs, ours):
    """Both sides of a case as texts."""
    if case["kind"] == "aggregate":
        times = stream_times(case["rows"])
        causes = [(bisect.bisect_left(times, sides.ms_of(row["now"])), row) for row in ours["out"]]
        return ([f"{cause}: {key.split('@')[0]} {value}" for cause, key, value, _ in theirs],
                [f"{cause}: {row['k']} {row['n']},{row['total']},{row['newest']}" for cause, row in causes if cause < len(times)])
    theirs = their_results(case, theirs)
    if case["kind"] == "table_table":
        mine = [(max(row["l"], row["r"]), row["l"], row["r"], sides.ms_of(row["at"])) for row in ours["out"]]
        return tuple([f"{cause}: {left},{right} at {ms}" for cause, left, right, ms in side] for side in (theirs, mine))
    return tuple([f"{cause}: {'null' if left is None else left},{'null' if right is None else right}" for cause, left, right, _ in side]
                 for side in (theirs, our_results(case, ours["out"])))


def show_differences(theirs, ours):
    failed = 0
    for (name, (case, *wanted)), their_answer, our_answer in zip(SHOWN.items(), theirs, ours, strict=True):
        found = list(shown(case, their_answer, our_answer))
        n_letters = len(our_answer["letters"])
        if found != wanted or n_letters != LETTERS.get(name, 0):
            print(f"FAILED: {name}: Kafka Streams {found[0]} instead of {wanted[0]}; we {found[1]} instead of {wanted[1]}; dead letters: {n_letters}")
            failed += 1
    return failed


def show_restart(their_answer, folder):
    """The store of a join numbers rows of one key and time from 0 after each restart: the second one replaces the first there."""
    n = sides.libstream_restart(folder)
    if their_answer != ["second,partner"] or n != 2:
        print(f"FAILED: restart: Kafka Streams joins {their_answer}; our window buffer holds {n} rows")
        return 1
    return 0


def compare_random(cases, theirs, ours):
    failed = 0
    for number, (case, their_answer, our_answer) in enumerate(zip(cases, theirs, ours, strict=True)):
        try:
            expect(not our_answer["letters"], "dead letters", our_answer["letters"])
            COMPARE[case["kind"]](case, their_answer, our_answer)
        except Mismatch as mismatch:
            failed += 1
            if failed <= 3:
                print(f"FAILED: case {number}: {mismatch}\n {case}")
    return failed


# what the random cases have to have met, or they test less than they seem to
MET = ("pairs", "rows without a partner", "aggregates, changes", "aggregates, suppressed", "stream_table", "table_table", "null_before_window_closes",
       "null_and_pair", "late_row_goes_out", "closed_window_joins", "null_held_back", "null_held_back_asymmetric", "table_join_has_time_of_change")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=600)
    parser.add_argument("--seed", type=int, default=41)
    options = parser.parse_args()
    if not sides.find():
        print("skipped: Kafka Streams or a JDK is not installed (tools/install.sh test)")
        return 77
    rng = random.Random(options.seed)
    cases = [random_case(rng, number) for number in range(options.cases)]
    by_hand = [case for case, *_ in SHOWN.values()]
    with tempfile.TemporaryDirectory() as scratch:
        theirs = sides.kafka_streams([*cases, *by_hand, {"kind": "restart"}], scratch)
        ours = sides.libstream([*cases, *by_hand])
        failed = compare_random(cases, theirs[:len(cases)], ours[:len(cases)])
        failed += show_differences(theirs[len(cases):-1], ours[len(cases):])
        failed += show_restart(theirs[-1], pathlib.Path(scratch, "ours"))
    print(f"{options.cases} random cases, seed {options.seed}: " + ", ".join(f"{name} {n}" for name, n in sorted(seen.items())))
    for name in MET:
        if options.cases >= 500 and not seen[name]:
            print(f"FAILED: no random case met: {name}")
            failed += 1
    print("FAILED" if failed else "passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
