"""The configuration: presets, files, settings, and errors that name what there is."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from curate.errors import UsageError
from train.config import Config, from_dict, load, preset_names


def test_every_preset_loads_and_round_trips():
    assert "demo" in preset_names()
    for name in preset_names():
        config = load(name)
        assert from_dict(yaml.safe_load(config.to_yaml(explain=True))) == config
        assert from_dict(config.to_dict()) == config


def test_settings_come_after_the_file_and_the_file_after_its_preset(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("preset: demo\nsteps: 7\nlr: 5e-3\n")
    config = load(file, ["lr=1e-4", "class_weights={Pisiform: 3}"])
    demo = load("demo")
    assert (config.steps, config.lr, config.size) == (7, 1e-4, demo.size)
    assert config.class_weights == {"Pisiform": 3}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("architecture=unte", "architecture: 'unte' is none of: unet, unet++"),
        ("stepz=4", "no option is called 'stepz'; there are: steps"),
        ("steps=0.5", "steps: 0.5 is no int"),
        ("steps=true", "steps: True is no int"),
        ("steps=0", "steps: 0 is not at least 1"),
        ("lr=.nan", "lr: nan is not at least 0"),
        ("lr=fast", "lr: 'fast' is no float"),
        ("steps", "steps: is not of the form key=value"),
        ("model=[", "the value is no YAML"),
        ("loss_weights=[1, 2, 3]", "loss_weights: 3 weights for the 2 terms of bce+dice"),
        ("patience=2", "patience: early stop needs an inner split"),
        ("schedule=plateau", "schedule: plateau needs an inner split"),
        ("threshold=1.0", "threshold: 1.0 is no probability"),
        ("preset=nosuch", "'nosuch' is none of:"),
    ],
)
def test_errors_name_the_option_and_what_there_is(setting, said):
    with pytest.raises(UsageError) as caught:
        load(None, [setting])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_source_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"neither a file nor a preset; the presets: .*demo"):
        load("nosuch")
    bad = tmp_path / "bad.yaml"
    bad.write_text("- steps\n")
    with pytest.raises(UsageError, match=r"bad\.yaml: is no list of"):
        load(bad)


def test_the_digest_covers_what_can_change_a_result_and_nothing_else():
    base = Config()
    changed = {"str": "x", "int": 3, "float": 0.25, "bool": True}
    for entry in dataclasses.fields(Config):
        if entry.type not in changed or entry.metadata["choices"]:
            continue
        try:
            other = dataclasses.replace(base, **{entry.name: changed[entry.type]})
        except UsageError:
            continue
        assert (other.digest("v") != base.digest("v")) == entry.metadata["tuning"], entry.name
    assert base.digest("v1") != base.digest("v2")
