"""The deploy step: put the model beside the others and switch `current` by rename.

A reader of `current` sees the old model or the new one, each whole.
"""
import os
import sys


def main():
    name = os.environ["RETRAIN_RUN"] + ".json"
    with open(sys.argv[1], "rb") as f:
        text = f.read()
    with open(f"models/{name}.new", "wb") as f:
        f.write(text)
    os.rename(f"models/{name}.new", f"models/{name}")
    os.symlink(name, "models/current.new")
    os.rename("models/current.new", "models/current")


main()
