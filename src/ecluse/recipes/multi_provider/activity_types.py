"""What Strava, and the application before, call a kind of activity, and which label of the enum that is."""

from __future__ import annotations

from collections.abc import Mapping

_WORDS: Mapping[str, tuple[str, ...]] = {
    "run": ("running", "TrailRun", "VirtualRun"),
    "ride": (
        *("cycling", "bike", "VirtualRide", "GravelRide", "MountainBikeRide", "EBikeRide", "EMountainBikeRide"),
        *("Handcycle", "Velomobile"),
    ),
    "swim": ("swimming",),
    "workout": ("training", "WeightTraining"),
}
# Compared without case. A label is itself without a word here; all other texts are the label 'other'.
WORDS: Mapping[str, str] = {word: label for label, words in _WORDS.items() for word in words}
OTHER = "other"
