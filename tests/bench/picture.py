"""The figures of send.py as a picture: a group of bars for each thing that was measured with several programs, as long
as it took, with the round trips and how many times as long as ours. SVG by hand, with a background of its own."""
import xml.sax.saxutils

WIDTH = 920
LEFT, FULL = 260, 320  # where the bars begin, and how long the longest of a group is
ROW, BAR = 26, 16
STYLE = """
  .ours { fill: #2563eb } .other { fill: #94a3b8 }
  .head { font-weight: 600; fill: #0f172a } .name { fill: #334155 } .mine { font-weight: 600; fill: #1e3a8a }
  .figure { fill: #334155 } .note { font-size: 12px; fill: #475569 }
"""


def text_of(x, y, kind, text, anchor="start"):
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{xml.sax.saxutils.escape(text)}</text>'


def groups_of(rows):
    """{what was measured: the programs that took a time for it}, those with nobody to compare left out."""
    groups = {}
    for row in rows:
        if row.get("wall_ms"):
            groups.setdefault(row["what"], []).append(row)
    return {what: group for what, group in groups.items() if any(row["ratio"] for row in group)}


def is_ours(row):
    """Also one that is beside another of ours: without a runner, say."""
    return not row["ratio"] or row["name"].startswith("postkey")


def duration(ms):
    return f"{ms / 1000:.2f} s" if ms >= 1000 else f"{ms:.0f} ms"


def figures(row):
    words = [duration(row["wall_ms"])]
    if row.get("round_trips"):
        words.append(f"{row['round_trips']:.0f} round trips")
    if not is_ours(row):
        words.append(f"{1 / row['ratio']:.1f} times ours")
    return ", ".join(words)


def bars(group, top):
    """The lines of one group, whose longest bar is FULL."""
    longest = max(row["wall_ms"] for row in group)
    for number, row in enumerate(group):
        y = top + number * ROW
        ours = is_ours(row)
        width = row["wall_ms"] / longest * FULL
        yield text_of(LEFT - 12, y + 13, "mine" if ours else "name", row["name"], "end")
        yield (f'<rect x="{LEFT}" y="{y}" width="{width:.2f}" height="{BAR}" rx="2" '
               f'class="{"ours" if ours else "other"}"/>')
        yield text_of(round(LEFT + width + 10), y + 13, "figure", figures(row))


def picture(rows, note):
    """The SVG, or None where nothing was measured beside others. note: lines on how it was measured."""
    groups = groups_of(rows)
    if not groups:
        return None
    body, y = [], 36
    body.append(text_of(24, y, "head", "Time to hand over mail: postkey-send beside others"))
    for line in note:
        y += 20
        body.append(text_of(24, y, "note", line))
    for what, group in groups.items():
        y += 42
        body.append(text_of(24, y, "head", what))
        body += bars(group, y + 12)
        y += 12 + len(group) * ROW - (ROW - BAR)
    said = "; ".join(f"{what}: " + ", ".join(f"{row['name']} {duration(row['wall_ms'])}" for row in group)
                     for what, group in groups.items())
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 24}" role="img"',
        '     aria-labelledby="title desc"',
        '     font-family="system-ui, -apple-system, \'Segoe UI\', \'DejaVu Sans\', sans-serif" font-size="13">',
        '<title id="title">Time to hand over mail: postkey-send beside others</title>',
        f'<desc id="desc">{xml.sax.saxutils.escape(said)}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{y + 24}" rx="8" fill="#f8fafc"/>',
        *body, "</svg>", ""])
