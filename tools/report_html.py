"""The report as one HTML page: no scripts, no external files; charts are inline SVG, dates are switched by radio buttons."""

import html
import math
import pathlib

from report_data import RISKS, STATUSES, generated_at, money, speed_rows

DAYS_SHOWN = 31
REASONS = {
    "MISSING_STATEMENT": "The gateway has it, the bank has posted nothing",
    "MISSING_TRANSACTION": "The bank posted it, the gateway never saw it",
    "UNDERPAID": "The bank posted less than expected",
    "OVERPAID": "The bank posted more than expected",
}


def text(value):
    return html.escape(str(value))


def percent(part, whole):
    return f"{part / whole:.1%}" if whole else "–"


def pill(name):
    return f'<span class="pill"><i class="{text(name).lower()}"></i>{text(name).capitalize()}</span>' if name else "–"


def key(names):
    return '<ul class="key">' + "".join(f'<li><i class="{name.lower()}"></i>{name.capitalize()}</li>' for name in names) + "</ul>"


def card(title, note, body):
    return f'<section class="card"><h2>{title}</h2><p class="note">{note}</p>{body}</section>'


def table(header, groups, numeric):
    """groups: one list of rows for each tbody; the first cell of a row is its header."""
    head = "".join(f'<th scope="col"{" class=n" if i in numeric else ""}>{cell}</th>' for i, cell in enumerate(header))
    bodies = []
    for rows in groups:
        lines = []
        for row in rows:
            cells = "".join(f'<td{" class=n" if i in numeric else ""}>{cell}</td>' for i, cell in enumerate(row) if i)
            lines.append(f'<tr><th scope="row">{row[0]}</th>{cells}</tr>')
        bodies.append(f'<tbody>{"".join(lines)}</tbody>')
    return (f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>{"".join(bodies)}</table></div>')


# ---- charts ----

def segments(parts, x, y, width, height, whole):
    """One bar of stacked parts [(name, value)], each with a tooltip; a hairline of page colour between them."""
    out = []
    for name, value in parts:
        share = value / whole if whole else 0
        size = max(share * width, 1.5 if value else 0)
        if value:
            out.append(f'<rect class="{name.lower()}" x="{x:.1f}" y="{y}" width="{max(size - 1, 0.8):.1f}" height="{height}" rx="2">'
                       f"<title>{name.capitalize()}: {value:,} ({percent(value, whole)})</title></rect>")
        x += size
    return "".join(out)


def nice_axis(value):
    """A round top that is not below value, and how many steps lead to it."""
    power = 10 ** math.floor(math.log10(max(value, 1)))
    return next((step * power, ticks) for step, ticks in ((1, 5), (2, 4), (2.5, 5), (5, 5), (10, 5)) if step * power >= value)


def short_number(value):
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def day_column(day, counts, x, width, top, base, height):
    total, y, out = sum(counts.values()), base, []
    for status in STATUSES:
        value = counts.get(status, 0)
        size = value / top * height
        y -= size
        if value:
            out.append(f'<rect class="{status.lower()}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(size - 1, 0.8):.1f}" rx="2">'
                       f"<title>{day}, {status.capitalize()}: {value:,} ({percent(value, total)})</title></rect>")
    middle = x + width / 2
    out.append(f'<text x="{middle:.1f}" y="{base + 18}" text-anchor="middle">{day.day} {day:%b}</text>')
    if width > 34:
        out.append(f'<text class="strong" x="{middle:.1f}" y="{y - 7:.1f}" text-anchor="middle">{percent(counts.get("MATCHED", 0), total)}</text>')
    return "".join(out)


def day_chart(days):
    days = days[-DAYS_SHOWN:]
    width, base, height, left = 1060, 240, 200, 46
    top, ticks = nice_axis(max(sum(counts.values()) for _, counts in days))
    grid = "".join(f'<line class="grid" x1="{left}" x2="{width}" y1="{base - height * i / ticks:.1f}" y2="{base - height * i / ticks:.1f}"/>'
                   f'<text x="{left - 8}" y="{base - height * i / ticks + 4:.1f}" text-anchor="end">{short_number(top * i / ticks)}</text>' for i in range(ticks + 1))
    step = (width - left) / len(days)
    column = min(step * 0.62, 96)
    columns = "".join(day_column(day, counts, left + step * (i + 0.5) - column / 2, column, top, base, height) for i, (day, counts) in enumerate(days))
    label = "; ".join(f"{day}: " + ", ".join(f"{counts.get(status, 0):,} {status.lower()}" for status in STATUSES) for day, counts in days)
    chart = f'<svg class="wide" viewBox="0 0 {width} {base + 28}" role="img" aria-label="Rows by reconciled status for each run date. {label}">{grid}{columns}</svg>'
    return f'<div class="scroll" tabindex="0">{chart}</div>{key(STATUSES)}'


def risk_chart(view):
    rows, y = [], 6
    for risk in reversed(RISKS):
        counts = view.risks.get(risk, {})
        whole = sum(counts.values())
        rows.append(f'<text class="strong" x="0" y="{y + 15}">{risk.capitalize()}</text><text x="70" y="{y + 15}">{whole:,} · {percent(whole, view.rows)}</text>'
                    + segments([(status, counts.get(status, 0)) for status in STATUSES], 190, y, 300, 22, whole))
        y += 38
    return f'<svg viewBox="0 0 500 {y}" role="img" aria-label="Reconciled status within each risk class">{"".join(rows)}</svg>' + key(STATUSES)


def reason_chart(view):
    if not view.reasons:
        return "<p>Everything matched.</p>"
    most, rows, y = max(reason["rows"] for reason in view.reasons), [], 4
    for reason in view.reasons:
        size = reason["rows"] / most * 500
        rows.append(f'<text class="strong" x="0" y="{y + 11}">{text(reason["reason"])}</text><text x="500" y="{y + 11}" text-anchor="end">{reason["rows"]:,} · '
                    f'{percent(reason["rows"], view.rows)}</text><rect class="track" x="0" y="{y + 18}" width="500" height="7" rx="3.5"/>'
                    f'<rect class="accent" x="0" y="{y + 18}" width="{max(size, 2):.1f}" height="7" rx="3.5"/>'
                    f'<text x="0" y="{y + 42}">{REASONS.get(reason["reason"], "")}</text>')
        y += 58
    return f'<svg viewBox="0 0 500 {y - 8}" role="img" aria-label="Rows by reason">{"".join(rows)}</svg>'


# ---- parts of a view ----

def tiles(view):
    high = view.risks.get("HIGH", {})
    known = sum(row["rows"] for row in view.currencies)
    entries = [("Transactions", f"{view.rows:,}", f"{view.rows - known:,} known to the bank only"),
               ("Matched", percent(view.statuses.get("MATCHED", 0), view.rows), f"{view.statuses.get('MATCHED', 0):,} rows"),
               ("Partial", f"{view.statuses.get('PARTIAL', 0):,}", "both sides, different amounts"),
               ("Unmatched", f"{view.statuses.get('UNMATCHED', 0):,}", "one side is missing"),
               ("High risk", f"{sum(high.values()):,}", f"{sum(high.values()) - high.get('MATCHED', 0):,} of them not matched")]
    cells = "".join(f'<div class="tile{" lead" if name == "Matched" else ""}"><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>' for name, value, note in entries)
    return f'<dl class="tiles">{cells}</dl>'


def currency_table(view):
    def cells(row):
        amounts = [money(row[name], row["currency"], exact=False) for name in
                   ("amount", "matched_amount", "partial_amount", "unmatched_amount", "posted", "discrepancy")]
        parts = [(status, row[f"{status.lower()}_amount"]) for status in STATUSES]
        whole = float(row["amount"] or 0)
        bar = f'<svg viewBox="0 0 120 12" style="width:120px" aria-hidden="true">{segments([(name, float(value)) for name, value in parts], 0, 0, 120, 12, whole)}</svg>'
        return [row["currency"], bar, f"{row['rows']:,}", percent(row["matched"], row["rows"]), *amounts]
    return table(["Currency", "Share of value", "Rows", "Match rate", "Amount", "Matched", "Partial", "Unmatched", "Posted by bank", "Net discrepancy"],
                 [[cells(row) for row in view.currencies]], set(range(2, 10)))


def reason_values(view):
    names = [row["currency"] for row in view.currencies]
    rows = [[text(reason["reason"]), *(money(dict(reason["open"]).get(name), name, exact=False) for name in names)] for reason in view.reasons if reason["open"]]
    return table(["Reason", *names], [rows], set(range(1, len(names) + 1))) if rows else ""


def by_currency(rows):
    groups = {}
    for row in rows:
        groups.setdefault(row["currency"], []).append(row)
    return groups.values()


def discrepancy_table(view):
    groups = [[[f'{row["currency"]}', money(row["discrepancy"], row["currency"]), money(row["amount"], row["currency"]), money(row["amount_posted"], row["currency"]),
                text(row["reason"]), text(row["status"]).capitalize(), pill(row["risk_assessment"]), f'<code>{text(row["transaction_id"])}</code>',
                f'<code>{text(row["merchant_id"])}</code>'] for row in group] for group in by_currency(view.discrepancies)]
    return table(["", "Discrepancy", "Amount", "Posted", "Reason", "Status", "Risk", "Transaction", "Merchant"], groups, {1, 2, 3})


def merchant_table(view):
    def cells(row):
        currency = row["currency"]
        return [currency, f'<code>{text(row["merchant_id"])}</code>', f"{row['transaction_count']:,}", money(row["total_volume"], currency, exact=False),
                f"{row['refund_count']:,}", money(row["refund_volume"], currency, exact=False), f"{row['chargeback_count']:,}",
                money(row["chargeback_volume"], currency, exact=False), f"{row['unmatched_count']:,}", money(row["discrepancy_sum"], currency, exact=False)]
    groups = [[cells(row) for row in group] for group in by_currency(view.merchants)]
    return table(["", "Merchant", "Transactions", "Volume", "Refunds", "Refunded", "Chargebacks", "Charged back", "Unmatched", "Discrepancy"], groups, set(range(2, 10)))


def view_body(view, last_day):
    kpi_note = f"Of the run of {last_day}." if view.name == "total" else "Of this run."
    return "".join([
        tiles(view),
        card("Value by currency", "Each currency by itself; nothing is converted or summed across currencies. Sums are rounded to the currency’s smallest unit. "
             "Amount, matched, partial and unmatched are the gateway’s; a positive net discrepancy is money still expected.", currency_table(view)),
        '<div class="pair">', card("Why rows are open", "Every row that is not matched has one reason.", reason_chart(view)),
        card("Risk", "From the fraud score and the policy flags; each bar shows what was reconciled within the class.", risk_chart(view)), "</div>",
        card("Open value by reason", "Absolute discrepancies. Postings of unknown transactions carry no currency and have no column.", reason_values(view)) if view.reasons else "",
        card("Largest discrepancies", "The largest of each currency.", discrepancy_table(view)) if view.discrepancies else "",
        card("Merchants with the largest volume", f"{kpi_note} Volume counts what ended approved or refunded.", merchant_table(view)) if view.merchants else ""])


# ---- parts of the page ----

def bad_section(report):
    total = sum(count for reasons in report.bad.values() for _, count in reasons)
    if not total:
        return card("Bad records", "None.", "")
    groups = [[[text(source) if i == 0 else "", f'<span class="wrap">{text(reason)}</span>', f"{count:,}"] for i, (reason, count) in enumerate(reasons[:8])]
              + ([["", f"and {len(reasons) - 8} more reasons", f"{sum(count for _, count in reasons[8:]):,}"]] if len(reasons) > 8 else [])
              for source, reasons in report.bad.items()]
    return card("Bad records", f"{total:,} records were set aside in the dead letters; the runs went on without them.", table(["Source", "Reason", "Records"], groups, {2}))


def speed_section(report):
    rows = [[text(name), f"{rows:,}" if rows else "–", f"{seconds:.2f} s" if seconds else "–", f"{rate:,.0f}" if rate else "–",
             f"{memory / 2**20:,.0f} MiB" if memory else "–"] for name, rows, seconds, rate, memory in speed_rows(report)]
    return card("Speed", "From the runs’ own summaries.", table(["Run", "Rows in", "Time", "Records a second", "Peak memory"], [rows], {1, 2, 3, 4})) if rows else ""


def tables_section(report):
    rows = [[name, f"<code>{text(folder)}</code>", f"{files:,}", f"{size / 2**20:,.1f} MiB"] for name, folder, files, size in report.tables]
    return card("Tables", "Below the lake’s root.", table(["Table", "Folder", "Files", "Size"], [rows], {2, 3}))


def date_picker(report):
    """Radio buttons before the views, so that CSS alone shows the chosen one."""
    inputs, labels, rules = [], [], []
    for i, view in enumerate(report.views):
        inputs.append(f'<input class="pick" type="radio" name="date" id="pick{i}"{" checked" if i == 0 else ""}>')
        labels.append(f'<label for="pick{i}">{"All run dates" if i == 0 else text(view.name)}</label>')
        rules.append(f"#pick{i}:checked ~ #view{i} {{ display: block; }}"
                     f"#pick{i}:checked ~ .dates label[for=pick{i}] {{ background: var(--ink); color: var(--page); border-color: var(--ink); }}"
                     f"#pick{i}:focus-visible ~ .dates label[for=pick{i}] {{ outline: 3px solid var(--accent); outline-offset: 2px; }}")
    return "".join(inputs) + f'<fieldset class="dates"><legend>Show</legend>{"".join(labels)}</fieldset>', "".join(rules)


def page(report):
    picker, rules = date_picker(report)
    style = (pathlib.Path(__file__).parent / "report.css").read_text() + rules
    last_day = report.days[-1][0]
    first = f"{report.days[0][0]:%-d %B %Y}"
    span = first if len(report.days) == 1 else f"{first} to {last_day:%-d %B %Y}"
    views = "".join(f'<div class="view" id="view{i}" role="region" aria-label="{text(view.title)}">{view_body(view, last_day)}</div>' for i, view in enumerate(report.views))
    chart = card("Status by run date", "A run looks back some days, so the same transaction may stand in several columns; above each, the share that matched. "
                 "“All run dates” below counts each transaction once, as its latest run left it.", day_chart(report.days))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Payment reconciliation, {text(span)}</title>
<style>
{style}
</style>
</head>
<body>
<header><h1>Payment reconciliation</h1><p>{text(span)} · {len(report.days)} run{"s" if len(report.days) != 1 else ""} · as of {text(generated_at(report))}</p></header>
<main>
{chart}
{picker}
{views}
{bad_section(report)}
<div class="pair">{speed_section(report)}{tables_section(report)}</div>
</main>
<footer>Gateway transactions against bank statements, exact decimals throughout. No user identifiers appear in these tables.</footer>
</body>
</html>
"""
