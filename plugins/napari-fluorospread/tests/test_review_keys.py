"""Every action has a key of its own, stands in the help, and follows Preferences."""

from __future__ import annotations

from types import SimpleNamespace

import napari.settings
import pytest

from napari_fluorospread.help_overlay import help_html
from napari_fluorospread.review_keys import DEFAULT_KEYS, GROUPS, WORDS, Action, configured_keys


def test_every_action_has_one_key_and_stands_once_in_the_help() -> None:
    assert set(DEFAULT_KEYS) == set(WORDS) == set(Action)
    assert len(set(DEFAULT_KEYS.values())) == len(Action)
    shown = [action for actions in GROUPS.values() for action in actions]
    assert sorted(shown) == sorted(Action)
    page = help_html(DEFAULT_KEYS)
    assert all(words in page.replace("&#x27;", "'") for words in WORDS.values())


def test_a_key_set_in_preferences_replaces_the_default_and_nonsense_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    given = SimpleNamespace(review_keys=SimpleNamespace(yes="J", no="", window="no key at all"))
    monkeypatch.setattr(napari.settings, "get_plugin_settings", lambda _plugin: given)
    keys = configured_keys()
    assert keys[Action.YES] == "J"
    assert keys[Action.NO] == DEFAULT_KEYS[Action.NO]
    assert keys[Action.WINDOW] == DEFAULT_KEYS[Action.WINDOW]
