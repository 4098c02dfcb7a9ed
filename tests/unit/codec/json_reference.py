#!/usr/bin/env python3
"""Writes json_reference.dat: lines of broken and whole JSON with the verdict of Python's json module.

Verdict V: a JSON object line may decode or break the schema, but is JSON. I: is not. Three rules differ from Python's
module by intent and are applied here: NaN and Infinity are no JSON, half a surrogate pair is no text, bytes are UTF-8.
usage: json_reference.py > json_reference.dat
"""
import json
import random
import sys

SEEDS = [
    '{"a":1,"s":"txt","d":"12.50"}',
    '{"a":-20,"u":{"k":[1,2.5e-3,true,false,null],"m":{}},"s":"\\u00e9\\n"}',
    ' { "d" : 0.125 , "l" : [ "p" , "q" , null ] , "z" : [ [ ] , { } ] } ',
    '{"t":"2026-03-01T09:15:02.125Z","b":true,"f":1E5,"s":"\u00e9\U0001f600"}',
    '{"s":"\\ud83d\\ude00\\"\\\\\\/\\b\\f\\r\\t","a":null}',
]
BITS = ['"', "\\", "{", "}", "[", "]", ":", ",", " ", "\t", "0", "1", "-", "+", ".", "e", "E", "null", "true", "fals", "NaN",
        "\\u", "\\ud800", "\\udc00", "\x01", "\x7f", "/", "'", "a", "\r", "\u2028", '""', '":', "00", "Infinity"]


def verdict(raw):
    # Pairs, not a dict: a name that is there twice must not hide its first value.
    def refuse(text):
        raise ValueError(text)

    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=refuse, object_pairs_hook=list)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
        return "V"
    except (ValueError, RecursionError):
        return "I"


def mutate(rng, text):
    raw = bytearray(text.encode("utf-8"))
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at = rng.randrange(len(raw) + 1)
        how = rng.randrange(4)
        if how == 0:
            raw[at:at] = rng.choice(BITS).encode("utf-8", "surrogatepass")
        elif how == 1:
            del raw[at:at + rng.randrange(1, 4)]
        elif how == 2 and at < len(raw):
            raw[at] = rng.choice(b'"\\{}[]:, 01-+.eE\x80\xc3\xff\x00nt')
        else:
            end = min(len(raw), at + rng.randrange(1, 9))
            to = rng.randrange(len(raw) + 1)
            raw[to:to] = raw[at:end]
    return bytes(raw)


def main():
    rng = random.Random(20260301)
    seen = set()
    counts = {"V": 0, "I": 0}
    while min(counts.values()) < 700:
        raw = mutate(rng, rng.choice(SEEDS))
        if b"\n" in raw or not raw.strip(b" \t\r") or raw in seen:
            continue
        key = verdict(raw)
        if counts[key] >= 700:
            continue
        seen.add(raw)
        counts[key] += 1
        sys.stdout.buffer.write(key.encode() + b" " + raw + b"\n")


main()
