#!/usr/bin/env python3
"""guide_shows.py GUIDE FILE...: each file stands in the guide word for word, as a code block of its own."""
import re
import sys

guide, *files = sys.argv[1:]
blocks = re.findall(r"^```\w*\n(.*?)^```$", open(guide, encoding="utf-8").read(), re.S | re.M)
missing = [path for path in files if open(path, encoding="utf-8").read() not in blocks]
for path in missing:
    print(f"{guide} does not show {path} as it is", file=sys.stderr)
sys.exit(bool(missing))
