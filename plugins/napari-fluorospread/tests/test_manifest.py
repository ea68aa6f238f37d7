"""The manifest loads without a warning, and everything it promises is there."""

from __future__ import annotations

import importlib

from npe2 import PluginManifest

from napari_fluorospread.review_keys import DEFAULT_KEYS


def test_every_command_of_the_manifest_can_be_imported() -> None:
    manifest = PluginManifest.from_distribution("napari-fluorospread")
    commands = manifest.contributions.commands
    assert commands
    for command in commands:
        module, name = str(command.python_name).split(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_the_keys_in_preferences_are_those_the_review_uses() -> None:
    manifest = PluginManifest.from_distribution("napari-fluorospread")
    properties = manifest.contributions.configurations["review_keys"].properties
    assert {name: entry.default for name, entry in properties.items()} == {
        action.value: key for action, key in DEFAULT_KEYS.items()
    }
