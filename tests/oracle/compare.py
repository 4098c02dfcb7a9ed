#!/usr/bin/env python3
"""Compares a lake's four tables with the oracle's, row for row, column for column, type for type, both ways.

    python tests/oracle/compare.py --lake DIR --oracle DIR [--date D1..D2] [--table NAME ...] [--ignore COLUMN ...] [--dlq]

Prints the row counts when everything is equal and exits 0; otherwise prints what differs, the first differing rows in
full with both sides, and exits 1. --dlq compares the bad records too, by source, file and line.
"""

import argparse
import json
import pathlib
import re
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

import oracle
import tables


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", required=True, type=pathlib.Path)
    parser.add_argument("--oracle", required=True, type=pathlib.Path)
    parser.add_argument("--date", type=oracle.parse_dates, help="only these run dates (the Streaming Index is always compared in full)")
    parser.add_argument("--table", action="append", choices=list(tables.SCHEMAS), help="only these tables")
    parser.add_argument("--ignore", action="append", default=[], help="a column that may differ")
    parser.add_argument("--rows", type=int, default=5, help="how many differing rows to print per table")
    parser.add_argument("--dlq", action="store_true")
    return parser.parse_args()


def partitions(root, name, dates):
    """Files of each partition of a table, by the partition's path below the table."""
    base, found = root / tables.PATHS[name], {}
    for path in sorted(base.glob("**/*.parquet")):
        part = str(path.parent.relative_to(base))
        hidden = any(piece.startswith(("_", ".")) for piece in path.relative_to(base).parts)
        outside = dates and name != "streaming_index" and not any(part.endswith(f"day={date}") for date in dates)
        if not hidden and not outside:
            found.setdefault(part, []).append(str(path))
    return found


def plain(kind):
    """The logical type: how a string or a list is laid out, and what a list's item is called, make no difference."""
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(pa.field("item", plain(kind.value_type)))
    return kind


def schema_faults(name, files):
    want = [(field.name, plain(field.type)) for field in tables.SCHEMAS[name]]
    for file in files:
        schema = pq.read_schema(file)
        have = [(field.name, plain(field.type)) for field in schema]
        if [column for column, _ in have] != [column for column, _ in want]:
            yield f"{file}: columns are {[column for column, _ in have]}, should be {[column for column, _ in want]}"
            continue
        yield from (f"{file}: {column} is {kind}, should be {wanted}"
                    for (column, kind), (_, wanted) in zip(have, want) if kind != wanted)


def load(db, view, name, parts):
    files = [file for group in parts.values() for file in group]
    base = f"split_part(replace(filename, chr(92), '/'), '{tables.PATHS[name]}/', -1)"
    db.execute(f"""CREATE OR REPLACE TEMP TABLE {view} AS
        SELECT * EXCLUDE (filename, file_row_number), parse_dirpath({base}) AS _part, filename AS _file, file_row_number AS _row
        FROM read_parquet({files!r}, filename = true, file_row_number = true, hive_partitioning = false)""")


def row_faults(db, name):
    """Rows that are there twice, or out of order: faults of the lake alone."""
    keys = ", ".join(tables.KEYS[name])
    twice = db.execute(f"SELECT {keys}, _part, count(*) FROM lake GROUP BY ALL HAVING count(*) > 1 ORDER BY ALL LIMIT 5").fetchall()
    yield from (f"{name}: {row[-1]} rows with the key {row[:-1]}" for row in twice)
    late = db.execute(f"""SELECT count(*), min(_file) FROM (SELECT _file, row({keys}) < lag(row({keys}))
        OVER (PARTITION BY _file ORDER BY _row) AS late FROM lake) WHERE late""").fetchone()
    if late[0]:
        yield f"{name}: {late[0]} rows stand before a row with a smaller ({keys}), first in {late[1]}"


def differing(db, name, ignore, limit):
    """(count, first rows) that are on one side only, or differ in a column."""
    columns = [field.name for field in tables.SCHEMAS[name]]
    keys = [*tables.KEYS[name], "_part"]
    same_key = " AND ".join(f"l.{key} = o.{key}" for key in keys)
    unlike = " OR ".join([f"l.{column} IS DISTINCT FROM o.{column}" for column in columns if column not in ignore and column not in keys]
                         + ["l._part IS NULL", "o._part IS NULL"])
    sides = ", ".join(f"l.{column}::VARCHAR, o.{column}::VARCHAR" for column in [*columns, "_part"])
    where = f"FROM lake l FULL OUTER JOIN oracle o ON {same_key} WHERE {unlike}"
    count = db.execute(f"SELECT count(*) {where}").fetchone()[0]
    order = ", ".join(f"coalesce(l.{key}, o.{key})" for key in ["_part", *tables.KEYS[name]])
    rows = db.execute(f"SELECT {sides} {where} ORDER BY {order} LIMIT {limit}").fetchall() if count else []
    return count, [(dict(zip([*columns, "_part"], row[::2])), dict(zip([*columns, "_part"], row[1::2]))) for row in rows]


def print_row(name, lake, want):
    side = "only in the lake" if want["_part"] is None else "only in the oracle" if lake["_part"] is None else "differs"
    print(f"  {tables.PATHS[name]}/{lake['_part'] or want['_part']}: {side}")
    for column in tables.SCHEMAS[name].names:
        mark = "*" if side == "differs" and lake[column] != want[column] else " "
        both = {"differs": f"lake {lake[column]!s:36} oracle {want[column]}", "only in the lake": lake[column]}.get(side, want[column])
        print(f"   {mark} {column:25} {both}")


def compare_table(db, name, options):
    lake, want = (partitions(root, name, options.date) for root in (options.lake, options.oracle))
    faults = [f"{name}: partition {part} is missing in the lake" for part in sorted(set(want) - set(lake))]
    faults += [f"{name}: partition {part} is not in the oracle's output" for part in sorted(set(lake) - set(want))]
    if not lake or not want:
        return 0, faults or [f"{name}: no rows on either side"]
    faults += schema_faults(name, [file for files in lake.values() for file in files])
    if any("columns are" in fault for fault in faults):
        return 0, faults
    load(db, "lake", name, lake)
    load(db, "oracle", name, want)
    faults += row_faults(db, name)
    count, rows = differing(db, name, options.ignore, options.rows)
    if count:
        faults.append(f"{name}: {count} rows differ; the first {len(rows)}:")
    return db.execute("SELECT count(*) FROM lake").fetchone()[0], [*faults, *((name, *pair) for pair in rows)]


def bad_places(root):
    places = set()
    for path in root.glob("dlq/*/dt=*/*.jsonl"):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            file = re.search(r"(?:raw|reference)/.*", row["file"])
            places.add((row["source"], file.group(0) if file else row["file"], row["line"]))
    return places


def compare_bad(options):
    lake, want = bad_places(options.lake), bad_places(options.oracle)
    faults = [f"dlq: {place} is bad by the oracle, and not in the lake's dlq" for place in sorted(want - lake)[:10]]
    faults += [f"dlq: {place} is in the lake's dlq, and good by the oracle" for place in sorted(lake - want)[:10]]
    return len(lake), faults


def main():
    options, db, failed = parse_options(), duckdb.connect(), False
    db.execute("SET TimeZone = 'UTC'")
    jobs = [(name, lambda name=name: compare_table(db, name, options)) for name in options.table or tables.SCHEMAS]
    if options.dlq:
        jobs.append(("bad records", lambda: compare_bad(options)))
    for name, job in jobs:
        count, faults = job()
        failed = failed or bool(faults)
        print(f"{name:16} {count:>10} rows   {'DIFFERENT' if faults else 'equal'}")
        for fault in faults:
            print("  " + fault) if isinstance(fault, str) else print_row(*fault)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
