"""Deploy a model: copy it beside the others and switch the link `current` to it."""
import argparse
import os
import shutil

import spindle


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--model", required=True)
    a = args.parse_args()
    models = spindle.HOME / "models"
    models.mkdir(parents=True, exist_ok=True)
    name = os.environ.get("RETRAIN_RUN", spindle.STEP.resolve().name) + ".json"
    shutil.copyfile(a.model, models / (name + ".new"))
    (models / (name + ".new")).replace(models / name)
    link = models / "current.new"
    link.unlink(missing_ok=True)
    link.symlink_to(name)
    link.replace(models / "current")        # readers see the old one or the new one
    spindle.write_result("outputs.json", {"deployed": str(models / name)})
    print(f"current -> {name}")


main()
