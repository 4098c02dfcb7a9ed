#!/usr/bin/env python3
"""Shows what a lake's reconciliation found: a summary on the terminal, and a self-contained HTML page.

    python tools/report.py --lake DIR [--html FILE] [--no-html] [--date D]

Reads final/aggregate_index, final/merchant_kpis, the run summaries and dlq/. The page is <lake>/report.html unless --html
says otherwise.
"""

import argparse
import os
import pathlib
import signal
import sys

import report_data
from report_data import RISKS, STATUSES, money

PAINT = {"MATCHED": "32", "PARTIAL": "33", "UNMATCHED": "31", "HIGH": "31", "head": "1", "dim": "2"}


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", required=True, type=pathlib.Path)
    parser.add_argument("--html", type=pathlib.Path, help="where the page goes")
    parser.add_argument("--no-html", action="store_true", help="terminal only")
    parser.add_argument("--date", help="show this run date on the terminal instead of the total")
    return parser.parse_args()


def paint(text, kind):
    on = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\033[{PAINT[kind]}m{text}\033[0m" if on and kind in PAINT else text


def heading(text):
    print("\n" + paint(text, "head"))


def table(header, rows, right):
    """Columns as wide as they need; those numbered in right stand at the right edge."""
    cells = [header, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    for number, row in enumerate(cells):
        line = "  ".join(cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths)))
        print("  " + (paint(line.rstrip(), "dim") if number == 0 else line.rstrip()))


def bar(share, width=32):
    full = round(share * width)
    return "█" * full + "░" * (width - full)


def share_text(part, whole):
    return f"{part / whole:.1%}" if whole else "–"


def print_statuses(view):
    heading(f"{view.title}: {view.rows:,} transactions, {view.match_rate:.1%} matched")
    for status in STATUSES:
        count = view.statuses.get(status, 0)
        share = count / view.rows if view.rows else 0
        print(f"  {paint(status.ljust(10), status)} {count:>12,}  {share:>6.1%}  {paint(bar(share), status)}")


def print_days(report):
    heading("By run date (a run looks back some days, so runs overlap; the total counts each transaction once)")
    rows = [[day, f"{sum(counts.values()):,}", *(f"{counts.get(status, 0):,}" for status in STATUSES),
             share_text(counts.get("MATCHED", 0), sum(counts.values()))] for day, counts in report.days]
    table(["run date", "rows", *map(str.lower, STATUSES), "match rate"], rows, {1, 2, 3, 4, 5})


def print_money(view):
    heading("Value by currency")
    rows = [[row["currency"], f"{row['rows']:,}", share_text(row["matched"], row["rows"])]
            + [money(row[column], row["currency"], exact=False) for column in ("amount", "matched_amount", "partial_amount", "unmatched_amount", "posted", "discrepancy")]
            for row in view.currencies]
    table(["currency", "rows", "match rate", "amount", "matched", "partial", "unmatched", "posted by bank", "net discrepancy"], rows, set(range(1, 9)))


def print_reasons(view):
    heading("Reasons")
    rows = [[reason["reason"], f"{reason['rows']:,}", ",  ".join(f"{currency} {money(value, currency, exact=False)}" for currency, value in reason["open"])
             or "no currency known"] for reason in view.reasons]
    table(["reason", "rows", "open value"], rows, {1})


def print_discrepancies(view):
    heading("Largest discrepancies of each currency")
    rows = [[row["currency"], money(row["discrepancy"], row["currency"]), row["reason"], row["status"], row["risk_assessment"],
             row["transaction_id"], row["merchant_id"]] for row in view.discrepancies]
    table(["", "discrepancy", "reason", "status", "risk", "transaction", "merchant"], rows, {1})


def print_risks(view):
    heading("Risk")
    rows = [[risk, *(f"{view.risks[risk].get(status, 0):,}" for status in STATUSES)] for risk in reversed(RISKS)]
    table(["risk", *map(str.lower, STATUSES)], rows, {1, 2, 3})


def print_bad(report):
    total = sum(count for reasons in report.bad.values() for _, count in reasons)
    heading(f"Bad records: {total:,}" if total else "Bad records: none")
    for source, reasons in report.bad.items():
        print(f"  {source}: {sum(count for _, count in reasons):,}")
        for reason, count in reasons[:6]:
            print(f"  {count:>8,}  {reason[:100]}")
        if len(reasons) > 6:
            print(paint(f"            and {len(reasons) - 6} more reasons", "dim"))


def print_speed(report):
    heading("Speed")
    rows = [[name, f"{rows:,}" if rows else "–", f"{seconds:.2f} s" if seconds else "–", f"{rate:,.0f}/s" if rate else "–",
             f"{memory / 2**20:,.0f} MiB" if memory else "–"] for name, rows, seconds, rate, memory in report_data.speed_rows(report)]
    table(["run", "rows in", "time", "records", "peak memory"], rows, {1, 2, 3, 4})


def print_tables(report):
    heading("Tables")
    rows = [[name, f"{report.lake / folder}", f"{files} files", f"{size / 2**20:,.1f} MiB"] for name, folder, files, size in report.tables]
    table(["", "where", "", ""], rows, {2, 3})


def print_report(report, view):
    print_statuses(view)
    print_days(report)
    print_money(view)
    print_reasons(view)
    print_discrepancies(view)
    print_risks(view)
    print_bad(report)
    print_speed(report)
    print_tables(report)


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `report.py | head` ends quietly
    options = parse_options()
    report = report_data.load(options.lake)
    chosen = [view for view in report.views if view.name == (options.date or "total")]
    if not chosen:
        sys.exit(f"report: no run of {options.date}; there are {', '.join(view.name for view in report.views[1:])}")
    print_report(report, chosen[0])
    if not options.no_html:
        import report_html
        path = options.html or options.lake / "report.html"
        path.write_text(report_html.page(report), encoding="utf-8")
        print(f"\nreport: {path}")


if __name__ == "__main__":
    main()
