"""Reading `ecluse.toml` from the disk."""

from __future__ import annotations

from pathlib import Path

from ecluse.errors import SettingsError
from ecluse.model.settings import Settings, parse_settings

FILE_NAME = "ecluse.toml"


def read_settings(path: Path) -> Settings:
    """The settings in a file, or in `ecluse.toml` of a folder."""
    file = path / FILE_NAME if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError(f"there is no '{file}'", hint="ecluse init") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"'{file}' is not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise SettingsError(f"'{file}' cannot be read", details=error.strerror or "") from error
    return parse_settings(text, file.name)
